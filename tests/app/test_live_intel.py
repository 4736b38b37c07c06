"""Threat intelligence that comes while the product runs: kept and counted, matched at once, and in the past."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.records import TRAIL
from watchfloor.app.intel import Names
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.clock import parse_iso
from watchfloor.core.intake import LiveState, Tally
from watchfloor.core.record import DeadLetter
from watchfloor.store.spool import Parcel, Spool

FEED, AT = "taxii/cert", 1_792_000_000_000
NOW = "2026-10-14T17:00:00Z"


def stix(name: str, pattern: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "indicator", "spec_version": "2.1", "id": f"indicator--{name}", "created": NOW, "modified": NOW,
        "name": name, "pattern": pattern, "pattern_type": "stix", "valid_from": NOW, "confidence": 90, **more,
    }  # fmt: skip


def domain(value: str, **more: Any) -> dict[str, Any]:
    return stix(value, f"[domain-name:value = '{value}']", **more)


def hand(
    product: Watchfloor, spool: Spool, content: Any, form: str = "stix", *, at: int = AT, source: str = FEED
) -> None:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    spool.put(product.parts.tenant, Parcel(source, at, body, form)).result()
    product.intake.work(spool)


def tally(product: Watchfloor, source: str = FEED) -> Tally:
    return product.parts.documents.get(product.parts.tenant, LiveState, source).tally


def known(product: Watchfloor, value: str, kind: str = "domain") -> list[str]:
    product.parts.intel.refresh()
    return [f"{i.source} {i.value} {i.marking}".strip() for i in product.parts.intel.known(kind, value)]


def test_each_object_is_counted_once_and_bad_ones_are_kept_with_their_reason(product: Watchfloor, spool: Spool) -> None:
    good = domain("evil.example", created_by_ref="identity--c", object_marking_refs=[
        "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"])  # fmt: skip
    bad: list[Any] = [
        stix("rule", "rule x {}", pattern_type="yara"), stix("odd", "[x-new:thing = 'a']"), 7, {"type": "indicator"},
        {**domain("late.example"), "modified": "never"}, stix("no", ""), {**domain("x.example"), "confidence": 900},
    ]  # fmt: skip
    who = {"type": "identity", "id": "identity--c", "name": "CERT Example", "modified": NOW}
    hand(product, spool, {"objects": [who, *bad[:3], good, *bad[3:]]})
    assert tally(product) == Tally(received=9, indicators=2, dead_letters=7)
    assert known(product, "www.evil.example") == ["CERT Example evil.example tlp:amber"]
    letters = product.parts.documents.find(product.parts.tenant, DeadLetter)
    assert all(product.dead_letters.content(letter).startswith(b'{"objects":[') for letter in letters)
    assert any("yara" in letter.reason for letter in letters)
    hand(product, spool, {"objects": [who, *bad, good]}, at=AT + 1)
    assert tally(product) == Tally(received=18, indicators=2, dead_letters=7, repeats=9)
    assert product.dead_letters.replay(letters[0].uid, "ana").read is False


def test_names_given_before_are_known_in_what_follows(product: Watchfloor, spool: Spool) -> None:
    who = {"type": "identity", "id": "identity--c", "name": "CERT Example", "modified": NOW}
    hand(product, spool, {"objects": [who]})
    hand(product, spool, {"objects": [domain("evil.example", created_by_ref="identity--c")]})
    assert known(product, "evil.example") == ["CERT Example evil.example"]


def test_newer_versions_and_revocations_count_and_older_ones_do_not(product: Watchfloor, spool: Spool) -> None:
    later = "2026-10-15T17:00:00Z"
    hand(product, spool, {"objects": [domain("evil.example")]})
    hand(product, spool, {"objects": [{**domain("evil.example"), "revoked": True, "modified": later}]})
    assert known(product, "evil.example") == []
    hand(product, spool, {"objects": [domain("evil.example")]})
    assert known(product, "evil.example") == []
    assert tally(product) == Tally(received=3, indicators=2, repeats=1)


def event(*attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"Event": {"uuid": "e-1", "info": "Phish", "threat_level_id": "1", "Orgc": {"name": "CIRCL"},
                      "Tag": [{"name": "tlp:green"}], "Attribute": list(attributes), **more}}  # fmt: skip


def attribute(uuid: str, value: str, **more: Any) -> dict[str, Any]:
    return {"uuid": uuid, "type": "domain", "value": value, "to_ids": True, "timestamp": "1791000000", **more}


def test_a_misp_event_is_a_whole_and_only_what_is_marked_for_detection_names(product: Watchfloor, spool: Spool) -> None:
    first = event(
        attribute("a", "evil.example"), attribute("b", "context.example", to_ids=False), attribute("c", "gone.example"),
        attribute("d", "dead.example", deleted=True), attribute("e", "wrong.example", Sighting=[{"type": "1"}]),
        attribute("f", "x", type="yara"), Object=[{"Attribute": [attribute("g", "object.example")]}],
    )  # fmt: skip
    hand(product, spool, first, "misp", source="misp/circl")
    assert tally(product, "misp/circl") == Tally(received=7, indicators=6, dead_letters=1)
    assert known(product, "evil.example") == ["CIRCL evil.example tlp:green"]
    held = {v for v in ("evil", "context", "gone", "dead", "wrong", "object") if known(product, f"{v}.example")}
    assert held == {"evil", "gone", "object"}
    second = event(attribute("a", "evil.example"), attribute("b", "context.example", timestamp="1791000009"))
    hand(product, spool, second, "misp", source="misp/circl", at=AT + 1)
    held = {v for v in ("evil", "context", "gone", "object") if known(product, f"{v}.example")}
    assert held == {"evil", "context"}


def test_a_part_of_a_list_is_a_whole(product: Watchfloor, spool: Spool) -> None:
    def part(*rows: str, at: int) -> None:
        hand(product, spool, {"heading": "", "rows": rows, "part": "00"}, "entries", at=at, source="misp/list")

    part("evil.example", "203.0.113.0/24 # bad", "what is this", at=AT)
    assert tally(product, "misp/list") == Tally(received=3, indicators=2, dead_letters=1)
    part("203.0.113.0/24 # bad", at=AT + 1)
    assert known(product, "evil.example") == []
    assert known(product, "203.0.113.9", "address") == ["list 203.0.113.0/24"]
    part(at=AT + 2)
    assert known(product, "203.0.113.9", "address") == []


HOSTILE = [
    b"", b"{", b"[1]", b"null", b'{"objects": 7}', b'{"objects": []}', b'{"Event": []}', b"[" * 5_000, b'{"rows": "x"}',
    b'{"rows": [7, null]}', b'{"Event": {"Attribute": 7, "uuid": 7}}',
    b'{"Event": {"Attribute": [{"uuid": "u", "type": "domain", "value": "\\ud800.x", "to_ids": true}]}}',
    b'{"Event": {"Attribute": [{"uuid": "u", "type": "domain", "value": "a.b", "timestamp": 1e300}]}}',
    b'{"Event": {"Attribute": [{"uuid": "u\\u0000", "type": "domain", "value": "a.b", "to_ids": true}]}}',
    b'{"objects": [{"type": "indicator", "id": "indicator--1", "modified": "0001-01-01T00:00:00+23:59"}]}',
]  # fmt: skip


def test_whatever_a_feed_sends_is_a_dead_letter_at_worst(product: Watchfloor, spool: Spool) -> None:
    for form in ("stix", "misp", "entries"):
        for number, content in enumerate(HOSTILE):
            hand(product, spool, content, form, source=f"taxii/{form}{number}")
            found = tally(product, f"taxii/{form}{number}")
            assert found.received == found.dead_letters + found.indicators >= 1
    assert spool.waiting(product.parts.tenant).parcels == 0


def test_an_uploaded_bundle_is_the_same_as_one_from_a_feed(product: Watchfloor, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    bundle = {"type": "bundle", "id": "bundle--1", "objects": [domain("evil.example"), stix("bad", "")]}
    (tmp_path / "in" / "bundle.json").write_text(json.dumps(bundle))
    (tmp_path / "in" / "misp.json").write_text(json.dumps({"response": [event(attribute("a", "other.example"))]}))
    (tmp_path / "in" / "windows.json").write_text(json.dumps({"Event": {"System": {"EventID": 1}}}))
    done = product.pipeline.ingest([tmp_path / "in"])
    assert (done.records, done.indicators, done.events, done.dead_letters) == (4, 2, 1, 1)
    assert known(product, "evil.example") == ["bundle.json evil.example"]
    assert known(product, "other.example") == ["CIRCL other.example tlp:green"]


def test_a_webhook_may_bring_a_bundle_and_lines_that_only_look_like_one_are_records(
    product: Watchfloor, spool: Spool
) -> None:
    bundle = {"type": "bundle", "id": "bundle--1", "objects": [domain("evil.example")]}
    hand(product, spool, bundle, form="", source="webhook/x")
    assert tally(product, "webhook/x") == Tally(received=1, indicators=1)
    hand(product, spool, json.dumps(bundle).encode() + b"\n" + json.dumps(bundle).encode(), form="", source="webhook/y")
    assert tally(product, "webhook/y").events >= 1


def sign_in(n: int, address: str, at: str = "2026-10-14T07:00:00Z") -> dict[str, Any]:
    return TRAIL | {"eventID": f"{n:04d}", "eventTime": at, "sourceIPAddress": address}


def findings(product: Watchfloor) -> list[tuple[str, str]]:
    return sorted(
        (f.detection.uid, f.event_uid) for f in product.pipeline.findings() if f.detection.kind == "indicator"
    )


def test_what_was_seen_yesterday_and_is_named_today_is_a_finding_and_once(product: Watchfloor, spool: Spool) -> None:
    product.parts.clock = lambda: parse_iso(NOW)
    old = sign_in(9, "203.0.113.9", "2026-09-01T00:00:00Z")  # more than 30 days before
    rows = [sign_in(1, "203.0.113.7"), sign_in(2, "203.0.113.7"), sign_in(3, "198.51.100.1"), old]
    hand(product, spool, b"\n".join(json.dumps(row).encode() for row in rows), "ndjson", source="webhook/trail")
    product.pipeline.triage()
    assert findings(product) == []
    hand(product, spool, {"objects": [stix("net", "[ipv4-addr:value ISSUBSET '203.0.113.0/28']")]})
    decided = product.pipeline.triage()
    found = findings(product)
    assert len(found) == 2
    assert decided
    told = [json.loads(e.body) for e in product.desk.ledger_entries() if e.kind == "intel.looked_back"]
    assert [(e["indicators"], e["events"], e["findings"]) for e in told] == [(1, 2, 2)]
    # The same is found by the detector on what comes now, and nothing is found twice.
    hand(product, spool, json.dumps(sign_in(4, "203.0.113.7")).encode(), "ndjson", source="webhook/trail")
    assert len(findings(product)) == 3
    assert product.pipeline.triage()
    assert len(findings(product)) == 3


def test_looking_back_that_was_cut_off_begins_again(
    product: Watchfloor, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.parts.clock = lambda: parse_iso(NOW)
    body = json.dumps(sign_in(1, "203.0.113.7")).encode()
    hand(product, spool, body, "ndjson", source="webhook/trail")
    hand(product, spool, {"objects": [stix("ip", "[ipv4-addr:value = '203.0.113.7']")]})
    with monkeypatch.context() as patch:
        patch.setattr(product.parts.lake, "events", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            product.pipeline.triage()
    product.pipeline.triage()
    assert len(findings(product)) == 1


def test_domains_below_urls_and_senders_of_the_past_are_found(product: Watchfloor) -> None:
    names = Names()
    for kind, value in [("domain", "evil.example"), ("address", "203.0.113.0/24"), ("file", "a" * 64)]:
        names.add(kind, value)
    hits = [("domain", "a.b.evil.example"), ("url", "https://evil.example/x"), ("mailbox", "eve@mx.evil.example"),
            ("address", "203.0.113.200"), ("file", "A" * 64), ("url", "http://203.0.113.7:8080/")]  # fmt: skip
    misses = [("domain", "notevil.example"), ("domain", "example"), ("address", "203.0.114.1"), ("file", "b" * 64)]
    assert [hit for hit in hits if not list(names.of(*hit))] == []
    assert [miss for miss in misses if list(names.of(*miss))] == []


def test_an_indicator_holds_for_events_before_its_end_and_for_none_after(product: Watchfloor, spool: Spool) -> None:
    ends = "2026-10-14T08:00:00Z"
    product.parts.clock = lambda: parse_iso(NOW)
    hand(product, spool, {"objects": [stix("ip", "[ipv4-addr:value = '203.0.113.7']", valid_until=ends)]})
    rows = [sign_in(1, "203.0.113.7", "2026-10-14T07:59:59Z"), sign_in(2, "203.0.113.7", ends)]
    hand(product, spool, b"\n".join(json.dumps(row).encode() for row in rows), "ndjson", source="webhook/trail")
    assert len(findings(product)) == 1
    product.pipeline.triage()
    # What was true of the past does not change as the clock goes on.
    product.parts.clock = lambda: parse_iso("2026-12-24T00:00:00Z")
    assert product.pipeline.triage() == []


class KilledError(BaseException):
    """Ends everything where it stands, as kill -9 would."""


@pytest.mark.parametrize("where", ["before the objects", "after the objects", "before the spool lets go"])
def test_cut_off_anywhere_each_object_counts_once(
    product: Watchfloor, spool: Spool, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any, **__: Any) -> Any:
        raise KilledError

    thing, name = {
        "before the objects": (product.parts.intel_store, "put"),
        "after the objects": (product.parts.documents, "known"),
        "before the spool lets go": (spool, "done"),
    }[where]
    with monkeypatch.context() as patch:
        patch.setattr(thing, name, die)
        with pytest.raises(KilledError):
            hand(product, spool, {"objects": [domain("evil.example"), stix("bad", ""), domain("evil.example")]})
    while product.intake.work(spool):
        pass
    assert tally(product) == Tally(received=3, indicators=1, dead_letters=1, repeats=1)
    assert known(product, "evil.example") == ["cert evil.example"]
