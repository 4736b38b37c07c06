"""How a case's investigation, its stability and what stands near it read on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from watchfloor.app.views import Reopened
from watchfloor.app.way import shaken, way
from watchfloor.cli.output import put, wrapped
from watchfloor.core.clock import iso
from watchfloor.core.verdict import Stability, Verdict
from watchfloor.triage.resolutions import SYSTEMS, Resolution

if TYPE_CHECKING:
    from watchfloor.app.similar import SimilarCase


def print_way(verdict: Verdict, *, every: bool) -> None:
    """Why the investigation stopped and the steps that moved it; with `every`, all of them and what was not needed."""
    found = way(verdict)
    if found is None or not found.rows:
        return
    put("\nhow it was investigated", "bold")
    put(wrapped(found.investigation.sentence, "  "))
    shown = found.rows if every else found.telling
    for row in shown:
        step = row.step
        words = f"{row.title} {step.answer.replace('_', ' ')} → attack {step.probability:.1%}"
        if every:
            purpose = ", for the plan" if step.purpose == "plan" else ""
            about = f" ({step.about})" if not step.about.startswith("case-") else ""
            words += (
                f"{about}: expected {step.information:.3f} bits, {step.turns:.0%} to turn it, cost {step.cost:g}"
                f"{purpose}; entropy {step.entropy:.2f}"
            )
        put(wrapped(words, f"{row.n:>4}. "))
    if len(shown) < len(found.rows):
        put(f"  {len(found.rows) - len(shown)} more moved it by less than a point (--steps shows all)", "dim")
    unneeded = found.investigation.not_needed
    if unneeded and not every:
        put(f"  {len(unneeded)} were not needed: no answer to them could have changed the decision", "dim")
    for one in unneeded if every else ():
        put(wrapped(f"not needed: {one.title} ({one.about}; {one.least:+.1f} to {one.most:+.1f})", "  - "), "dim")


def print_stability(stability: Stability) -> None:
    """How many slightly other cases end the same, and what it hangs on."""
    words = f"{stability.kept} of {stability.tried} slightly other cases end the same"
    kinds = "; ".join(f"{kind}: {kept} of {tried}" for kind, tried, kept in shaken(stability) if kept < tried)
    put(wrapped("stability: " + words + (f" ({kinds})" if kinds else "")))
    if stability.fragile and stability.kept < stability.tried:
        put(wrapped(stability.fragile.sentence, "  "))


def print_reopened(again: Reopened) -> None:
    """Why the verdict stands in the place of another one, with the evidence of both."""
    was = f"it was {again.was}, attack {again.was_probability:.0%}"
    put("\n" + wrapped(f"{again.named} on {iso(again.time)} because {again.sentence} ({was})"), "yellow")
    for change in again.changes:
        cited = f"[{', '.join(change.evidence_before) or '-'} → {', '.join(change.evidence_after) or '-'}]"
        put(wrapped(f"{change.sentence} ({change.about}) {cited}", "  "))


def print_similar(similar: Sequence[SimilarCase]) -> None:
    """The nearest earlier cases and how they ended."""
    if similar:
        put("\nsimilar cases (no verdict weighs them)", "bold")
    for one in similar:
        end = f"{one.label.replace('_', ' ')}, said {one.by}" if one.label else f"{one.disposition}, not judged"
        put(wrapped(f"{one.case_uid}  {one.title}: {end}; both: {'; '.join(one.shared)}", f"  {one.likeness:>4.0%}  "))


def print_resolutions(codes: Iterable[Resolution]) -> None:
    """Each code with its meaning and what it is called elsewhere."""
    for code in codes:
        put(f"{code.code}  {code.title}", "bold")
        put(wrapped(code.meaning, "  "))
        put(wrapped("; ".join(f"{SYSTEMS[s]}: {name}" for s, name in code.elsewhere.items() if name), "  "), "dim")
