"""Chain 6: one password against everybody, slowly, from five addresses; one account had no second factor."""

from __future__ import annotations

from typing import Any

from tools.story.company import BY_SAM, PEOPLE
from tools.story.formats import entra, office
from tools.story.recorder import Story, t

INCIDENT = "attack-password-spray"
SOURCES = tuple(f"203.0.113.{last}" for last in (69, 71, 74, 77, 82))
VICTIM = BY_SAM["hugo.martens"]
_CLIENT = entra.Device("", "", "", "", "BAV2ROPC")
_WAY: dict[str, Any] = {"app": "Microsoft Exchange Online Protection", "client": "Authenticated SMTP", "mfa": "none"}


def write(s: Story) -> None:
    """Thursday 03:55 to 07:50."""
    with s.part("spray", INCIDENT) as rng:
        at = t(3, "03:55")
        tried = [person for person in rng.sample(PEOPLE, 48) if person is not VICTIM]
        for number, person in enumerate(tried):
            error = 50126 if number % 13 else 50053
            entra.sign_in(s, at, person, SOURCES[number % 5], "US", 64509, _CLIENT, error=error, **_WAY)
            at += rng.randint(90_000, 170_000)
        found: dict[str, Any] = {"risk": "medium", "risk_events": ("passwordSpray",)}
        entra.sign_in(s, t(3, "06:21"), VICTIM, SOURCES[2], "US", 64509, _CLIENT, **_WAY, **found)
        for step in range(4):
            office.mail_accessed(s, t(3, "06:40") + step * 400_000, VICTIM, SOURCES[2], 12, "Client=IMAP4")
        subject = "Updated contact list"
        office.mail_item(s, t(3, "07:50"), VICTIM, SOURCES[2], "Send", subject, client="Client=SMTP")
