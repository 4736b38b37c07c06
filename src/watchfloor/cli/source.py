"""`watchfloor source`: who may hand records in live, and what `sources.yaml` has the server collect."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from watchfloor.cli.named import opened
from watchfloor.cli.options import DEFAULT_HOME, HomeDir
from watchfloor.cli.output import put, say

app = typer.Typer(help="Live sources: add, list, remove.", no_args_is_help=True)

# What its sender is told: the address and how to show the token.
_USE = {
    "webhook": "POST /intake/webhook/{name}   Authorization: Bearer TOKEN",
    "hec": "POST /services/collector/event   Authorization: Splunk TOKEN",
    "bulk": "POST /_bulk   user {name}, password TOKEN (Basic), or ApiKey {name}:TOKEN",
    "otlp": "POST /v1/logs   Authorization: Bearer TOKEN",
}


class KindName(Enum):
    """Typer takes a list of choices only as an enum."""

    webhook = "webhook"
    hec = "hec"
    bulk = "bulk"
    otlp = "otlp"


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and . _ -")],
    kind: Annotated[KindName, typer.Option(help="How it hands records in.")],
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Let a source hand records in. Its token goes to stdout, once; only a digest is kept.

    Example: `watchfloor source add firewalls --kind hec`
    """
    with opened(home) as product:
        admission = product.live_sources.add(name, kind.value)
    say(_USE[kind.value].format(name=name))
    if kind is KindName.webhook:
        say(f"or signed (X-Hub-Signature-256, HMAC-SHA256) with the secret {admission.signing_secret}")
    say("the token, shown this once:")
    put(admission.token)


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
        health = {one.uid: one for one in product.supervisor.health()}
        for uid in [*(source.source for source in product.live_sources.list()), *health]:
            state, does = states.get(uid), health.get(uid)
            tally = state.tally if state else Tally()
            heard = f"last heard {iso(state.time)}" if state else "never heard"
            kind, _, name = uid.partition("/")
            since = f" since {iso(does.time)}" if does and does.time else ""
            put(
                f"{name:<24} {kind:<8} {heard}   {tally.received:,} received = {tally.events:,} events "
                f"+ {tally.dead_letters:,} dead letters + {tally.repeats:,} repeats"
                + (f" + {tally.indicators:,} indicators" if tally.indicators else "")
                + (f"   {does.status}{since}" if does else "")
                + (f": {does.problem}" if does and does.problem else "")
            )


@app.command()
def remove(name: Annotated[str, typer.Argument(help="The source's name.")], home: HomeDir = DEFAULT_HOME) -> None:
    """Take a source's token back. What it has sent stays.

    Example: `watchfloor source remove firewalls`
    """
    with opened(home) as product:
        removed = product.live_sources.remove(name)
    say(f"{removed.uid} may hand nothing in any more")
