"""The correlator: matches of single rules -> groups that count them -> findings.

`Correlator.step` is a function of the groups and the matches; it keeps nothing. Who calls it keeps the groups, in the
commit of the findings: then a batch that is done again finds its events counted already, and says the same.

What a finding is: one for a rule, a group and a cell of time (`windows.py`), with a uid that is a function of these.
It is told when the condition first holds and told again when more events belong to it.

Late events: two events are counted together when the one was not more than a day (`KEPT`) longer under way than the
other. A rule that must know that a window is whole waits an hour (`LATENESS`) beyond its time span after the window's
last event came, and as long as the rules under it do; what comes later adds matches and takes none back.

Bounds: `MOST_COUNTED` events of a group and `MOST_A_RULE` of a rule are kept, the newest; where one is let go of that
could have mattered, a finding says so, once a day and rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import islice, product
from typing import NamedTuple

import orjson

from watchfloor.core.clock import DAY, HOUR
from watchfloor.core.entity import Involvement
from watchfloor.core.event import Event
from watchfloor.core.finding import Finding
from watchfloor.detect.correlation.findings import counted, finding_of, overflow
from watchfloor.detect.correlation.group import Entry, Group, Groups, about, uid_of
from watchfloor.detect.correlation.measures import LARGEST
from watchfloor.detect.correlation.windows import Match, matches
from watchfloor.detect.sigma.correlation import MOST_COUNTED, NUMERIC, Correlation, Correlations, Reader
from watchfloor.detect.sigma.fields import View
from watchfloor.detect.sigma.rules import Rule
from watchfloor.detect.sigma.values import number_of

KEPT = DAY
"""Events are kept so much longer than a rule's time span: a day, for what is fetched or carried over once a day."""
LATENESS = HOUR
"""How much longer than others an event may be under way for a window to count as whole: cloud services deliver their
logs within an hour."""
MOST_A_RULE = 200_000
_MOST_KEYS, _MOST_VALUES, _LONGEST = 16, 64, 256
_EVER = 1 << 62

_Read = tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]


class Hit(NamedTuple):
    """One match that counts for a correlation: in which groups, and with what."""

    correlation: str
    keys: tuple[tuple[str, ...], ...]
    entry: Entry


class _Settling(NamedTuple):
    """Which groups to decide: those that grew since (ms), `all` of them or those whose windows are whole."""

    since: int
    all: bool


