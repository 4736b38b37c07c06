"""What the company knows of itself: people, machines, announced windows. No more than a company would have."""

from __future__ import annotations

from typing import Any

import yaml

from tools.story import company
from tools.story.company import ACCOUNTS, AD_DOMAIN, AWS_DEV, AWS_PROD, DOMAIN, HOSTS, NETBIOS, PEOPLE, WORKSTATIONS

_HEADS = {
    "Finance": "ingrid.solberg",
    "Sales": "anke.dreyer",
    "Purchasing": "stefan.kruse",
    "Human resources": "ruth.stern",
    "Engineering": "carla.neumann",
    "Operations": "ulrike.behn",
    "Marketing": "elif.yilmaz",
    "Service": "nina.paulsen",
    "IT": "nadia.okafor",
    "Management": "henrik.lund",
}
_AWS_USERS = {
    "lena.brandt": AWS_PROD,
    "fatima.benali": AWS_PROD,
    "ruben.groot": AWS_DEV,
    "bram.jansen": AWS_PROD,
    "miriam.adler": AWS_PROD,
    "nadia.okafor": AWS_PROD,
}
_CLOUD_ACCOUNTS = (
    ("ci-deploy-legacy", "Old pipeline, writes firmware builds; to be retired", "bram.jansen", "user"),
    ("deploy-pipeline", "Infrastructure as code", "bram.jansen", "role"),
    ("backup-rotation", "Snapshots of volumes", "jonas.keller", "role"),
    ("telemetry-ingest", "Telemetry of sensors at sea", "fatima.benali", "role"),
)


def _dump(data: Any, comment: str) -> bytes:
    return (f"# {comment}\n" + yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)).encode()


def company_file() -> bytes:
    """company.yaml."""
    return _dump(
        {
            "name": company.NAME,
            "domains": [DOMAIN, AD_DOMAIN],
            "mail_domains": [DOMAIN],
            "windows_domain": NETBIOS,
            "internal_networks": ["10.0.0.0/8"],
            "egress_addresses": [company.EGRESS_HAMBURG, company.EGRESS_ROTTERDAM],
            "public_addresses": [company.WEB_PUBLIC],
            "working_hours": {"start": "08:00", "end": "18:00", "days": ["mon", "tue", "wed", "thu", "fri"]},
            "timezone": "Europe/Berlin",
            "countries": ["DE", "NL"],
            "tenant_id": company.TENANT,
            "cloud_accounts": [
                {"provider": "aws", "id": AWS_PROD, "name": "marlund-prod"},
                {"provider": "aws", "id": AWS_DEV, "name": "marlund-dev"},
            ],
        },
        "The company itself. Outsiders have addresses of the documentation ranges: here they count as the internet.",
    )


def assets_file() -> bytes:
    """assets.yaml."""
    tags = {
        "RT-WS01": ["red-team"],
        "scan01": ["scanner"],
        "DEPLOY01": ["deployment"],
        "web01": ["internet-facing"],
        "mx01": ["internet-facing"],
        "vpn01": ["internet-facing"],
        "BKP01": ["backup"],
        "JUMP01": ["administration"],
    }
    return _dump(
        [
            {
                "host": host.name,
                "addresses": [host.address] + ([company.WEB_PUBLIC] if host.name == "web01" else []),
                "names": [host.fqdn],
                "os": host.os,
                "role": host.purpose,
                "criticality": host.criticality,
                "owner": host.owner,
                "tags": tags.get(host.name, []) + (["workstation"] if host.role == "workstation" else ["server"]),
            }
            for host in HOSTS
        ],
        "Machines.",
    )


def _manager(person: company.Person) -> str:
    head = _HEADS[person.department]
    if person.sam == "henrik.lund":
        return ""
    return "henrik.lund" if head == person.sam else head


def _person(person: company.Person) -> dict[str, Any]:
    found: dict[str, Any] = {
        "user": person.sam,
        "mail": person.upn,
        "aliases": [f"{NETBIOS}\\{person.sam}", f"{person.sam}@{AD_DOMAIN}", person.name, person.sid],
        "title": person.title,
        "department": person.department,
        "manager": _manager(person),
        "privileged": person.sam in ("bram.jansen", "miriam.adler"),
        "service_account": False,
    }
    if person.sam in _AWS_USERS:
        found["aliases"].append(f"arn:aws:iam::{_AWS_USERS[person.sam]}:user/{person.sam}")
    if person.sam in ("bram.jansen", "miriam.adler", "jonas.keller"):
        found["aliases"].append(
            {"bram.jansen": "bram", "miriam.adler": "miriam", "jonas.keller": "jkeller"}[person.sam]
        )
    if person.sam == "marco.santini":
        found["leaving_on"] = "2026-10-23"
    return found


