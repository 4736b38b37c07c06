"""`normalize`, `triage`: the steps by themselves, over files and folders."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchfloor.cli.options import (
    NONE,
    ContextDir,
    Format,
    IntelPaths,
    LabelsFile,
    Mappings,
    OutputFormat,
    Paths,
    PolicyName,
    Questions,
    Rules,
    TenantName,
)
from watchfloor.cli.output import lines, progress, put, say
from watchfloor.cli.reading import SHOWN, Reading, say_balance, say_problems

if TYPE_CHECKING:
    from watchfloor.app.watchfloor import Watchfloor
    from watchfloor.ingest import Normalizer


def register(app: typer.Typer) -> None:
    app.command("normalize")(normalize)
    app.command("triage")(triage)


def normalize(
    paths: Paths,
    source: Annotated[str, typer.Option(help="Take every record as this product's: a mapping's name.")] = "",
    mappings: Mappings = NONE,
    explain: Annotated[bool, typer.Option(help="Show which mapping takes each record and why.")] = False,
    format: Annotated[
        Format | None, typer.Option("--format", help="Of what --explain shows: `text` on a terminal, else `jsonl`.")
    ] = None,
    tenant: TenantName = "default",
) -> None:
    """Records to OCSF events, as JSON lines.

    Example: `watchfloor normalize logs/ > events.jsonl`
    """
    from watchfloor.ingest import Normalizer

    normalizer = Normalizer.shipped(*mappings)
    if source:
        normalizer = normalizer.only(source)
    if explain:
        found = _explained(paths, tenant, normalizer)
        if (format or ("text" if sys.stdout.isatty() else "jsonl")) == "jsonl":
            lines(found)
        else:
            for one in found:
                _put_explanation(one)
        return
    reading = Reading(paths, tenant, normalizer)
    lines(event.ocsf for event in reading)
    reading.say_balance()


def _explained(paths: list[Path], tenant: str, normalizer: Normalizer) -> Iterator[dict[str, Any]]:
    from watchfloor.ingest import Unreadable, records

    for record in records(paths, tenant):
        if isinstance(record, Unreadable):
            yield {"where": record.where, "not_read": record.reason}
        else:
            yield {"where": record.where, **normalizer.explain(record)._asdict()}


def _put_explanation(one: dict[str, Any]) -> None:
    """Which mapping took a record, and why, for people."""
    if "not_read" in one:
        put(f"{one['where']}: not read: {one['not_read']}", "yellow")
        return
    put(f"{one['where']}: {one['mapping']}, {one['kind']} ({one['ocsf_class']})")
    because = one["because"] or {}
    if because:
        put("    because " + " and ".join(f"{path} is {_condition(wanted)}" for path, wanted in because.items()))
    if one["asked_before"]:
        put(f"    asked before: {', '.join(one['asked_before'])}")
    if one["problem"]:
        put(f"    {one['problem']}", "yellow")


def _condition(wanted: Any) -> str:
    if isinstance(wanted, list):
        return " or ".join(map(_condition, wanted))
    return {"*": "there", "None": "absent"}.get(str(wanted), str(wanted))


def triage(
    paths: Paths,
    rules: Rules = NONE,
    shipped: Annotated[bool, typer.Option(help="Use the detections that come with Watchfloor, too.")] = True,
    mappings: Mappings = NONE,
    questions: Questions = NONE,
    context: ContextDir = None,
    intel: IntelPaths = NONE,
    labels: LabelsFile = None,
    policy: PolicyName = "default",
    home: Annotated[Path | None, typer.Option(help="Keep everything here; by default it is kept nowhere.")] = None,
    format: OutputFormat = "text",
    tenant: TenantName = "default",
) -> None:
    """Records to cases with verdicts: one line a case.

    Example: `watchfloor triage logs/ --rules sigma/rules --context context/ --format jsonl`
    """
    from watchfloor.app.settings import Settings

    settings = Settings(
        tenant=tenant,
        rules=tuple(rules),
        shipped_rules=shipped,
        mappings=tuple(mappings),
        questions=tuple(questions),
        context=context,
        intel=tuple(intel),
        labels=labels,
        policy=policy,
    )
    if home is not None:
        _triage(paths, home, settings, format)
        return
    with tempfile.TemporaryDirectory(prefix="watchfloor-") as folder:
        _triage(paths, Path(folder), settings, format)
    say("kept nowhere; with --home DIR the cases stay, for `watchfloor case show` and `watchfloor serve`")


def _triage(paths: list[Path], home: Path, settings: Any, format: str) -> None:
    from watchfloor.app.watchfloor import Watchfloor
    from watchfloor.cli.tables import case_line, print_queue, print_summary

    with Watchfloor.open(home, settings) as product:
        say_problems(product.parts.detector)
        with progress() as report:
            done = product.pipeline.ingest(paths, report)
            product.pipeline.triage(report)
        for letter in done.dead:
            say(f"not read: {letter}", style="yellow")
        rows = product.desk.queue(limit=None)
        if format == "jsonl":
            findings = {f.uid: f for f in product.pipeline.findings()}
            lines(case_line(row, findings) for row in rows)
        else:
            print_queue(rows[:SHOWN], len(rows), "--format jsonl prints all")
        say_balance(done.events, done.dead_letters, done.base_events, done.passed_over, done.indicators)
        _say_held(product)
        print_summary(product.summary())


def _say_held(product: Watchfloor) -> None:
    """What makes no case because somebody holds it back: never silently."""
    count, loud = product.desk.held_back()
    if count:
        also = f", {loud:,} of them vendors' alerts of level high or above" if loud else ""
        say(f"{count:,} findings are held back{also}: watchfloor detect suppress list", "yellow")
