"""The supervisor: what a source hands in waits for room and is not lost, what fails is tried again and said."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from tests.server.intake.serving import wait_for
from watchfloor.app import supervisor as module
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.cli import doctor
from watchfloor.cli.doctor import checks
from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.sources import KINDS, Hand, Source
from watchfloor.store.spool import Spool


class Counting(Source):
    """Hands in numbers, each kept after it; breaks at some of them the first time that it comes there."""

    kind: Literal["counting"] = "counting"
    upto: int
    breaks: tuple[int, ...] = ()

    async def run(self, hand: Hand) -> None:
        await hand.working()
        for number in range(hand.checkpoint().get("next", 0), self.upto):
            await hand.put(b"%d" % number, "syslog")
            if number in self.breaks and number not in BROKE:
                BROKE.add(number)
                raise WatchfloorError(f"token=s3cret broke at {number}")
            await hand.keep({"next": number + 1})
        await asyncio.Event().wait()


BROKE: set[int] = set()


@pytest.fixture
def product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watchfloor]:
    BROKE.clear()
    monkeypatch.setattr(module, "FIRST_WAIT", 0.01)
    with Watchfloor.open(tmp_path / "home") as opened:
        yield opened


@contextmanager
def running(product: Watchfloor, spool: Spool, *sources: Source) -> Iterator[None]:
    product.supervisor.sources = lambda: sources  # type: ignore[method-assign]
    with product.supervisor.running(spool):
        yield


def test_a_full_spool_is_waited_for_said_and_nothing_is_lost(product: Watchfloor) -> None:
    tenant = product.parts.tenant
    spool = Spool(product.parts.home.spool, most_parcels=2)
    came: list[bytes] = []
    with running(product, spool, Counting(name="c", upto=7)):
        wait_for(
            lambda: [one.problem for one in product.supervisor.health()] == ["the spool is full; it waits for room"]
        )
        assert spool.waiting(tenant).parcels == 2
        while len(came) < 7:
            taken = spool.take(tenant, 10)
            came += [one.parcel.content for one in taken]
            spool.done(tenant, taken)
        wait_for(lambda: [one.status for one in product.supervisor.health()] == ["working"])
    spool.close()
    assert came == [b"%d" % n for n in range(7)]


def test_one_that_breaks_goes_on_where_it_was_and_disturbs_no_other(product: Watchfloor) -> None:
    spool = Spool(product.parts.home.spool)
    sources = Counting(name="a", upto=6, breaks=(2, 4)), Counting(name="b", upto=3)
    with running(product, spool, *sources):
        wait_for(lambda: spool.waiting(product.parts.tenant).parcels == 6 + 2 + 3)
    assert threading.active_count() < 20
    parcels = [one.parcel for one in spool.take(product.parts.tenant, 100)]
    spool.close()
    assert [p.content for p in parcels if p.source == "counting/a"] == [b"0", b"1", b"2", b"2", b"3", b"4", b"4", b"5"]
    assert [p.content for p in parcels if p.source == "counting/b"] == [b"0", b"1", b"2"]
    assert {one.status for one in product.supervisor.health()} == {"stopped"}


class Hindered(Source):
    """Cannot read one of two things, and later can."""

    kind: Literal["hindered"] = "hindered"

    async def run(self, hand: Hand) -> None:
        await hand.working()
        await hand.hindered("the second is locked")
        await hand.put(b"1", "syslog")
        while not GATE.is_set():
            await asyncio.sleep(0.01)
        await hand.working()
        await asyncio.Event().wait()


GATE = threading.Event()


def test_what_hinders_a_source_is_shown_while_the_rest_goes_on(product: Watchfloor) -> None:
    GATE.clear()
    spool = Spool(product.parts.home.spool)
    with running(product, spool, Hindered(name="h")):
        wait_for(lambda: spool.waiting(product.parts.tenant).parcels == 1)
        (trouble,) = wait_for(lambda: product.supervisor.look()[1])
        assert trouble.problem == "the second is locked"
        GATE.set()
        wait_for(lambda: product.supervisor.look()[1] == [])
    spool.close()


def test_a_problem_is_shown_without_what_looks_like_a_secret(
    product: Watchfloor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 60.0)
    spool = Spool(product.parts.home.spool)
    with running(product, spool, Counting(name="a", upto=6, breaks=(2,))):
        problem = wait_for(lambda: product.supervisor.look()[1])[0].problem
    spool.close()
    assert problem == "token=*** broke at 2"


def test_a_wrong_settings_file_is_said_by_each_that_reads_it(
    product: Watchfloor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_content", lambda: "")  # it takes seconds
    home = product.parts.home.path
    (home / "sources.yaml").write_text("sources:\n- {name: a, kind: syslog, transport: udp, port: x}\n")
    (trouble,) = product.supervisor.look()[1]
    assert "source 1" in trouble.problem
    assert "port" in trouble.problem
    found = {check.name: check for check in checks(home)}
    assert not found["sources"].works
    (home / "sources.yaml").write_text(
        "sources:\n- {name: a, kind: poll, product: okta, options: {domain: a.okta.com}, "
        "secrets: {token: 'env:NO_ONE'}}\n"
    )
    found = {check.name: check for check in checks(home)}
    assert "there is no secret" in found["sources"].sentence
    (home / "sources.yaml").write_text("sources:\n" + "- {name: a, kind: tail, paths: [/var/log]}\n" * 2)
    with pytest.raises(WatchfloorError, match="twice"):
        product.supervisor.sources()


class Ticking(Source):
    """Says each start, and counts how many of its kind run at once."""

    kind: Literal["ticking"]
    """Always the same."""
    value: int = 0
    """What tells one from its change."""

    async def run(self, hand: Hand) -> None:
        RUNS.append(f"{self.name}{self.value}")
        AT_ONCE[self.name] = AT_ONCE.get(self.name, 0) + 1
        assert AT_ONCE[self.name] == 1, "two of the same at once"
        try:
            await hand.working()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)  # it takes a while to end
            AT_ONCE[self.name] -= 1


RUNS: list[str] = []
AT_ONCE: dict[str, int] = {}


def test_a_running_server_follows_the_file(product: Watchfloor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.02)
    monkeypatch.setitem(KINDS, "ticking", Ticking)
    RUNS.clear()
    AT_ONCE.clear()
    file = product.parts.home.path / "sources.yaml"
    spool = Spool(product.parts.home.spool)

    def write(**values: int) -> None:
        entries = "".join(f"- {{name: {name}, kind: ticking, value: {value}}}\n" for name, value in values.items())
        file.write_text("sources:" + ("\n" + entries if entries else " []\n"))

    def now() -> dict[str, str]:
        return {one.uid.removeprefix("ticking/"): one.status for one in product.supervisor.health()}

    with product.supervisor.running(spool):  # there is no file yet
        write(a=1)
        wait_for(lambda: now() == {"a": "working"})
        write(a=1, b=1)
        wait_for(lambda: now() == {"a": "working", "b": "working"})
        write(a=2, b=1)
        wait_for(lambda: "a2" in RUNS)
        file.write_text("sources:\n- {name: a, kind: ticking, value: much}\n")
        trouble = wait_for(lambda: product.supervisor.look()[1])[0]
        assert "value" in trouble.problem
        wait_for(lambda: now() == {"a": "working", "b": "working"})  # what runs goes on, and is seen
        write(b=1)
        wait_for(lambda: AT_ONCE["a"] == 0)
        for value in range(5, 9):  # changes faster than it ends
            write(b=1, a=value)
        wait_for(lambda: "a8" in RUNS)
        write(b=1)
        wait_for(lambda: AT_ONCE["a"] == 0)
        write(a=8, b=1)
        wait_for(lambda: RUNS.count("a8") == 2)
        file.unlink()
        wait_for(lambda: AT_ONCE == {"a": 0, "b": 0})
    spool.close()
    assert RUNS.count("b1") == 1, "what did not change was left alone"


def test_a_server_starts_with_a_broken_file_and_runs_what_stands_there_when_it_is_mended(
    product: Watchfloor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.02)
    monkeypatch.setitem(KINDS, "ticking", Ticking)
    RUNS.clear()
    AT_ONCE.clear()
    file = product.parts.home.path / "sources.yaml"
    file.write_text("sources: [\n")
    spool = Spool(product.parts.home.spool)
    with product.supervisor.running(spool):
        assert "sources.yaml" in product.supervisor.look()[1][0].problem
        file.write_text("sources:\n- {name: a, kind: ticking}\n")
        wait_for(lambda: RUNS == ["a0"])
        assert product.supervisor.look()[1] == []
    spool.close()


class Deaf(Source):
    """Takes no notice of the first time that it is told to end, as a client may."""

    kind: Literal["deaf"] = "deaf"
    ends: bool

    async def run(self, hand: Hand) -> None:
        await hand.working()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if self.ends:
                return
            await asyncio.Event().wait()


def test_one_that_takes_no_notice_of_the_end_does_not_keep_the_server(
    product: Watchfloor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_END_SECONDS", 0.1)
    spool = Spool(product.parts.home.spool)
    with running(product, spool, Deaf(name="d", ends=False), Deaf(name="e", ends=True)):
        wait_for(lambda: [one.status for one in product.supervisor.health()] == ["working"] * 2)
    spool.close()
    assert [one.status for one in product.supervisor.health()] == ["stopped"] * 2
