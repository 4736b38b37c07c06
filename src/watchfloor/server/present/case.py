"""What a case page shows beside plan and matrix: reasons for and against, entities with what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from watchfloor.core.case import Case
from watchfloor.core.context import Context
from watchfloor.core.entity import Entity
from watchfloor.core.finding import Finding
from watchfloor.core.risk import Risk
from watchfloor.core.verdict import Claim, Verdict
from watchfloor.server.present.words import facts_of


class Reasons(NamedTuple):
    """Claims by what they say of malicious, the strongest first; the struck ones apart."""

    towards: list[Claim]
    against: list[Claim]
    struck: list[Claim]


class EntityRow(NamedTuple):
    entity: Entity
    roles: tuple[str, ...]
    facts: str
    findings: int
    risk: Risk | None


def reasons(verdict: Verdict) -> Reasons:
    """The claims of a verdict, sorted for reading."""
    sound = sorted((c for c in verdict.claims if c.grounded), key=lambda c: (-abs(c.strength), c.uid))
    return Reasons(
        towards=[c for c in sound if c.supports == "malicious"],
        against=[c for c in sound if c.supports != "malicious"],
        struck=[c for c in verdict.claims if not c.grounded],
    )


def entities(case: Case, findings: Sequence[Finding], context: Context, risks: Mapping[str, Risk]) -> list[EntityRow]:
    """Each entity once, with every part that it plays; those in most findings first."""
    roles: dict[Entity, list[str]] = {}
    for involvement in (*case.involved, *(i for f in findings for i in f.involved)):
        roles.setdefault(involvement.entity, []).append(involvement.role)
    counts = {e: sum(any(i.entity == e for i in f.involved) for f in findings) for e in roles}
    rows = [
        EntityRow(e, tuple(sorted(set(r))), facts_of(e, context), counts[e], risks.get(e.key)) for e, r in roles.items()
    ]
    return sorted(rows, key=lambda row: (-row.findings, row.entity.type, row.entity.value))
