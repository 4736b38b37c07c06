"""Summary of a run: what was decided, what it saved, and, where truth is known, what was wrong. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from watchfloor.core.case import Case
from watchfloor.core.finding import Finding
from watchfloor.core.noun import Noun
from watchfloor.core.verdict import Disposition, Verdict
from watchfloor.improve.truth import Truth


class AttackLine(Noun):
    """How one real attack fared."""

    id: str
    title: str
    cases: tuple[str, ...]
    best: Disposition | None
    """The most attentive disposition among its cases; None when no case holds any of its records."""
    findings: int

    @property
    def missed(self) -> bool:
        """True when no person would have seen it."""
        return self.best in (None, "close")


class TruthSummary(Noun):
    """The verdicts against the truth."""

    attacks: tuple[AttackLine, ...]
    attack_cases: int
    attack_cases_closed: int
    benign_cases: int
    benign_closed: int
    benign_escalated: int
    benign_escalated_uids: tuple[str, ...]

    @property
    def attacks_missed(self) -> int:
        return sum(line.missed for line in self.attacks)


class Summary(Noun):
    """Counts of a run. `minutes_saved` counts cases that were closed by themselves, at the policy's minutes a case."""

    findings: int
    cases: int
    closed: int
    queued: int
    escalated: int
    hypotheses: dict[str, int]
    could_not_check: int
    claims: int
    claims_struck: int
    minutes_saved: float
    truth: TruthSummary | None = None


_ATTENTION: dict[Disposition | None, int] = {"close": 0, "queue": 1, "escalate": 2}


def summarise(
    cases: Sequence[Case],
    verdicts: Mapping[str, Verdict],
    findings: Mapping[str, Finding],
    minutes_per_case: float,
    truth: Truth | None = None,
) -> Summary:
    """Counts over cases; `verdicts` by case uid, `findings` by uid."""
    decided = [verdicts[c.uid] for c in cases if c.uid in verdicts]
    by = Counter(v.disposition for v in decided)
    return Summary(
        findings=sum(len(c.findings) for c in cases),
        cases=len(cases),
        closed=by["close"],
        queued=by["queue"],
        escalated=by["escalate"],
        hypotheses=dict(Counter(str(v.hypothesis) for v in decided)),
        could_not_check=sum(len(v.could_not_check) for v in decided),
        claims=sum(len(v.claims) for v in decided),
        claims_struck=sum(not claim.grounded for v in decided for claim in v.claims),
        minutes_saved=round(by["close"] * minutes_per_case, 1),
        truth=_against(cases, verdicts, findings, truth) if truth else None,
    )


def _most_attentive(seen: Sequence[Disposition]) -> Disposition | None:
    return max(seen, key=_ATTENTION.__getitem__) if seen else None


def _against(
    cases: Sequence[Case], verdicts: Mapping[str, Verdict], findings: Mapping[str, Finding], truth: Truth
) -> TruthSummary:
    held: dict[str, Counter[str]] = {}
    for case in cases:
        incidents = (truth.incident(findings[uid]) for uid in case.findings if uid in findings)
        held[case.uid] = Counter(i.id for i in incidents if i is not None and i.kind == "attack")
    attack = [c for c in cases if held[c.uid]]
    benign = [c for c in cases if not held[c.uid]]
    disposition = {uid: v.disposition for uid, v in verdicts.items()}
    wrong = tuple(c.uid for c in benign if disposition.get(c.uid) == "escalate")
    lines = []
    for incident in (i for i in truth.incidents if i.kind == "attack"):
        mine = [c.uid for c in attack if incident.id in held[c.uid]]
        seen = [disposition[uid] for uid in mine if uid in disposition]
        lines.append(
            AttackLine(
                id=incident.id,
                title=incident.title,
                cases=tuple(mine),
                best=_most_attentive(seen),
                findings=sum(held[uid][incident.id] for uid in mine),
            )
        )
    return TruthSummary(
        attacks=tuple(lines),
        attack_cases=len(attack),
        attack_cases_closed=sum(disposition.get(c.uid) == "close" for c in attack),
        benign_cases=len(benign),
        benign_closed=sum(disposition.get(c.uid) == "close" for c in benign),
        benign_escalated=len(wrong),
        benign_escalated_uids=wrong,
    )
