"""A feed in `sources.yaml` of a running product: what it names is kept, and yesterday's hit becomes a finding."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.sources.feeds import Call, MispServer, Reply, TaxiiServer, serving
from tests.records import TRAIL
from tests.server.intake.serving import wait_for
from watchfloor.app import supervisor as module
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.clock import parse_iso
from watchfloor.core.intake import LiveState, Tally
from watchfloor.core.verdict import Verdict
from watchfloor.store.spool import Parcel, Spool

NOW = "2026-10-14T17:00:00Z"


def indicator(n: int, pattern: str) -> dict[str, Any]:
    return {"type": "indicator", "id": f"indicator--{n}", "modified": NOW, "pattern": pattern, "pattern_type": "stix",
            "valid_from": NOW, "confidence": 90}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.05)
    monkeypatch.setenv("TAXII_PASSWORD", "s3cret")
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@contextmanager
def served(home: Path, *sources: str) -> Iterator[tuple[Watchfloor, Spool]]:
    """The product as `serve` runs it, without its console."""
    if sources:
        (home / "sources.yaml").write_text("sources:\n" + "".join(f"- {source}\n" for source in sources))
    with (
        Watchfloor.open(home, clock=lambda: parse_iso(NOW)) as product,
        product.intake.running() as spool,
        product.supervisor.running(spool),
    ):
        yield product, spool


def verdicts(product: Watchfloor) -> list[Verdict]:
    return [row.verdict for row in product.desk.queue(limit=None) if row.verdict]


def cites(verdict: Verdict, address: str) -> bool:
    return any(f"Address {address} is named by cert" in claim.sentence for claim in verdict.claims)


def tally(product: Watchfloor, source: str) -> Tally:
    states = product.parts.documents.find(product.parts.tenant, LiveState, limit=None)
    return next((state.tally for state in states if state.uid == source), Tally())


def test_what_a_taxii_server_names_today_and_was_seen_yesterday_is_a_case_today(home: Path) -> None:
    server = TaxiiServer()
    patterns = ["[ipv4-addr:value = '203.0.113.7']", "not a pattern", "[domain-name:value = 'evil.example']"]
    broken = True

    def answer(call: Call) -> Reply:
        return Reply({}, 500) if broken and "next" in call.query else server(call)

    server.objects["c-1"] = [(f"2026-10-14T07:00:0{n}Z", indicator(n, p)) for n, p in enumerate(patterns)]
    trail = json.dumps(TRAIL | {"eventTime": "2026-10-13T07:00:00Z", "sourceIPAddress": "203.0.113.7"}).encode()
    with serving(answer) as url:
        taxii = f"{{name: cert, kind: taxii, url: '{url}', user: ana, password: 'env:TAXII_PASSWORD'}}"
        with served(home) as (product, spool):
            spool.put(product.parts.tenant, Parcel("webhook/trail", parse_iso(NOW), trail, "ndjson")).result()
            wait_for(lambda: tally(product, "webhook/trail").events == 1)
        # The server breaks at the second page: the first page is kept, and read again when it goes on.
        with served(home, taxii) as (product, _):
            wait_for(lambda: [one.status for one in product.supervisor.health()] == ["failing"])
            wait_for(lambda: tally(product, "taxii/cert").received >= 2)
        broken = False
        with served(home, taxii) as (product, _):
            wait_for(lambda: tally(product, "taxii/cert").indicators == 2)
            wait_for(lambda: [v for v in verdicts(product) if cites(v, "203.0.113.7")])
            found = tally(product, "taxii/cert")
            assert found.received == found.indicators + found.dead_letters + found.repeats
            assert (found.events, found.dead_letters) == (0, 1)
            product.parts.intel.refresh()
            assert product.parts.intel.known("domain", "www.evil.example")


def test_a_list_and_a_misp_server_side_by_side(home: Path) -> None:
    server = MispServer()
    attribute = {"uuid": "a", "type": "ip-dst", "value": "203.0.113.9", "to_ids": True, "timestamp": "1"}
    server.events = [{"uuid": "e", "info": "i", "publish_timestamp": "1", "timestamp": "1", "Attribute": [attribute]}]
    server.list = "evil.example\nbad entry !\n203.0.113.0/28\n"
    with serving(server) as url:
        misp = f"{{name: ours, kind: misp, server: '{url}', headers: {{Authorization: 'env:TAXII_PASSWORD'}}}}"
        plain = f"{{name: block, kind: misp, list: '{url}/list.txt'}}"
        with served(home, misp, plain) as (product, _):
            wait_for(lambda: tally(product, "misp/ours") == Tally(received=1, indicators=1))
            wait_for(lambda: tally(product, "misp/block") == Tally(received=3, indicators=2, dead_letters=1))
            product.parts.intel.refresh()
            assert [i.source for i in product.parts.intel.known("address", "203.0.113.9")] == ["block", "ours"]
