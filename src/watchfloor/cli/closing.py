"""`watchfloor closing`: which classes of cases close by themselves, and what the others need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from watchfloor.cli.named import opened
from watchfloor.cli.options import DEFAULT_HOME, HomeDir, OutputFormat
from watchfloor.cli.output import lines, out, put, say
from watchfloor.core.errors import NotFoundError, WatchfloorError

if TYPE_CHECKING:
    from watchfloor.app.closing import ClassRow


def register(app: typer.Typer) -> None:
    app.command("closing")(closing)


def closing(
    detection_class: Annotated[str, typer.Argument(metavar="[CLASS]", help="Only this; enough of its name.")] = "",
    draws: Annotated[
        bool,
        typer.Option("--draws", help="Draw the reviews of past weeks again from the ledger; fails when one differs."),
    ] = False,
    format: OutputFormat = "text",
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Per class of cases: labels, misses, the bound, whether it closes by itself, why not, and what it needs.

    Example: `watchfloor closing "wazuh/sshd @ wazuh/alert"`
    """
    with opened(home) as product:
        if draws:
            if found := product.desk.draw_problems():
                raise WatchfloorError(f"{len(found)} draws do not hold: {found[0]}", where=str(home))
            say("every draw whose key was shown comes out the same")
            return
        rows = [row for row in product.desk.closing() if detection_class in row.name]
        if detection_class and not rows:
            raise NotFoundError(f"no class {detection_class!r}", do="`watchfloor closing` lists them")
        if format == "jsonl":
            lines(row.as_dict() for row in rows)
        elif len(rows) == 1 and detection_class:
            _print_one(rows[0])
        else:
            _print(rows)


def _print(rows: list[ClassRow]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("class", "closes", "labels", "count", "missed", "bound", "needed", "reviews"):
        table.add_column(name, justify="left" if name in ("class", "closes") else "right", overflow="fold")
    for row in rows:
        standing, record = row.standing, row.standing.record
        late = f", {len(standing.overdue)} overdue" if standing.overdue else ""
        table.add_row(
            row.name,
            Text("yes", "green") if row.open else Text("no", "yellow"),
            f"{record.labels:,}",
            f"{record.counted:,}",
            f"{record.missed:,}",
            f"{standing.bound:.1%}",
            "never" if standing.needed < 0 else f"{standing.needed:,}",
            f"{len(standing.reviews)}{late}",
        )
    out.print(table)
    closing = sum(row.open for row in rows)
    say(f"{closing} of {len(rows)} classes close by themselves; `watchfloor closing CLASS` says why the others do not")


def _print_one(row: ClassRow) -> None:
    standing, record = row.standing, row.standing.record
    put(f"{row.name}: {'closes by itself' if row.open else 'a person decides'}")
    for why in row.reasons:
        put(f"  {why}")
    put(f"  {record.counted:,} of {record.labels:,} labels count, {record.missed} of them attacks that would be closed")
    for why, count in sorted(standing.uncounted.items()):
        put(f"    {count:,} do not: {why}")
    put(f"  up to {standing.bound:.2%} of what it closes may be attacks; the limit is {row.limit:.2%}")
    if standing.unjudged:
        first = ", ".join(draw.case_uid for draw in standing.unjudged[:3])
        put(f"  {len(standing.unjudged):,} drawn cases wait for a label, the first of them {first}")
    waiting, late = len(standing.reviews), len(standing.overdue)
    put(f"  {standing.reviewed} closed cases were reviewed, {waiting} wait, {late} are overdue")
