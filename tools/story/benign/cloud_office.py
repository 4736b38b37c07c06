"""Plain working days in Entra ID and Office 365: sign-ins, mailboxes, documents."""

from __future__ import annotations

from tools.story.company import DOMAIN, EGRESS_HAMBURG, PEOPLE, TENANT_DOMAIN, Person
from tools.story.formats import entra, office
from tools.story.recorder import Story, t

COMPANY_ASN, HOME_ASN = 64496, 64497
SITE = {
    "Sales": "sites/Vertrieb",
    "Marketing": "sites/Marketing",
    "Finance": "sites/Finanzen",
    "Human resources": "sites/HR",
    "Engineering": "sites/Entwicklung",
    "Operations": "sites/Produktion",
    "Service": "sites/Service",
    "Purchasing": "sites/Einkauf",
    "Management": "sites/GL",
    "IT": "sites/IT",
}
_OUTLOOK = "Client=MSExchangeRPC"
_FILES = (
    "Allgemein/Protokoll_{0}.docx",
    "Vorlagen/Angebot_{0}.docx",
    "Planung/Plan_KW{0}.xlsx",
    "Bilder/Messe_{0}.jpg",
    "Allgemein/Notiz_{0}.pdf",
)
_OPERATIONS = ("FileAccessed", "FileAccessed", "FileModified", "FileDownloaded", "FileUploaded")
_SUBJECTS = ("AW: Termin", "Protokoll", "RE: Offer MS7", "Lieferstatus")
# Two travel (see people.py), five share terminals and have no machine of their own.
_ELSEWHERE = {1, 14, 46, 47, 48, 59, 60}


def home_address(person: Person) -> str:
    """Where a person works from at home."""
    return f"198.51.100.{160 + person.number % 50}"


def _sign_ins(s: Story, person: Person, day: int) -> None:
    rng, device = s.rng, entra.company_device(person)
    desk = (person.egress, person.country, COMPANY_ASN, device)
    if rng.random() < 0.06:
        entra.sign_in(s, s.work_time(day), person, *desk, error=50126)
    morning, app = t(day, "05:50") + rng.randrange(4_000_000), rng.choice(("OfficeHome", "Microsoft Teams"))
    entra.sign_in(s, morning, person, *desk, app=app)
    client = "Mobile Apps and Desktop clients"
    for _ in range(rng.randint(1, 3)):
        at = s.work_time(day)
        entra.sign_in(s, at, person, *desk, app="Microsoft Office", client=client, interactive=False)
    if rng.random() < 0.3:
        used = entra.PHONE if rng.random() < 0.5 else device
        home = (home_address(person), person.country, HOME_ASN, used)
        at = t(day, "17:00") + rng.randrange(9_000_000)
        entra.sign_in(s, at, person, *home, app="One Outlook Web", mfa="push")
    if rng.random() < 0.5:
        office.logged_in(s, morning + rng.randrange(900_000), person, person.egress)


def _work(s: Story, person: Person, day: int) -> None:
    rng, address = s.rng, person.egress
    for _ in range(rng.randint(1, 3)):
        office.mail_accessed(s, s.work_time(day), person, address, rng.randint(1, 4), _OUTLOOK)
    if rng.random() < 0.7:
        subject = rng.choice(_SUBJECTS)
        office.mail_item(s, s.work_time(day), person, address, "Send", subject, client=_OUTLOOK)
    if rng.random() < 0.2:
        operation = rng.choice(("MoveToDeletedItems", "SoftDelete"))
        office.mail_item(s, s.work_time(day), person, address, operation, "Newsletter KW 42", client=_OUTLOOK)
    for _ in range(rng.randint(1, 6)):
        path, operation = rng.choice(_FILES).format(rng.randint(10, 60)), rng.choice(_OPERATIONS)
        site = SITE[person.department]
        office.file_operation(s, s.work_time(day), person.upn, address, operation, site, path)


def write(s: Story) -> None:
    """All three days."""
    shared = f"CN=Paula Ritter,OU={TENANT_DOMAIN}"
    for day in (1, 2, 3):
        with s.part(f"cloud-office-{day}") as rng:
            for person in PEOPLE:
                if person.number not in _ELSEWHERE and rng.random() < 0.95:
                    _sign_ins(s, person, day)
                    _work(s, person, day)
            admin = f"adm.ahaddad@{DOMAIN}"
            office.set_mailbox(s, t(day, "08:15"), admin, shared, EGRESS_HAMBURG, AuditEnabled="True")
