"""`watchfloor detect run`: events to findings, of files or of the lake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from watchfloor.cli.named import existing, opened
from watchfloor.cli.options import (
    DEFAULT_HOME,
    NONE,
    ContextDir,
    HomeDir,
    IntelPaths,
    Mappings,
    OutputFormat,
    Rules,
    TenantName,
)
from watchfloor.cli.output import lines, progress, put, say, wrapped
from watchfloor.cli.reading import Reading, say_problems
from watchfloor.cli.times import moment
from watchfloor.core.errors import WatchfloorError

if TYPE_CHECKING:
    from watchfloor.core.context import Company
    from watchfloor.core.finding import Finding
    from watchfloor.detect import Detector
    from watchfloor.detect.correlation import Hit

MOST_COSTLY = 10
AT_A_TIME = 8_000
"""Matches that are counted at one time."""


def run(
    paths: Annotated[
        list[Path], typer.Argument(callback=existing, help="Files and folders, any mix; the content tells their kind.")
    ] = NONE,
    rules: Rules = NONE,
    shipped: Annotated[bool, typer.Option(help="Use the detections that come with Watchfloor, too.")] = True,
    mappings: Mappings = NONE,
    context: ContextDir = None,
    intel: IntelPaths = NONE,
    lake: Annotated[bool, typer.Option("--lake", help="Over the events that the home keeps, not over files.")] = False,
    since: Annotated[str, typer.Option(help="With --lake: from when, `90d` (ago) or `2026-10-01`.")] = "90d",
    until: Annotated[str, typer.Option(help="With --lake: up to when; by default all.")] = "",
    keep: Annotated[
        bool, typer.Option("--keep", help="With --lake: make the matches findings of the home, each once.")
    ] = False,
    costs: Annotated[bool, typer.Option("--costs", help="Say at the end which rules took the most time.")] = False,
    home: HomeDir = DEFAULT_HOME,
    format: OutputFormat = "text",
    tenant: TenantName = "default",
) -> None:
    """Events to findings: one line a match, at the end those of correlations.

    With `--lake` the rules look back: `watchfloor detect --lake --since 90d --rules sigma/rules`. Without `--rules`
    these are the rules of the home.

    Example: `watchfloor detect logs/ --rules sigma/rules --format jsonl`, short for `watchfloor detect run logs/`.
    """
    if lake:
        if paths:
            raise WatchfloorError("--lake reads the home's events", do="Leave the paths out, or --lake")
        _hunt(home, rules, shipped, since, until, keep, costs, format, tenant)
        return
    if not paths:
        raise typer.BadParameter("name files or folders, or --lake for the events that are kept", param_hint="PATHS")
    if keep:
        raise WatchfloorError("--keep is for --lake", do="Files are kept by: watchfloor triage PATH --home HOME")
    from watchfloor.core.context import Company
    from watchfloor.detect import Detector
    from watchfloor.ingest import Normalizer
    from watchfloor.ingest.context import load_context
    from watchfloor.ingest.intel import load_intel

    company = load_context(context).company if context else Company()
    detector = Detector.load(rules, shipped=shipped, intel=load_intel(intel) if intel else None, company=company)
    reading = Reading(paths, tenant, Normalizer.shipped(*mappings))
    found = _print((one for one in _found(reading, detector, tenant, company)), format)
    say_problems(detector)
    _say_costs(detector, all_of_them=costs)
    reading.say_balance()
    say(f"{found:,} findings")


def _hunt(
    home: Path,
    rules: list[Path],
    shipped: bool,
    since: str,
    until: str,
    keep: bool,
    costs: bool,
    format: str,
    tenant: str,
) -> None:
    from watchfloor.app.hunt import Hunt, hunting_detector

    with opened(home, "" if tenant == "default" else tenant) as product:
        parts = product.parts
        now = parts.clock()
        begin, end = moment(since, now), moment(until, now) if until else now + 1
        detector = hunting_detector(parts, rules, shipped=shipped)
        hunt = Hunt(parts, detector, begin, end)
        with progress() as report:
            matches = hunt.keep(product.pipeline.keeper, report, by="command line") if keep else hunt.run(report)
            found = _print((one.finding for one in matches), format)
            if keep:
                product.pipeline.triage(report)
        say_problems(detector)
        _say_costs(detector, all_of_them=costs)
        say(f"{hunt.events:,} events looked at, {found:,} findings" + (", kept" if keep else ""))


def _say_costs(detector: Detector, *, all_of_them: bool) -> None:
    """Rules over their budget; with `all_of_them` the most costly ones as well."""
    for one in detector.costs()[:MOST_COSTLY]:
        if one.over_budget or all_of_them:
            took = f"{one.cost.nanoseconds / 1e6:,.1f} ms in {one.cost.evaluated:,} evaluations"
            words = f"{one.rule.title} ({one.rule.file}): {took}, {one.an_event / 1000:.2f} us of each event"
            say(
                words + (": over the budget of a rule" if one.over_budget else ""),
                "yellow" if one.over_budget else "dim",
            )


def _print(found: Iterable[Finding], format: str) -> int:
    from watchfloor.cli.tables import finding_line

    matches = (finding_line(one) for one in found if not one.quiet)
    return lines(matches) if format == "jsonl" else _put_matches(matches)


def _found(reading: Reading, detector: Detector, tenant: str, company: Company) -> Iterator[Finding]:
    """What single events raise as they are read, and at the end what they raise together: only then is it whole."""
    from watchfloor.app.noticing import examined
    from watchfloor.app.parts import now
    from watchfloor.detect.anomaly import Anomalies
    from watchfloor.detect.correlation import MemoryGroups

    correlator, groups = detector.correlator, MemoryGroups(tenant)
    anomalies = Anomalies.shipped(tenant, now, ZoneInfo(company.timezone))
    together: dict[str, Finding] = {}
    hits: list[Hit] = []
    for event in reading:
        (findings, counted), _ = examined(detector, anomalies, event)
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
