"""`watchfloor plan`: look at a plan, approve exactly it, run it, undo a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from watchfloor.cli.named import find_plan, find_user, opened
from watchfloor.cli.options import DEFAULT_HOME, HomeDir
from watchfloor.cli.output import out, put, say
from watchfloor.core.errors import WatchfloorError

if TYPE_CHECKING:
    from watchfloor.core.plan import Outcome, Plan

app = typer.Typer(help="Plans: show, approve, undo.", no_args_is_help=True)

PlanUid = Annotated[str, typer.Argument(help="The plan's uid, as `case show` prints it.")]
User = Annotated[str, typer.Option("--user", envvar="WATCHFLOOR_USER", help="Whose key signs.")]
Passphrase = Annotated[
    str, typer.Option(prompt=True, hide_input=True, envvar="WATCHFLOOR_PASSPHRASE", help="Unlocks the key.")
]


@app.command()
def show(plan: PlanUid, home: HomeDir = DEFAULT_HOME) -> None:
    """The exact plan as JSON; its digest, which an approval signs, goes to stderr.

    Example: `watchfloor plan show p-0123456789abcdef`
    """
    with opened(home) as product:
        found = find_plan(product, plan)
        out.print_json(found.canonical().decode())
        say(f"digest {found.digest()}")


@app.command()
def approve(
    plan: PlanUid,
    user: User,
    passphrase: Passphrase,
    step: Annotated[list[int] | None, typer.Option(help="Only these steps; all when none is named.")] = None,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Sign the exact plan and run what was signed.

    Example: `watchfloor plan approve p-0123456789abcdef --user ana --step 1 --step 2`
    """
    with opened(home) as product:
        found = find_plan(product, plan)
        steps = tuple(step or (action.n for action in found.actions))
        approval = product.desk.approve(found.uid, steps, find_user(product, user), passphrase)
        _print(found, product.desk.execute(approval.uid))


@app.command()
def undo(
    plan: PlanUid,
    step: Annotated[int, typer.Argument(help="Which step.")],
    user: User,
    passphrase: Passphrase,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Undo one executed step: signed, run and checked like any other.

    Example: `watchfloor plan undo p-0123456789abcdef 2 --user ana`
    """
    with opened(home) as product:
        found = find_plan(product, plan)
        _print(found, product.desk.undo(found.uid, step, find_user(product, user), passphrase))


def _print(plan: Plan, outcomes: Sequence[Outcome]) -> None:
    from watchfloor.cli.tables import outcome_lines

    for line in outcome_lines(plan, outcomes):
        put(line)
    bad = [o for o in outcomes if o.status not in ("succeeded", "already_so", "undone")]
    if bad:
        raise WatchfloorError(f"{len(bad)} of {len(outcomes)} steps had no effect or failed", do="See the lines above")
