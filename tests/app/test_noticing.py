"""Anomaly detectors in the running product: learned from once, whoever keeps and however often an event comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.app.stream import PEOPLE, START, _call, _event, _logon, _usual
from watchfloor.app import noticing
from watchfloor.app.noticing import Learned, Noticed, Unlearned, taken_up
from watchfloor.app.settings import Settings
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.clock import DAY, HOUR
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.event import Event
from watchfloor.core.finding import Finding
from watchfloor.detect.detector import Detector

NOW = START + 100 * DAY
Open = Callable[..., Watchfloor]
LOW = {
    "title": "Log-on to a domain controller",
    "id": "0d8b1f1e-4a0c-4e3d-9f6e-0000000000b1",
    "level": "low",
    "logsource": {"product": "test"},
    "detection": {"s": {"host": "dc1"}, "condition": "s"},
}


def days(*some: int) -> list[Event]:
    plain = [one for day in some for one in _usual(day)]
    return [_event(1_000 * some[0] + n, at, ocsf) for n, (at, ocsf) in enumerate(plain)]


def strange(n: int, day: int = 20, user: str = "user3") -> Event:
    """A user on a host where they never were."""
    return _event(900_000 + n, START + day * DAY + 20 * HOUR + n, _logon(user, "dc1"), {"host": "dc1"}, product="test")


@pytest.fixture
def opens(tmp_path: Path, request: pytest.FixtureRequest) -> Open:
    def made(home: str = "home", rules: Iterable[dict[str, Any]] = (), tenant: str = "default") -> Watchfloor:
        folder = tmp_path / f"{home}-rules"
        folder.mkdir(exist_ok=True)
        if rules:
            (folder / "rules.yml").write_text(yaml.safe_dump_all(rules))
        settings = Settings(tenant=tenant, rules=(folder,), shipped_rules=False)
        opened = Watchfloor.open(tmp_path / home, settings, clock=lambda: NOW)
        request.addfinalizer(opened.close)
        return opened

    return made


def known(product: Watchfloor) -> dict[str, Any]:
    return {one.shelf.name: one.shelf.rows for one in taken_up(product.parts).members}


def learned(product: Watchfloor) -> int:
    return product.parts.documents.get(product.parts.tenant, Learned, "anomalies").n


def keep(product: Watchfloor, *batches: list[Event]) -> list[Finding]:
    return [one for batch in batches for one in product.pipeline.keeper.keep(batch).findings]


@pytest.fixture
def expected(opens: Open) -> dict[str, Any]:
    product = opens("whole")
    keep(product, days(0, 1), days(2, 3))
    return known(product)


def test_what_comes_again_is_learned_from_once(opens: Open, expected: dict[str, Any]) -> None:
    product = opens()
    keep(product, days(0, 1), days(2, 3) + days(2, 3))
    times = learned(product)
    keep(product, days(0, 1), days(2, 3))
    assert known(product) == expected
    assert learned(product) == times
    assert expected["first_seen/user_host"].keys() >= {f"user{n}" for n in range(PEOPLE)}


@pytest.mark.parametrize("place", ["lake", "commit"])
def test_what_was_cut_off_is_learned_from_when_it_comes_again(
    opens: Open, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """After the events came to the lake, and after everything else was written but not committed."""
    product = opens()
    keep(product, days(0, 1))

    def breaks(*_: Any) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as broken:
        if place == "lake":
            broken.setattr(product.parts.intel, "refresh", breaks)
        else:
            broken.setattr(product.parts.intel_store, "put", breaks)
        with pytest.raises(OSError, match="full"):
            keep(product, days(2, 3))
    assert product.parts.documents.count("default", Unlearned) == 1
    assert product.parts.lake.known("default", [days(2, 3)[0].uid])
    keep(opens(), days(2, 3))  # another process
    assert known(product) == expected
    assert product.parts.documents.count("default", Unlearned) == 0
    keep(product, days(2, 3))
    assert known(product) == expected


def test_two_that_keep_for_one_tenant_learn_as_one(opens: Open, expected: dict[str, Any]) -> None:
    one, other = opens(), opens()
    first, second = days(0, 1), days(2, 3)
    keep(one, first[:90])
    keep(other, first[90:])
    keep(one, second[:90])
    keep(other, second[90:], second)
    assert known(one) == expected
    assert learned(one) == 4


@pytest.mark.parametrize("same", [True, False])
def test_another_that_learns_meanwhile_is_seen(
    opens: Open, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    """It keeps between the one's lake and its commit: the same events, or others."""
    one, other = opens(), opens()
    keep(one, days(0, 1))
    mine = days(2, 3)
    theirs = mine if same else mine[: len(mine) // 2]
    refresh = one.parts.intel.refresh

    def meanwhile() -> None:
        monkeypatch.setattr(one.parts.intel, "refresh", refresh)
        keep(other, theirs)
        refresh()

    monkeypatch.setattr(one.parts.intel, "refresh", meanwhile)
    keep(one, mine if same else mine[len(mine) // 2 :])
    assert known(one).keys() == expected.keys()
    counts = {name: {key: (row.days, row.size()) for key, row in rows.items()} for name, rows in known(one).items()}
    wanted = {name: {key: (row.days, row.size()) for key, row in rows.items()} for name, rows in expected.items()}
    assert counts == wanted
    assert one.parts.documents.count("default", Unlearned) == 0


def test_what_was_said_is_kept_and_said_again(opens: Open) -> None:
    product = opens(rules=[LOW])
    keep(product, *[days(day) for day in range(20)])
    (found,) = keep(product, [strange(1)])
    assert found.risk is not None
    assert [part.member for part in found.risk.parts if part.member.startswith("anomaly")] == ["anomaly/first_seen"]
    (noticed,) = product.parts.documents.find("default", Noticed)
    assert noticed.said[0].subject == "user:user3"
    assert "ws3 (20)" in noticed.said[0].said
    (again,) = keep(product, [strange(1)])
    assert again == found
    # Looking back knows nothing of what was usual then.
    back = product.parts.detector.examine(strange(1)).findings
    assert back[0].risk is not None
    assert back[0].risk.log_odds < found.risk.log_odds
    product.pipeline.keeper.keep_found(back)
    assert product.pipeline.findings() == [found]


def test_nothing_is_learned_from_what_a_rule_of_high_level_hits(opens: Open) -> None:
    product = opens(rules=[LOW | {"level": "high"}])
    keep(product, *[days(day) for day in range(3)])
    keep(product, [strange(1)])
    assert "dc1" not in known(product)["first_seen/user_host"]["user3"].attributes
    mild = opens("mild", rules=[LOW | {"level": "medium"}])
    keep(mild, *[days(day) for day in range(3)])
    keep(mild, [strange(1)])
    assert "dc1" in known(mild)["first_seen/user_host"]["user3"].attributes


def test_an_event_that_breaks_detection_teaches_nothing(opens: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    product, plain = opens(), opens("plain")
    batch = days(0)
    bad = batch[7].uid
    examine = Detector.examine

    def breaks(self: Detector, event: Event, signals: Any = ()) -> Any:
        if event.uid == bad and self is product.parts.detector:
            raise ValueError("a rule that this event breaks")
        return examine(self, event, signals)

    monkeypatch.setattr(Detector, "examine", breaks)
    assert len(product.pipeline.keeper.keep(batch).letters) == 1
    keep(plain, [one for one in batch if one.uid != bad])
    for name in ("first_seen/user_host", "first_seen/user_operation", "first_seen/machine_destination"):
        assert known(product)[name] == known(plain)[name], name


def test_a_tenant_knows_nothing_of_another(opens: Open) -> None:
    one, other = opens(), opens(tenant="other")
    keep(one, days(0))
    assert all(not rows for rows in known(other).values())
    noticing.forget_all(other.parts, by="ana")
    assert known(one)["first_seen/user_host"]
    with pytest.raises(WatchfloorError, match="tenant"):
        keep(other, days(0))


def test_what_is_forgotten_is_forgotten_by_who_keeps(opens: Open) -> None:
    one, other = opens(), opens()
    keep(one, days(0))
    assert noticing.forget(other.parts, "user3", by="ana") >= 2
    keep(one, days(1))
    assert known(one)["first_seen/user_host"]["user3"].days == 1
    assert known(one)["first_seen/user_host"]["user4"].days == 3
    assert other.parts.ledger.of_subject("default", "user3")


def test_what_cannot_be_read_is_an_error_that_says_what_to_do(opens: Open) -> None:
    product = opens()
    product.parts.usual.put("default", [("first_seen/user_host", "user1", 1, b"\xc1")])
    with pytest.raises(WatchfloorError, match="forget --all"):
        keep(product, days(0))
    noticing.forget_all(product.parts, by="ana")
    keep(product, days(0))
    assert known(product)["first_seen/user_host"]


def test_entities_not_seen_for_long_are_let_go_of(opens: Open) -> None:
    product = opens()
    keep(product, days(0))
    keep(product, [_event(5_000_000, START + 80 * DAY, _call("user1", "s3", "GetObject"))])
    product.pipeline.keeper.settle()
    assert known(product)["first_seen/user_operation"].keys() == {"user1"}
    assert known(product)["first_seen/user_host"] == {}
