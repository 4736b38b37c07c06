"""Benign stories without a window: an expired password, a stale indicator, mailbox rules, downloads, home office."""

from __future__ import annotations

from typing import Any

from tools.story.benign.aws import DEVELOPERS
from tools.story.benign.cloud_office import HOME_ASN, home_address
from tools.story.company import BY_SAM, DOMAIN, EGRESS_HAMBURG, HOST, PEOPLE, WORKSTATIONS
from tools.story.formats import cloudtrail, entra, office, web, windows
from tools.story.recorder import Story, t

EXPIRED, STALE, RULES = "expired-service-password", "stale-indicator", "legitimate-inbox-rules"
HR_SYNC, EXHIBITION, HOME = "hr-bulk-sync", "exhibition-download", "developer-from-home"
_TIDY = (  # (day, who, name of the rule and of its folder, words of the subject)
    (1, "greta.mohr", "Rechnungen", "Rechnung;Invoice"),
    (1, "lukas.weiss", "Newsletter", "unsubscribe"),
    (2, "willem.bakker", "Bank", "Kontoauszug;payment"),
    (2, "hanna.koch", "Build", "pipeline failed"),
    (3, "nina.paulsen", "Tickets", "Ticket #"),
)
_SYNC_AGENT = "Microsoft SkyDriveSync 24.186.0915.0004 ship; Windows NT 10.0 (20348)"


def expired_password(s: Story) -> None:
    """The ERP integration goes on with a password that expired on Wednesday morning."""
    with s.part("expired-password", EXPIRED):
        controller = HOST["DC01"]
        way: dict[str, Any] = {"source": "10.20.2.41", "workstation": "APP01"}
        for step in range(95):
            at = t(2, "06:00") + step * 960_000 + s.rng.randrange(9000)
            locked = step % 6 == 0
            status = "0xc0000234" if locked else "0xc0000071"
            windows.logon_failed(s, controller, at, "svc-erp", sub_status=status, **way)
            if step % 12 == 5:
                windows.locked_out(s, controller, at + 400, "svc-erp", "APP01")


def stale_indicator(s: Story) -> None:
    """Pages that load from a content network whose address an old block list still names."""
    with s.part("stale-indicator", STALE) as rng:
        for day in (1, 2, 3):
            for host in rng.sample(WORKSTATIONS, 11):
                name = rng.choice(("cdn.fastassets.example", "img.fastassets.example"))
                web.visit(s, host, s.work_time(day), name, seen=0.5)


def inbox_rules(s: Story) -> None:
    """People tidy their mailboxes."""
    with s.part("inbox-rules", RULES):
        for day, sam, name, words in _TIDY:
            person, settings = BY_SAM[sam], {"SubjectContainsWords": words, "MoveToFolder": name}
            office.inbox_rule(s, s.work_time(day), person, person.egress, name, **settings)


def bulk_downloads(s: Story) -> None:
    """The nightly synchronisation of personnel files; and sales, who prepare an exhibition."""
    with s.part("hr-sync", HR_SYNC) as rng:
        who = (f"svc-hrsync@{DOMAIN}", EGRESS_HAMBURG, "FileSyncDownloadedFull", "sites/HR")
        for day in (1, 2, 3):
            for number, person in enumerate(PEOPLE[:55]):
                at, path = t(day, "03:30") + number * 3100, f"Personalakten/{person.family}/Vertrag.pdf"
                office.file_operation(s, at + rng.randrange(900), *who, path, agent=_SYNC_AGENT)
    with s.part("exhibition", EXHIBITION) as rng:
        claire = BY_SAM["claire.dubois"]
        for number in range(48):
            at, path = t(2, "12:20") + number * 4200 + rng.randrange(3000), f"Messe/Blatt_{number:02d}.pdf"
            where = (claire.egress, "FileDownloaded", "sites/Vertrieb")
            office.file_operation(s, at, claire.upn, *where, path)


def home_office(s: Story) -> None:
    """Two developers use the console and their keys from home in the evening."""
    with s.part("home-office", HOME) as rng:
        for day in (1, 2, 3):
            for developer in DEVELOPERS[:2]:
                person, at = BY_SAM[developer.name], t(day, "18:05") + rng.randrange(3_600_000)
                address, device = home_address(person), entra.company_device(person)
                entra.sign_in(s, at, person, address, "DE", HOME_ASN, device, app="Azure Portal", mfa="push")
                for service, name in (("sts", "GetCallerIdentity"), ("s3", "ListBuckets")):
                    cloudtrail.call(s, at + 60_000, developer, service, name, address, cloudtrail.CLI_WINDOWS)
                wanted, where = {"secretId": "telemetry/db"}, (address, cloudtrail.CLI_WINDOWS)
                at += 95_000
                cloudtrail.call(s, at, developer, "secretsmanager", "GetSecretValue", *where, parameters=wanted)


def write(s: Story) -> None:
    """All of them."""
    expired_password(s)
    stale_indicator(s)
    inbox_rules(s)
    bulk_downloads(s)
    home_office(s)
