"""Chain 4: a key account manager who leaves on the 23rd takes the customers with him."""

from __future__ import annotations

from tools.story.benign.cloud_office import HOME_ASN, home_address
from tools.story.company import BY_SAM, HOST
from tools.story.formats import entra, mail, office
from tools.story.formats.web import visit
from tools.story.recorder import Story, digest, t

INCIDENT = "attack-insider-download"
PRIVATE = "m.santini.privat@postfach-nord.example"
_MARCO = BY_SAM["marco.santini"]
_HOME = home_address(_MARCO)
_FOLDERS = ("Kunden/Vertraege", "Preise/2026", "Kunden/Kontakte", "Strategie", "Angebote/2025")
_PARCELS = ("Kundenliste", "Preise 2026", "Vertraege Nord", "Vertraege Sued", "Kontakte", "Strategie")


def _downloads(s: Story) -> None:
    """Two evenings from home: by hand, then by synchronising whole folders."""
    device, app = entra.company_device(_MARCO), "SharePoint Online Web Client Extensibility"
    for at, count, operation in (
        (t(1, "19:32"), 140, "FileDownloaded"),
        (t(2, "20:05"), 190, "FileSyncDownloadedFull"),
    ):
        entra.sign_in(s, at - 300_000, _MARCO, _HOME, "DE", HOME_ASN, device, app=app, mfa="push")
        office.logged_in(s, at - 280_000, _MARCO, _HOME)
        moment = at
        for number in range(count):
            path = f"{_FOLDERS[number % 5]}/Akte_{number:03d}.xlsx"
            office.file_operation(s, moment, _MARCO.upn, _HOME, operation, "sites/Vertrieb", path)
            moment += s.rng.randint(4000, 38_000)


def _away(s: Story) -> None:
    """Six mails to a private mailbox and two uploads to a file drop."""
    for number, name in enumerate(_PARCELS):
        at, subject = t(3, "05:11") + number * 150_000 + s.rng.randrange(60_000), f"WG: {name}"
        office.mail_item(s, at, _MARCO, _HOME, "Send", subject, attachments=f"{name}.zip (7340032b)")
        parcel = mail.Mail(
            sender=f"{_MARCO.name} <{_MARCO.upn}>",
            to=f"M. Santini <{PRIVATE}>",
            subject=subject,
            text="Zur Ablage.\n",
            address=_HOME,
            outbound=True,
            attachment=(f"{name}.zip", "application/zip", b"PK\x03\x04" + digest("zip", name).encode()),
        )
        mail.journal(s, at + 2000, parcel)
    for clock, size in (("06:14", 212_000_000), ("06:31", 148_000_000)):
        at, host = t(3, clock), HOST["WS-013"]
        visit(s, host, at, "dropfile.example", sent=size, received=61_000, seconds=190.0)


def write(s: Story) -> None:
    """Two evenings and a morning."""
    with s.part("insider", INCIDENT):
        _downloads(s)
        _away(s)
