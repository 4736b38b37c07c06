"""Sources of `sources.yaml` on the page and in the API: how each does, and why one fails."""

from __future__ import annotations

import pytest

from tests.server.conftest import ANALYST, Enter
from tests.server.desk import SmallDesk
from tests.server.given import NOW
from watchfloor.app.views import IntakeView
from watchfloor.core.source import SourceHealth
from watchfloor.store.intel import Feed

COLLECTED = (
    SourceHealth(tenant="acme", uid="poll/okta", time=NOW, status="failing", problem="answered 401: <b>no</b>"),
    SourceHealth(tenant="acme", uid="syslog/fw", time=NOW, status="working", note="<7> behind"),
    SourceHealth(tenant="acme", uid="tail/new", time=0, status="stopped"),
)

FEEDS = (Feed("taxii/<cert>", 12_345, 13_000, 120, NOW, NOW - 1),)


@pytest.fixture(autouse=True)
def collected(desk: SmallDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "intake_view", lambda: IntakeView(0, 0, (), COLLECTED, FEEDS))


def test_the_page_says_how_each_does(enter: Enter) -> None:
    page = enter(ANALYST).get("/sources").text
    for shown in (
        "poll/okta",
        "failing",
        "answered 401: &lt;b&gt;no&lt;/b&gt;",
        "syslog/fw",
        "working",
        "&lt;7&gt; behind",
        "never started",
        "taxii/&lt;cert&gt;",
        "12,345",
    ):
        assert shown in page


def test_the_api_gives_the_same(enter: Enter) -> None:
    body = enter(ANALYST).get("/api/v1/sources").json()
    assert [(one["source"], one["status"], one["since"]) for one in body["collected"]] == [
        ("poll/okta", "failing", NOW),
        ("syslog/fw", "working", NOW),
        ("tail/new", "stopped", 0),
    ]
    assert [one["note"] for one in body["collected"]] == ["", "<7> behind", ""]
    assert body["feeds"] == [FEEDS[0]._asdict()]
    assert body["collected"][0]["problem"] == COLLECTED[0].problem
