"""Closing by itself, kept over time: the draw of cases for people, the state of each class, and what it tells of them.

A run begins with the book of what all labels say now; every case that is decided gets its place in the draw; where the
cases of a class are no longer such as were labelled, the class stops within the run.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from watchfloor.app.parts import Parts
from watchfloor.core.case import Case
from watchfloor.core.clock import DAY, day_of
from watchfloor.core.closing import ClassState, Draw, DrawPeriod, Stream
from watchfloor.core.finding import Finding
from watchfloor.core.label import Label
from watchfloor.core.noun import digest_of, short_id
from watchfloor.core.verdict import Verdict
from watchfloor.ledger.ledger import Draft
from watchfloor.store.documents import Document
from watchfloor.triage.bound import ClassRecord, LabelBook, Standing, reasons, rules_of
from watchfloor.triage.draw import commitment, first, key_of, period_of, period_span, place, problems
from watchfloor.triage.drift import calm, height, seen, telling
from watchfloor.triage.inputs import Inputs

SUBJECT = "closing"
"""The ledger's subject of the draw's periods; a class's entries have the class as their subject."""
_ACTOR = "watchfloor"


class ClassRow(NamedTuple):
    """A class as page and command show it."""

    name: str
    standing: Standing
    open: bool
    reasons: tuple[str, ...]
    limit: float
    height: float
    """What was staked on its cases having changed; at `drift_every` it stops."""

    @property
    def known(self) -> bool:
        """Whether there is a label of it, or a case that would be closed."""
        return bool(self.standing.record.labels or self.standing.unjudged or self.standing.reviews)

    def as_dict(self) -> dict[str, Any]:
        """As data for programs."""
        record, state = self.standing.record, self.standing.state
        return {
            "detection_class": self.name,
            "closes": self.open,
            "why_not": list(self.reasons),
            "labels": record.labels,
            "counted": record.counted,
            "missed": record.missed,
            "bound": self.standing.bound,
            "limit": self.limit,
            "needed": self.standing.needed,
            "uncounted": self.standing.uncounted,
            "unjudged": len(self.standing.unjudged),
            "next": [draw.case_uid for draw in self.standing.unjudged[:5]],
            "reviews": len(self.standing.reviews),
            "overdue": len(self.standing.overdue),
            "reviewed": self.standing.reviewed,
            "drift": round(self.height, 2),
            "drifted": state.drifted_why if state is not None and state.drifted_at else "",
        }


