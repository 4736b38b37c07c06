"""TAXII 2.1: every object of every page, once; and what a hostile or broken server may not do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
import pytest

from tests.ingest.sources.feeds import Call, Reply, TaxiiServer, serving
from tests.ingest.sources.hands import HandInMemory
from watchfloor.core.clock import parse_iso
from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.sources import feed, web
from watchfloor.ingest.sources.taxii import Taxii, TaxiiReader

NOW = parse_iso("2026-10-14T17:00:00Z")
KEY = "/root/collections/c-1/objects/"


def at(second: int) -> str:
    return f"2026-10-14T07:00:{second:02}.000000Z"


@pytest.fixture(autouse=True)
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits are noted instead of waited for."""
    seconds: list[float] = []
    sleep = asyncio.sleep

    async def note(time: float) -> None:
        seconds.append(time)
        await sleep(0)

    monkeypatch.setattr(web.asyncio, "sleep", note)
    monkeypatch.setenv("TAXII_PASSWORD", "s3cret")
    return seconds


def config(url: str, **more: Any) -> Taxii:
    fields = {"name": "cert", "kind": "taxii", "url": url, "user": "ana", "password": "env:TAXII_PASSWORD"}
    return Taxii.from_dict(fields | more)


def rounds(answer: Callable[[Call], Reply], hand: HandInMemory, *, path: str = "", times: int = 1, **more: Any) -> None:
    async def main(url: str) -> None:
        source = config(url + path, **more)
        asking = source.web()
        try:
            reader = TaxiiReader(source, hand, asking, now=lambda: NOW)
            for _ in range(times):
                await reader.round()
        finally:
            await asking.close()

    with serving(answer) as url:
        asyncio.run(main(url))


def objects(hand: HandInMemory) -> list[Any]:
    assert {form for _, form in hand.parcels} <= {"stix"}
    return [one for content, _ in hand.parcels for one in orjson.loads(content)["objects"]]


def full(*, tokens: bool = True, moments: int = 7) -> TaxiiServer:
    server = TaxiiServer(tokens=tokens)
    server.objects["c-1"] = [(at(n), {"id": f"indicator--{n}", "n": n}) for n in range(moments)]
    return server


@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize("path", ["", "/taxii2/", "/root/"])
def test_all_pages_of_a_server_named_in_any_way_and_then_what_is_new(path: str, tokens: bool) -> None:
    server, hand = full(tokens=tokens), HandInMemory()
    rounds(server, hand, path=path)
    assert [one["n"] for one in objects(hand)] == list(range(7))
    assert hand.kept == {KEY: at(6)}
    server.objects["c-1"].append((at(9), {"id": "indicator--9", "n": 9}))
    rounds(server, hand, path=path, times=2)
    assert [one["n"] for one in objects(hand)] == [*range(7), 9]
    assert hand.kept == {KEY: at(9)}


