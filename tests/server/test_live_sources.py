"""Live sources on the page and in the API: who is heard, the balance, who fell silent, what is in the way."""

from __future__ import annotations

import pytest

from tests.server.conftest import ANALYST, Enter
from tests.server.desk import SmallDesk
from tests.server.given import NOW
from tests.server.test_pages import words
from watchfloor.app.views import IntakeView, LiveRow, SourceRow
from watchfloor.core.intake import Silence, Trouble

QUIET = Silence(source="hec/fw", last_heard=NOW - 3_600_000, longest_gap=120_000, silent_after=900_000)
ROWS = [
    SourceRow("hec/fw", ("cisco_asa",), 7, 2, NOW, LiveRow(10, 1, 0, NOW - 3_600_000, 0.0, QUIET)),
    SourceRow("upload/x/a.log", (), 3, 0, NOW),
]
TROUBLE = Trouble(doing="working off the spool", problem="No space left on device", since=NOW)


@pytest.fixture
def live(desk: SmallDesk, monkeypatch: pytest.MonkeyPatch) -> SmallDesk:
    monkeypatch.setattr(desk, "sources", lambda: ROWS)
    monkeypatch.setattr(desk, "intake_view", lambda: IntakeView(12, 3_456_789, (TROUBLE,)))
    return desk


@pytest.mark.usefixtures("live")
def test_the_page_shows_who_is_silent_and_what_waits(enter: Enter) -> None:
    page = enter(ANALYST).get("/sources").text
    for shown in ("hec/fw", "silent", "12 parcels", "No space left on device", "working off the spool"):
        assert shown in page
    assert page.count("hec/fw") == 2, "among the live ones and among all"


@pytest.mark.usefixtures("live")
def test_the_api_gives_the_same_and_the_balance_holds(enter: Enter) -> None:
    body = enter(ANALYST).get("/api/v1/sources").json()
    assert body["spool"] == {"parcels": 12, "size": 3_456_789}
    assert body["troubles"] == [TROUBLE.to_dict()]
    first, second = body["sources"]
    live = first["live"]
    assert live["received"] == first["events"] + first["dead_letters"] + live["repeats"] == 10
    assert live["silence"] == QUIET.to_dict()
    assert second["live"] is None


def test_the_api_needs_a_login(visit: Enter) -> None:
    assert visit().get("/api/v1/sources").status_code == 401


def test_without_live_sources_the_page_is_as_before(enter: Enter) -> None:
    page = enter(ANALYST).get("/sources").text
    assert "<h2>Live" not in page
    assert enter(ANALYST).get("/api/v1/sources").json()["troubles"] == []


def test_many_files_of_a_product_are_one_line(enter: Enter, desk: SmallDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [SourceRow(f"/data/{n // 100}/{n}.json", ("aws_cloudtrail",), 5, 0, NOW - n) for n in range(250)]
    unread = SourceRow("/data/broken.bin", (), 0, 1, None)
    monkeypatch.setattr(desk, "sources", lambda: [*files, unread])
    page = words(enter(ANALYST).get("/sources").text)
    assert "files are under /data/" in page
    assert page.index("none: nothing could be read broken.bin 0 1") < page.index("aws_cloudtrail 250 sources")
    assert "0/99.json 5 events and 150 more" in page
    assert "1/100.json" not in page
    assert "1,250 0 2026-" in page
