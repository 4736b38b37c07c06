"""Correlations in the running product: counted once whatever breaks in between, from files as live, and bounded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.records import TRAIL
from watchfloor.app.counting import Counted, StoredGroups
from watchfloor.app.settings import Settings
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.clock import DAY, HOUR, MINUTE
from watchfloor.core.finding import Finding
from watchfloor.detect.correlation import Group, correlator
from watchfloor.store.spool import Parcel, Spool

AT = 1_792_000_000_000
STOPPED = {
    "title": "Trail stopped",
    "name": "stopped",
    "logsource": {"product": "aws", "service": "cloudtrail"},
    "detection": {"s": {"eventName": "StopLogging"}, "condition": "s"},
    "level": "low",
    "tags": ["attack.defense-evasion", "attack.t1562.008"],
}
OFTEN = {
    "title": "Trails stopped again and again",
    "id": "0d8b1f1e-4a0c-4e3d-9f6e-000000000001",
    "name": "often",
    "correlation": {
        "type": "event_count",
        "rules": ["stopped"],
        "group-by": ["userIdentity.userName"],
        "timespan": "1h",
        "condition": {"gte": 5},
    },
    "level": "high",
}
FEW = {
    "title": "Few trails stopped",
    "id": "0d8b1f1e-4a0c-4e3d-9f6e-000000000002",
    "correlation": {
        "type": "event_count",
        "rules": ["stopped"],
        "group-by": ["userIdentity.userName"],
        "timespan": "1h",
        "condition": {"lt": 5},
    },
}


class Clock:
    now = AT

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(home: Path, clock: Clock, *rules: dict[str, Any]) -> Watchfloor:
    folder = home.with_name("rules")
    folder.mkdir(exist_ok=True)
    (folder / "rules.yml").write_text(yaml.safe_dump_all([STOPPED, *rules]))
    return Watchfloor.open(home, Settings(rules=(folder,), shipped_rules=False), clock=clock)


@pytest.fixture
def product(tmp_path: Path, clock: Clock) -> Iterator[Watchfloor]:
    with opened(tmp_path / "home", clock, OFTEN) as product:
        yield product


@pytest.fixture
def spool(product: Watchfloor) -> Iterator[Spool]:
    spool = Spool(product.parts.home.spool)
    yield spool
    spool.close()


def trail(n: int, user: str = "mallory", minute: int = 0) -> bytes:
    identity = {"type": "IAMUser", "userName": user}
    at = f"2026-10-13T07:{minute:02d}:{n % 60:02d}Z"
    return json.dumps(TRAIL | {"eventID": f"{user}{n:04d}", "userIdentity": identity, "eventTime": at}).encode()


def put(product: Watchfloor, spool: Spool, *records: bytes) -> None:
    spool.put(product.parts.tenant, Parcel("webhook/trails", AT, b"\n".join(records), "ndjson")).result()


def told(product: Watchfloor) -> dict[str, int]:
    """Of each group, how many events its finding rests on."""
    found = {}
    for finding in product.pipeline.findings():
        assert finding.correlated is not None
        found[finding.correlated.group["userIdentity.userName"]] = finding.correlated.total
    assert len(found) == product.pipeline.count()
    return found


def test_a_match_is_one_finding_that_grows_and_names_its_events(product: Watchfloor, spool: Spool) -> None:
    put(product, spool, *(trail(n) for n in range(4)), *(trail(n, "alice") for n in range(3)))
    product.intake.work(spool)
    assert told(product) == {}, "the single ones raise nothing by themselves"
    put(product, spool, trail(4), trail(5))
    product.intake.work(spool)
    (first,) = product.pipeline.findings()
    put(product, spool, trail(6), trail(2), trail(2, "alice"))
    product.intake.work(spool)
    (finding,) = product.pipeline.findings()
    assert finding.correlated
    assert first.correlated
    assert (first.uid, first.correlated.total) == (finding.uid, 6)
    events = [event.uid for event in finding.correlated.events]
    assert len(set(events)) == finding.correlated.total == finding.correlated.value == 7
    kept = product.parts.lake.events(product.parts.tenant, events)
    assert {event.original["eventID"] for event in kept.values()} == {f"mallory{n:04d}" for n in range(7)}
    assert kept[finding.event_uid].original["eventID"] == "mallory0006"
    assert finding.techniques == ("T1562.008",), "it says none of its own, so those of what it counts"
    assert "user:mallory" in {i.entity.key for i in finding.involved}
    assert finding.correlated.sentence == "7 times “Trail stopped” in 6 s, for userIdentity.userName mallory"


def test_it_goes_the_way_of_all_findings(product: Watchfloor, spool: Spool) -> None:
    put(product, spool, *(trail(n) for n in range(6)))
    product.intake.work(spool)
    product.pipeline.triage()
    (row,) = product.desk.queue()
    assert "again and again" in row.case.title
    view = product.desk.case_view(row.case.uid)
    assert view.verdict is not None
    counted = [claim for claim in view.verdict.claims if "6 times" in claim.sentence]
    assert counted, [claim.sentence for claim in view.verdict.claims]
    assert counted[0].citations


class KilledError(BaseException):
    """Ends everything where it stands, as kill -9 would."""


def die(*_: Any, **__: Any) -> Any:
    raise KilledError


@pytest.mark.parametrize("where", ["before the lake", "while it counts", "before the commit", "before the spool"])
def test_cut_off_anywhere_no_event_counts_twice_and_none_is_lost(
    product: Watchfloor, spool: Spool, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    things: dict[str, tuple[Any, str]] = {
        "before the lake": (product.parts.lake, "write"),
        "while it counts": (StoredGroups, "put"),
        "before the commit": (product.parts.documents, "known"),
        "before the spool": (spool, "done"),
    }
    put(product, spool, *(trail(n) for n in range(4)))
    product.intake.work(spool)
    put(product, spool, *(trail(n) for n in range(3, 7)))
    with monkeypatch.context() as patch:
        patch.setattr(*things[where], die)
        with pytest.raises(KilledError):
            product.intake.work(spool)
    assert told(product) == ({"mallory": 7} if where == "before the spool" else {})
    put(product, spool, trail(7))
    while product.intake.work(spool):
        pass
    assert told(product) == {"mallory": 8}


def test_what_was_counted_is_there_after_a_restart(tmp_path: Path, clock: Clock) -> None:
    for n in range(6):
        with opened(tmp_path / "home", clock, OFTEN) as product:
            spool = Spool(product.parts.home.spool)
            put(product, spool, trail(n), trail(n, f"other{n}"))
            product.intake.work(spool)
            spool.close()
            assert told(product) == ({"mallory": n + 1} if n >= 4 else {})


def files(folder: Path, *contents: list[bytes]) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = []
    for n, records in enumerate(contents):
        paths.append(folder / f"{n}.json")
        paths[-1].write_bytes(b"\n".join(records) + b"\n")
    return paths


def test_files_in_any_order_and_again_give_what_live_intake_gives(tmp_path: Path, clock: Clock) -> None:
    one, other = [trail(n) for n in range(3)], [trail(n) for n in range(3, 6)]
    paths = files(tmp_path / "files", one, other, [trail(n, "alice") for n in range(4)])
    results = []
    for n, order in enumerate(([0, 1, 2], [2, 1, 0], [1, 0, 1, 2, 0])):
        with opened(tmp_path / f"home{n}", clock, OFTEN, FEW) as product:
            for file in order:
                product.pipeline.ingest([paths[file]])
                clock.now += 3 * HOUR
            results.append({(f.detection.uid, f.uid): f.correlated for f in product.pipeline.findings()})
    with opened(tmp_path / "live", clock, OFTEN, FEW) as product:
        spool = Spool(product.parts.home.spool)
        put(product, spool, *one, *(trail(n, "alice") for n in range(4)), *other)
        product.intake.work(spool)
        product.pipeline.keeper.settle()
        live = {(f.detection.uid, f.uid) for f in product.pipeline.findings()}
        assert {uid for uid, _ in live} == {OFTEN["id"]}, "few may become more"
        clock.now += 3 * HOUR
        assert len(product.pipeline.keeper.settle()) == 1
        live = {(f.detection.uid, f.uid) for f in product.pipeline.findings()}
        spool.close()
    assert {uid for uid, _ in live} == {OFTEN["id"], FEW["id"]}
    # A file that comes hours before the next is whole by itself, and was "few" then; the rest is the same.
    assert all(live <= result.keys() for result in results)
    often = [{uid: c.total for uid, c in r.items() if uid[0] == OFTEN["id"] and c} for r in results]
    assert [*often[0].values()] == [6]
    assert often[0] == often[1] == often[2]


def test_old_groups_are_let_go_of_and_the_count_of_what_is_kept_is_right(
    product: Watchfloor, spool: Spool, clock: Clock
) -> None:
    documents, tenant = product.parts.documents, product.parts.tenant
    put(product, spool, *(trail(n) for n in range(4)), *(trail(n, "alice") for n in range(2)))
    product.intake.work(spool)
    assert documents.get(tenant, Counted, str(OFTEN["id"])).entries == 6
    clock.now += DAY
    put(product, spool, trail(3, "alice"))
    product.intake.work(spool)
    clock.now += 2 * HOUR
    product.pipeline.keeper.settle()
    (group,) = documents.find(tenant, Group)
    assert group.key == ("alice",)
    assert documents.get(tenant, Counted, str(OFTEN["id"])).entries == 3
    put(product, spool, trail(5), trail(6))
    product.intake.work(spool)
    assert told(product) == {}, "these came more than a day after the first four"


def test_groups_of_rules_that_are_used_no_more_go(tmp_path: Path, clock: Clock) -> None:
    with opened(tmp_path / "home", clock, OFTEN) as product:
        product.pipeline.ingest(files(tmp_path / "files", [trail(0)]))
    clock.now += DAY + MINUTE
    with opened(tmp_path / "home", clock, FEW) as product:
        assert product.parts.documents.count(product.parts.tenant, Group) == 1
        product.pipeline.keeper.settle()
        assert product.parts.documents.count(product.parts.tenant, Group) == 0


def test_more_than_can_be_counted_is_said(product: Watchfloor, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correlator, "MOST_A_RULE", 20)
    put(product, spool, *(trail(n, f"user{n}") for n in range(60)))
    product.intake.work(spool)
    assert product.parts.documents.get(product.parts.tenant, Counted, str(OFTEN["id"])).entries <= 20
    (finding,) = product.pipeline.findings()
    assert finding.title == "Too many events to count all for: Trails stopped again and again"
    put(product, spool, *(trail(n, f"more{n}") for n in range(60)))
    product.intake.work(spool)
    assert product.pipeline.count() == 1, "once a day"


def test_a_group_that_matches_may_grow_without_end(
    product: Watchfloor, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correlator, "MOST_COUNTED", 10)
    for n in range(0, 60, 6):
        put(product, spool, *(trail(n + m) for m in range(6)))
        product.intake.work(spool)
    (finding,) = product.pipeline.findings()
    assert finding.correlated
    assert finding.correlated.total >= 10
    assert "Too many" not in finding.title


def test_one_tenant_counts_nothing_of_another(tmp_path: Path, clock: Clock) -> None:
    records = [trail(n) for n in range(6)]
    paths = files(tmp_path / "files", records[:3], records[3:])
    folder = tmp_path / "rules"
    for tenant, path in zip(("acme", "corp"), paths, strict=True):
        with opened(tmp_path / "home", clock, OFTEN):
            pass
        settings = Settings(tenant=tenant, rules=(folder,), shipped_rules=False)
        with Watchfloor.open(tmp_path / "home", settings, clock=clock) as product:
            product.pipeline.ingest([path])
            assert product.parts.documents.count(tenant, Group) == 1
            assert product.parts.documents.count(tenant, Finding) == 0
