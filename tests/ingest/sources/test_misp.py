"""MISP: a server's events, a feed's folder and plain lists; and what a hostile or broken one may not do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tests.ingest.sources.feeds import Call, MispServer, Reply, serving
from tests.ingest.sources.hands import HandInMemory
from watchfloor.core.clock import parse_iso
from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.sources.misp import Misp, MispReader

NOW = parse_iso("2026-10-14T17:00:00Z")
SECONDS = NOW // 1_000
UUIDS = [f"5f9d1c2e-0000-4000-8000-00000000000{n}" for n in range(9)]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISP_KEY", "s3cret")


def event(n: int, at: int = 100, **more: Any) -> dict[str, Any]:
    attribute = {"uuid": f"a-{n}", "type": "domain", "value": f"d{n}.example", "to_ids": True, "timestamp": str(at)}
    return {"uuid": UUIDS[n], "info": f"event {n}", "timestamp": str(at), "publish_timestamp": str(at),
            "Attribute": [attribute], **more}  # fmt: skip


def rounds(answer: Callable[[Call], Reply], hand: HandInMemory, *, times: int = 1, **where: Any) -> None:
    async def main(url: str) -> None:
        places = {name: url + path for name, path in where.items() if name in ("server", "feed", "list")}
        fields = {"name": "m", "kind": "misp", "headers": {"Authorization": "env:MISP_KEY"}, **where, **places}
        source = Misp.from_dict(fields)
        asking = source.web()
        try:
            reader = MispReader(source, hand, asking, now=lambda: NOW)
            for _ in range(times):
                await reader.round()
        finally:
            await asking.close()

    with serving(answer) as url:
        asyncio.run(main(url))


def events(hand: HandInMemory) -> list[tuple[str, str, int]]:
    found = [orjson.loads(content)["Event"] for content, form in hand.parcels if form == "misp"]
    return [(e["uuid"][-1:], e.get("timestamp", ""), len(e["Attribute"])) for e in found]


def test_a_servers_events_page_by_page_and_then_what_was_published_since() -> None:
    server, hand = MispServer(), HandInMemory()
    server.events = [event(n, 100 + n) for n in range(5)]
    rounds(server, hand, server="", limit=2, filter={"tags": ["tlp:green"]})
    assert events(hand) == [(str(n), str(100 + n), 1) for n in range(5)]
    assert hand.kept == {"since": 104}
    asked = [call.body for call in server.asked]
    assert [body["page"] for body in asked] == [1, 2, 3]
    assert all(b["enforceWarninglist"] and b["published"] and b["tags"] == ["tlp:green"] for b in asked)
    server.events[1] = event(1, 200, Attribute=[])
    rounds(server, hand, server="/", limit=2, times=2)
    # The event of the last second is given again to a new process, and once.
    assert events(hand)[5:] == [("1", "200", 0), ("4", "104", 1)]
    assert hand.kept == {"since": 200}


def test_a_server_is_believed_no_time_that_is_to_come_and_asked_for_the_days_wanted() -> None:
    server, hand = MispServer(), HandInMemory()
    server.events = [event(1, 99_999_999_999)]
    rounds(server, hand, server="", since_days=1)
    assert server.asked[0].body["publish_timestamp"] == str(SECONDS - 86_400)
    assert hand.kept == {"since": SECONDS}


def test_a_feeds_events_that_changed_and_those_that_went_away() -> None:
    server, hand = MispServer(), HandInMemory()
    server.events = [event(1, 30), event(2, 20), event(3, 10)]
    rounds(server, hand, feed="/feed/", headers={})
    assert events(hand) == [("3", "10", 1), ("2", "20", 1), ("1", "30", 1)]
    server.events = [event(1, 30), event(2, 25)]
    rounds(server, hand, feed="/feed", headers={}, times=2)
    assert events(hand)[3:] == [("2", "25", 1), ("3", "", 0)]
    assert hand.kept == {"events": {UUIDS[1]: "30", UUIDS[2]: "25"}}


def test_one_event_that_cannot_be_had_keeps_none_of_the_others() -> None:
    server, hand = MispServer(), HandInMemory()
    server.events = [event(1, 10), event(2, 20), event(3, 30)]

    def answer(call: Call) -> Reply:
        return Reply({}, 404) if call.path.endswith(f"{UUIDS[2]}.json") else server(call)

    with pytest.raises(WatchfloorError, match="answered 404"):
        rounds(answer, hand, feed="/feed/", headers={})
    assert [e[0] for e in events(hand)] == ["1", "3"]
    rounds(server, hand, feed="/feed/", headers={})
    assert [e[0] for e in events(hand)] == ["1", "3", "2"]


def test_a_list_in_parts_of_which_only_the_changed_come_again() -> None:
    server, hand = MispServer(), HandInMemory()
    rows = [f"d{n}.example" for n in range(100)]
    server.list = "# a comment\n" + "\r\n".join(rows) + "\n\n"
    rounds(server, hand, list="/list.txt", headers={})
    parts = [orjson.loads(content) for content, form in hand.parcels if form == "entries"]
    assert sorted(row for part in parts for row in part["rows"]) == sorted(rows)
    assert len({part["part"] for part in parts}) == len(parts) > 8
    server.list = "\n".join(rows[1:])
    rounds(server, hand, list="/list.txt", headers={}, times=2)
    (again,) = [orjson.loads(content) for content, _ in hand.parcels[len(parts) :]]
    (before,) = [part for part in parts if part["part"] == again["part"]]
    assert before["rows"] == [rows[0], *again["rows"]]


def test_each_part_of_a_list_with_columns_has_the_heading() -> None:
    server, hand = MispServer(), HandInMemory()
    server.list = '"type","value"\ndomain,a.example\ndomain,b.example\ndomain,c.example\n'
    rounds(server, hand, list="/list.txt", headers={})
    parts = [orjson.loads(content) for content, _ in hand.parcels]
    assert {part["heading"] for part in parts} == {'"type","value"'}
    assert sum(len(part["rows"]) for part in parts) == 3


@pytest.mark.parametrize(
    ("where", "body", "says"),
    [
        ("server", {"response": [{"Event": event(1)}] * 20}, "same page again"),
        ("server", {"response": 7}, "no list of records"),
        ("server", b"<html>", "no list of records"),
        ("feed", {}, "no events in its manifest"),
        ("feed", b"[" * 100_000, "broken JSON"),
        ("list", b"\n# nothing\n", "no entries"),
        ("list", Reply({}, 301, {"location": "http://127.0.0.1:1/"}), "answered 301"),
    ],
)
def test_what_a_broken_place_says_is_an_error(where: str, body: Any, says: str) -> None:
    hand = HandInMemory()
    reply = body if isinstance(body, Reply) else Reply(body)
    with pytest.raises(WatchfloorError, match=says):
        rounds(lambda _: reply, hand, **{where: "/x"})
    assert hand.kept == {}


def test_names_in_a_manifest_lead_nowhere_else() -> None:
    asked: list[str] = []

    def answer(call: Call) -> Reply:
        asked.append(call.path)
        return Reply({"../../secret": {"timestamp": "1"}, "http://elsewhere.example/x": {}, UUIDS[1]: {}})

    with pytest.raises(WatchfloorError, match="no event"):
        rounds(answer, HandInMemory(), feed="/feed/")
    assert asked == ["/feed/manifest.json", f"/feed/{UUIDS[1]}.json"]


def test_one_place_is_named_and_filters_do_not_change_how_it_is_asked() -> None:
    for wrong in ({}, {"server": "https://a.example", "list": "https://b.example"}, {"list": "http://b.example"},
                  {"server": "https://a.example", "filter": {"page": 3}}):  # fmt: skip
        with pytest.raises(WatchfloorError):
            Misp.from_dict({"name": "m", "kind": "misp", **wrong})
