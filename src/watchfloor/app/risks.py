"""The risk of entities over all cases that involve them, as it stands now."""

from __future__ import annotations

from watchfloor.app.parts import Parts
from watchfloor.core.case import Case
from watchfloor.core.finding import Finding
from watchfloor.core.risk import Risk
from watchfloor.detect.ensemble import entity_risk
from watchfloor.store.case_lines import CaseLines

KINDS = frozenset({"user", "host", "address", "mailbox", "access_key", "cloud_resource"})
MOST_ENTITIES, MOST_CASES = 8, 50


def entity_risks(parts: Parts, lines: CaseLines, case_uid: str) -> dict[str, Risk]:
    """Of the first few entities of a case, by key, the greatest first: what was found on each in its newest cases.

    Raises NotFoundError.
    """
    case = parts.documents.get(parts.tenant, Case, case_uid)
    keys = [i.entity.key for i in case.involved if i.entity.type in KINDS][:MOST_ENTITIES]
    found = {key: risk for key in keys if (risk := _of(parts, lines, key)) is not None}
    return dict(sorted(found.items(), key=lambda item: (-item[1].log_odds, item[0])))


def _of(parts: Parts, lines: CaseLines, key: str) -> Risk | None:
    documents, tenant = parts.documents, parts.tenant
    cases = documents.get_many(tenant, Case, lines.involving(tenant, key, MOST_CASES))
    uids = dict.fromkeys(uid for case in cases for uid in case.findings)
    findings = documents.get_many(tenant, Finding, list(uids))
    mine = [finding for finding in findings if any(i.entity.key == key for i in finding.involved)]
    return entity_risk(mine, parts.clock())
