"""`watchfloor context`: what is known of users and hosts, from where and since when; import, mend, ask for any time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from watchfloor.cli.named import existing, find_user, opened
from watchfloor.cli.options import DEFAULT_HOME, HomeDir, OutputFormat
from watchfloor.cli.output import lines, progress, put, say
from watchfloor.cli.times import moment
from watchfloor.core.clock import iso
from watchfloor.core.errors import WatchfloorError

if TYPE_CHECKING:
    from watchfloor.app.context import Change
    from watchfloor.app.context_view import EntityView, FactLine
    from watchfloor.app.watchfloor import Watchfloor

app = typer.Typer(
    help="What is known of users and hosts, from where and since when: import it, mend it, ask for any time.",
    no_args_is_help=True,
)
User = Annotated[str, typer.Option(envvar="WATCHFLOOR_USER", help="Who does this; it stands in the ledger.")]
EntityKey = Annotated[str, typer.Argument(help="An entity: `user:alice`, `host:ws-7`, `address:10.0.0.7`.")]
Record = Annotated[str, typer.Argument(help="An entity, or one record of it: `okta/users#user:00u1`.")]
At = Annotated[str, typer.Option("--at", help="As it was true then: `90d` (ago) or `2026-10-13T08:00Z`.")]
KnownAt = Annotated[str, typer.Option("--known-at", help="As it was known then.")]
_TITLE = "{:<10}  {}"


@app.command("import")
def import_(
    paths: Annotated[
        list[Path], typer.Argument(callback=existing, help="Exports, or files of the context folder's form.")
    ],
    user: User = "",
    as_: Annotated[str, typer.Option("--as", help="The source's name, by default that of the mapping.")] = "",
    mapping: Annotated[str, typer.Option(help="The mapping, where the columns do not tell.")] = "",
    valid_from: Annotated[
        str, typer.Option(help="Since when it is so: `2026-10-01`. What is new counts from then.")
    ] = "",
    full: Annotated[bool, typer.Option("--full", help="It is all there is: what is missing in it ends.")] = False,
    home: HomeDir = DEFAULT_HOME,
    format: OutputFormat = "text",
) -> None:
    """Record what exports of directories, inventories and DHCP servers say. The same file twice changes nothing.

    A row that cannot be read is kept as a dead letter, and the rest goes in.

    Example: `watchfloor context import PATH --as okta/users --full`
    """
    from watchfloor.app.watchfloor import Watchfloor

    with Watchfloor.open(home) as product, progress() as report:
        parts = product.parts
        done = parts.context_book.import_paths(
            paths,
            by=find_user(product, user) if user else "watchfloor",
            source=as_,
            mapping=mapping,
            valid_from=moment(valid_from, parts.clock()) if valid_from else None,
            full=full,
            report=report,
        )
        decided = product.pipeline.triage(report) if product.pipeline.count() else []
    if format == "jsonl":
        lines([done.to_dict()])
    else:
        put(
            f"{done.rows:,} rows of {', '.join(done.sources) or 'nothing'}: {done.new:,} new facts, "
            f"{done.ended:,} ended, {done.retracted:,} taken back, {done.unchanged:,} as before"
        )
    if decided:
        say(f"{len(decided):,} cases were decided again")
    for one in done.bad:
        say(one, "yellow")
    if done.problems:
        say(f"{done.problems:,} rows could not be read; they are kept: `watchfloor deadletter list`", "yellow")
    if done.problems and not done.sources:
        raise WatchfloorError("nothing could be read")


@app.command()
def show(
    entity: EntityKey,
    at: At = "",
    known_at: KnownAt = "",
    everything: Annotated[bool, typer.Option("--all", help="Facts too that were replaced or taken back.")] = False,
    home: HomeDir = DEFAULT_HOME,
    format: OutputFormat = "text",
) -> None:
    """All that is known of an entity: facts with source and both times, spellings, why its records are one, conflicts.

    Example: `watchfloor context show user:alice --at 2026-10-13 --known-at 30d`
    """
    from watchfloor.app.context_view import view_of
    from watchfloor.core.entity import Entity

    with opened(home) as product:
        now = product.parts.clock()
        view = view_of(
            product.parts.context_book,
            Entity.from_key(entity),
            true=moment(at, now) if at else now,
            known=moment(known_at, now) if known_at else None,
        )
        if not view.known:
            raise WatchfloorError(f"nothing is known of {entity}", do="`watchfloor context import` records more")
        shown = [line for line in view.facts if everything or line.stands]
        if format == "jsonl":
            lines(_json(line) for line in shown)
            return
        _print(view, shown)


def _print(view: EntityView, shown: list[FactLine]) -> None:
    put(view.resolved.key, "bold")
    for one in view.several:
        put(_TITLE.format("could be", one), "yellow")
    for title, text in (
        ("spelled", ", ".join(view.spellings)),
        ("manager", view.manager),
        ("peers", ", ".join(view.peers[:8]) + (f" and {len(view.peers) - 8:,} more" if len(view.peers) > 8 else "")),
        ("may use", ", ".join(view.approved_tools)),
    ):
        if text:
            put(_TITLE.format(title, text))
    for line in shown:
        fact = line.fact
        put(
            f"{fact.uid}  {line.state:<10}  {fact.attribute:<14} {fact.value}\n    {fact.source}#{fact.entity}, "
            f"{span(fact.valid_from, fact.valid_to)}; recorded {iso(fact.recorded_at)[:19]}Z by {fact.recorded_by}",
            "" if line.holds else "dim",
        )
    for join in view.joins:
        put(_TITLE.format("one for", join), "dim")
    for conflict in view.conflicts:
        put(_TITLE.format("conflict", conflict), "yellow")
    for window in view.windows:
        put(_TITLE.format("window", f"{window.id} {window.title}, {span(window.start, window.end)}"))


def span(start: int, end: int) -> str:
    """From when to when, in words."""
    from watchfloor.core.fact import BEGINNING, FOREVER

    begin = "as ever" if start == BEGINNING else f"from {iso(start)[:19]}Z"
    return begin if end == FOREVER else f"{begin} until {iso(end)[:19]}Z"


def _json(line: FactLine) -> dict[str, object]:
    from watchfloor.core.fact import BEGINNING, FOREVER

    fact = line.fact
    return {
        "uid": fact.uid,
        "entity": fact.entity,
        "attribute": fact.attribute,
        "value": fact.value,
        "source": fact.source,
        "valid_from": None if fact.valid_from == BEGINNING else iso(fact.valid_from),
        "valid_to": None if fact.valid_to == FOREVER else iso(fact.valid_to),
        "recorded_at": iso(fact.recorded_at),
        "recorded_by": fact.recorded_by,
        "replaces": fact.replaces,
        "state": line.state,
    }


@app.command()
def conflicts(at: At = "", home: HomeDir = DEFAULT_HOME) -> None:
    """What is claimed by two, and therefore counts for nobody: identifiers, names, addresses.

    Example: `watchfloor context conflicts`
    """
    with opened(home) as product:
        now = product.parts.clock()
        found = product.parts.context_book.chronicle().conflicts(moment(at, now) if at else now)
    for one in found:
        put(one)
    if not found:
        say("none")


@app.command()
def same(one: Record, other: Record, user: User, home: HomeDir = DEFAULT_HOME) -> None:
    """Say in your name that two are the same user or host. It takes back what was said of the two before.

    Example: `watchfloor context same user:alice okta/users#user:00u1 --user ana`
    """
    with opened(home) as product:
        _told(product, product.parts.context_book.relate(one, other, same=True, by=find_user(product, user)))


@app.command()
def different(one: Record, other: Record, user: User, home: HomeDir = DEFAULT_HOME) -> None:
    """Say in your name that two are not the same user or host: nothing joins them.

    Example: `watchfloor context different user:alice user:alice.b --user ana`
    """
    with opened(home) as product:
        _told(product, product.parts.context_book.relate(one, other, same=False, by=find_user(product, user)))


@app.command()
def retract(
    uid: Annotated[str, typer.Argument(help="A fact's uid, as `show` tells it.")],
    user: User,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Take back a fact: from now on it was never so. What was known before can still be read with `--known-at`.

    Example: `watchfloor context retract f-0123456789abcdef01234567 --user ana`
    """
    with opened(home) as product:
        fact = product.parts.context_book.retract(uid, find_user(product, user))
        decided = product.pipeline.triage()
    say(f"taken back: {fact.attribute} {fact.value} of {fact.entity}; {len(decided):,} cases were decided again")


def _told(product: Watchfloor, change: Change) -> None:
    decided = product.pipeline.triage()
    before = f", {change.retracted} taken back" if change.retracted else ""
    say(f"{change.new} fact recorded{before}; {len(decided):,} cases were decided again")


@app.command()
def mappings() -> None:
    """The exports that are known, and the columns by which.

    Example: `watchfloor context mappings`
    """
    from watchfloor.ingest.context_exports import mappings as shipped

    for one in shipped():
        put(f"{one.name:<24} {one.title}\n    known by {', '.join(one.rows)}")
