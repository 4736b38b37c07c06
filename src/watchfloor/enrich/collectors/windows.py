"""Which announced activities were open at a time, and exactly what of them matches what was asked about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import re2

from watchfloor.core.context import Context, Window
from watchfloor.core.entity import Entity, EntityType
from watchfloor.core.errors import WatchfloorError
from watchfloor.enrich.analysis.addresses import within

_LIMITS = ("users", "hosts", "addresses", "countries", "commands")
_SINGULAR = {"users": "user", "hosts": "host", "addresses": "address", "countries": "country", "commands": "command"}
# What ends one command and starts another: an approved command with a second one behind it is not the approved one.
_NEXT_COMMAND = r"[&|;`\r\n]+|\$\("


def open_windows(context: Context, asked: dict[str, Any]) -> dict[str, Any]:
    """The answer of the collector `context` about windows. Raises WatchfloorError without a time."""
    first, last = asked.get("first", asked.get("at")), asked.get("last", asked.get("at"))
    if not isinstance(first, int) or not isinstance(last, int):
        raise WatchfloorError("the query about windows has no time", do="Give `at`, or `first` and `last`")
    things = {limit: _strings(asked.get(limit, asked.get(_SINGULAR[limit]))) for limit in _LIMITS}
    shown = [
        _shown(context, window, things, first, last)
        for window in sorted(context.windows, key=lambda w: (w.start, w.id))
        if window.start <= last and first < window.end
    ]
    return {"windows": shown, "covered_by": next((w["id"] for w in shown if w["covers"]), None)}


def _shown(context: Context, window: Window, things: dict[str, list[str]], first: int, last: int) -> dict[str, Any]:
    limits = [limit for limit in _LIMITS if getattr(window, limit)]
    matched = {limit: met for limit in limits if (met := _met(context, window, limit, things))}
    stated = {limit for limit in limits if things[limit] or limit in matched}
    excused = [limit for limit in limits if limit not in stated and limit in _excused(limits, matched)]
    unmatched = [limit for limit in limits if limit not in matched and limit not in excused]
    whole = window.start <= first and last < window.end
    return {
        "id": window.id,
        "kind": window.kind,
        "title": window.title,
        "start": window.start,
        "end": window.end,
        "approved_by": window.approved_by,
        "ticket": window.ticket,
        "time": "whole" if whole else "partly",
        "matched": matched,
        "excused": excused,
        "unmatched": unmatched,
        "covers": whole and bool(matched) and not unmatched,
    }


def _excused(limits: list[str], matched: Mapping[str, Any]) -> set[str]:
    """Limits that need not be met where nothing is stated about them, because who it is stands fast without them.

    A packet has no user: its source address tells who sent it. A process has no source address: its user and host do.
    """
    excused = {"users", "hosts"} if "addresses" in matched else set()
    if "users" in matched and ("hosts" in matched or "hosts" not in limits):
        excused.add("addresses")
    return excused


def _met(context: Context, window: Window, limit: str, things: dict[str, list[str]]) -> list[str]:
    """Which of the things asked about are within one limit of a window."""
    asked, allowed = things[limit], getattr(window, limit)
    if limit == "users":
        return _same(context, "user", asked, allowed)
    if limit == "hosts":
        return _same(context, "host", asked, allowed) or _assets(context, things["addresses"], allowed)
    if limit == "addresses":
        return [address for address in asked if within(address, allowed)]
    if limit == "countries":
        return [country for country in asked if country.upper() in {a.upper() for a in allowed}]
    return [command for command in asked if _command_fits(allowed)(command)]


def _same(context: Context, kind: EntityType, asked: Iterable[str], allowed: Iterable[str]) -> list[str]:
    names = {context.resolve(Entity(type=kind, value=a.lower())).value for a in allowed}
    return [one for one in asked if context.resolve(Entity(type=kind, value=one.lower())).value in names]


def _assets(context: Context, addresses: Iterable[str], allowed: Iterable[str]) -> list[str]:
    hosts = {context.resolve(Entity(type="host", value=a.lower())) for a in allowed}
    return [a for a in addresses if context.resolve(Entity(type="address", value=a)) in hosts]


@lru_cache(maxsize=1_024)
def _command_fits(allowed: tuple[str, ...]) -> Callable[[str], bool]:
    """A test of command lines: each command of the line must have the words of an allowed one, in order."""
    words = (r"\s+".join(map(re2.escape, one.split())) for one in allowed if one.strip())
    pattern = re2.compile(r"(?i)(?:^|\W)(?:" + "|".join(words) + r")(?:\W|$)")

    def fits(line: str) -> bool:
        commands = [part for part in re.split(_NEXT_COMMAND, line) if part.strip()]
        return bool(commands) and all(pattern.search(command) for command in commands)

    return fits


def _strings(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(v for v in values if isinstance(v, str) and v))
