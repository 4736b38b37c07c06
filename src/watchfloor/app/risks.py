"""The risk of cases, among all that was found here, and of entities over all cases that involve them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from watchfloor.app.parts import Parts
from watchfloor.core.case import Case
from watchfloor.core.context import Context
from watchfloor.core.finding import Finding
from watchfloor.core.risk import Risk
from watchfloor.detect.ensemble import case_risk, entity_risk, surroundings
from watchfloor.store.case_lines import CaseLines

KINDS = frozenset({"user", "host", "address", "mailbox", "access_key", "cloud_resource"})
MOST_ENTITIES, MOST_CASES = 8, 50


def with_risk(cases: Iterable[Case], findings: Sequence[Finding], context: Context) -> list[Case]:
    """Cases with the risk that their findings come to. What a known scanner sets off stands around nothing."""
    apart = {f.uid for f in findings if any(context.at(f.time).scans(i.entity) for i in f.involved)}
    around, by_uid = surroundings(findings, apart), {finding.uid: finding for finding in findings}
    return [
        case.model_copy(update={"risk": case_risk([by_uid[uid] for uid in case.findings], around)}) for case in cases
    ]


def entity_risks(parts: Parts, lines: CaseLines, case_uid: str) -> dict[str, Risk]:
    """Of the first few entities of a case, by key, the greatest first: what was found on each in its newest cases,
    as it stood when this case was last added to.

    Raises NotFoundError.
    """
    case = parts.documents.get(parts.tenant, Case, case_uid)
    keys = [i.entity.key for i in case.involved if i.entity.type in KINDS][:MOST_ENTITIES]
    found = {key: risk for key in keys if (risk := _of(parts, lines, key, case.last_time)) is not None}
    return dict(sorted(found.items(), key=lambda item: (-item[1].log_odds, item[0])))


def _of(parts: Parts, lines: CaseLines, key: str, as_of: int) -> Risk | None:
    documents, tenant = parts.documents, parts.tenant
    cases = documents.get_many(tenant, Case, lines.involving(tenant, key, MOST_CASES))
    uids = dict.fromkeys(uid for case in cases for uid in case.findings)
    findings = documents.get_many(tenant, Finding, list(uids))
    mine = [finding for finding in findings if any(i.entity.key == key for i in finding.involved)]
    return entity_risk(mine, as_of)
