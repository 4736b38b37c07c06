"""`watchfloor case merge|split|unlink|take-back`: which findings belong together, as people say, and how it reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from watchfloor.cli.named import find_case, find_user, opened
from watchfloor.cli.options import DEFAULT_HOME, HomeDir
from watchfloor.cli.output import put, say, wrapped
from watchfloor.core.clock import iso

if TYPE_CHECKING:
    from watchfloor.app.views import CaseView
    from watchfloor.core.regrouping import Regrouping

CaseUid = Annotated[str, typer.Argument(help="The case's uid, as `case list` prints it, or its beginning.")]
User = Annotated[str, typer.Option("--user", envvar="WATCHFLOOR_USER", help="Who does it; stands in the ledger.")]
_MOST_LINKS = 20


def add_to(app: typer.Typer) -> None:
    """Put the commands under `watchfloor case`."""
    for name, command in (("merge", merge), ("split", split), ("unlink", unlink), ("take-back", take_back)):
        app.command(name)(command)


def print_grouping(view: CaseView, said: Sequence[Regrouping]) -> None:
    """Why its findings stand together, which cases are near and why, and how it came to be what it is."""
    from watchfloor.app.regroupings import history

    case = view.case
    if case.merged_into:
        put(f"\nits findings stand in {case.merged_into} now", "bold")
    if case.links:
        put("\nwhy its findings stand together", "bold")
    for link in case.links[:_MOST_LINKS]:
        put(
            wrapped(
                f"{link.sentence} ({link.because.replace('_', ' ')}, strength {link.strength:.1f})", f"  {link.uid}  "
            )
        )
    if len(case.links) > _MOST_LINKS:
        put(f"  and {len(case.links) - _MOST_LINKS:,} more")
    if case.relations:
        put("\nrelated cases, not merged", "bold")
    for relation in case.relations:
        put(wrapped(f"{relation.sentence} (strength {relation.strength:.1f})", f"  {relation.case}  "))
    told = [f"{iso(at)} {sentence}" for at, _, sentence in history(view.entries)]
    if told or said:
        put("\nhow it came to be this case", "bold")
    for line in told:
        put(wrapped(line, "  "))
    for one in said:
        put(wrapped(f"holds: {one.sentence}", f"  {one.uid}  "))


def merge(
    case: CaseUid,
    other: Annotated[str, typer.Argument(help="The case that is the same thing.")],
    user: User,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Two cases become one. `case take-back` undoes it.

    Example: `watchfloor case merge case-0123456789abcdef case-fedcba9876543210 --user ana`
    """
    with opened(home) as product:
        one, two = find_case(product, case), find_case(product, other)
        _told(product.desk.regroupings.merge(one, two, find_user(product, user)))


def split(
    case: CaseUid,
    findings: Annotated[list[str], typer.Argument(help="Its findings that are another thing.")],
    user: User,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Findings of a case become a case of their own. `case take-back` undoes it.

    Example: `watchfloor case split case-0123456789abcdef f-0123456789abcdef --user ana`
    """
    with opened(home) as product:
        uid = find_case(product, case)
        _told(product.desk.regroupings.split(uid, findings, find_user(product, user)))


def unlink(
    case: CaseUid,
    link: Annotated[str, typer.Argument(help="The link that does not hold, as `case show` names it.")],
    user: User,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Undo a link: the case becomes two where it held them together. `case take-back` undoes that.

    Example: `watchfloor case unlink case-0123456789abcdef link-0123456789abcdef --user ana`
    """
    with opened(home) as product:
        uid = find_case(product, case)
        _told(product.desk.regroupings.unlink(uid, link, find_user(product, user)))


def take_back(
    regrouping: Annotated[str, typer.Argument(help="What was said, as `case show` names it.")],
    user: User,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Undo a merging, a splitting or the undoing of a link.

    Example: `watchfloor case take-back regrouping-0123456789abcdef --user ana`
    """
    with opened(home) as product:
        _told(product.desk.regroupings.take_back(regrouping, find_user(product, user)))


def _told(said: Regrouping) -> None:
    say(f"{said.sentence} ({said.uid})")
