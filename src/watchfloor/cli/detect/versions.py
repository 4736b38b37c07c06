"""`watchfloor detect reload|history`: which rules are in use, since when, by whom, and from where."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchfloor.cli.detect.suppress import User, find_detection
from watchfloor.cli.named import find_user, opened
from watchfloor.cli.options import DEFAULT_HOME, HomeDir, OutputFormat
from watchfloor.cli.output import lines, put, say
from watchfloor.core.clock import iso
from watchfloor.core.errors import WatchfloorError

if TYPE_CHECKING:
    from watchfloor.app.rulebook import Rulebook
    from watchfloor.core.entry import Entry
    from watchfloor.core.rule_set import RuleChange

_STEP = 0.2


def reload(
    user: User,
    wait: Annotated[int, typer.Option(help="Seconds to wait for a server's answer.")] = 60,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Load the rules of the home again: in the server where one runs, without losing what it has counted.

    A set in which rules do not load that did, or that are new, is refused: the one in use stays, and this fails. A
    server also loads them by itself when a file changes, and on SIGHUP.

    Example: `watchfloor detect reload --user ana`
    """
    with opened(home) as product:
        book = product.rulebook
        by = find_user(product, user)
        found = _in_server(book, by, wait) if book.served() else book.reload(by)
    say(f"rules in use: {found.words}")
    for name in ("added", "changed", "removed"):
        for rule in getattr(found, name):
            put(f"{name:<8} {rule.version[7:19]}  {rule.uid}  {rule.title}")


def _in_server(book: Rulebook, by: str, wait: int) -> RuleChange:
    from watchfloor.core.rule_set import change

    before = book.current()
    wanted = book.want_reload(by)
    deadline = time.monotonic() + wait
    while time.monotonic() < deadline:
        now = book.current()
        if now is not None and now.answered >= wanted.time:
            if now.refused:
                raise WatchfloorError(
                    f"the server refused {len(now.refused):,} rules, so the set in use stays: {now.refused[0]}",
                    do="Mend them (watchfloor detect lint) and load again",
                )
            return change(before.rules if before else (), now.rules)
        time.sleep(_STEP)
    raise WatchfloorError(f"the server did not answer within {wait} seconds", do="It will: see detect history")


def history(
    rule: Annotated[str, typer.Argument(help="A detection's id, enough of its beginning, or its title.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="So many of the newest changes.")] = 50,
    home: HomeDir = DEFAULT_HOME,
    format: OutputFormat = "text",
) -> None:
    """Who changed which detections, and when: of all, or the versions of one.

    Example: `watchfloor detect history --format jsonl`
    """
    from watchfloor.app.suppressions import SUBJECT

    with opened(home) as product:
        parts = product.parts
        if rule:
            uid = find_detection(product, rule)
            versions = product.rulebook.versions(uid)[:limit]
            now = next((one for one in (product.rulebook.current() or _nothing()).rules if one.uid == uid), None)
        else:
            entries = parts.ledger.of_subject(parts.tenant, SUBJECT, newest=limit)
    if not rule:
        _put_entries(entries, format)
        return
    if format == "jsonl":
        lines(one.to_dict() | {"in_use": bool(now and now.version == one.version)} for one in versions)
        return
    for one in versions:
        state = "in use" if now and now.version == one.version else ""
        put(f"{iso(one.time)}  {one.version[7:19]}  {one.modified or 'no date':<10}  {one.level:<8}  {state}")
        put(f"  by {one.by}, from {one.place}: {one.file}", "dim")
    if not versions:
        say("no version of it was in use here")


def _nothing() -> Any:
    from watchfloor.core.rule_set import RuleSet

    return RuleSet(tenant="none", time=0, by="", rules=(), places=(), problems=())


def _put_entries(entries: list[Entry], format: str) -> None:
    newest = sorted(entries, key=lambda one: -one.seq)
    if format == "jsonl":
        lines({"time": iso(e.time), "kind": e.kind, "actor": e.actor, **json.loads(e.body)} for e in newest)
        return
    for entry in newest:
        put(f"{iso(entry.time)}  {entry.actor:<14} {entry.kind}: {_words(entry.kind, json.loads(entry.body))}")
    if not entries:
        say("nothing has changed yet")


def _words(kind: str, body: dict[str, Any]) -> str:
    if kind == "detections.changed":
        counts = body["counts"]
        said = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
        from_ = "; ".join(f"{p['path']}@{p['commit'][:12]}" for p in body["places"] if p["commit"])
        return f"{said}, {body['rules']:,} in use" + (f" ({from_})" if from_ else "")
    if kind == "detections.refused":
        return f"{body['count']:,} rules do not load: {body['problems'][0]}"
    return f"{body.get('detection') or body.get('family')}: {body.get('reason')}"
