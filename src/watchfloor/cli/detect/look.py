"""`watchfloor detect backtest|noise|coverage`: what rules would have raised, and will."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from watchfloor.cli import assess
from watchfloor.cli.named import opened
from watchfloor.cli.options import DEFAULT_HOME, HomeDir, OutputFormat
from watchfloor.cli.output import lines, progress, put, say
from watchfloor.cli.times import moment
from watchfloor.core.clock import iso

if TYPE_CHECKING:
    from pathlib import Path

    from watchfloor.app.backtest import Backtest

BARS = 40
_DAYS_SHOWN = 31
_NEARLY_ALL = 0.95
"""A filter that takes out so great a share is no filter: better leave the rule."""

Tried = Annotated[
    list[str], typer.Argument(help="Rules: files, folders, zips; or ids of rules in use.", metavar="RULE...")
]
Since = Annotated[str, typer.Option(help="From when: `90d` (ago) or `2026-10-01`.")]
Until = Annotated[str, typer.Option(help="Up to when; by default now.")]


def backtest(
    rules: Tried, since: Since = "90d", until: Until = "", home: HomeDir = DEFAULT_HOME, format: OutputFormat = "text"
) -> None:
    """What rules would have raised on the events that the home keeps: counts a day, examples, what is known of them.

    Example: `watchfloor detect backtest sigma/rules --since 90d`
    """
    found = _run(rules, since, until, home)
    if format == "jsonl":
        lines(one.as_dict() for one in found)
        return
    for one in found:
        if one.findings:
            _put_backtest(one)
    _say_silent(found)


def noise(
    rules: Tried, since: Since = "90d", until: Until = "", home: HomeDir = DEFAULT_HOME, format: OutputFormat = "text"
) -> None:
    """What rules will raise, before they are enabled: findings a day with an interval, what causes them, and filters.

    Example: `watchfloor detect noise sigma/rules --since 30d`
    """
    found = sorted(_run(rules, since, until, home), key=lambda one: -one.expected.mean)
    if format == "jsonl":
        lines(one.as_dict() for one in found)
        return
    for one in found:
        if one.findings:
            _put_noise(one)
    _say_silent(found)


def _run(rules: list[str], since: str, until: str, home: Path) -> list[Backtest]:
    from watchfloor.app.backtest import backtest as run

    with opened(home) as product, progress() as report:
        now = product.parts.clock()
        found = run(product.parts, rules, moment(since, now), moment(until, now) if until else now + 1, report)
    if not any(one.days for one in found):
        say("no events are kept of that time")
    return found


def _put_backtest(one: Backtest) -> None:
    put(f"{one.title}  {one.level}  {one.uid}", "bold")
    put(f"  {one.findings:,} findings on {len(one.days):,} days with events; {_expected(one)}")
    most = max(one.days.values(), default=0)
    shown = list(one.days.items())[-_DAYS_SHOWN:]
    if most:
        if len(shown) < len(one.days):
            put(f"  the last {len(shown)} of those days:", "dim")
        for day, count in shown:
            put(f"  {day} {count:>8,} {'█' * -(-count * BARS // most)}")
    for name, values in (("hosts", one.hosts), ("users", one.users), ("also matched by", one.overlap)):
        if values:
            put(f"  {name}: " + ", ".join(f"{value} ({count:,})" for value, count in values.items()))
    if one.known:
        cases = f", in {', '.join(one.cases[:5])}{' …' if len(one.cases) > 5 else ''}" if one.cases else ""
        put(f"  {one.known:,} of the events have a finding already{cases}")
    for example in one.examples:
        put(f"  {iso(example.time)}  {example.event_uid}  {example.source}, record {example.position + 1}", "dim")
    put("")


def _put_noise(one: Backtest) -> None:
    put(f"{one.title}  {one.level}  {one.uid}", "bold")
    put(f"  {_expected(one)}")
    filters: dict[str, str] = {}
    for cause in one.causes:
        put(
            f"  {cause.share:.0%} of the findings have {cause.field} = {cause.value} "
            f"({cause.elsewhere:.0%} of other events)"
        )
        if cause.share < _NEARLY_ALL:
            filters.setdefault(f"filter_{_word(cause.field)}", f"{{{cause.field}: {_quoted(cause.value)}}}")
    if filters:
        put("  filters to think about (what is frequent is not harmless by that):", "dim")
        for name, text in filters.items():
            put(f"      {name}: {text}", "dim")
        put(f"      condition: (...) and not {' and not '.join(filters)}", "dim")
    for name, labels in (("this detection", one.labels), ("its family", one.family_labels)):
        if labels:
            put(f"  labels of {name}: " + ", ".join(f"{count:,} {verdict}" for verdict, count in labels.items()))
    put("")


def _say_silent(found: list[Backtest]) -> None:
    silent = [one for one in found if not one.findings]
    if silent:
        most = max(one.expected.mean_high for one in silent)
        say(f"{len(silent):,} rules found nothing: each at most {most:.2f} a day; --format jsonl lists them")


def _expected(one: Backtest) -> str:
    f = one.expected
    return (
        f"{f.mean:.2f} a day ({f.mean_low:.2f} to {f.mean_high:.2f}), on 9 of 10 days {f.low:,} to {f.high:,} "
        f"({f.kind} over {f.days:,} days)"
    )


def _word(field: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in field.lower())


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


coverage = assess.coverage
"""The same command under both names: what is covered is a question of detections, too."""
