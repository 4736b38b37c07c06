"""Promise 4, of facts: a changed one reopens exactly the verdicts that rested on it, and what was known and true
before can be asked again, to the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from watchfloor.app.decisions import DecisionRecord
from watchfloor.app.settings import Settings
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.case import Case
from watchfloor.core.chronicle import Chronicle
from watchfloor.core.clock import DAY, HOUR, parse_iso
from watchfloor.core.entity import Entity
from watchfloor.core.fact import FOREVER, as_known
from watchfloor.enrich.collectors.context import ContextCollector

RULE = """
title: A name that ends in login
logsource: {product: zeek, service: dns}
detection: {sel: {query|endswith: -login.com}, condition: sel}
level: medium
"""
FIRST = parse_iso("2026-11-02T09:00:00Z")
NOW = parse_iso("2026-11-20T12:00:00Z")
MACS = ["02:00:00:00:00:01", "02:00:00:00:00:02"]


def asked(address: str, time: int) -> dict[str, Any]:
    return {
        "_path": "dns", "ts": time / 1000, "uid": f"C{time}{address}", "id.orig_h": address, "id.orig_p": 41772,
        "id.resp_h": "10.0.0.100", "id.resp_p": 53, "proto": "udp", "query": "nordwerk-login.com", "qtype_name": "A",
    }  # fmt: skip


def lease(address: str, mac: str, start: str, end: str) -> str:
    return (
        f"lease {address} {{\n  starts 1 {start};\n  ends 1 {end};\n  binding state active;\n"
        f"  hardware ethernet {mac};\n}}\n"
    )


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    (folder / name).write_text(json.dumps(rows))
    return folder / name


def hosts(folder: Path, *more: dict[str, Any]) -> Path:
    sensors = [
        {"device_id": f"{n}", "hostname": f"WS-{n}", "platform_name": "Windows", "mac_address": mac}
        for n, mac in enumerate(MACS, 1)
    ]
    return write(folder, "falcon.json", [*sensors, *more])


def inventory(folder: Path, criticality: str) -> Path:
    rows = [
        {"sys_id": f"c{n}", "name": f"WS-{n}", "mac_address": mac, "business_criticality": c, "u_role": "office"}
        for n, (mac, c) in enumerate(zip(MACS, ("low", criticality), strict=True), 1)
    ]
    return write(folder, "cmdb.json", rows)


class Clock:
    """Goes on by a minute whenever it is asked to."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def home(tmp_path: Path) -> Iterator[tuple[Watchfloor, Clock, Path]]:
    """Three cases, days apart: on an address of WS-1, one of WS-2, and one of nobody."""
    (tmp_path / "rule.yml").write_text(RULE)
    times = [("10.0.1.1", FIRST), ("10.0.1.2", FIRST + 4 * DAY), ("10.0.1.3", FIRST + 8 * DAY)]
    (tmp_path / "dns.json").write_text("".join(json.dumps(asked(*one)) + "\n" for one in times))
    (tmp_path / "dhcpd.leases").write_text(
        lease("10.0.1.1", MACS[0], "2026/11/02 06:00:00", "2026/11/03 06:00:00")
        + lease("10.0.1.2", MACS[1], "2026/11/06 06:00:00", "2026/11/07 06:00:00")
    )
    clock, settings = Clock(), Settings(rules=(tmp_path / "rule.yml",), shipped_rules=False)
    with Watchfloor.open(tmp_path / "home", settings, clock=clock) as product:
        paths = [hosts(tmp_path), inventory(tmp_path, "medium"), tmp_path / "dhcpd.leases"]
        report = product.parts.context_book.import_paths(paths, by="ana")
        assert (report.problems, report.ended, report.retracted) == (0, 0, 0)
        product.pipeline.ingest([tmp_path / "dns.json"])
        assert len(product.pipeline.triage()) == 3
        clock.now += HOUR
        yield product, clock, tmp_path


def case_of(product: Watchfloor, key: str) -> Case:
    cases = product.parts.documents.find(product.parts.tenant, Case, limit=None)
    return next(case for case in cases if key in {i.entity.key for i in case.involved})


def evidence_of(product: Watchfloor, case: Case) -> dict[str, str]:
    """What context answered for a case: look-up -> content."""
    parts = product.parts
    verdict = product.desk.case_view(case.uid).verdict
    assert verdict is not None
    record = parts.documents.get(parts.tenant, DecisionRecord, verdict.uid)
    found = parts.evidence.get_many(parts.tenant, record.evidence).values()
    return {e.lookup.uid: e.content for e in found if e.lookup.collector == "context" and e.status == "ok"}


def answers(product: Watchfloor, case: Case, chronicle: Chronicle) -> dict[str, str]:
    """The same look-ups asked of other knowledge."""
    parts = product.parts
    verdict = product.desk.case_view(case.uid).verdict
    assert verdict is not None
    record = parts.documents.get(parts.tenant, DecisionRecord, verdict.uid)
    asked = [a.lookup for a in record.asked if a.lookup.collector == "context"]
    found = ContextCollector(chronicle.at(parts.clock())).collect(asked)
    return {e.lookup.uid: e.content for e in found if e.status == "ok"}


