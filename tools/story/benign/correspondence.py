"""Ordinary mail: suppliers, customers and colleagues; newsletters and services that write to everybody."""

from __future__ import annotations

from tools.story.company import DOMAIN, PEOPLE, WORKSTATIONS, Person
from tools.story.formats import mail, web
from tools.story.recorder import Story, digest

BULK = "bulk-mail"
_TRACKER = "track.brieftaube-mail.example"
_PARTNERS = (
    ("Jan Oort", "jan.oort@seaworthy-parts.example", "198.51.100.14"),
    ("Lea Brix", "lea.brix@werft-nord.example", "198.51.100.40"),
    ("Buchhaltung", "buchhaltung@bolt-and-seal.example", "198.51.100.15"),
    ("Ana Ruiz", "ana.ruiz@marina-sur.example", "192.0.2.150"),
    ("Support", "support@cadsuite.example", "198.51.100.26"),
    ("Ole Dahl", "ole.dahl@fjordlines.example", "192.0.2.152"),
)
_SUBJECTS = (
    "Rechnung 2026-{0}",
    "Re: Offer {0}",
    "Liefertermin Auftrag {0}",
    "Question about sensor MS7 ({0})",
    "Order {0} confirmed",
)
_SENDERS = (
    ("Werft News", "news@werftnews.example", f"bounce@{_TRACKER[6:]}", mail.Auth()),
    ("Hansaflug Meilen", "angebote@hansaflug.example", f"bounce-99@{_TRACKER[6:]}", mail.Auth("softfail")),
    ("Hafenblatt", "redaktion@hafenblatt.example", "", mail.Auth("softfail", "none", "none")),
    ("Kantine", "menu@kantine-menu.example", "", mail.Auth("neutral", "none", "none")),
    ("Docuquick Sign", "no-reply@docuquick.example", "mailer@docuquick.example", mail.Auth(policy="reject")),
)


def _letters(s: Story, day: int) -> None:
    rng = s.rng
    for _ in range(26):
        person, (name, address, server) = rng.choice(PEOPLE), rng.choice(_PARTNERS)
        subject = rng.choice(_SUBJECTS).format(rng.randint(1000, 9999))
        body = f"please find our answer on {subject} below. We deliver as agreed."
        html = f"<p>Dear {person.given},</p><p>{body}</p><p>Kind regards<br>{name}</p>"
        paper = b"%PDF-1.7\n" + digest("pdf", subject).encode()
        letter = mail.Mail(
            sender=f"{name} <{address}>",
            to=f"{person.name} <{person.upn}>",
            subject=subject,
            text=f"Dear {person.given},\n\n{body}\n\nKind regards\n{name}\n",
            html=html if rng.random() < 0.6 else "",
            address=server,
            attachment=("Anlage.pdf", "application/pdf", paper) if rng.random() < 0.3 else None,
        )
        mail.journal(s, s.work_time(day), letter)
    for _ in range(10):
        person, (name, address, _server) = rng.choice(PEOPLE), rng.choice(_PARTNERS)
        close = f"Best regards\n{person.name}\nMarlund Systems, {DOMAIN}\n"
        answer = mail.Mail(
            sender=f"{person.name} <{person.upn}>",
            to=f"{name} <{address}>",
            subject="Re: Ihre Anfrage",
            text=f"Hello {name},\n\nthank you, we will come back to you this week.\n\n{close}",
            address=person.egress,
            outbound=True,
        )
        mail.journal(s, s.work_time(day), answer)


def _bulk(s: Story, number: int, person: Person) -> mail.Mail:
    name, sender, envelope, auth = _SENDERS[number % len(_SENDERS)]
    if name.startswith("Docuquick"):
        text, subject = ("A document is waiting for your signature.", "Action required: please sign the document")
        link = f"https://signer.docuquick.example/sign/{s.token(18)}"
    else:
        text, subject = "Our news of the week. Unsubscribe at any time.", f"{name}: the week in brief"
        link = f"https://{_TRACKER}/c/{s.token(16)}?u={digest('person', person.sam)[:10].lower()}"
    pixel = f'<img src="https://img.fastassets.example/o/{s.token(12)}.gif" width="1" height="1">'
    return mail.Mail(
        sender=f"{name} <{sender}>",
        to=f"{person.name} <{person.upn}>",
        subject=subject,
        text=f"{text}\n{link}",
        html=f'<p>{text}</p><p><a href="{link}">Read more</a></p>{pixel}',
        envelope=envelope,
        address="198.51.100.19",
        auth=auth,
        headers=(
            ("List-Unsubscribe", f"<https://{_TRACKER}/u/{s.token(10)}>"),
            ("Precedence", "bulk"),
            ("Reply-To", f"service@{sender.rpartition('@')[2]}"),
        ),
    )


def write(s: Story) -> None:
    """All three days; the newsletters are a benign story of their own (soft fails, trackers, foreign replies)."""
    for day in (1, 2, 3):
        with s.part(f"letters-{day}"):
            _letters(s, day)
        with s.part(f"bulk-mail-{day}", BULK) as rng:
            for number in range(22):
                person, at = rng.choice(PEOPLE), s.work_time(day)
                mail.journal(s, at, _bulk(s, number, person))
                if person in PEOPLE[:40] and rng.random() < 0.6:
                    web.visit(s, WORKSTATIONS[person.number - 1], at + 600_000, _TRACKER)