class Closing:
    """What closing rests on, for one tenant. For one thread at a time."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._states: dict[str, ClassState] = {}
        self._book = LabelBook(())
        self._draws: dict[str, Draw] = {}
        self._changed: set[str] = set()
        self._alarmed: dict[str, str] = {}
        self._period, self._key = "", b""

    # Looking

    def rows(self) -> list[ClassRow]:
        """Every class of which anything is known, the open ones first."""
        parts, policy = self._parts, self._parts.policy
        states = self._stored_states()
        book = self._read(states.values(), parts.labels(), self._drawn())
        rows = []
        for name in book.classes(parts.tenant):
            standing = book.standing(parts.tenant, name)
            streams = {} if standing.state is None else standing.state.streams
            why = reasons(standing, policy)
            rows.append(ClassRow(name, standing, not why, why, policy.triage.max_missed_share, height(streams)))
        return sorted(rows, key=lambda row: (not row.open, -row.standing.record.counted, row.name))

    def reviews(self) -> list[Draw]:
        """Closed cases that chance drew and nobody has judged, the most urgent first."""
        tenant, documents = self._parts.tenant, self._parts.documents
        found = [d for d in documents.find(tenant, Draw, status="review", limit=None) if d.would_close]
        labels = documents.latest_each(tenant, Label, [d.case_uid for d in found])
        judged = {uid for uid, label in labels.items() if label.status == "given"}
        return sorted((d for d in found if d.case_uid not in judged), key=lambda d: (d.due, d.uid))

    def draw_problems(self) -> list[str]:
        """What does not hold of the draws that the ledger tells of, when they are drawn again."""
        parts = self._parts
        entries = reversed(parts.ledger.latest(parts.tenant, parts.ledger.size(parts.tenant)))
        return list(problems((entry.kind, entry.subject, json.loads(entry.body)) for entry in entries))

    def review_of(self, case_uid: str) -> Draw | None:
        """The draw of a closed case that waits for a person's review."""
        draw = self.draw_of(case_uid)
        label = self._parts.documents.latest(self._parts.tenant, Label, case_uid)
        judged = label is not None and label.status == "given"
        return draw if draw is not None and draw.status == "review" and draw.would_close and not judged else None

    def draw_of(self, case_uid: str) -> Draw | None:
        """A case's place in the draw, where it was decided."""
        return self._parts.documents.latest(self._parts.tenant, Draw, case_uid)

    # A run

    def begin(self, cases: Collection[str], labels: Iterable[Label]) -> LabelBook:
        """The book that a run decides by; `cases` are the uids of all there are. Classes open and shut here."""
        parts = self._parts
        with parts.together():
            self._alarmed, self._draws, self._changed = {}, {}, set()
            self._states = {name: self._by_rules(state) for name, state in self._stored_states().items()}
            self._begin_period()
            drawn = [self._as_there(draw, cases) for draw in self._drawn()]
            drawn += self._end_periods(drawn)
            labels = list(labels)
            self._book = self._read(self._states.values(), labels, drawn)
            redrawn = self._turned(drawn)
            if redrawn:
                drawn = [redrawn.get(draw.uid, draw) for draw in drawn]
                self._book = self._read(self._states.values(), labels, drawn)
            parts.documents.put(parts.tenant, *redrawn.values(), *self._changed_states())
        return self._book

    def watch(self, weighed: Sequence[tuple[Inputs, Verdict]]) -> None:
        """Cases that were decided just now: whether those that would be closed are still such as were labelled."""
        parts = self._parts
        uids = [_uid(inputs.case.uid) for inputs, _ in weighed]
        known = sorted(parts.documents.known(parts.tenant, Draw, uids))
        self._draws |= {draw.case_uid: draw for draw in parts.documents.get_many(parts.tenant, Draw, known)}
        for inputs, verdict in weighed:
            case = inputs.case
            if case.uid not in self._draws:
                self._draws[case.uid] = self._new(inputs, verdict)
                if verdict.wants_to_close:
                    self._see(inputs, verdict, self._draws[case.uid])

    def heeded(self, inputs: Inputs) -> Inputs:
        """Inputs that say so where their class was shut within this run."""
        why = self._alarmed.get(inputs.case.detection_class)
        if not why or inputs.labels.shut:
            return inputs
        return inputs.model_copy(update={"labels": _shut(inputs.labels, why)})

    def recorded(self, inputs: Inputs, verdict: Verdict) -> Draw:
        """The place in the draw of a case whose verdict is being recorded."""
        case, now, policy = inputs.case, self._parts.clock(), self._parts.policy.triage
        before = self._draws.get(case.uid) or self._new(inputs, verdict)
        would, closes = verdict.wants_to_close, verdict.disposition == "close"
        update: dict[str, object] = {"would_close": would, "rules": self._rules, **_told(inputs)}
        judged = self._book.label(case.tenant, case.uid) is not None
        if would and not before.would_close and before.rules == self._rules and not judged:
            update["time"] = now
        if closes and not before.closed:
            update |= {"closed": True, "share": policy.review_share, "due": now + policy.review_days * DAY}
        self._draws[case.uid] = draw = before.model_copy(update=update)
        return draw

    def changed_states(self) -> list[Document]:
        """States that became others since they were written."""
        return self._changed_states()

    # Within

    def _read(self, states: Iterable[ClassState], labels: Iterable[Label], drawn: Iterable[Draw]) -> LabelBook:
        return LabelBook(labels, drawn, states, policy=self._parts.policy.triage, now=self._parts.clock())

    def _drawn(self) -> list[Draw]:
        find, tenant = self._parts.documents.find, self._parts.tenant
        return [*find(tenant, Draw, status="drawn", limit=None), *find(tenant, Draw, status="review", limit=None)]

    def _stored_states(self) -> dict[str, ClassState]:
        found = self._parts.documents.find(self._parts.tenant, ClassState, limit=None)
        return {state.detection_class: state for state in found}

    @property
    def _rules(self) -> str:
        return rules_of(self._parts.scorecard, self._parts.policy)

    def _by_rules(self, state: ClassState) -> ClassState:
        """Other rules close other cases: labels count by what is closed now."""
        if state.rules == self._rules:
            return state
        self._changed.add(state.detection_class)
        since = self._parts.clock() if state.rules else 0
        return state.model_copy(update={"rules": self._rules, "rules_since": since})

    def _changed_states(self) -> list[Document]:
        changed, self._changed = self._changed, set()
        return [self._states[name] for name in sorted(changed)]

    def _state(self, name: str) -> ClassState:
        if name not in self._states:
            tenant, now = self._parts.tenant, self._parts.clock()
            uid = short_id("class", name)
            self._states[name] = ClassState(tenant=tenant, uid=uid, time=now, detection_class=name, rules=self._rules)
        return self._states[name]

    def _keep(self, state: ClassState, **update: object) -> ClassState:
        self._states[state.detection_class] = kept = state.model_copy(update=update)
        self._changed.add(state.detection_class)
        return kept

    def _as_there(self, draw: Draw, cases: Collection[str]) -> Draw:
        """A case that another took in, or whose findings are held back, waits for nobody."""
        if draw.case_uid in cases or not draw.would_close:
            return draw
        gone = draw.model_copy(update={"would_close": False})
        self._parts.documents.put(self._parts.tenant, gone)
        return gone

    def _turned(self, drawn: Iterable[Draw]) -> dict[str, Draw]:
        """Open and shut classes by what the labels say now. Of a class that opens, the cases behind the first that
        nobody judged are drawn anew as those of an open class; gives them by uid."""
        parts, entries = self._parts, []
        redrawn: dict[str, Draw] = {}
        for name in self._book.classes(parts.tenant):
            standing = self._book.standing(parts.tenant, name)
            state, why = self._state(name), reasons(standing, parts.policy)
            status = "shut" if why else "open"
            if status == state.status:
                continue
            if status == "open":
                state = state.model_copy(update={"streams": {k: calm(s) for k, s in state.streams.items()}})
                mine = [draw for draw in drawn if draw.detection_class == name]
                redrawn |= {draw.uid: draw for draw in self._behind(standing, mine)}
            self._keep(state, status=status, since=parts.clock(), why="; ".join(why))
            body = _figures(standing) | {"limit": parts.policy.triage.max_missed_share, "why": list(why)}
            kind = "closing.opened" if status == "open" else "closing.shut"
            entries.append(Draft(kind, name, _ACTOR, body, parts.clock()))
        parts.ledger.append_many(parts.tenant, entries)
        return redrawn

    def _behind(self, standing: Standing, drawn: Iterable[Draw]) -> Iterable[Draw]:
        if not standing.unjudged:
            return
        edge = (standing.unjudged[0].time, standing.unjudged[0].uid)
        for draw in drawn:
            if (draw.time, draw.uid) >= edge:
                yield draw.model_copy(update={"share": self._parts.policy.triage.review_share})

    def _new(self, inputs: Inputs, verdict: Verdict) -> Draw:
        case, policy = inputs.case, self._parts.policy.triage
        state = self._state(case.detection_class)
        told = _told(inputs)
        return Draw(
            tenant=case.tenant,
            uid=_uid(case.uid),
            case_uid=case.uid,
            time=self._parts.clock(),
            detection_class=case.detection_class,
            detection=told["detection"],
            version=told["version"],
            alike=told["alike"],
            would_close=verdict.wants_to_close,
            rules=self._rules,
            period=self._period,
            place=place(self._key, case.uid),
            share=policy.review_share if state.status == "open" else policy.label_share,
        )

    def _see(self, inputs: Inputs, verdict: Verdict, draw: Draw) -> None:
        """One more case that would be closed: what kind it is, and whether that is still as it was."""
        state = self._state(draw.detection_class)
        known = state.versions.get(draw.detection)
        changed = {*state.changed, draw.detection} if known not in (None, draw.version) else set(state.changed)
        day = day_of(inputs.case.last_time)
        streams = dict(state.streams)
        if not streams and not state.drifted_at:
            streams = self._of_labels(draw.detection_class)
        for name, kind in _kinds(draw, verdict, again=draw.detection in changed).items():
            streams[name] = seen(streams.get(name, Stream()), kind, day, draw.place)
        update: dict[str, object] = {
            "streams": streams,
            "versions": {**state.versions, draw.detection: draw.version},
            "changed": tuple(sorted(changed)),
        }
        if height(streams) >= self._parts.policy.triage.drift_every and state.status == "open":
            update |= self._drifted(state, streams, _leading(inputs.case, inputs.findings).detection.title)
        self._keep(state, **update)

    def _drifted(self, state: ClassState, streams: dict[str, Stream], title: str) -> dict[str, object]:
        parts, now = self._parts, self._parts.clock()
        name = telling(streams)
        kind = max(streams[name].today, key=lambda k: streams[name].today[k], default="")
        shown = f"“{title}”" if name == "detection" else kind
        why = f"its cases are no longer such as were labelled ({name}: {shown} has become frequent)"
        self._alarmed[state.detection_class] = why
        body = {"stream": name, "kind": kind, "height": round(height(streams), 1), "counts": streams[name].counts}
        parts.ledger.append_many(parts.tenant, [Draft("closing.drifted", state.detection_class, _ACTOR, body, now)])
        shut = {"status": "shut", "since": now, "why": why}
        return {"streams": {}, "drifted_at": now, "drifted_why": why, **shut}

    def _of_labels(self, detection_class: str) -> dict[str, Stream]:
        """What the labels of files were about: the detections of the labelled time."""
        counts: dict[str, int] = {}
        for label in self._book.of_class(self._parts.tenant, detection_class):
            if not label.case_uid and label.would_close:
                counts[label.detection] = counts.get(label.detection, 0) + 1
        return {"detection": Stream(counts=counts)} if counts else {}

    # The draw's periods

    @cached_property
    def _secret(self) -> bytes:
        file = self._parts.home.keys / f"{self._parts.tenant}.draw"
        try:
            return file.read_bytes()
        except FileNotFoundError:
            draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}.draft")
            draft.touch(mode=0o600)
            draft.write_bytes(secrets.token_bytes(32))
            try:
                os.link(draft, file)  # fails where another process was first
            except FileExistsError:
                pass
            finally:
                draft.unlink()
            return file.read_bytes()

    def _begin_period(self) -> None:
        """Have the key of this week, its digest in the ledger before any case is drawn with it."""
        parts, now = self._parts, self._parts.clock()
        name, n = period_of(now), 0
        known = {one.uid: one for one in parts.documents.find(parts.tenant, DrawPeriod, limit=None)}
        while True:
            period = f"{name}+{n}" if n else name
            key = key_of(self._secret, parts.tenant, period)
            held = known.get(period)
            if held is None or held.commitment == commitment(key):
                break
            n += 1  # the secret is another than it was: a period of its own
        self._period, self._key = period, key
        if held is None:
            made = DrawPeriod(tenant=parts.tenant, uid=period, time=now, commitment=commitment(key))
            parts.documents.put(parts.tenant, made)
            body = {"period": period, "commitment": made.commitment}
            parts.ledger.append(
                parts.tenant, kind="closing.draw_committed", subject=SUBJECT, actor=_ACTOR, body=body, time=now
            )

    def _end_periods(self, drawn: Sequence[Draw]) -> list[Draw]:
        """Of weeks that are over: draw what is wanting to the least number of reviews, and show the key."""
        parts, now = self._parts, self._parts.clock()
        topped: list[Draw] = []
        for period in parts.documents.find(parts.tenant, DrawPeriod, status="committed", limit=None):
            if period_span(period.uid)[1] > now:
                continue
            topped += self._topped(period.uid, drawn)
            key = key_of(self._secret, parts.tenant, period.uid)
            shown = key.hex() if commitment(key) == period.commitment else ""
            parts.documents.put(parts.tenant, period.model_copy(update={"status": "revealed"}))
            body = {"period": period.uid, "key": shown}
            parts.ledger.append(
                parts.tenant, kind="closing.draw_revealed", subject=SUBJECT, actor=_ACTOR, body=body, time=now
            )
        return topped

    def _topped(self, period: str, drawn: Sequence[Draw]) -> list[Draw]:
        parts, policy, now = self._parts, self._parts.policy.triage, self._parts.clock()
        start, end = period_span(period)
        passed = parts.documents.find(parts.tenant, Draw, status="passed", since=start, before=end, limit=None)
        mine = [d for d in passed if d.period == period and d.closed and d.would_close]
        found: list[Draw] = []
        for name in sorted({d.detection_class for d in mine}):
            have = sum(1 for d in drawn if d.period == period and d.closed and d.detection_class == name)
            of = {d.uid: d for d in mine if d.detection_class == name}
            chosen = first(((d.place, d.uid) for d in of.values()), policy.review_least - have)
            due = now + policy.review_days * DAY
            found += [of[uid].model_copy(update={"topped": True, "due": due}) for uid in chosen]
            if chosen:
                body = {"period": period, "cases": [of[uid].case_uid for uid in chosen], "of": len(of)}
                parts.ledger.append(
                    parts.tenant, kind="closing.reviews_drawn", subject=name, actor=_ACTOR, body=body, time=now
                )
        parts.documents.put(parts.tenant, *found)
        return found


