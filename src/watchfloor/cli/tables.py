"""How cases, verdicts and summaries read on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from watchfloor.app.views import CaseView, QueueRow
from watchfloor.cli.output import err, out
from watchfloor.core.clock import iso
from watchfloor.core.finding import Finding
from watchfloor.improve.summary import Summary, TruthSummary

STYLE = {"escalate": "bold red", "queue": "yellow", "close": "green"}
WORD = {"escalate": "person now", "queue": "person", "close": "closed by itself"}


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
        "detection_class": case.detection_class,
        "tactics": list(case.tactics),
        "techniques": list(case.techniques),
        "entities": [i.entity.key for i in case.involved],
        "findings": [
            finding_line(f) for f in sorted(mine, key=lambda f: (f.time, f.source, f.position, f.detection.uid))
        ],
    }


def finding_line(finding: Finding) -> dict[str, Any]:
    """One finding as data for programs; `record` counts from 1."""
    return {
        "rule_id": finding.detection.uid,
        "title": finding.title,
        "level": finding.severity.name,
        "file": finding.source,
        "record": finding.position + 1,
        "time": iso(finding.time),
    }


def print_queue(rows: Sequence[QueueRow], total: int) -> None:
    """The queue as a table on stdout, the most pressing first."""
    if not rows:
        out.print("no cases")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, style in (("who decides", ""), ("P(malicious)", ""), ("severity", ""), ("case", "dim")):
        table.add_column(name, style=style, no_wrap=True)
    table.add_column("what", overflow="fold")
    for case, verdict in rows:
        disposition = verdict.disposition if verdict else "queue"
        table.add_row(
            Text(WORD[disposition], STYLE[disposition]),
            f"{verdict.probability:.2f}" if verdict else "-",
            case.severity.name,
            case.uid,
            Text(verdict.sentence if verdict else case.title),
        )
    out.print(table)
    if total > len(rows):
        err.print(f"... and {total - len(rows):,} more; --format jsonl prints all", markup=False)


def print_case(view: CaseView) -> None:
    """One case: verdict, why, what could not be checked, plan."""
    case, verdict = view.case, view.verdict
    out.print(Text(f"{case.title}  [{case.uid}]", "bold"))
    out.print(Text(f"{case.severity.name} · {iso(case.time)} to {iso(case.last_time)} · {case.status}"))
    if verdict is None:
        out.print("not decided yet")
        return
    out.print(Text(f"\n{WORD[verdict.disposition]}: {verdict.sentence}", STYLE[verdict.disposition]))
    out.print(Text(f"{verdict.probability_words} ({verdict.probability:.1%}) malicious · {verdict.resolution_code}"))
    for claim in verdict.claims:
        mark = "+" if claim.supports == "malicious" else "-"
        line = Text(f"  {mark} {claim.sentence}  [{', '.join(c.evidence for c in claim.citations)}]")
        out.print(line if claim.grounded else Text(f"  struck: {claim.sentence} ({claim.problem})", "dim strike"))
    for gap in verdict.could_not_check:
        out.print(Text(f"  ? could not check: {gap.title} ({gap.reason})", "yellow"))
    if verdict.counterfactual:
        out.print(Text(f"\n{verdict.counterfactual.sentence}"))
    for gate in verdict.gates:
        out.print(Text(f"  {'holds   ' if gate.holds else 'does not'}  {gate.name}: {gate.sentence}"))
    if view.plan:
        out.print(Text(f"\nplan {view.plan.uid}: {view.plan.title}", "bold"))
        for action in view.plan.actions:
            done = [o.status for o in view.outcomes if o.n == action.n]
            out.print(Text(f"  {action.n}. {action.title} · {action.effect} · {action.blast_radius}  {' '.join(done)}"))
        for left in view.plan.left_out:
            out.print(Text(f"  left out: {left}", "dim"))


def print_summary(summary: Summary) -> None:
    """What a run came to, on stderr; against the truth where it is known."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right", style="bold", no_wrap=True)
    table.add_column()
    table.add_row(f"{summary.cases:,}", f"cases from {summary.findings:,} findings")
    table.add_row(Text(f"{summary.escalated:,}", "bold red"), "escalated: a person must see them now")
    table.add_row(Text(f"{summary.queued:,}", "yellow"), "queued: a person decides")
    table.add_row(Text(f"{summary.closed:,}", "green"), "closed by themselves, under the owner's bound")
    table.add_row(f"{summary.claims - summary.claims_struck:,}", f"claims grounded, {summary.claims_struck} struck out")
    table.add_row(f"{summary.could_not_check:,}", "checks that could not be made, each shown on its case")
    table.add_row(f"{summary.minutes_saved:,.0f}", "minutes saved")
    err.print(table)
    if summary.truth:
        _print_truth(summary.truth)


def _print_truth(truth: TruthSummary) -> None:
    err.print("\nagainst the truth of this story", style="bold")
    err.print("(invented, and known while the product was built: it shows that it works, not how well)", style="dim")
    for line in truth.attacks:
        fate = {"escalate": "escalated", "queue": "queued", "close": "CLOSED", None: "NOT SEEN"}[line.best]
        style = "red" if line.missed else "green"
        err.print(Text(f"  {fate:<9} {line.title} ({line.findings} findings in {len(line.cases)} cases)", style))
    missed, closed = truth.attacks_missed, truth.attack_cases_closed
    style = "bold red" if missed or closed else "bold green"
    attacks = f"{missed} attacks missed, {closed} of {truth.attack_cases} attack cases closed by themselves"
    err.print(Text(f"  {attacks}", style))
    wrong = f"{truth.benign_escalated} of {truth.benign_cases} benign cases wrongly escalated"
    err.print(Text(f"  {wrong}, {truth.benign_closed} closed by themselves"))
