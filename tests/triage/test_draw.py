"""The draw: fair, known to nobody before, and the same for whoever draws again."""

from __future__ import annotations

from typing import Any

import pytest

from watchfloor.core.clock import DAY
from watchfloor.triage.draw import commitment, first, key_of, period_of, period_span, place, problems

KEY = key_of(b"s" * 32, "acme", "2026-W42")
Entries = list[tuple[str, str, dict[str, Any]]]


def test_places_are_uniform_and_hang_on_the_secret_the_tenant_and_the_period() -> None:
    places = [place(KEY, f"case-{n}") for n in range(20_000)]
    assert sum(p < 0.05 for p in places) == pytest.approx(1_000, abs=150)
    assert sum(places) / len(places) == pytest.approx(0.5, abs=0.01)
    assert all(0.0 <= p < 1.0 for p in places)
    others = [key_of(b"t" * 32, "acme", "2026-W42"), key_of(b"s" * 32, "b", "2026-W42"), key_of(b"s" * 32, "acme", "x")]
    assert len({place(key, "case-1") for key in (KEY, *others)}) == 4


def test_a_period_is_an_iso_week() -> None:
    assert period_of(1_791_979_200_000) == "2026-W42"
    start, end = period_span("2026-W42")
    assert end - start == 7 * DAY
    assert period_of(start) == "2026-W42"
    assert period_of(end) == "2026-W43"
    assert period_span("2026-W42+1") == (start, end)


def entries(share: float = 0.3, count: int = 40) -> Entries:
    """What a ledger says of a week with an honest draw."""
    found: Entries = [("closing.draw_committed", "closing", {"period": "2026-W42", "commitment": commitment(KEY)})]
    for n in range(count):
        case = f"case-{n}"
        draw = {"class": "c", "period": "2026-W42", "share": share, "drawn": place(KEY, case) < share}
        found.append(("verdict.decided", case, {"draw": draw}))
    passed = [(place(KEY, s), s) for _, s, b in found[1:] if not b["draw"]["drawn"]]
    found.append(("closing.reviews_drawn", "c", {"period": "2026-W42", "cases": first(passed, 3), "of": len(passed)}))
    found.append(("closing.draw_revealed", "closing", {"period": "2026-W42", "key": KEY.hex()}))
    return found


def test_an_honest_draw_comes_out_the_same() -> None:
    assert list(problems(entries())) == []


def test_a_case_that_was_spared_or_a_key_that_was_chosen_afterwards_is_found() -> None:
    told = entries()
    which = next(n for n, (_, _, body) in enumerate(told) if body.get("draw", {}).get("drawn"))
    spared = [*told]
    kind, case, body = told[which]
    spared[which] = (kind, case, {"draw": body["draw"] | {"drawn": False}})
    assert case in next(iter(problems(spared)))

    late = [*told[:-1], ("closing.draw_revealed", "closing", {"period": "2026-W42", "key": "00" * 32})]
    assert any("not the one whose digest" in one for one in problems(late))

    passed = sorted((place(KEY, s), s) for _, s, b in told if "draw" in b and not b["draw"]["drawn"])
    easy = [case for _, case in passed[-3:]]
    chosen = [*told[:-2], (told[-2][0], "c", told[-2][2] | {"cases": easy}), told[-1]]
    assert any("should have been reviewed" in one for one in problems(chosen))


def test_of_a_week_that_still_runs_nothing_can_be_said() -> None:
    assert list(problems(entries()[:-1])) == []
