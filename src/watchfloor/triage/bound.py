"""What labels say of each class of cases, and whether the class may close by itself. Pure.

The bound is about what is closed, so labels count as clean only where they are a fair sample of it:

- of our cases those that chance drew (`core.closing.Draw`), that would be closed by the rules of now, in the order in
  which they were drawn and up to the first that nobody has judged: who leaves the hard ones lying gains nothing by the
  easy ones;
- of a file those whose owner says that all cases were judged, or that chance chose (`basis`).

What people choose to judge beside that shows misses and never counts as clean. A miss counts for ever. An attack among
what was closed by itself takes all clean labels of cases before it away: what went wrong must not hide behind them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from watchfloor.core.case import Case
from watchfloor.core.clock import day_of
from watchfloor.core.closing import ClassState, Draw
from watchfloor.core.label import Label
from watchfloor.core.noun import Noun, canonical, digest_of
from watchfloor.core.policy import Policy, TriagePolicy
from watchfloor.core.scorecard import Scorecard
from watchfloor.triage.anytime import closing_bound, labels_needed

Key = tuple[str, str]
"""Tenant and class, or tenant and case."""


def rules_of(scorecard: Scorecard, policy: Policy) -> str:
    """The digest of what says which cases would be closed, the class's bound aside."""
    triage = policy.triage
    parts = [scorecard.digest(), triage.close_below, triage.escalate_at, triage.never_close_severity]
    return digest_of(canonical(parts))


class ClassRecord(Noun):
    """What the owner's labels say of one class of cases (detection family x source)."""

    detection_class: str
    labels: int = 0
    malicious: int = 0
    counted: int = 0
    """Labels that count for the bound: clean ones of a fair sample, and all misses."""
    missed: int = 0
    """Labels that call malicious what would have been closed, or was."""
    shut: tuple[str, ...] = ()
    """Why it does not close although the bound may hold: a sentence each."""
    may_close: bool = False
    """Whether the bound held by the policy of then and nothing else shut it: what `still` goes by."""
    said_malicious: tuple[str, ...] = ()
    """Labels that call this very case, or a related one, malicious."""

    def still(self, before: ClassRecord) -> bool:
        """Whether a case that was decided under `before` stays decided.

        Counts that change nothing change no verdict. A class that shuts because its reviews are overdue or its cases
        have changed closes no further case; those that it closed under a bound that held stay closed. A new miss puts
        all of them before a person.
        """
        same = self.said_malicious == before.said_malicious and self.missed == before.missed
        return same and (self.may_close == before.may_close or before.may_close)


class Standing(NamedTuple):
    """A class with all that a person has to know of it."""

    record: ClassRecord
    bound: float
    needed: int
    """Clean labels still wanted, if none is a miss; -1 where the limit is nothing."""
    state: ClassState | None
    unjudged: tuple[Draw, ...]
    """Cases that chance drew for labels and nobody has judged; the first holds up all behind it."""
    reviews: tuple[Draw, ...]
    """Closed cases that chance drew and nobody has judged."""
    overdue: tuple[Draw, ...]
    """Of these, those that should have been."""
    reviewed: int
    uncounted: dict[str, int]
    """Clean labels that do not count, by the reason."""


