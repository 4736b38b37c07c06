"""`watchfloor detect anomalies`: what is usual here, as far as it is known, and what was said of it."""

from __future__ import annotations

from typing import Annotated

import typer

from watchfloor.cli.named import opened
from watchfloor.cli.options import DEFAULT_HOME, HomeDir, OutputFormat
from watchfloor.cli.output import lines, put, say, wrapped
from watchfloor.core.errors import WatchfloorError

app = typer.Typer(help="What is usual here: status, said, forget.", no_args_is_help=True)


@app.command()
def status(home: HomeDir = DEFAULT_HOME, format: OutputFormat = "text") -> None:
    """How much each series of the anomaly detectors knows, and whether it speaks yet.

    Example: `watchfloor detect anomalies status`
    """
    from watchfloor.app.noticing import stored, taken_up
    from watchfloor.core.clock import DAY, day_of

    with opened(home) as product:
        learned, found = stored(product.parts), taken_up(product.parts).status()
    if format == "jsonl":
        lines(one._asdict() for one in found)
        return
    for one in found:
        speaks = "speaks" if one.ready else "learns"
        until = f"{one.days:>2} days until {day_of(one.last * DAY)}" if one.days else "nothing yet"
        put(
            f"{one.name:<34} {speaks:<7} {one.entities:>7,} known  {one.entries:>7,} of {one.most:,} entries  "
            f"{one.bytes:>10,} bytes  {until}"
        )
    since = f"; learning here since {day_of(learned.since)}" if learned.since else ""
    say(f"{sum(one.entries for one in found):,} entries, {sum(one.bytes for one in found):,} bytes{since}")


@app.command()
def said(
    home: HomeDir = DEFAULT_HOME,
    limit: Annotated[int, typer.Option(min=1, help="So many events, the newest first.")] = 20,
    format: OutputFormat = "text",
) -> None:
    """What the anomaly detectors said, the newest events first. Not all of it is a finding: the ensemble weighs it.

    Example: `watchfloor detect anomalies said --limit 5`
    """
    from watchfloor.app.noticing import Noticed
    from watchfloor.core.clock import iso

    with opened(home) as product:
        found = product.parts.documents.find(product.parts.tenant, Noticed, limit=limit)
    if format == "jsonl":
        lines({"event": one.uid, "time": iso(one.time), **signal} for one in found for signal in one.signals)
        return
    for one in found:
        for signal in one.said:
            put(f"{iso(one.time)}  {signal.strength:.4f}  {signal.title}")
            put(wrapped(signal.said, "  "), "dim")
    if not found:
        say("nothing was said yet")


@app.command()
def forget(
    entity: Annotated[str, typer.Argument(help="A user, host, address, ... as `said` shows it.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Everything: learn anew from the next event on.")] = False,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Forget what is usual for an entity, or everything. A server takes note at its next batch.

    Example: `watchfloor detect anomalies forget ws-17`
    """
    from watchfloor.app import noticing

    if bool(entity) == everything:
        raise WatchfloorError("forget what?", do="Name an entity, or say --all")
    with opened(home) as product:
        if everything:
            noticing.forget_all(product.parts, by="command line")
            put("everything is forgotten")
            return
        found = noticing.forget(product.parts, entity, by="command line")
    if not found:
        raise WatchfloorError(f"{entity} is not known", do="See: watchfloor detect anomalies said")
    put(f"{entity} is forgotten in {found} series")
