"""`watchfloor intel`: what feeds of threat intelligence hold, and what is known of a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from watchfloor.cli.named import opened
from watchfloor.cli.options import DEFAULT_HOME, HomeDir
from watchfloor.cli.output import put, say
from watchfloor.core.errors import WatchfloorError

if TYPE_CHECKING:
    from watchfloor.core.intel import Indicator

app = typer.Typer(help="Threat intelligence: what feeds hold, what is known of a value.", no_args_is_help=True)


@app.command("list")
def list_(home: HomeDir = DEFAULT_HOME) -> None:
    """Each feed with what it holds and when it last brought something, and what files of the settings hold.

    Example: `watchfloor intel list`
    """
    from watchfloor.core.clock import iso

    with opened(home) as product:
        feeds = product.parts.intel_store.feeds(product.parts.tenant)
        for feed in feeds:
            put(
                f"{feed.source:<32} {feed.indicators:,} indicators in {feed.objects:,} objects "
                f"({feed.withdrawn:,} withdrawn)   last new {iso(feed.added)}   last came {iso(feed.seen)}"
            )
        files = product.parts.intel.of_files
        if any(files):
            put(
                f"{'files of the settings':<32} {files.indicators:,} indicators, {files.warninglists:,} warninglists, "
                f"{files.vulnerabilities:,} exploited vulnerabilities, {files.problems:,} entries that cannot be read"
            )
        if not feeds and not any(files):
            say("none; name a feed in sources.yaml, or files as `intel` in watchfloor.yaml")


@app.command()
def look(
    value: Annotated[str, typer.Argument(help="An address, domain, URL, hash or mail address.")],
    type_: Annotated[str, typer.Option("--type", help="What it is, where its shape does not tell.")] = "",
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Everything that names a value, withdrawn things aside: what is said, by whom, where it stands, and since when.

    Example: `watchfloor intel look 203.0.113.7`
    """
    from watchfloor.core.clock import iso
    from watchfloor.core.intel import INDICATOR_TYPES
    from watchfloor.ingest.intel.lists import refanged, shape_of

    kind = type_ or shape_of(refanged(value))
    if kind not in INDICATOR_TYPES:
        raise WatchfloorError(f"cannot tell what {value!r} is", do=f"Name --type: {', '.join(INDICATOR_TYPES)}")
    with opened(home) as product:
        intel, now = product.parts.intel, product.parts.clock()
        intel.refresh()
        found = False
        for held in intel.held(kind, refanged(value)):
            found = True
            put(f"{_said(held.indicator, now)}\n    in {held.source}, {held.object}, since {iso(held.added)}")
        for indicator in intel.in_files(kind, refanged(value)):
            found = True
            put(f"{_said(indicator, now)}\n    in files of the settings")
        for one in intel.listed(kind, refanged(value)):
            found = True
            put(f"on the list {one.name} ({one.title}): {one.kind}")
    if not found:
        say("nothing names it")


@app.command()
def forget(
    feed: Annotated[str, typer.Argument(help="A feed, as `watchfloor intel list` names it.")],
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Remove all that a feed has brought, and decide again what rested on it.

    A feed that `sources.yaml` still has goes on from where it is; rewind the source to have it begin anew.

    Example: `watchfloor intel forget taxii/cert`
    """
    with opened(home) as product:
        parts = product.parts
        with parts.together():
            gone = parts.intel_store.forget(parts.tenant, feed)
            parts.ledger.append(
                parts.tenant,
                kind="intel.forgotten",
                subject=feed,
                actor="watchfloor",
                body={"indicators": gone},
                time=parts.clock(),
            )
        decided = product.pipeline.triage()
    put(f"{gone:,} indicators of {feed} are gone; {len(decided):,} cases were decided again")


def _said(indicator: Indicator, now: int) -> str:
    about = f": {indicator.description}" if indicator.description else ""
    marked = f" ({indicator.marking})" if indicator.marking else ""
    return (
        f"{indicator.kind} {indicator.type} {indicator.value}, confidence {indicator.confidence}, "
        f"{indicator.validity(now)} now, from {indicator.source}{marked}{about}"
    )