def test_the_place_is_kept_after_what_it_covers_and_not_within_a_moment() -> None:
    server = TaxiiServer()
    server.objects["c-1"] = [(at(n // 3), {"id": f"indicator--{n}", "n": n}) for n in range(9)]
    hand = HandInMemory()
    real = server._objects

    def breaks(found: Any, query: dict[str, str]) -> Reply:
        return Reply({"title": "broken"}, 500) if query.get("next") == "6" else real(found, query)

    server._objects = breaks  # type: ignore[method-assign]
    with pytest.raises(WatchfloorError, match="answered 500"):
        rounds(server, hand)
    assert hand.order[0] == "put"
    assert hand.kept.get(KEY, "") <= at(0)  # of the second moment only a part was handed over
    server._objects = real  # type: ignore[method-assign]
    rounds(server, hand)
    assert {one["n"] for one in objects(hand)} == set(range(9))
    assert hand.kept == {KEY: at(2)}


def test_collections_by_id_alias_or_title_and_only_what_may_be_read() -> None:
    server = full(moments=1)
    server.readable = {"c-1": True, "c-2": True, "c-3": False, "../x": True}
    server.objects["c-2"] = [(at(1), {"id": "indicator--b", "n": "b"})]
    for wanted, found in ([], [0, "b"]), (["a-c-2"], ["b"]), (["Title c-1", "c-2"], [0, "b"]):
        hand = HandInMemory()
        rounds(server, hand, collections=wanted)
        assert [one["n"] for one in objects(hand)] == found
    with pytest.raises(WatchfloorError, match="no readable collection 'c-3'"):
        rounds(server, HandInMemory(), collections=["c-3"])


def test_roots_on_other_hosts_are_not_asked() -> None:
    def answer(call: Call) -> Reply:
        return Reply({"api_roots": ["https://elsewhere.example/root/", 7]})

    with pytest.raises(WatchfloorError, match="no API root on its own host"):
        rounds(answer, HandInMemory())


def test_it_waits_as_long_as_it_is_told(waited: list[float]) -> None:
    server, busy = full(moments=1), [Reply({}, 503, {"Retry-After": "7"}), Reply({}, 429, {"Retry-After": "9"})]
    hand = HandInMemory()
    rounds(lambda call: busy.pop() if busy else server(call), hand)
    assert [seconds for seconds in waited if seconds] == [9.0, 7.0]
    assert len(objects(hand)) == 1


def test_many_and_large_objects_go_in_parcels_of_a_bounded_size() -> None:
    server = TaxiiServer(page=100)
    server.objects["c-1"] = [(at(n), {"id": f"indicator--{n}", "pad": "x" * 400_000}) for n in range(9)]
    hand = HandInMemory()
    rounds(server, hand)
    assert len(objects(hand)) == 9
    assert len(hand.parcels) == 5
    assert max(len(content) for content, _ in hand.parcels) < 2 * feed.PARCEL


def paged(*replies: Any, headers: dict[str, str] | None = None) -> Callable[[Call], Reply]:
    """A server whose objects are these answers, the last one again and again."""
    left = list(replies)
    plain = full()

    def answer(call: Call) -> Reply:
        if not call.path.endswith("/objects/"):
            return plain(call)
        reply = left.pop(0) if len(left) > 1 else left[0]
        return reply if isinstance(reply, Reply) else Reply(reply, 200, headers or {})

    return answer


ONE = [{"id": "indicator--1", "n": 1}]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (paged({"objects": ONE, "more": True, "next": "a"}), "in a circle"),
        (paged({"objects": ONE, "more": True, "next": "a"}, {"objects": ONE, "more": True, "next": "b"},
               {"objects": ONE, "more": True, "next": "a"}), "in a circle"),
        (paged({"objects": ONE, "more": True}), "not how to go on"),
        (paged({"objects": ONE, "more": True}, headers={"X-TAXII-Date-Added-Last": at(1)}), "not how to go on"),
        (paged({"objects": ONE, "more": True, "next": "x" * 5_000}), "absurdly long"),
        (paged({"objects": 7}), "no list of records at objects"),
        (paged([1]), "no JSON object"),
        (paged(b"{"), "no JSON object"),
        (paged(b'{"objects": ' + b"[" * 100_000), "JSON"),
        (paged(Reply({}, 302, {"location": "http://127.0.0.1:1/"})), "answered 302"),
        (paged(Reply({}, 401)), "answered 401"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "answer",
)  # fmt: skip
def test_what_a_broken_server_says_is_an_error_that_names_it(answer: Callable[[Call], Reply], says: str) -> None:
    hand = HandInMemory()
    with pytest.raises(WatchfloorError, match=says):
        rounds(answer, hand)
    assert hand.kept == {}


def test_pages_without_end_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchfloor.ingest.sources.taxii.MOST_PAGES", 5)
    count = 0

    def answer(call: Call) -> Reply:
        nonlocal count
        if not call.path.endswith("/objects/"):
            return full()(call)
        count += 1
        return Reply({"objects": ONE, "more": True, "next": str(count)})

    with pytest.raises(WatchfloorError, match="more than 5 pages"):
        rounds(answer, HandInMemory())
    assert count == 5


def test_an_answer_too_large_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MOST_BYTES", 1 << 20)
    with pytest.raises(WatchfloorError, match="answered more than 1 MiB"):
        rounds(paged({"objects": [{"pad": "x" * (2 << 20)}]}), HandInMemory())


@pytest.mark.parametrize("said", ["9999-12-31T00:00:00Z", "yesterday", "2026-99-99T00:00:00Z", ""])
def test_a_server_that_tells_no_possible_time_is_asked_for_the_last_day_again(said: str) -> None:
    hand = HandInMemory()
    rounds(paged({"objects": ONE}, headers={"X-TAXII-Date-Added-Last": said}), hand)
    assert hand.kept == {KEY: "2026-10-13T17:00:00.000000Z"}


def test_what_was_added_before_the_first_round_is_asked_for_as_far_back_as_wanted() -> None:
    server = full()
    with suppress(WatchfloorError):
        rounds(server, HandInMemory(), since_days=2)
    asked = [call.query for call in server.asked if call.path.endswith("/objects/")]
    assert asked[0] == {"limit": "1000", "added_after": "2026-10-12T17:00:00.000000Z"}


def test_what_is_missing_for_signing_in_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WatchfloorError, match="needs user and password"):
        config("https://taxii.example", password=None).check()
    monkeypatch.delenv("TAXII_PASSWORD")
    with pytest.raises(WatchfloorError, match="there is no secret"):
        config("https://taxii.example").check()
    with pytest.raises(WatchfloorError, match="url"):
        config("http://taxii.example")
    monkeypatch.setenv("TAXII_KEY", "k")
    keyed = config("https://taxii.example", user="", password=None, headers={"X-API-Key": "env:TAXII_KEY"})
    auth, values = keyed.signing()
    assert (auth.model_dump()["headers"], values) == ({"X-API-Key": "{header0}"}, {"header0": "k"})
