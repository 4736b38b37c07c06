"""The case page shows campaigns and drafts of answers; what stands in a mail stays text."""

from __future__ import annotations

from tests.server.conftest import ANALYST, Enter
from tests.server.desk import SmallDesk
from tests.server.given_verdict import CASE, NOW
from watchfloor.app.mails import Campaign, CaseMails
from watchfloor.respond.reply import Reply


def test_campaigns_and_drafts_are_shown_as_text(enter: Enter, desk: SmallDesk) -> None:
    browser = enter(ANALYST)
    assert 'id="mails"' not in browser.get(f"/cases/{CASE}").text
    campaign = Campaign("<b>Full</b>", 9, 7, ("it@evil.example",), ("login.evil.example",), NOW, NOW + 1)
    draft = Reply("zoe@acme.example", "Re: odd", "Hello <script>alert(1)</script>\n", ("claim-1",))
    desk.mailed = CaseMails((campaign,), (draft,))
    page = browser.get(f"/cases/{CASE}").text
    assert 'id="mails"' in page
    assert "&lt;b&gt;Full&lt;/b&gt;" in page
    assert "Draft of an answer to zoe@acme.example" in page
    assert "Hello &lt;script&gt;" in page
    assert "Nobody has sent it. It says what 1 grounded claim of this case says" in page