class LabelBook:
    """All labels, counted by tenant and class once, so that each case's record is a look-up."""

    def __init__(
        self,
        labels: Iterable[Label],
        draws: Iterable[Draw] = (),
        states: Iterable[ClassState] = (),
        *,
        policy: TriagePolicy | None = None,
        now: int = 0,
    ) -> None:
        self._policy, self._now = policy or TriagePolicy(), now
        self._states = {(one.tenant, one.detection_class): one for one in states}
        self._labels: dict[Key, list[Label]] = defaultdict(list)
        self._draws: dict[Key, list[Draw]] = defaultdict(list)
        self._of_case: dict[Key, Label] = {}
        self._standings: dict[Key, Standing] = {}
        for label in labels:
            self._labels[label.tenant, label.detection_class].append(label)
            if label.case_uid:
                self._of_case[label.tenant, label.case_uid] = label
        for draw in draws:
            self._draws[draw.tenant, draw.detection_class].append(draw)
        self._flood = set(_beyond(self._of_case.values(), self._policy.labels_a_day))

    def record(self, case: Case) -> ClassRecord:
        """What the labels say of the case's class, and of the case and those related to it."""
        near = sorted({case.uid, *case.related})
        labels = [label for uid in near if (label := self._of_case.get((case.tenant, uid)))]
        said = tuple(sorted(label.uid for label in labels if label.verdict == "malicious"))
        return self.standing(case.tenant, case.detection_class).record.model_copy(update={"said_malicious": said})

    def classes(self, tenant: str) -> list[str]:
        """Those of which anything is known, by name."""
        return sorted({name for of, name in (*self._labels, *self._draws, *self._states) if of == tenant})

    def standing(self, tenant: str, detection_class: str) -> Standing:
        """How a class stands now."""
        key = (tenant, detection_class)
        if key not in self._standings:
            self._standings[key] = self._counted(key)
        return self._standings[key]

    def of_class(self, tenant: str, detection_class: str) -> list[Label]:
        """All labels of a class."""
        return self._labels.get((tenant, detection_class), [])

    def label(self, tenant: str, case_uid: str) -> Label | None:
        """The label that stands on a case."""
        return self._of_case.get((tenant, case_uid))

    def _counted(self, key: Key) -> Standing:
        policy, state = self._policy, self._states.get(key)
        labels, draws = self._labels.get(key, []), sorted(self._draws.get(key, ()), key=attrgetter("time", "uid"))
        of_case = {draw.case_uid: draw for draw in draws}
        missed = [label for label in labels if _is_miss(label, of_case.get(label.case_uid))]
        attacks = [label.time for label in missed if _was_closed(label, of_case)]
        since = max([0 if state is None else state.drifted_at, *attacks])
        uncounted: Counter[str] = Counter()
        waiting = [d for d in draws if d.drawn and d.would_close and not self.label(d.tenant, d.case_uid)]
        clean = sum(not why for why in self._clean(draws, waiting, state, since, uncounted))
        clean += sum(not why for why in _of_file(labels, state, since, uncounted))
        chosen = sum(1 for one in labels if one.verdict != "malicious" and one.case_uid and one.case_uid not in of_case)
        uncounted.update({"chosen by people": chosen} if chosen else {})
        reviews = tuple(d for d in waiting if d.closed)
        overdue = tuple(d for d in reviews if d.due < self._now)
        counted = clean + len(missed)
        bound = closing_bound(len(missed), counted, policy.confidence)
        needed = labels_needed(policy.max_missed_share, policy.confidence, len(missed))
        shut = _shut(overdue)
        record = ClassRecord(
            detection_class=key[1],
            labels=len(labels),
            malicious=sum(label.verdict == "malicious" for label in labels),
            counted=counted,
            missed=len(missed),
            shut=shut,
            may_close=not shut and bound <= policy.max_missed_share,
        )
        return Standing(
            record=record,
            bound=bound,
            needed=needed if needed < 0 else max(needed - counted, 0),
            state=state,
            unjudged=tuple(d for d in waiting if not d.closed),
            reviews=reviews,
            overdue=overdue,
            reviewed=sum(1 for d in draws if d.closed and d.drawn and self.label(d.tenant, d.case_uid)),
            uncounted=dict(uncounted),
        )

    def _clean(
        self, draws: Sequence[Draw], waiting: Sequence[Draw], state: ClassState | None, since: int, why: Counter[str]
    ) -> Iterator[str]:
        """Of each clean label of a case that would be closed: why it does not count, or nothing."""
        first = (waiting[0].time, waiting[0].uid) if waiting else None
        seen: set[str] = set()
        versions = {} if state is None else state.versions
        for draw in draws:
            label = self.label(draw.tenant, draw.case_uid)
            if label is None or label.verdict == "malicious":
                continue
            reason = ""
            if not draw.drawn:
                reason = "not drawn"
            elif not draw.would_close or (state is not None and state.rules and draw.rules != state.rules):
                reason = "would not be closed"
            elif draw.time <= since:
                reason = "from before the class began anew"
            elif first is not None and (draw.time, draw.uid) > first:
                reason = "behind a case that nobody has judged"
            elif draw.version != versions.get(draw.detection, draw.version):
                reason = "of an earlier version of its detection"
            elif draw.alike in seen:
                reason = "the same thing again"
            elif label.uid in self._flood:
                reason = "too many of one person on one day"
            seen.add(draw.alike)
            if reason:
                why[reason] += 1
            yield reason


def reasons(standing: Standing, policy: Policy) -> tuple[str, ...]:
    """Why a class does not close by itself, a sentence each; empty when it does."""
    record, triage, state = standing.record, policy.triage, standing.state
    found = [] if policy.autonomy == "close" else [f"policy {policy.name!r} lets nothing close by itself"]
    if standing.bound > triage.max_missed_share:
        if state is not None and state.drifted_at:
            found.append(state.drifted_why)
        found.append(
            f"up to {standing.bound:.1%} may be missed, the limit is {triage.max_missed_share:.1%}"
            + (f": {standing.needed:,} more labels without an attack" if standing.needed >= 0 else "")
        )
    return (*found, *record.shut)


def _of_file(labels: Iterable[Label], state: ClassState | None, since: int, why: Counter[str]) -> Iterator[str]:
    """The same of labels without a case."""
    for label in labels:
        if label.case_uid or label.verdict == "malicious":
            continue
        reason = ""
        if label.basis == "chosen":
            reason = "chosen by people"
        elif not label.would_close or (state is not None and label.time < state.rules_since):
            reason = "would not be closed"
        elif label.time <= since:
            reason = "from before the class began anew"
        elif state is not None and _of_earlier(label, state):
            reason = "of an earlier version of its detection"
        if reason:
            why[reason] += 1
        yield reason


def _of_earlier(label: Label, state: ClassState) -> bool:
    if label.version:
        return label.version != state.versions.get(label.detection, label.version)
    return label.detection in state.changed


def _is_miss(label: Label, draw: Draw | None) -> bool:
    return label.verdict == "malicious" and (
        label.would_close or label.closed or (draw is not None and (draw.would_close or draw.closed))
    )


def _was_closed(label: Label, draws: Mapping[str, Draw]) -> bool:
    draw = draws.get(label.case_uid)
    return label.closed or (draw is not None and draw.closed)


def _shut(overdue: Sequence[Draw]) -> tuple[str, ...]:
    if not overdue:
        return ()
    many = f"{len(overdue)} reviews" if len(overdue) > 1 else "one review"
    return (f"{many} of closed cases should have been done ({', '.join(d.case_uid for d in overdue[:3])})",)


def _beyond(labels: Iterable[Label], most: int) -> Iterator[str]:
    """Labels of a person beyond so many on one day, the first of them aside."""
    given: Counter[tuple[str, str, str]] = Counter()
    for label in sorted(labels, key=attrgetter("time", "uid")):
        who = (label.tenant, label.by, day_of(label.time))
        given[who] += 1
        if given[who] > most:
            yield label.uid
