"""`normalize`, `detect`, `triage`: the steps by themselves, over files and folders."""

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
    Rules,
    TenantName,
)
from watchfloor.cli.output import lines, progress, put, say, wrapped

if TYPE_CHECKING:
    from watchfloor.core.event import Event
    from watchfloor.core.finding import Finding
    from watchfloor.detect import Detector
    from watchfloor.detect.correlation import Hit
    from watchfloor.ingest import Normalizer

SHOWN = 20
AT_A_TIME = 8_000
"""Matches that are counted at one time."""


def register(app: typer.Typer) -> None:
    app.command("normalize")(normalize)
    app.command("detect")(detect)
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


def detect(
    paths: Paths,
    rules: Rules = NONE,
    shipped: Annotated[bool, typer.Option(help="Use the detections that come with Watchfloor, too.")] = True,
    mappings: Mappings = NONE,
    intel: IntelPaths = NONE,
    format: OutputFormat = "text",
    tenant: TenantName = "default",
) -> None:
    """Events to findings: one line a match, at the end those of correlations.

    Example: `watchfloor detect logs/ --rules sigma/rules --format jsonl`
    """
    from watchfloor.cli.tables import finding_line
    from watchfloor.detect import Detector
    from watchfloor.ingest import Normalizer
    from watchfloor.ingest.intel import load_intel

    detector = Detector.load(rules, shipped=shipped, intel=load_intel(intel) if intel else None)
    reading = Reading(paths, tenant, Normalizer.shipped(*mappings))
    matches = (finding_line(one) for one in _found(reading, detector, tenant) if not one.quiet)
    found = lines(matches) if format == "jsonl" else _put_matches(matches)
    _problems(detector)
    reading.say_balance()
    say(f"{found:,} findings")


def _found(reading: Reading, detector: Detector, tenant: str) -> Iterator[Finding]:
    """What single events raise as they are read, and at the end what they raise together: only then is it whole."""
    from watchfloor.detect.correlation import MemoryGroups

    correlator, groups = detector.correlator, MemoryGroups(tenant)
    together: dict[str, Finding] = {}
    hits: list[Hit] = []
    for event in reading:
        findings, counted = detector.examine(event)
        yield from findings
        hits += counted
        if len(hits) >= AT_A_TIME:
            together.update((one.uid, one) for one in correlator.step(hits, groups, 0))
            hits.clear()
    for one in (*correlator.step(hits, groups, 0), *correlator.finish(groups, 0, 0)):
        together[one.uid] = one
    yield from sorted(together.values(), key=lambda one: (one.time, one.uid))


def _put_matches(matches: Iterator[dict[str, Any]]) -> int:
    """Two lines a match, what and where, and for a correlation what was counted; returns how many matches."""
    count = 0
    for match in matches:
        put("{level:<13} {time}  {title}".format(**match))
        if "counted" in match:
            put(wrapped(match["counted"], "  "))
            files = ", ".join(dict.fromkeys(event["file"] for event in match["events"]))
            put(f"  {match['total']:,} events until {match['last']}, in {files}", "dim")
        else:
            put("  {file}, record {record}".format(**match), "dim")
        count += 1
    return count


class Reading:
    """Events of files and folders, told about on stderr: what is not read, and how the count comes out."""

    def __init__(self, paths: list[Path], tenant: str, normalizer: Normalizer) -> None:
        self._paths, self._tenant, self._normalizer = paths, tenant, normalizer
        self._events = self._base = self._dead = 0
        self._passed_over: list[str] = []

    def __iter__(self) -> Iterator[Event]:
        from watchfloor.ingest import Unreadable, ingest

        for item in ingest(self._paths, self._tenant, self._normalizer, passed_over=self._passed_over):
            if isinstance(item, Unreadable):
                self._dead += 1
                say(f"not read: {item.where}: {item.reason}", style="yellow")
            else:
                self._events += 1
                self._base += item.mapping == "base"
                yield item

    def say_balance(self) -> None:
        """`records read = events + dead letters`, on stderr."""
        _balance(self._events, self._dead, self._base, len(self._passed_over))


def triage(
    paths: Paths,
    rules: Rules = NONE,
    shipped: Annotated[bool, typer.Option(help="Use the detections that come with Watchfloor, too.")] = True,
    mappings: Mappings = NONE,
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
        _problems(product.parts.detector)
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
        _balance(done.events, done.dead_letters, done.base_events, done.passed_over, done.indicators)
        print_summary(product.summary())


def _problems(detector: Any) -> None:
    problems = detector.problems
    for problem in problems[:SHOWN]:
        say(f"rule not used: {problem}", style="yellow")
    if len(problems) > SHOWN:
        say(f"... and {len(problems) - SHOWN:,} more rules not used; `watchfloor doctor --rules DIR` lists all")


def _balance(events: int, dead: int, base: int, passed_over: int, indicators: int = 0) -> None:
    known = f"{base:,} of no known product" if base else "all of known products"
    also = f" + {indicators:,} indicators" if indicators else ""
    say(f"{events + dead + indicators:,} records read = {events:,} events ({known}) + {dead:,} dead letters{also}")
    if passed_over:
        say(f"{passed_over:,} files hold no records and were passed over")
