"""The state of the simulated company: accounts, hosts, mail, cloud, firewall, tickets; kept in one JSON file.

Each operation works on plain data. Answers are remembered under their idempotency key, so that a retried call has one
effect; every call is logged.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from watchfloor.core.context import Context
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.noun import canonical, digest_of

Thing = dict[str, Any]
MOST_KEPT = 10_000


class Answer(NamedTuple):
    """An HTTP status and a JSON body."""

    status: int
    body: Thing


class Kind(NamedTuple):
    """One kind of thing: where it answers, its fields when new, and the calls that change it.

    `path` ends with the thing's own parameter. `open` kinds know every name (a block list takes any address); the
    others answer 404 for what the company has not.
    """

    path: str
    fresh: Thing
    calls: dict[tuple[str, str], Callable[[Thing], None]]
    open: bool = False


def _sets(**changes: Any) -> Callable[[Thing], None]:
    return lambda thing: thing.update(changes)


def _set_rules_aside(mailbox: Thing) -> None:
    mailbox["disabled_rules"] += mailbox["active_rules"]
    mailbox["active_rules"] = 0


def _put_rules_back(mailbox: Thing) -> None:
    mailbox["active_rules"] += mailbox["disabled_rules"]
    mailbox["disabled_rules"] = 0


_USER = {"enabled": True, "active_sessions": 1, "must_change_password": False, "mfa_methods": 1}

KINDS: dict[str, Kind] = {
    "users": Kind(
        "/identity/users/{user}",
        _USER,
        {
            ("POST", "/disable"): _sets(enabled=False),
            ("POST", "/enable"): _sets(enabled=True),
            ("POST", "/sessions/revoke"): _sets(active_sessions=0),
            ("POST", "/password/reset"): _sets(must_change_password=True),
            ("POST", "/mfa/reset"): _sets(mfa_methods=0),
        },
    ),
    "hosts": Kind(
        "/edr/hosts/{host}",
        {"isolated": False},
        {("POST", "/isolate"): _sets(isolated=True), ("POST", "/release"): _sets(isolated=False)},
    ),
    "files": Kind(
        "/edr/hosts/{host}/files/{file}",
        {"quarantined": False},
        {("POST", "/quarantine"): _sets(quarantined=True), ("POST", "/restore"): _sets(quarantined=False)},
    ),
    "processes": Kind(
        "/edr/hosts/{host}/processes/{process}", {"running": True}, {("POST", "/kill"): _sets(running=False)}
    ),
    "messages": Kind(
        "/mail/messages/{message}",
        {"quarantined": False},
        {("POST", "/quarantine"): _sets(quarantined=True), ("POST", "/release"): _sets(quarantined=False)},
    ),
    "campaigns": Kind("/mail/campaigns/{sender}", {"messages": 1}, {("POST", "/purge"): _sets(messages=0)}, open=True),
    "senders": Kind(
        "/mail/senders/{sender}",
        {"blocked": False},
        {("POST", "/block"): _sets(blocked=True), ("POST", "/unblock"): _sets(blocked=False)},
        open=True,
    ),
    "mailboxes": Kind(
        "/mail/mailboxes/{mailbox}",
        {"active_rules": 1, "disabled_rules": 0},
        {("POST", "/rules/disable"): _set_rules_aside, ("POST", "/rules/restore"): _put_rules_back},
    ),
    "access_keys": Kind(
        "/cloud/access-keys/{access_key}",
        {"status": "Active"},
        {
            ("POST", "/deactivate"): _sets(status="Inactive"),
            ("POST", "/activate"): _sets(status="Active"),
            ("DELETE", ""): _sets(status="Deleted"),
        },
    ),
    "attachments": Kind(
        "/cloud/users/{user}/policies/{policy}",
        {"attached": True},
        {("POST", "/detach"): _sets(attached=False), ("POST", "/attach"): _sets(attached=True)},
    ),
    "trails": Kind("/cloud/trails/{trail}", {"logging": False}, {("POST", "/start"): _sets(logging=True)}),
    "addresses": Kind(
        "/network/addresses/{address}",
        {"blocked": False},
        {("POST", "/block"): _sets(blocked=True), ("POST", "/unblock"): _sets(blocked=False)},
        open=True,
    ),
    "tickets": Kind(
        "/ticketing/tickets/{case}",
        {"status": "none"},
        {("PUT", ""): _sets(status="open"), ("POST", "/close"): _sets(status="closed")},
        open=True,
    ),
}


class Faults:
    """What goes wrong next, for tests. Counters run down by one a call that changes something."""

    def __init__(self) -> None:
        self.fail_next = 0
        """Calls that answer 503 and change nothing."""
        self.no_effect_next = 0
        """Calls that are accepted and change nothing."""
        self.lose_next = 0
        """Calls that have their effect and answer 504."""
        self.slow_seconds = 0.0

    def take(self, counter: str) -> bool:
        """Whether this fault is due now; it is used up."""
        left: int = getattr(self, counter)
        setattr(self, counter, max(0, left - 1))
        return left > 0


class CompanyState:
    """All things of the company and the log of calls, kept in `file`. Safe for threads."""

    def __init__(self, file: Path, start: dict[str, dict[str, Thing]], *, knows_any: frozenset[str]) -> None:
        if unknown := knows_any - set(KINDS):
            raise WatchfloorError(f"no such kind: {', '.join(sorted(unknown))}", do=f"Choose of {list(KINDS)}")
        self._file, self._knows_any = file, knows_any
        self._lock = threading.Lock()
        self.faults = Faults()
        if file.exists():
            self._data = orjson.loads(file.read_bytes())
        else:
            self._data = {"things": {kind: start.get(kind, {}) for kind in KINDS}, "replies": {}, "log": []}
            self._save()

    def thing(self, kind: str, *names: str) -> Thing:
        """A copy of one thing's fields; those of a new one when it was never touched."""
        with self._lock:
            return dict(self._data["things"][kind].get("|".join(names), KINDS[kind].fresh))

    def log(self) -> list[Thing]:
        """Every call so far: method, path, key, status, whether it changed something (`effect`)."""
        with self._lock:
            return list(self._data["log"])

    def summary(self) -> Thing:
        """All things, for a person to look at."""
        with self._lock:
            return dict(self._data["things"])

    def call(self, kind: str, names: tuple[str, ...], call: tuple[str, str] | None, key: str) -> Answer:
        """Read (`call` None) or change one thing. `key` is the idempotency key of a change."""
        with self._lock:
            if call is None:
                return self._read(kind, names)
            asked = digest_of(canonical([kind, list(names), list(call)]))
            if key in self._data["replies"]:
                answer = self._replayed(key, asked)
                effect = False
            else:
                answer, effect = self._change(kind, names, call)
                if key and answer.status < 500:
                    self._data["replies"][key] = {
                        "asked": asked,
                        "status": answer.status,
                        "body": answer.body,
                    }
            entry = {"kind": kind, "names": list(names), "call": "".join(call[1:]) or call[0], "key": key}
            self._data["log"].append({**entry, "status": answer.status, "effect": effect})
            self._save()
            if effect and self.faults.take("lose_next"):
                return Answer(504, {"error": "the answer was lost"})
            return answer

    def _replayed(self, key: str, asked: str) -> Answer:
        kept = self._data["replies"][key]
        if kept["asked"] != asked:
            return Answer(422, {"error": "this idempotency key was used for another call"})
        return Answer(kept["status"], kept["body"])

    def _read(self, kind: str, names: tuple[str, ...]) -> Answer:
        thing = self._find(kind, names)
        return Answer(404, {"error": f"no such thing in {kind}"}) if thing is None else Answer(200, dict(thing))

    def _change(self, kind: str, names: tuple[str, ...], call: tuple[str, str]) -> tuple[Answer, bool]:
        if self.faults.take("fail_next"):
            return Answer(503, {"error": "not available just now"}), False
        thing = self._find(kind, names)
        if thing is None:
            return Answer(404, {"error": f"no such thing in {kind}"}), False
        if self.faults.take("no_effect_next"):
            return Answer(202, {"accepted": True}), False
        changed = dict(thing)
        KINDS[kind].calls[call](changed)
        self._data["things"][kind]["|".join(names)] = changed
        return Answer(200, dict(changed)), True

    def _find(self, kind: str, names: tuple[str, ...]) -> Thing | None:
        known = self._data["things"][kind].get("|".join(names))
        if known is not None:
            return dict(known)
        return dict(KINDS[kind].fresh) if KINDS[kind].open or kind in self._knows_any else None

    def _save(self) -> None:
        for part in ("replies", "log"):
            if len(self._data[part]) > MOST_KEPT:
                kept = list(self._data[part].items() if part == "replies" else self._data[part])[-MOST_KEPT:]
                self._data[part] = dict(kept) if part == "replies" else kept
        draft = self._file.with_suffix(".draft")
        draft.write_bytes(orjson.dumps(self._data))
        os.replace(draft, self._file)


def start_from(context: Context, seed: dict[str, dict[str, Thing]]) -> dict[str, dict[str, Thing]]:
    """The first state: users, mailboxes and hosts of the business context, and what the seed says of any thing.

    The seed maps a kind (`users`, `trails`, ...) to names and their fields; two names join by `|` (`host|sha256`).
    """
    start: dict[str, dict[str, Thing]] = {kind: {} for kind in KINDS}
    for identity in context.identities:
        start["users"][identity.user.lower()] = dict(_USER)
        if identity.mail:
            start["mailboxes"][identity.mail.lower()] = dict(KINDS["mailboxes"].fresh)
    for asset in context.assets:
        start["hosts"][asset.host.lower()] = dict(KINDS["hosts"].fresh)
    for kind, things in seed.items():
        for name, fields in things.items():
            start[kind][name] = {**KINDS[kind].fresh, **start[kind].get(name, {}), **(fields or {})}
    return start
