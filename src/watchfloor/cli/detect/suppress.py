"""`watchfloor detect suppress`: hold findings back for a time, in somebody's name; list, end, bring back."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from watchfloor.cli.named import find_user, opened
from watchfloor.cli.options import DEFAULT_HOME, HomeDir, OutputFormat
from watchfloor.cli.output import lines, put, say
from watchfloor.cli.times import length, moment
from watchfloor.core.clock import iso
from watchfloor.core.errors import NotFoundError

if TYPE_CHECKING:
    from watchfloor.app.suppressions import Held
    from watchfloor.app.watchfloor import Watchfloor

app = typer.Typer(
    help="Hold findings back for a time, with an owner and a reason: they are kept, marked and counted.",
    no_args_is_help=True,
)
User = Annotated[str, typer.Option(envvar="WATCHFLOOR_USER", help="Who does this; it stands in the ledger.")]


class UpTo(Enum):
    """What is graver comes through."""

    low = "low"
    medium = "medium"
    high = "high"
    critical = "critical"


@app.command()
def add(
    reason: Annotated[str, typer.Option(help="Why nobody has to look.")],
    until: Annotated[str, typer.Option(help="When it ends: `30d` (from now) or `2026-12-31`.")],
    user: User,
    detection: Annotated[str, typer.Option(help="A detection's id, or enough of its beginning; or its title.")] = "",
    family: Annotated[str, typer.Option(help="A family, `sigma/windows/process_creation`.")] = "",
    source: Annotated[str, typer.Option(help="Only of this product, `windows/sysmon`.")] = "",
    entity: Annotated[str, typer.Option(help="Only with this entity: `user:svc-backup`, `host:srv-01`.")] = "",
    where: Annotated[
        list[str],
        typer.Option(help="Only where a field of the event is so: `Image=*\\backup.exe`. May be given again."),
    ] = [],  # noqa: B006
    owner: Annotated[str, typer.Option(help="Who answers for it, by default the user.")] = "",
    up_to: Annotated[UpTo, typer.Option(help="What is graver comes through.")] = UpTo.high,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Hold back what comes from now on; what stands in a case stays there. Its uid goes to stdout.

    Example: `watchfloor detect suppress add --detection 5f0f9a0e --reason "nightly job" --until 30d --user ana`
    """
    from watchfloor.app.suppressions import Suppressions, conditions
    from watchfloor.core.finding import Severity
    from watchfloor.core.suppression import Suppression

    with opened(home) as product:
        parts = product.parts
        now = parts.clock()
        end = now + length(until) if until[-1:] in "mhdw" else moment(until, now)
        given = {
            "tenant": parts.tenant,
            "uid": "",
            "time": now,
            "until": end,
            "owner": find_user(product, owner or user),
            "reason": reason,
            "made_by": find_user(product, user),
            "detection": find_detection(product, detection) if detection else "",
            "family": family,
            "source": source,
            "entity": entity,
            "where": conditions(where),
            "up_to": Severity[up_to.value],
        }
        made = Suppressions(parts).add(Suppression.from_dict(given))
    put(made.uid)
    say(f"held back until {iso(made.until)}: {made.words}")


def find_detection(product: Watchfloor, given: str) -> str:
    """The uid that was meant, of the detections in use and of those that findings know. Raises NotFoundError."""
    detector = product.parts.detector
    known = {one.uid: one.title for one in detector.all_rules}
    known |= {finding.detection.uid: finding.detection.title for finding in product.pipeline.findings()}
    if given in known:
        return given
    begin = [uid for uid, title in known.items() if uid.startswith(given) or title.lower() == given.lower()]
    if len(begin) == 1:
        return begin[0]
    near = begin or get_close_matches(given, [*known, *known.values()], 3)
    raise NotFoundError(
        f"there is no one detection {given!r}",
        do=(f"Did you mean {', '.join(near[:3])}? " if near else "") + "`watchfloor detect history` lists them",
    )


@app.command("list")
def list_(home: HomeDir = DEFAULT_HOME, format: OutputFormat = "text") -> None:
    """Every suppression, with what it has held back: how much, how grave, and vendors' alerts of level high.

    Example: `watchfloor detect suppress list`
    """
    from watchfloor.app.suppressions import Suppressions

    with opened(home) as product:
        held = Suppressions(product.parts).held()
    if format == "jsonl":
        lines(_lines(held))
        return
    for one in held:
        state = (
            "in force" if one.in_force else one.suppression.status if one.suppression.status == "lifted" else "ended"
        )
        put(f"{one.suppression.uid}  {state:<8}  until {iso(one.suppression.until)[:16]}Z  {one.suppression.words}")
        put(f"  {one.suppression.owner}: {one.suppression.reason}", "dim")
        vendor = f", {one.vendor_high:,} of them vendors' alerts of level high or above" if one.vendor_high else ""
        put(
            f"  {one.findings:,} findings held back, the gravest {one.gravest.name}{vendor}",
            "yellow" if vendor else "dim",
        )
    if not held:
        say("nothing is held back")


def _lines(held: list[Held]) -> Iterator[dict[str, object]]:
    for one in held:
        yield one.suppression.to_dict() | {
            "in_force": one.in_force,
            "findings": one.findings,
            "gravest": one.gravest.name,
            "vendor_high": one.vendor_high,
            "last": iso(one.last) if one.last else None,
        }


@app.command()
def show(
    uid: Annotated[str, typer.Argument(help="A suppression's uid.")],
    home: HomeDir = DEFAULT_HOME,
    format: OutputFormat = "text",
) -> None:
    """The findings that a suppression has held back, the newest first.

    Example: `watchfloor detect suppress show s-0123456789abcdef --format jsonl`
    """
    from watchfloor.app.suppressions import Suppressions
    from watchfloor.cli.tables import finding_line
    from watchfloor.core.finding import Finding

    with opened(home) as product:
        book = Suppressions(product.parts)
        book.get(uid)
        marks = [mark.uid for mark in book.marked(uid)]
        found = product.parts.documents.get_many(product.parts.tenant, Finding, marks)
    if format == "jsonl":
        lines(finding_line(one) for one in found)
        return
    for one in found:
        put(f"{one.severity.name:<13} {iso(one.time)}  {one.title}")
    if not found:
        say("it has held back nothing")


@app.command()
def remove(
    uid: Annotated[str, typer.Argument(help="A suppression's uid.")],
    user: User,
    bring_back: Annotated[
        bool, typer.Option("--bring-back", help="Give what it has held back to triage, as if it came now.")
    ] = False,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """End a suppression now.

    Example: `watchfloor detect suppress remove s-0123456789abcdef --user ana`
    """
    from watchfloor.app.suppressions import Suppressions

    with opened(home) as product:
        lifted = Suppressions(product.parts).lift(uid, find_user(product, user), bring_back=bring_back)
        if bring_back:
            product.pipeline.triage()
    say(f"held back no more: {lifted.words}")
