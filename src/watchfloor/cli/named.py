"""Find what a person named: a home that is there, a path, a case by its uid or the beginning of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from watchfloor.core.errors import NotFoundError, WatchfloorError

if TYPE_CHECKING:
    from watchfloor.app.watchfloor import Watchfloor
    from watchfloor.core.plan import Plan

CASE, SHOWN = "case-", 3
Given = TypeVar("Given", Path | None, list[Path])


def is_home(home: Path) -> bool:
    """Whether anything is kept there."""
    from watchfloor.store.home import Home

    return Home(home.expanduser()).database.exists()


@contextmanager
def opened(home: Path, tenant: str = "") -> Iterator[Watchfloor]:
    """The product over a home that is there: a mistyped one is an error, not a new and empty one. It is that of the
    home's own tenant unless another is named."""
    if not is_home(home):
        raise WatchfloorError(
            "nothing is kept here",
            where=str(home),
            do="Name another folder with --home, or fill this one: watchfloor triage PATH --home HOME",
        )
    from watchfloor.app.watchfloor import Watchfloor  # only now: it takes a second

    with Watchfloor.open(home, tenant=tenant) as product:
        yield product


def existing(given: Given) -> Given:
    """Typer's callback for paths that must be there. The error names what is near."""
    for path in given if isinstance(given, list) else [given] if given else []:
        if not path.exists():
            raise typer.BadParameter(f"no such file or folder: {path}. {_did_you_mean(_near(path))}".rstrip(". "))
    return given


def _near(path: Path) -> list[str]:
    """What stands where the path leaves what is there, and is spelled nearly like it."""
    missing = next(p for p in (*reversed(path.parents), path) if not p.exists())
    beside = [p.name for p in missing.parent.iterdir()] if missing.parent.is_dir() else []
    return [str(missing.with_name(name)) for name in get_close_matches(missing.name, beside, SHOWN)]


def find_case(product: Watchfloor, given: str) -> str:
    """The uid of the case that was meant: the uid itself or enough of its beginning. Raises NotFoundError."""
    from watchfloor.core.case import Case

    documents, tenant = product.parts.documents, product.parts.tenant
    try:
        return documents.get(tenant, Case, given).uid
    except NotFoundError:
        uids = sorted(case.uid for case in documents.find(tenant, Case, limit=None))
    begin = [uid for uid in uids if given and uid.startswith((given, CASE + given))]
    if len(begin) == 1:
        return begin[0]
    raise _unknown("case", given, begin or get_close_matches(given, uids, SHOWN), "watchfloor case list")


def find_plan(product: Watchfloor, given: str) -> Plan:
    """The very plan that was named: what is signed is never guessed. Raises NotFoundError."""
    from watchfloor.core.plan import Plan

    documents, tenant = product.parts.documents, product.parts.tenant
    try:
        return documents.get(tenant, Plan, given)
    except NotFoundError:
        plans = documents.find(tenant, Plan, limit=None)
    near = [plan.uid for plan in plans if given in (plan.case_uid, plan.case_uid.removeprefix(CASE))]
    near = near or get_close_matches(given, [plan.uid for plan in plans], SHOWN)
    raise _unknown("plan", given, near, "watchfloor case show CASE")


def find_user(product: Watchfloor, given: str) -> str:
    """The name of somebody who has an account: a mistyped one must not stand in the ledger. Raises NotFoundError."""
    users = [account.user for account in product.parts.accounts.list(product.parts.tenant)]
    if given in users:
        return given
    raise _unknown(
        "user", given, get_close_matches(given, users, SHOWN), "watchfloor user NAME --role ROLE", "adds one"
    )


def _unknown(what: str, given: str, near: list[str], command: str, does: str = "tells its uid") -> NotFoundError:
    return NotFoundError(f"there is no {what} {given!r}", do=f"{_did_you_mean(near)}`{command}` {does}")


def _did_you_mean(near: Iterable[str]) -> str:
    named = ", ".join(list(near)[:SHOWN])
    return f"Did you mean {named}? " if named else ""
