"""How cases, verdicts and summaries read on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from watchfloor.app.views import CaseView, QueueRow, Reopened
from watchfloor.cli.output import err, out, printable, put, say, wrapped
from watchfloor.cli.way import print_reopened, print_stability, print_way
from watchfloor.core.clock import iso
from watchfloor.core.finding import Finding
from watchfloor.core.plan import Outcome, Plan
from watchfloor.core.risk import Risk
from watchfloor.core.verdict import Verdict
from watchfloor.improve.summary import Summary, TruthSummary

STYLE = {"escalate": "bold red", "queue": "yellow", "close": "green"}
WORD = {"escalate": "person now", "queue": "person", "close": "closed by itself"}
BADGE = WORD | {"close": "closed"}
SHORTEST_TITLE = 20


def case_line(row: QueueRow, findings: Mapping[str, Finding]) -> dict[str, Any]:
    """One case as data for programs."""
    case, verdict = row
    mine = [findings[uid] for uid in case.findings if uid in findings]
    return {
        "case": case.uid,
        "title": case.title,
        "status": case.status,
        "severity": case.severity.name,
        "first": iso(case.time),
        "last": iso(case.last_time),
        "disposition": verdict.disposition if verdict else None,
        "verdict": verdict.verdict if verdict else None,
        "verdict_id": verdict.verdict_id if verdict else None,
        "hypothesis": verdict.hypothesis if verdict else None,
        "probability": verdict.probability if verdict else None,
        "resolution_code": verdict.resolution_code if verdict else None,
        "sentence": verdict.sentence if verdict else None,
        "could_not_check": [f"{c.title}: {c.reason}" for c in verdict.could_not_check] if verdict else [],
        "risk": risk_line(case.risk),
        "detection_class": case.detection_class,
        "tactics": list(case.tactics),
        "techniques": list(case.techniques),
        "entities": [i.entity.key for i in case.involved],
        "findings": [
            finding_line(f) for f in sorted(mine, key=lambda f: (f.time, f.source, f.position, f.detection.uid))
        ],
    }


def risk_line(risk: Risk | None) -> dict[str, Any] | None:
    """A risk as data for programs: `parts` add up with `base` to the log-odds of `p_critical`."""
    if risk is None:
        return None
    parts = [{"member": p.member, "says": p.sentence, "adds": p.contribution} for p in risk.parts]
    return {"score": risk.score, "p_critical": risk.p_critical, "base": risk.base, "parts": parts, "model": risk.model}


def finding_line(finding: Finding) -> dict[str, Any]:
    """One finding as data for programs; `record` counts from 1.

    A correlation's says what was counted and on which events it rests; `file` and `record` are those of the last one.
    """
    line: dict[str, Any] = {
        "rule_id": finding.detection.uid,
        "title": finding.title,
        "level": finding.severity.name,
        "file": finding.source,
        "record": finding.position + 1,
        "time": iso(finding.time),
        "risk": risk_line(finding.risk),
    }
    if (counted := finding.correlated) is None:
        return line
    events = [
        {"rule": one.rule, "file": one.source, "record": one.position + 1, "time": iso(one.time)}
        for one in counted.events
    ]
    return line | {
        "counted": counted.sentence,
        "group": counted.group,
        "value": counted.value,
        "last": iso(counted.last),
        "total": counted.total,
        "events": events,
    }


def print_queue(
    rows: Sequence[QueueRow], total: int, more: str = "", again: Mapping[str, Reopened] | None = None
) -> None:
    """The queue on stdout, the most pressing first: a line with the figures and one with the reason for each case.

    `more` tells how to see those that are not shown, `again` which verdicts stand in the place of another one, and why.
    """
    if not rows:
        say("no cases")
        return
    severity = max(len(row.case.severity.name) for row in rows)
    for case, verdict in rows:
        disposition = verdict.disposition if verdict else "queue"
        figures = (
            f"  {_percent(verdict.probability) if verdict else '?':>5}  {case.severity.name:<{severity}}  {case.uid}  "
        )
        badge = f"{BADGE[disposition]:<10}"
        title = printable(case.title)
        room = max(out.width - len(badge + figures), SHORTEST_TITLE)
        out.print(Text.assemble((badge, STYLE[disposition]), figures, (_cut(title, room), "bold")))
        # A sentence is likelihood, colon, reasons; the likelihood stands in the line above.
        reasons = verdict.sentence.partition(": ")[2] or verdict.sentence if verdict else "not decided yet"
        put(wrapped(reasons, "  ", most=1))
        if again and case.uid in again:
            put(wrapped(f"{again[case.uid].named} because {again[case.uid].sentence}", "  ", most=1), "yellow")
    if total > len(rows):
        say(f"... and {total - len(rows):,} more of {total:,} cases" + (f"; {more}" if more else ""))


def _percent(probability: float) -> str:
    if probability > 0.99:
        return ">99 %"
    return "<1 %" if probability < 0.01 else f"{probability:.0%}".replace("%", " %")


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


def print_case(view: CaseView, entities: Mapping[str, Risk], *, every_step: bool = False) -> None:
    """One case: verdict, why, what could not be checked, how it was investigated, risk (its own and its `entities`'),
    plan, what people said."""
    case, verdict = view.case, view.verdict
    put(wrapped(case.title), "bold")
    spans = iso(case.time) if case.time == case.last_time else f"{iso(case.time)} to {iso(case.last_time)}"
    count = len(case.findings)
    put(f"{case.uid} · {case.severity.name} · {case.status} · {count:,} finding{'s' if count > 1 else ''}")
    put(spans)
    if verdict is None:
        put("not decided yet")
    else:
        if view.reopened:
            print_reopened(view.reopened)
        _print_verdict(verdict)
        print_way(verdict, every=every_step)
    if case.risk:
        _print_risk(case.risk, entities)
    if view.plan:
        _print_plan(view.plan, view.outcomes)
    for comment in view.comments:
        put(wrapped(comment.text, f"\n{comment.author}, {iso(comment.time)}: ", "  "))
    if view.label and case.status in ("resolved", "closed"):
        put(f"\nresolved by {view.label.by}: {view.label.verdict.replace('_', ' ')}", "bold")


def _print_verdict(verdict: Verdict) -> None:
    put("\n" + wrapped(f"{WORD[verdict.disposition]}: {verdict.sentence}"), STYLE[verdict.disposition])
    put(verdict.resolution_code)
    put("\nwhy (+ speaks for an attack, - against)", "bold")
    for claim in verdict.claims:
        mark = "+" if claim.supports == "malicious" else "-"
        if claim.grounded:
            cited = dict.fromkeys(citation.evidence for citation in claim.citations)
            put(wrapped(f"{claim.sentence} [{', '.join(cited)}]", f"  {mark} "))
        else:
            put(wrapped(f"struck out: {claim.sentence} ({claim.problem})", "  x "), "dim strike")
    for gap in verdict.could_not_check:
        put(wrapped(f"could not check: {gap.title} ({gap.reason})", "  ? "), "yellow")
    if verdict.counterfactual:
        put("\n" + wrapped(verdict.counterfactual.sentence))
    if verdict.stability:
        print_stability(verdict.stability)
    if verdict.gates:
        put("\nconditions for closing by itself", "bold")
    for gate in verdict.gates:
        put(wrapped(f"{gate.name}: {gate.sentence}", "  holds     " if gate.holds else "  does not  "))


def _print_risk(risk: Risk, entities: Mapping[str, Risk]) -> None:
    put(f"\nrisk {risk.score} of 100 (it orders the queue and decides nothing)", "bold")
    for part in risk.parts:
        put(wrapped(f"{part.contribution:+.1f}  {part.sentence}", "  "))
    put(f"  {risk.base:+.1f}  without any of these", "dim")
    for key, its in entities.items():
        put(wrapped(f"{its.score:>4}  {key}, over all its cases", "  "))


def _print_plan(plan: Plan, outcomes: Sequence[Outcome]) -> None:
    put("\n" + wrapped(f"plan {plan.uid}: {plan.title}"), "bold")
    for action in plan.actions:
        done = "".join(f"{o.status} · " for o in outcomes if o.n == action.n)
        put(wrapped(f"{done}{action.title} · {action.effect} · {action.blast_radius}", f"{action.n:>3}. "))
    for left in plan.left_out:
        put(wrapped(f"left out: {left}", "     "), "dim")


def outcome_lines(plan: Plan, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """What became of each step that was run."""
    titles = {action.n: action.title for action in plan.actions}
    for outcome in outcomes:
        yield wrapped(f"{outcome.status}: {titles[outcome.n]}. {outcome.sentence}", f"{outcome.n:>3}. ")


def print_summary(summary: Summary) -> None:
    """What a run came to, on stderr; against the truth where it is known."""
    for number, what, style in (
        (summary.cases, f"cases from {summary.findings:,} findings", "bold"),
        (summary.escalated, "escalated: a person must see them now", "bold red"),
        (summary.queued, "queued: a person decides", "yellow"),
        (summary.closed, "closed by themselves, under the owner's bound", "green"),
        (summary.claims - summary.claims_struck, f"claims grounded, {summary.claims_struck:,} struck out", "bold"),
        (summary.could_not_check, "checks that could not be made, each shown on its case", "bold"),
        (round(summary.minutes_saved), "minutes saved", "bold"),
    ):
        err.print(Text.assemble((f"{number:>7,}", style), f"  {what}"))
    if summary.truth:
        _print_truth(summary.truth)


def _print_truth(truth: TruthSummary) -> None:
    say("\nagainst the truth of this story", "bold")
    say("(invented, and known while the product was built: it shows that it works, not how well)", "dim")
    for line in truth.attacks:
        fate = {"escalate": "escalated", "queue": "queued", "close": "CLOSED", None: "NOT SEEN"}[line.best]
        found = f"{line.title} ({line.findings} findings in {len(line.cases)} cases)"
        say(wrapped(found, f"  {fate:<9} "), "red" if line.missed else "green")
    missed, closed = truth.attacks_missed, truth.attack_cases_closed
    attacks = f"{missed} attacks missed, {closed} of {truth.attack_cases} attack cases closed by themselves"
    say(f"  {attacks}", "bold red" if missed or closed else "bold green")
    wrong = f"{truth.benign_escalated} of {truth.benign_cases} benign cases wrongly escalated"
    say(f"  {wrong}, {truth.benign_closed} closed by themselves")
