"""`watchfloor lake`: the events that are kept, as files."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Annotated

import typer

from watchfloor.cli.named import opened
from watchfloor.cli.options import DEFAULT_HOME, HomeDir
from watchfloor.cli.output import put, say

if TYPE_CHECKING:
    from watchfloor.store.lake_manifest import Segment

app = typer.Typer(help="The lake of events: status, compact, expire.", no_args_is_help=True)


@app.command()
def status(
    files: Annotated[bool, typer.Option("--files", help="The files that count now, a path a line.")] = False,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """What is kept of each OCSF class, in which files.

    Example: `watchfloor lake status --files`
    """
    with opened(home) as product:
        lake, tenant = product.parts.lake, product.parts.tenant
        segments = lake.segments(tenant)
        if files:
            for segment in segments:
                put(str(lake.folder / tenant / segment.file))
            return
        retention = product.parts.policy.retention
        classes: dict[str, list[Segment]] = defaultdict(list)
        for segment in segments:
            classes[segment.class_uid].append(segment)
        for class_uid, some in sorted(classes.items()):
            days = retention.days_of(class_uid)
            put(
                f"{class_uid:>8}  {sum(s.rows for s in some):>12,} events  {sum(s.bytes for s in some):>14,} bytes  "
                f"{len(some):>6,} files  {min(s.day for s in some)} to {max(s.day for s in some)}  "
                + (f"kept for {days:,} days" if days else "kept")
            )
    if not segments:
        say("the lake is empty")


@app.command()
def compact(home: HomeDir = DEFAULT_HOME) -> None:
    """Put many small files of a class and day together. A server does so by itself, once a minute.

    Example: `watchfloor lake compact`
    """
    with opened(home) as product:
        made = product.parts.lake.compact(product.parts.tenant)
    put(f"{made:,} files took the place of many small ones")


@app.command()
def expire(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; let nothing go.")] = False,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Let go of the days that the policy's `retention` keeps no longer. A server does so by itself, once an hour.

    A day stays while an open case rests on an event of it. What went stands in the ledger.

    Example: `watchfloor lake expire --dry-run`
    """
    from watchfloor.app.retention import Retention

    with opened(home) as product:
        retention = Retention(product.parts)
        due = retention.due() if dry_run else retention.run("command line")
    for one in due:
        held = f"stays: held by {', '.join(one.held_by)}" if one.held_by else "would go" if dry_run else "gone"
        put(f"{one.part:<20} {one.events:>12,} events  {one.bytes:>14,} bytes  {held}")
    if not due:
        say("nothing is past its time")
