"""What the tests of `enrich` share: an event maker, a little company, a sink for evidence."""

from __future__ import annotations

from typing import Any

from watchfloor.core.context import Asset, Company, Context, Identity, Window
from watchfloor.core.event import Event
from watchfloor.core.evidence import Evidence, Lookup

NOW = 1_792_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR

CONTEXT = Context(
    company=Company(
        name="Acme",
        domains=("acme-corp.example",),
        mail_domains=("acme-corp.example",),
        egress_addresses=("192.0.2.0/28",),
        timezone="Europe/Berlin",
        cloud_accounts=("111122223333",),
    ),
    assets=(
        Asset(host="SCAN01", addresses=("10.0.9.10",), tags=("scanner",)),
        Asset(host="fs02", names=("fs02.acme-corp.example",), criticality="critical"),
    ),
    identities=(
        Identity(
            user="ingrid.berg",
            mail="ingrid.berg@acme-corp.example",
            aliases=("ACME\\ingrid.berg", "Ingrid Berg"),
            title="Head of finance",
            leaving_on="2026-10-23",
        ),
    ),
    windows=(
        Window(
            id="W-1", kind="maintenance", title="Storage move", start=NOW, end=NOW + HOUR,
            users=("ingrid.berg",), hosts=("fs02",), commands=("net stop", "robocopy"), ticket="CHG-1",
        ),
        Window(id="W-2", kind="scanner", title="Scan", start=NOW, end=NOW + HOUR, hosts=("scan01",)),
        Window(id="W-3", kind="travel", title="Fair", start=NOW, end=NOW + HOUR, countries=("SG",)),
    ),
)  # fmt: skip


def event(uid: str, time: int = NOW, *, tenant: str = "acme", original: Any = None, **ocsf: Any) -> Event:
    return Event(
        tenant=tenant,
        uid=uid,
        time=time,
        layer="endpoint",
        mapping="test",
        ocsf={"class_uid": 1007, "time": time, **ocsf},
        original=original or {},
        source="test.jsonl",
        position=0,
        unit="line",
        logsource={"product": "windows"},
    )


def by(user: str, host: str = "ws1", **more: Any) -> dict[str, Any]:
    """The OCSF part of an event of a user on a host."""
    return {"actor": {"user": {"name": user}}, "device": {"hostname": host}, **more}


def lookup(collector: str, query: dict[str, Any], as_of: int = NOW, tenant: str = "acme") -> Lookup:
    return Lookup(tenant=tenant, collector=collector, query=query, as_of=as_of)


class Sink:
    """Evidence that was put, by tenant."""

    def __init__(self) -> None:
        self.held: list[tuple[str, Evidence]] = []

    def put(self, tenant: str, *evidence: Evidence) -> None:
        self.held += [(tenant, one) for one in evidence]
