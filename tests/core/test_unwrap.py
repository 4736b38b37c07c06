"""Links that were written anew lead where the shipped table says, and no link makes unwrapping go on for ever."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.content import documents, folder
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.unwrap import DEEPEST, Rewriters

ROWS: list[dict[str, Any]] = [row for one in documents(folder("links")) for row in one.data]
SHIPPED = Rewriters.of(ROWS)
EXAMPLES = [(row["name"], test["link"], test["target"]) for row in ROWS for test in row["tests"]]


@pytest.mark.parametrize(("name", "link", "target"), EXAMPLES, ids=[f"{n}-{i}" for i, (n, *_) in enumerate(EXAMPLES)])
def test_the_shipped_rewriters_do_what_their_tests_say(name: str, link: str, target: str) -> None:
    found = SHIPPED.unwrap(link)
    if target == link:
        assert (found.target, found.by, found.hidden) == (link, (), "")
    elif target:
        assert (found.target, found.by, found.hidden) == (target, (name,), "")
    else:
        assert (found.target, found.by, found.hidden) == (link, (), name)


def test_gateways_in_a_row_are_taken_off_one_after_the_other() -> None:
    inner = "https://urldefense.com/v3/__https://evil.example/l__;!!Kx8!abc$"
    outer = f"https://eur01.safelinks.protection.outlook.com/?url={quote(inner, safe='')}&data=05"
    found = SHIPPED.unwrap(outer)
    assert found.target == "https://evil.example/l"
    assert found.by == ("Microsoft Safe Links", "Proofpoint URL Defense 3")


def test_links_in_links_without_end_are_followed_so_far() -> None:
    link = "https://evil.example/end"
    for n in range(DEEPEST + 3):
        link = f"https://r{n}.example/?url={quote(link, safe='')}"
    assert len(SHIPPED.unwrap(link).by) == DEEPEST


@st.composite
def odd_links(draw: st.DrawFn) -> str:
    link = draw(st.sampled_from([link for _, link, _ in EXAMPLES]))
    at = draw(st.integers(0, len(link)))
    return link[:at] + draw(st.text(max_size=8)) + link[at:]


@given(st.text(max_size=200) | odd_links())
def test_whatever_a_link_is_it_leads_somewhere(link: str) -> None:
    found = SHIPPED.unwrap(link)
    assert isinstance(found.target, str)
    assert len(found.by) <= DEEPEST


def test_a_row_that_is_none_is_named() -> None:
    with pytest.raises(WatchfloorError, match="odd"):
        Rewriters.of([{"name": "odd", "hosts": ["a.example"], "written": "rot13"}])