def identities_file() -> bytes:
    """identities.yaml."""
    accounts = [
        {
            "user": account.sam,
            "mail": f"{account.sam}@{DOMAIN}",
            "aliases": [f"{NETBIOS}\\{account.sam}", f"{account.sam}@{AD_DOMAIN}", account.sid],
            "title": account.title,
            "department": "IT",
            "manager": account.owner,
            "privileged": account.privileged,
            "service_account": account.service,
        }
        for account in ACCOUNTS
    ]
    cloud = [
        {
            "user": name,
            "mail": "",
            "aliases": [f"arn:aws:iam::{AWS_PROD}:{kind}/{name}"],
            "title": title,
            "department": "IT",
            "manager": owner,
            "privileged": name == "deploy-pipeline",
            "service_account": True,
        }
        for name, title, owner, kind in _CLOUD_ACCOUNTS
    ]
    return _dump([_person(person) for person in PEOPLE] + accounts + cloud, "People and accounts.")


_IT = "nadia.okafor"
_SCOPE = ("users", "hosts", "addresses", "countries", "commands")
_MOVE = (
    "PsExec",
    "PSEXESVC",
    "net stop",
    "net start",
    "sc config",
    "vssadmin list",
    "vssadmin delete shadows /for=D:",
    "vssadmin resize",
    "wbadmin get versions",
    "bcdedit /enum",
    "robocopy",
    "schtasks",
    "apt-get",
)
# (id, kind, title, start, end, ticket, approved by, scope)
_WINDOWS: tuple[tuple[str, str, str, str, str, str, str, dict[str, list[str]]], ...] = (
    (
        "W-101",
        "scanner",
        "Quarterly vulnerability scan, all servers",
        "2026-10-13T18:00:00Z",
        "2026-10-13T22:00:00Z",
        "CHG-2291",
        _IT,
        {"users": ["svc-scan"], "hosts": ["scan01"], "addresses": ["10.20.9.10"]},
    ),
    (
        "W-102",
        "scanner",
        "Scan of the web servers, repeated after patching",
        "2026-10-15T18:00:00Z",
        "2026-10-15T20:30:00Z",
        "CHG-2291",
        _IT,
        {"users": ["svc-scan"], "hosts": ["scan01"], "addresses": ["10.20.9.10"]},
    ),
    (
        "W-103",
        "roll_out",
        "New VPN client TideVPN 5.2.1 on all workstations",
        "2026-10-13T11:00:00Z",
        "2026-10-13T14:00:00Z",
        "CHG-2287",
        "amira.haddad",
        {
            "users": ["svc-deploy"],
            "hosts": ["DEPLOY01", *(host.name for host in WORKSTATIONS)],
            "commands": ["DeployRunner", "TideVPN", "msiexec", "-EncodedCommand"],
        },
    ),
    (
        "W-104",
        "maintenance",
        "Storage move of FS02, SQL01, APP01; updates of Linux servers",
        "2026-10-14T18:50:00Z",
        "2026-10-14T23:00:00Z",
        "CHG-2302",
        _IT,
        {
            "users": ["adm.jkeller", "miriam.adler"],
            "commands": list(_MOVE),
            "hosts": ["FS02", "SQL01", "APP01", "JUMP01", "web01", "web02", "git01", "db01"],
        },
    ),
    (
        "W-105",
        "red_team",
        "Red-team exercise by Northgate Testing",
        "2026-10-14T07:30:00Z",
        "2026-10-14T15:00:00Z",
        "SEC-118",
        _IT,
        {
            "users": ["rt.alpha", "rt.bravo"],
            "hosts": ["RT-WS01", "APP02", "WS-041"],
            "addresses": ["10.20.9.50", "198.51.100.60", "198.51.100.61"],
        },
    ),
    (
        "W-106",
        "travel",
        "Sofia Lindqvist at the fair in Singapore",
        "2026-10-13T18:00:00Z",
        "2026-10-18T20:00:00Z",
        "TRV-0417",
        "anke.dreyer",
        {"users": ["sofia.lindqvist"], "hosts": ["WS-014"], "countries": ["SG"]},
    ),
    (
        "W-107",
        "maintenance",
        "New starter Max Zimmer: accounts and groups",
        "2026-10-15T06:30:00Z",
        "2026-10-15T10:00:00Z",
        "HR-0932",
        "ruth.stern",
        {
            "users": ["adm.ahaddad", "miriam.adler", "adm.mzimmer", "max.zimmer"],
            "hosts": ["DC01"],
            "commands": ["dsa.msc", "CreateUser", "AddUserToGroup", "CreateAccessKey", "net user adm.mzimmer"],
        },
    ),
)


def windows_file() -> bytes:
    """windows.yaml: what was announced, for whom, where and when."""
    found = []
    for identity, kind, title, start, end, ticket, approved_by, scope in _WINDOWS:
        found.append(
            {
                "id": identity,
                "kind": kind,
                "title": title,
                "start": start,
                "end": end,
                **{key: [] for key in _SCOPE},
                **scope,
                "approved_by": approved_by,
                "ticket": ticket,
            }
        )
    return _dump(found, "Announced windows. A window covers what it names and nothing else.")
