"""`watchfloor source`: who may hand records in live, and what `sources.yaml` has the server collect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from watchfloor.cli.named import opened
from watchfloor.cli.options import DEFAULT_HOME, HomeDir
from watchfloor.cli.output import put, say
from watchfloor.core.errors import NotFoundError, RefusedError, WatchfloorError

if TYPE_CHECKING:
    from watchfloor.core.intake import SourceKind

app = typer.Typer(help="Live sources: add, list, remove, rewind.", no_args_is_help=True)

# What its sender is told: the address and how to show the token.
_USE: dict[SourceKind, str] = {
    "webhook": "POST /intake/webhook/{name}   Authorization: Bearer TOKEN",
    "hec": "POST /services/collector/event   Authorization: Splunk TOKEN",
    "bulk": "POST /_bulk   user {name}, password TOKEN (Basic), or ApiKey {name}:TOKEN",
    "otlp": "POST /v1/logs   Authorization: Bearer TOKEN",
}
KIND_HELP = "How: webhook, hec, bulk and otlp hand in with a token; `watchfloor source kinds` names what is collected."


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and . _ -")],
    kind: Annotated[str, typer.Option(help=KIND_HELP)],
    option: Annotated[
        list[str],
        typer.Option(help="NAME=VALUE of one that is collected; values that are no text as YAML. May be given again."),
    ] = [],  # noqa: B006
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Let a source hand records in, or have the server collect one.

    Of one that hands in, the token goes to stdout, once; only a digest is kept. One that is collected is written to
    `sources.yaml` of the home; a server that runs starts it within seconds.

    Example: `watchfloor source add firewalls --kind hec`
    """
    handed = next((one for one in _USE if one == kind), None)
    if handed is None:
        _collect(name, kind, option, home)
        return
    if option:
        raise WatchfloorError(f"{kind} takes no options", do="Leave --option out")
    with opened(home) as product:
        admission = product.live_sources.add(name, handed)
    say(_USE[handed].format(name=name))
    if handed == "webhook":
        say(f"or signed (X-Hub-Signature-256, HMAC-SHA256) with the secret {admission.signing_secret}")
    say("the token, shown this once:")
    put(admission.token)


def _collect(name: str, kind: str, option: list[str], home: Path) -> None:
    from watchfloor.ingest.sources import KINDS
    from watchfloor.ingest.sources.options import read_options

    if kind not in KINDS:
        raise WatchfloorError(f"no kind of source {kind!r}", do=f"One of: {', '.join([*_USE, *KINDS])}")
    try:
        fields = read_options(KINDS[kind], option)
        with opened(home) as product:
            source = product.collected.add(name, kind, fields)
    except RefusedError:
        raise
    except WatchfloorError as error:
        raise WatchfloorError(
            error.what, where=error.where, do=error.do or f"Run: watchfloor source kinds {kind}"
        ) from None
    say(f"{source.source} stands in sources.yaml; a server that runs starts it within seconds")
    try:
        source.check()
    except WatchfloorError as error:
        say(f"as things are here it could not be started: {error}", style="yellow")


@app.command()
def kinds(kind: Annotated[str, typer.Argument(help="One kind; all without it.")] = "") -> None:
    """The kinds of sources that are collected, with the options of each: `*` where it is needed.

    Example: `watchfloor source kinds kafka`
    """
    from watchfloor.ingest.sources import KINDS
    from watchfloor.ingest.sources.options import options_of

    if kind and kind not in KINDS:
        raise WatchfloorError(f"no kind of source {kind!r} is collected", do=f"One of: {', '.join(KINDS)}")
    for name in [kind] if kind else KINDS:
        put(f"{name}: {' '.join((KINDS[name].__doc__ or '').split())}")
        for option in options_of(KINDS[name]):
            mark = "*" if option.required else " "
            choices = f" One of {', '.join(option.choices)}." if option.choices else ""
            default = f" [{option.default}]" if option.default else ""
            put(f"  {mark} {option.name:<18} {option.about}{choices}{default}")


@app.command("list")
def list_(home: HomeDir = DEFAULT_HOME) -> None:
    """Each live source with what has come from it: received = events + dead letters + repeats + indicators
    (these only of threat intelligence). Of those in `sources.yaml` also how they do, as the server last said.

    Example: `watchfloor source list`
    """
    from watchfloor.core.clock import iso
    from watchfloor.core.intake import Tally

    with opened(home) as product:
        states = {state.uid: state for state in product.intake.states()}
        found, troubles = product.supervisor.look()
        health = {one.uid: one for one in found}
        for uid in [*(source.source for source in product.live_sources.list()), *health]:
            state, does = states.get(uid), health.get(uid)
            tally = state.tally if state else Tally()
            heard = f"last heard {iso(state.time)}" if state else "never heard"
            kind, _, name = uid.partition("/")
            since = f" since {iso(does.time)}" if does and does.time else ""
            said = [f"{does.status}{since}", does.problem, does.note] if does else []
            put(
                f"{name:<24} {kind:<8} {heard}   {tally.received:,} received = {tally.events:,} events "
                f"+ {tally.dead_letters:,} dead letters + {tally.repeats:,} repeats"
                + (f" + {tally.indicators:,} indicators" if tally.indicators else "")
                + ("   " + ": ".join(filter(None, said)) if said else "")
            )
    for trouble in troubles:
        if not trouble.doing.startswith("source "):
            say(f"{trouble.doing}: {trouble.problem}", style="yellow")


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="The source's name; or KIND/NAME where two have it.")],
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Take a source's token back, or have it collected no more. What came from it stays.

    Example: `watchfloor source remove firewalls`
    """
    with opened(home) as product:
        admitted = [source for source in product.live_sources.list() if name in (source.uid, source.source)]
        collected = product.collected.find(name)
        both = [source.source for source in admitted] + [source.source for source in collected]
        if not both:
            raise NotFoundError(f"there is no source {name}", do="Run: watchfloor source list")
        if len(both) > 1:
            raise RefusedError(f"{len(both)} sources have this name", do=f"Name one: {', '.join(both)}")
        if admitted:
            product.live_sources.remove(admitted[0].uid)
            say(f"{admitted[0].uid} may hand nothing in any more")
        else:
            product.collected.remove(collected[0])
            say(f"{both[0]} is collected no more; a server that runs stops it within seconds")


@app.command()
def rewind(
    name: Annotated[str, typer.Argument(help="The name of one that is collected; or KIND/NAME where two have it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Forget how far a collected source has read: all that is still there is read again, and counts once.

    Not while the server runs.

    Example: `watchfloor source rewind okta --yes`
    """
    with opened(home) as product:
        found = product.collected.find(name)
        if not found:
            raise NotFoundError(f"no source {name} is collected", do="Run: watchfloor source list")
        if len(found) > 1:
            raise RefusedError("several have this name", do=f"Name one: {', '.join(one.source for one in found)}")
        say(f"{found[0].source} will read again all that is still there; what is known already counts as a repeat.")
        if not yes:
            typer.confirm("Forget how far it has read?", abort=True, err=True)
        product.collected.rewind(found[0])
    say("it begins anew when the server starts")
