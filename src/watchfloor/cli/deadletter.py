"""`watchfloor deadletter`: what could not be read, and reading it again."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from watchfloor.cli.named import opened
from watchfloor.cli.options import DEFAULT_HOME, HomeDir
from watchfloor.cli.output import put, say
from watchfloor.core.clock import iso
from watchfloor.core.errors import RefusedError, WatchfloorError

app = typer.Typer(help="Dead letters: list, show, replay.", no_args_is_help=True)
SHOWN = 2_000


@app.command("list")
def list_(
    source: Annotated[str, typer.Option(help="Only of this source.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 100,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """What could not be read yet, the newest first.

    Example: `watchfloor deadletter list --source hec/firewalls`
    """
    with opened(home) as product:
        letters = product.dead_letters.find(source=source, limit=limit)
    for letter in letters:
        put(f"{letter.uid}  {iso(letter.time)}  {letter.size:>9,} bytes  {letter.where}: {letter.reason}")
    if not letters:
        say("no dead letters: every record became an event")


@app.command()
def show(
    uid: Annotated[str, typer.Argument(help="The dead letter's uid.")],
    raw: Annotated[bool, typer.Option("--raw", help="Its very bytes to stdout, and nothing else.")] = False,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """One dead letter with its bytes.

    Example: `watchfloor deadletter show d-0123456789abcdef`
    """
    with opened(home) as product:
        letter = product.dead_letters.get(uid)
        content = product.dead_letters.content(letter)
    if raw:
        sys.stdout.buffer.write(content)
        return
    put(f"{letter.uid}  {letter.status}  {iso(letter.time)}")
    put(f"{letter.where}: {letter.reason}")
    put(f"{letter.size:,} bytes, {letter.content}")
    put(content[:SHOWN].decode("utf-8", "backslashreplace"))
    if len(content) > SHOWN:
        say(f"... and {len(content) - SHOWN:,} bytes more; --raw gives all")


@app.command()
def replay(
    uids: Annotated[list[str] | None, typer.Argument(help="Dead letters; or name all with --all.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every dead letter, or those of --source.")] = False,
    source: Annotated[str, typer.Option(help="With --all: only of this source.")] = "",
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Read dead letters again, after a reader or a mapping was mended. What reads now becomes events.

    Example: `watchfloor deadletter replay --all`
    """
    if bool(uids) == all_:
        raise WatchfloorError("name dead letters, or all of them with --all")
    with opened(home) as product:
        wanted = uids or [letter.uid for letter in product.dead_letters.find(source=source, limit=None)]
        read = events = findings = indicators = 0
        for uid in wanted:
            try:
                done = product.dead_letters.replay(uid, "watchfloor")
            except RefusedError as error:
                say(f"{uid}: {error}", style="yellow")
                continue
            read, events, findings = read + done.read, events + done.events, findings + done.findings
            indicators += done.indicators
            if not done.read:
                say(f"{uid}: still cannot be read: {done.reason}", style="yellow")
        if findings or indicators:
            product.pipeline.triage()
    put(
        f"{read:,} of {len(wanted):,} dead letters read again: {events:,} events, {findings:,} findings"
        + (f", {indicators:,} indicators" if indicators else "")
    )
