"""The worker: what comes is taken once and counted once, whatever breaks in between, and is decided soon after."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.records import TRAIL
from watchfloor.app.intake import Debounce
from watchfloor.app.settings import Settings
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.clock import MINUTE
from watchfloor.core.intake import IntakeMark, LiveState, Tally, silence
from watchfloor.core.policy import IntakePolicy
from watchfloor.core.record import DeadLetter
from watchfloor.store.spool import Parcel, Spool

SOURCE = "webhook/trails"
AT = 1_792_000_000_000


def trail(n: int) -> bytes:
    return json.dumps(TRAIL | {"eventID": f"{n:04d}"}).encode()


def parcel(*contents: bytes, form: str = "ndjson", at: int = AT, source: str = SOURCE) -> Parcel:
    return Parcel(source, at, b"\n".join(contents), form)


def put(product: Watchfloor, spool: Spool, *parcels: Parcel) -> None:
    spool.put(product.parts.tenant, *parcels).result()


def state(product: Watchfloor, source: str = SOURCE) -> LiveState:
    return product.parts.documents.get(product.parts.tenant, LiveState, source)


def kept_events(product: Watchfloor) -> int:
    return sum(row.events for row in product.parts.lake.sources(product.parts.tenant))


def until(true: Callable[[], Any]) -> Any:
    """Wait for it; a minute at most, for a thread that died must not hang the tests."""
    for _ in range(600):
        if value := true():
            return value
        time.sleep(0.1)
    raise AssertionError("it never came true")


def test_parcels_become_events_findings_and_dead_letters_and_the_balance_holds(
    product: Watchfloor, spool: Spool
) -> None:
    put(product, spool, parcel(trail(1), trail(2), b"{broken"), parcel(trail(3), form=""), parcel(b" "))
    assert product.intake.work(spool) == 5
    assert state(product).tally == Tally(received=5, events=3, dead_letters=2, repeats=0)
    assert kept_events(product) == 3
    assert product.pipeline.count() == 3
    letters = product.parts.documents.find(product.parts.tenant, DeadLetter)
    assert {product.parts.evidence.get_bytes(product.parts.tenant, str(d.content)) for d in letters} == {
        b"{broken",
        b" ",
    }
    assert spool.waiting(product.parts.tenant).parcels == 0
    assert product.intake.work(spool) == 0


def test_what_is_sent_again_counts_once(product: Watchfloor, spool: Spool) -> None:
    put(product, spool, parcel(trail(1), trail(1), trail(2), b"{broken"))
    product.intake.work(spool)
    assert state(product).tally == Tally(received=4, events=2, dead_letters=1, repeats=1)
    put(product, spool, parcel(b"{broken", trail(2), trail(3), trail(1)), parcel(trail(3)))
    product.intake.work(spool)
    assert state(product).tally == Tally(received=9, events=3, dead_letters=1, repeats=5)
    assert kept_events(product) == product.pipeline.count() == 3


def test_another_source_is_another_record(product: Watchfloor, spool: Spool) -> None:
    put(product, spool, parcel(trail(1)), parcel(trail(1), source="hec/other"))
    product.intake.work(spool)
    assert state(product).tally.events == state(product, "hec/other").tally.events == 1
    assert kept_events(product) == 2


class KilledError(BaseException):
    """Ends everything where it stands, as kill -9 would."""


def die(*_: Any, **__: Any) -> Any:
    raise KilledError


def steps(product: Watchfloor, spool: Spool) -> dict[str, tuple[Any, str]]:
    """Where a batch can be cut off: each store just before it writes."""
    return {
        "before the mark": (product.parts.documents, "put"),
        "before the lake": (product.parts.lake, "write"),
        "before the findings": (product.parts.documents, "known"),
        "before the spool lets go": (spool, "done"),
    }


@pytest.mark.parametrize(
    "where", ["before the mark", "before the lake", "before the findings", "before the spool lets go"]
)
def test_cut_off_anywhere_nothing_is_lost_and_nothing_counts_twice(
    product: Watchfloor, spool: Spool, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(product, spool, parcel(trail(1), trail(2), b"{broken"))
    product.intake.work(spool)
    put(product, spool, parcel(trail(2), trail(3), trail(4), b"{broken", b"{other"))
    thing, name = steps(product, spool)[where]
    with monkeypatch.context() as patch:
        patch.setattr(thing, name, die)
        with pytest.raises(KilledError):
            product.intake.work(spool)
    # More came before the next life; the batch that was cut off is worked off as it was.
    put(product, spool, parcel(trail(3), trail(5)))
    while product.intake.work(spool):
        pass
    assert state(product).tally == Tally(received=10, events=5, dead_letters=2, repeats=3)
    assert kept_events(product) == product.pipeline.count() == 5
    assert spool.waiting(product.parts.tenant).parcels == 0


def test_cut_off_between_two_segments_of_the_lake_counts_the_same(
    product: Watchfloor, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = product.parts.lake._write_segment, 0

    def second_dies(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KilledError
        return write(*args)

    put(product, spool, parcel(trail(1), b'{"no": "product"}', trail(1)))
    with monkeypatch.context() as patch:
        patch.setattr(product.parts.lake, "_write_segment", second_dies)
        with pytest.raises(KilledError):
            product.intake.work(spool)
    product.intake.work(spool)
    assert state(product).tally == Tally(received=3, events=2, dead_letters=0, repeats=1)
    assert kept_events(product) == 2


def test_a_lost_spool_file_loses_no_later_record(product: Watchfloor) -> None:
    path = product.parts.home.spool
    for n in range(3):
        with product.intake.running() as spool:
            put(product, spool, parcel(trail(n)))
            until(lambda: spool.waiting(product.parts.tenant).parcels == 0)
        for file in path.parent.glob("spool.db*"):
            file.unlink()
    assert state(product).tally == Tally(received=3, events=3)


def test_one_event_that_breaks_detection_stops_no_other(
    product: Watchfloor, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    examine = product.parts.detector.examine

    def breaks(event: Any, signals: Any) -> Any:
        if event.original.get("eventID") == "0002":
            raise ValueError("a rule that this event breaks")
        return examine(event, signals)

    monkeypatch.setattr(product.parts.detector, "examine", breaks)
    put(product, spool, parcel(trail(1), trail(2), trail(3)))
    product.intake.work(spool)
    assert state(product).tally == Tally(received=3, events=2, dead_letters=1)
    (letter,) = product.parts.documents.find(product.parts.tenant, DeadLetter)
    assert "a rule that this event breaks" in letter.reason


def test_a_stream_is_decided_by_itself_and_stops_and_goes_on(product: Watchfloor) -> None:
    tenant = product.parts.tenant
    with product.intake.running() as spool:
        put(product, spool, parcel(trail(1)))
        (row,) = until(product.desk.queue)
        assert row.verdict is not None or until(lambda: product.desk.queue()[0].verdict)
        assert product.intake.waiting == (0, 0)
        assert product.intake.troubles == []
    assert product.intake.waiting is None
    with product.intake.running() as spool:
        put(product, spool, parcel(trail(1), trail(2)))
        until(lambda: state(product).tally.received == 3)
    entries = [json.loads(e.body) for e in product.desk.ledger_entries() if e.kind == "intake"]
    total = sum((Tally.from_dict(body[SOURCE]) for body in entries), Tally())
    assert total == state(product).tally == Tally(received=3, events=2, repeats=1)
    assert product.parts.documents.get(tenant, IntakeMark, "intake").unlogged == {}
    assert product.desk.ledger_state().problems == []


def test_findings_that_a_dead_process_left_are_decided_at_the_start(product: Watchfloor) -> None:
    spool = Spool(product.parts.home.spool)
    put(product, spool, parcel(trail(1)))
    product.intake.work(spool)
    spool.close()
    assert product.desk.queue() == []
    with product.intake.running():
        until(product.desk.queue)


def test_trouble_is_shown_and_tried_again(product: Watchfloor, monkeypatch: pytest.MonkeyPatch) -> None:
    write = product.parts.lake.write

    def full(*_: Any) -> int:
        raise OSError("No space left on device")

    monkeypatch.setattr(product.parts.lake, "write", full)
    with product.intake.running() as spool:
        put(product, spool, parcel(trail(1)))
        (trouble,) = until(lambda: product.intake.troubles)
        assert (trouble.doing, trouble.problem) == ("working off the spool", "No space left on device")
        assert spool.waiting(product.parts.tenant).parcels == 1
        monkeypatch.setattr(product.parts.lake, "write", write)
        until(lambda: not product.intake.troubles)
        assert state(product).tally == Tally(received=1, events=1)


def test_rates_are_by_when_records_were_received(product: Watchfloor, spool: Spool) -> None:
    minute = 60_000
    put(
        product,
        spool,
        *(parcel(trail(n), trail(100 + n), at=AT + n * minute) for n in range(20)),
        parcel(trail(999), at=AT),
    )
    product.intake.work(spool)
    assert state(product).time == AT + 19 * minute
    assert state(product).per_minute(AT + 20 * minute, over=10) == 2.0
    assert state(product).per_minute(AT + 120 * minute) == 0.0
    assert state(product).minutes[0][1] == 3


def test_debounce_waits_for_quiet_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    debounce = Debounce(quiet=1.0, longest=10.0)
    slept: list[float] = []

    def sleep(seconds: float | None = None) -> bool:
        nonlocal now
        assert seconds is not None
        slept.append(round(seconds, 3))
        now += seconds
        if len(slept) < 30 and stream:
            debounce.came()
        return True

    monkeypatch.setattr(debounce._changed, "wait", sleep)
    stream = False
    debounce.came()
    assert debounce.wait()
    assert slept == [1.0]
    slept.clear()
    stream = True
    debounce.came()
    assert debounce.wait()
    assert sum(slept) == pytest.approx(10.0), "a stream without a pause is decided all the same"
    slept.clear()
    stream = False
    debounce.took(25.0)
    debounce.came()
    assert debounce.wait()
    assert sum(slept) == pytest.approx(25.0), "as much pause as the last run took"
    debounce.stop()
    assert not debounce.wait()


def regular(source: str, minutes: int, gap: int = 2) -> LiveState:
    """Heard every `gap` minutes, the last time at AT."""
    last = AT // MINUTE
    heard = tuple((last - gap * n, 5) for n in reversed(range(minutes)))
    return LiveState(tenant="default", uid=source, time=AT, tally=Tally(received=1, events=1), minutes=heard)


@given(st.integers(1, 100), st.integers(1, 60), st.integers(0, 10_000))
def test_only_a_regular_source_can_be_silent_and_only_after_long(minutes: int, gap: int, since: int) -> None:
    policy = IntakePolicy()
    found = silence(regular("hec/fw", minutes, gap), policy, AT + since * MINUTE)
    long = since >= max(policy.silent_minutes, policy.silent_gaps * gap)
    assert (found is not None) == (minutes >= policy.regular_minutes and long)


def test_a_source_that_falls_silent_is_shown_and_becomes_one_case(tmp_path: Path) -> None:
    now = AT + 20 * MINUTE
    with Watchfloor.open(tmp_path / "home", clock=lambda: now) as product:
        product.parts.documents.put("default", regular("hec/fw", 40), regular("hec/rare", 5))
        rows = {row.source: row.live for row in product.desk.sources()}
        assert rows["hec/fw"] is not None
        assert rows["hec/rare"] is not None
        assert rows["hec/fw"].silence is not None
        assert rows["hec/rare"].silence is None
        for _ in range(2):  # after a restart it is not told again
            with product.intake.running() as spool:
                (row,) = until(product.desk.queue)
                until(lambda: product.desk.queue()[0].verdict)
                until(lambda spool=spool: spool.waiting("default").parcels == 0)
        assert "hec/fw is silent" in row.case.title
        assert product.pipeline.count() == 1
        assert row.verdict is None or row.verdict.disposition != "close"


def test_a_policy_may_only_show_silence(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("intake: {silence_is: shown}\n")
    settings = Settings(policy=str(tmp_path / "policy.yaml"))
    with Watchfloor.open(tmp_path / "home", settings, clock=lambda: AT + 20 * MINUTE) as product:
        product.parts.documents.put("default", regular("hec/fw", 40))
        with product.intake.running() as spool:
            put(product, spool, parcel(trail(1)))
            until(lambda: spool.waiting("default").parcels == 0)
        assert product.pipeline.count() == 1, "the trail's own"
