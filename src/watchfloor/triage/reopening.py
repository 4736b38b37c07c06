"""Reopening: what differs between two verdicts on a case, answer by answer, with the evidence of both."""

from __future__ import annotations

from watchfloor.core.verdict import Answer, Change, Verdict

MOST_TOLD = 20

_NOT_ASKED = "not asked"
_WORDS = {"could_not_check": "could not be checked", "not_applicable": "nothing that fits"}


def changes(before: Verdict, now: Verdict) -> tuple[Change, ...]:
    """The answers that changed, those that weigh most first; at most MOST_TOLD of them.

    An answer counts as another one when its value or its evidence is another one.
    """
    old, new = _asked(before), _asked(now)
    found = [
        _change(first, second)
        for key in old.keys() | new.keys()
        if _told(first := old.get(key)) != _told(second := new.get(key))
    ]
    found.sort(key=lambda change: (change.before == change.after, -change.moved, change.question, change.about))
    return tuple(found[:MOST_TOLD])


def _asked(verdict: Verdict) -> dict[tuple[str, str], Answer]:
    """By question and subject; of several look-ups about one subject the one that counts."""
    answers = sorted((a for a in verdict.answers if a.lookups), key=lambda a: (a.counted, a.lookups))
    return {(a.question, a.about): a for a in answers}


def _told(answer: Answer | None) -> tuple[str, tuple[str, ...]] | None:
    return None if answer is None else (answer.value or answer.status, answer.evidence)


def _change(before: Answer | None, now: Answer | None) -> Change:
    one = now or before
    if one is None:
        raise ValueError("nothing changed")
    return Change(
        question=one.question,
        title=one.title,
        about=one.about,
        before=_said(before),
        after=_said(now),
        evidence_before=before.evidence if before else (),
        evidence_after=now.evidence if now else (),
        moved=round(abs(_malice(now) - _malice(before)), 4),
    )


def _said(answer: Answer | None) -> str:
    if answer is None:
        return _NOT_ASKED
    return answer.value.replace("_", " ") if answer.value else _WORDS[answer.status]


def _malice(answer: Answer | None) -> float:
    if answer is None or not answer.counted:
        return 0.0
    weights = answer.weights
    return weights.get("malicious", 0.0) - max(
        weights.get("benign_true_positive", 0.0), weights.get("false_positive", 0.0)
    )