def _uid(case_uid: str) -> str:
    return short_id("draw", case_uid)


def _told(inputs: Inputs) -> dict[str, str]:
    """What a case says of its kind: detection, version, and what makes it one thing again and again."""
    leading = _leading(inputs.case, inputs.findings)
    who = sorted({i.entity.key for i in inputs.case.involved})
    what = sorted({f.detection.uid for f in inputs.findings})
    alike = digest_of("\x1f".join([day_of(inputs.case.last_time), *what, "\x1e", *who]).encode())
    return {"detection": leading.detection.uid, "version": leading.detection.version, "alike": alike}


def _leading(case: Case, findings: Sequence[Finding]) -> Finding:
    """The finding that gives the case its class."""
    mine = [f for f in findings if f.detection.klass == case.detection_class]
    return max(mine or findings, key=lambda f: (f.severity, -f.time, f.uid))


def _kinds(draw: Draw, verdict: Verdict, *, again: bool) -> dict[str, str]:
    """The kind of a case in each respect that is watched. Another version of a detection (`again`) is another kind."""
    counted = [a for a in verdict.answers if a.counted and a.status == "answered" and a.weights]
    probability = verdict.probability
    band = next((name for name, top in _BANDS if probability < top), "more")
    return {
        "detection": f"{draw.detection}@{draw.version}" if again else draw.detection,
        "answers": ", ".join(f"{a.question}={a.value}" for a in counted[:2]),
        "probability": band,
    }


_BANDS = (("under 0.1 %", 0.001), ("under 0.5 %", 0.005), ("under 2 %", 0.02), ("under 5 %", 0.05))


def _shut(record: ClassRecord, why: str) -> ClassRecord:
    return record.model_copy(update={"shut": (*record.shut, why), "may_close": False})


def _figures(standing: Standing) -> dict[str, object]:
    record = standing.record
    return {"counted": record.counted, "missed": record.missed, "bound": standing.bound, "labels": record.labels}