class Correlator:
    """Evaluates correlations. It keeps no state."""

    def __init__(self, correlations: Correlations) -> None:
        self._rules = correlations.rules
        self._by_uid = {rule.uid: rule for rule in correlations.rules}
        self._feeds, self._over = correlations.feeds, correlations.over
        self._silent = correlations.silent
        self._waits: dict[str, int] = {}
        for rule in self._rules:  # a rule comes after those that it refers to
            below = max((self._waits.get(uid, 0) for uid in rule.rules), default=0)
            self._waits[rule.uid] = below if rule.eager else below + rule.span + LATENESS

    @property
    def waits(self) -> bool:
        """Whether any rule waits for windows to be whole, so that `settle` has something to do."""
        return not all(rule.eager for rule in self._rules)

    def hits(
        self,
        event: Event,
        matched: Iterable[Rule],
        product: str,
        involved: Sequence[Involvement],
        thread: Sequence[str],
    ) -> list[Hit]:
        """What the rules that matched an event count for."""
        found: list[Hit] = []
        view: View | None = None
        for rule in matched:
            for feed in self._feeds.get(rule.uid, ()):
                view = view or View(event)
                keys, values = _read(view, feed.reader)
                if not _counts(self._by_uid[feed.correlation], keys, values):
                    continue
                up = {path: _read(view, reader) for path, reader in feed.up}
                parts = {
                    "layer": event.layer,
                    "product": product,
                    "source": event.source,
                    "involved": [(i.entity.type, i.entity.value, i.role) for i in involved],
                    "thread": thread,
                    "up": up,
                }
                entry = Entry(event.time, feed.ref, event.uid, event.uid, event.position, 0, values, about(parts), "")
                found.append(Hit(feed.correlation, keys, entry))
        return found

    def step(self, hits: Sequence[Hit], groups: Groups, now: int) -> list[Finding]:
        """Count hits that came now (ms of the clock). Changes the groups; returns findings that are new or say more."""
        return self._run(hits, groups, now, None) if hits else []

    def settle(self, groups: Groups, now: int, former: int = 0) -> list[Finding]:
        """Decide windows that became whole since a `former` settling (ms of the clock); what came too late for its own
        settling is decided when it comes."""
        return self._run((), groups, now, _Settling(former, False)) if self.waits else []

    def finish(self, groups: Groups, now: int, since: int) -> list[Finding]:
        """Decide all windows to which something came since (ms of the clock): no more will come, as at a file's end."""
        return self._run((), groups, now, _Settling(since, True)) if self.waits else []

    def expire(self, groups: Groups, now: int) -> None:
        """Let go of groups whose events are too old to be counted with new ones."""
        for rule in self._rules:
            while old := groups.between(rule.uid, 0, now - self._kept(rule), limit=500):
                groups.remove(rule.uid, old)

    def _kept(self, rule: Correlation) -> int:
        return rule.span + self._waits[rule.uid] + KEPT

    def _run(self, hits: Sequence[Hit], groups: Groups, now: int, settling: _Settling | None) -> list[Finding]:
        waiting: dict[str, list[Hit]] = {}
        for hit in hits:
            waiting.setdefault(hit.correlation, []).append(hit)
        found: dict[str, Finding] = {}
        for rule in self._rules:
            mine = waiting.pop(rule.uid, ())
            if mine:
                for one in self._count(rule, mine, groups, now, waiting):
                    found[one.uid] = one
            if settling is not None and not rule.eager:
                for one in self._settled(rule, groups, now, settling, waiting):
                    found[one.uid] = one
        return list(found.values())

    def _count(
        self, rule: Correlation, hits: Iterable[Hit], groups: Groups, now: int, waiting: dict[str, list[Hit]]
    ) -> Iterator[Finding]:
        new: dict[str, tuple[tuple[str, ...], list[Entry]]] = {}
        for hit in hits:
            for key in hit.keys:
                new.setdefault(uid_of(rule.uid, key), (key, []))[1].append(hit.entry._replace(arrived=now))
        known = groups.get(list(new))
        changed: list[Group] = []
        lost: list[Entry] = []
        for uid, (key, entries) in new.items():
            group = known.get(uid) or Group.of(groups.tenant, rule.uid, key)
            span = group.add(entries, now)
            if span is None:
                continue
            dropped = group.trim(now - self._kept(rule), MOST_COUNTED)
            changed.append(group)
            yield from self._tell(rule, group, span, now - self._waits[rule.uid], waiting)
            if dropped and not group.told:
                lost.append(dropped[-1])
        groups.put(rule.uid, changed)
        lost += _over(rule, groups)
        if lost:
            yield overflow(rule, groups.tenant, max(lost))

    def _settled(
        self, rule: Correlation, groups: Groups, now: int, settling: _Settling, waiting: dict[str, list[Hit]]
    ) -> Iterator[Finding]:
        if settling.all:
            decided, pending = _EVER, groups.between(rule.uid, settling.since, _EVER)
        else:
            decided = now - self._waits[rule.uid]
            pending = groups.between(rule.uid, settling.since - self._waits[rule.uid], decided + 1)
        for group in pending:
            yield from self._tell(rule, group, None, decided, waiting)
        groups.put(rule.uid, pending)

    def _tell(
        self,
        rule: Correlation,
        group: Group,
        changed: tuple[int, int] | None,
        decided: int,
        waiting: dict[str, list[Hit]],
    ) -> Iterator[Finding]:
        """The findings of a group that are new or say more; what they complete goes up to the correlations over it."""
        for match in matches(rule, group.entries, changed, decided):
            one = finding_of(rule, group, match)
            digest = sha256(one.canonical()).hexdigest()[:16]
            if group.told.get(str(match.cell)) == digest:
                continue
            group.told[str(match.cell)] = digest
            if rule.uid not in self._silent:
                yield one
            for over, ref in self._over.get(rule.uid, ()):
                waiting.setdefault(over, []).extend(_upward(rule, group, match, self._by_uid[over], ref))


