"""The risk of several findings together: of a case, and of an entity.

Both are the risk of the most telling finding with what stands around it. So the parts still add up to the log-odds, a
further finding never lowers the risk, and a thousand repetitions of one detection say no more than one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from watchfloor.core.attack import in_order
from watchfloor.core.clock import DAY, iso
from watchfloor.core.finding import Finding
from watchfloor.core.risk import Risk
from watchfloor.detect.ensemble.members import Member, listed
from watchfloor.detect.ensemble.model import shipped
from watchfloor.detect.ensemble.surroundings import (
    Surroundings,
    context_features,
    context_members,
    several_detections,
)

HALF_LIFE = 7 * DAY
"""After so long (ms) what was found on an entity says half of what it said."""
_DIGITS = 4


def risk_in_context(finding: Finding, seen: Surroundings) -> Risk | None:
    """A finding's own risk with what stands around it; None where its own was never reckoned."""
    if finding.risk is None:
        return None
    around = map(shipped().part, context_members(seen))
    return Risk.of(shipped().base_in_context, (*finding.risk.parts, *around), shipped().version)


def case_risk(findings: Sequence[Finding], around: Mapping[str, Surroundings]) -> Risk | None:
    """The risk of a case: of its most telling finding, with what stands around that in the case or, where it comes to
    more, within the hour before on the same entity. `around` is what `surroundings` says of the tenant's findings."""
    ordered = sorted(findings, key=lambda f: (f.time, f.uid))
    best: tuple[float, Finding, Surroundings] | None = None
    case = _case(ordered, around)
    for finding in ordered:
        if finding.risk is None:
            continue
        own, within = finding.risk.log_odds - finding.risk.base, around[finding.uid]
        for one in (within, case._replace(came_up=within.came_up)):
            total = own + sum(shipped().adds((feature,)) for feature in context_features(one))
            if best is None or total > best[0]:
                best = (total, finding, one)
    return None if best is None else risk_in_context(best[1], best[2])


def _case(findings: Sequence[Finding], around: Mapping[str, Surroundings]) -> Surroundings:
    """What stands in a case."""
    unusual = {(f.detection.uid, f.detection.title): None for f in findings if not around[f.uid].routine}
    tactics = in_order(tactic for f in findings for tactic in f.tactics)
    layers = tuple(sorted({f.layer for f in findings}))
    return Surroundings("In this case", tuple(unusual), tactics, layers)


def entity_risk(findings: Iterable[Finding], as_of: int) -> Risk | None:
    """The risk of an entity over the findings that involve it, as it stands at a time (ms): what each says is halved
    for every `HALF_LIFE` that has passed; different detections add to the most telling one."""
    fresh: dict[str, float] = {}
    titles: dict[str, str] = {}
    risks: list[Risk] = []
    for finding in findings:
        if finding.risk is None:
            continue
        left = 0.5 ** (max(as_of - finding.until, 0) / HALF_LIFE)
        uid = finding.detection.uid
        if left > fresh.get(uid, 0.0):
            fresh[uid], titles[uid] = left, finding.detection.title
        risks.append(_faded(finding, finding.risk, left))
    telling = max(risks, key=lambda risk: (risk.log_odds, risk.canonical()), default=None)
    if telling is None:
        return None
    value = several_detections(max(math.fsum(fresh.values()), 1.0))
    named = [titles[uid] for uid in sorted(fresh, key=lambda uid: (-fresh[uid], uid))]
    member = Member("detections", (("unusual", value),), listed(len(fresh), "detection", named))
    return Risk.of(telling.base, (*telling.parts, shipped().part(member)), telling.model)


def _faded(finding: Finding, risk: Risk, left: float) -> Risk:
    at = iso(finding.until)[:16].replace("T", " ")
    parts = (
        part.model_copy(
            update={
                "sentence": f"{at}: {part.sentence}",
                "contribution": round(part.contribution * (left if part.contribution > 0 else 1.0), _DIGITS),
            }
        )
        for part in risk.parts
    )
    return Risk.of(risk.base, parts, risk.model)