def test_one_changed_fact_reopens_exactly_its_dependants_and_what_was_known_then_can_be_asked(
    home: tuple[Watchfloor, Clock, Path],
) -> None:
    product, clock, folder = home
    book = product.parts.context_book
    one, two = case_of(product, "host:ws-1"), case_of(product, "host:ws-2")
    before, then = evidence_of(product, two), clock.now
    assert any('"criticality":"medium"' in content for content in before.values())
    assert product.pipeline.triage() == []

    clock.now += HOUR
    changed = book.import_paths([inventory(folder, "critical")], by="ana", valid_from=FIRST)
    assert (changed.new, changed.ended + changed.retracted) == (1, 1)
    assert product.pipeline.triage() == [two.uid]

    kinds = [e.kind for e in product.desk.case_view(two.uid).entries if e.kind.startswith("verdict")]
    assert kinds == ["verdict.decided", "verdict.reopened"]
    after = evidence_of(product, two)
    assert any('"criticality":"critical"' in content for content in after.values())
    assert answers(product, two, book.chronicle()) == after
    assert answers(product, two, book.as_known(then)).items() >= before.items()
    for case in (one, two):
        stored, again = product.desk.replay(case.uid)
        assert stored.canonical() == again.canonical()
    assert product.pipeline.triage() == []


def test_a_change_from_now_on_leaves_what_was_before_as_it_was(home: tuple[Watchfloor, Clock, Path]) -> None:
    product, clock, folder = home
    changed = product.parts.context_book.import_paths([inventory(folder, "critical")], by="ana")
    assert (changed.new, changed.ended) == (1, 1)
    assert product.pipeline.triage() == []
    host = Entity(type="host", value="ws-2")
    context = product.parts.context
    found = {time: asset.criticality for time in (FIRST, clock.now) if (asset := context.at(time).asset(host))}
    assert found == {FIRST: "medium", clock.now: "critical"}


def test_a_lease_that_moves_an_address_to_another_host_moves_no_old_case(
    home: tuple[Watchfloor, Clock, Path],
) -> None:
    product, clock, folder = home
    old = case_of(product, "host:ws-1")
    (folder / "dhcpd.leases").write_text(lease("10.0.1.1", MACS[1], "2026/11/12 06:00:00", "2026/11/13 06:00:00"))
    assert product.pipeline.triage() == []
    assert product.parts.context_book.import_paths([folder / "dhcpd.leases"], by="ana").new == 1
    assert product.pipeline.triage() == []
    assert case_of(product, "host:ws-1") == old

    clock.now += HOUR
    (folder / "new.json").write_text(json.dumps(asked("10.0.1.1", FIRST + 10 * DAY)) + "\n")
    product.pipeline.ingest([folder / "new.json"])
    (fresh,) = product.pipeline.triage()
    case = product.parts.documents.get(product.parts.tenant, Case, fresh)
    assert "host:ws-2" in {i.entity.key for i in case.involved}
    address = Entity(type="address", value="10.0.1.1")
    held = {day: product.parts.context.at(FIRST + day * DAY).resolve(address).key for day in (0, 5, 10)}
    assert held == {0: "host:ws-1", 5: "address:10.0.1.1", 10: "host:ws-2"}


def test_a_persons_word_joins_and_parts_and_is_undone(home: tuple[Watchfloor, Clock, Path]) -> None:
    product, clock, _ = home
    book, parts = product.parts.context_book, product.parts
    sensor, listed = "crowdstrike/hosts#host:2", "servicenow/cmdb#host:c2"
    two = case_of(product, "host:ws-2")
    book.relate(sensor, listed, same=False, by="ana")
    assert product.pipeline.triage() == [case_of(product, "address:10.0.1.2").uid]
    assert any("which cannot all be one" in one for one in book.chronicle().conflicts(clock.now))

    clock.now += HOUR
    fact = next(f for f in parts.facts.known(parts.tenant) if f.attribute == "different_from")
    book.retract(fact.uid, "ana")
    product.pipeline.triage()
    assert {i.entity.key for i in case_of(product, "host:ws-2").involved} == {i.entity.key for i in two.involved}
    kinds = [e.kind for e in product.desk.ledger_entries()]
    assert kinds.count("context.retracted") == 1


def test_the_context_is_a_pure_function_of_facts_and_two_times(home: tuple[Watchfloor, Clock, Path]) -> None:
    product, clock, folder = home
    clock.now += HOUR
    product.parts.context_book.import_paths([inventory(folder, "critical")], by="ana", valid_from=FIRST)
    with product.parts.together() as connection:
        rows = connection.exec_driver_sql("SELECT DISTINCT source, entity FROM facts").all()
    everything = product.parts.facts.history(product.parts.tenant, [(str(s), str(e)) for s, e in rows])
    host = Entity(type="host", value="ws-2")
    for known in (NOW - 1, NOW, clock.now - 1, clock.now, FOREVER - 1):
        stored = product.parts.context_book.as_known(known)
        for true in (FIRST - DAY, FIRST, FIRST + 4 * DAY, clock.now):
            context = Chronicle(as_known(everything, known)).at(true)
            assert context == stored.at(true)
            for address in ("10.0.1.1", "10.0.1.2"):
                entity = Entity(type="address", value=address)
                assert context.resolve(entity) == stored.at(true).resolve(entity)
    assert Chronicle(as_known(everything, NOW - 1)).at(FIRST).empty
    then = Chronicle(as_known(everything, NOW)).at(FIRST + DAY).asset(host)
    now = Chronicle(as_known(everything, clock.now)).at(FIRST + DAY).asset(host)
    assert then is not None
    assert now is not None
    assert (then.criticality, now.criticality) == ("medium", "critical")