def _over(rule: Correlation, groups: Groups) -> list[Entry]:
    """Let go of the groups that grew longest ago while the rule has too many events; one entry of each that told
    nothing."""
    lost: list[Entry] = []
    while groups.size(rule.uid) > MOST_A_RULE:
        oldest = groups.between(rule.uid, 0, _EVER, limit=50)
        if len(oldest) < 2:
            break
        oldest = oldest[: max(1, len(oldest) // 2)]
        groups.remove(rule.uid, oldest)
        lost += [group.entries[-1] for group in oldest if not group.told and group.entries]
    return lost


def _upward(rule: Correlation, group: Group, match: Match, over: Correlation, ref: int) -> Iterator[Hit]:
    """A match counts for a correlation over it at each event that completes it, with that event's fields.

    Where matches are counted, those that are complete within the same time span are one.
    """
    step = f"/{over.uid}:{ref}"
    for entry, window in match.complete:
        parts = orjson.loads(entry.about)
        keys, values = parts["up"][step]
        if not _counts(over, keys, values):
            continue
        parts["up"] = {path[len(step) :]: read for path, read in parts["up"].items() if path.startswith(f"{step}/")}
        yield Hit(
            over.uid,
            tuple(map(tuple, keys)),
            Entry(
                entry.time,
                ref,
                entry.uid,
                f"{group.uid}/{entry.time // rule.span}",
                entry.position,
                0,
                tuple(values),
                about(parts | {"involved": _involved(window)}),
                counted(rule, window),
            ),
        )


def _involved(window: Sequence[Entry]) -> list[tuple[str, str, str]]:
    found = {tuple(one): None for text in dict.fromkeys(e.about for e in window) for one in _parts(text)["involved"]}
    return list(islice(found, 64))  # type: ignore[arg-type]


def _parts(text: str) -> Mapping[str, list[tuple[str, str, str]]]:
    found: Mapping[str, list[tuple[str, str, str]]] = orjson.loads(text)
    return found


def _read(view: View, reader: Reader) -> _Read:
    """The groups that an event is in and the values that it brings. An event without a field to group by is in none;
    one that has several values of it is in the group of each."""
    texts = [list(dict.fromkeys(map(_short, view.lower(field))))[:_MOST_KEYS] for field in reader.keys]
    keys = tuple(islice(product(*texts), _MOST_KEYS))
    many = [list(dict.fromkeys(map(_short, view.lower(field))))[:_MOST_VALUES] for field in reader.values]
    values = tuple("\x1f".join(each) for each in islice(product(*many), _MOST_VALUES)) if many else ()
    return keys, values


def _counts(rule: Correlation, keys: Sequence[Sequence[str]], values: Sequence[str]) -> bool:
    """Whether an event is in a group, and brings a value where the rule is about values."""
    if rule.kind in NUMERIC:
        found = [number_of(value) for value in values]
        return bool(keys) and any(n is not None and abs(n) < LARGEST for n in found)
    return bool(keys) and (bool(values) or not rule.fields)


def _short(text: str) -> str:
    """The text as the store takes it, or its beginning and its digest: an attacker's must not fill or stop it."""
    storable = text.encode("utf-8", "backslashreplace")
    if len(text) <= _LONGEST:
        return storable.decode()
    return f"{storable[:_LONGEST].decode('utf-8', 'ignore')}~{sha256(storable).hexdigest()[:16]}"
