"""Similar past cases of a tenant, found when somebody looks: how the nearest earlier ones ended.

It is no part of the verdict and of no replay: how a case ended may be known only later, and what is shown is what is
known now. The search is bounded (the newest of the class, and the newest of all), so that it costs the same however
many cases there are.
"""

from __future__ import annotations

from typing import NamedTuple

from watchfloor.app.parts import Parts
from watchfloor.core.label import Label
from watchfloor.core.verdict import Disposition, Hypothesis, Verdict
from watchfloor.triage.similar import Signature, nearest

_SEARCHED = 300


class SimilarCase(NamedTuple):
    """An earlier case, how alike it is (0 to 1), what both have, and how it ended: a person's label, or the verdict."""

    case_uid: str
    title: str
    time: int
    likeness: float
    shared: tuple[str, ...]
    disposition: Disposition | None
    verdict: str
    label: Hypothesis | None
    by: str


def similar_cases(parts: Parts, case_uid: str) -> list[SimilarCase]:
    """The nearest earlier cases, the most alike first; none of a case that is not decided yet."""
    documents, tenant = parts.documents, parts.tenant
    mine = documents.latest(tenant, Signature, case_uid)
    if mine is None:
        return []
    of_class = documents.find(tenant, Signature, status=mine.status, before=mine.time + 1, limit=_SEARCHED)
    of_all = documents.find(tenant, Signature, before=mine.time + 1, limit=_SEARCHED)
    found = nearest(mine, [*of_class, *of_all])
    uids = [near.signature.uid for near in found]
    verdicts = documents.latest_each(tenant, Verdict, uids)
    labels = documents.latest_each(tenant, Label, uids)
    told = []
    for near in found:
        uid = near.signature.uid
        verdict, label = verdicts.get(uid), labels.get(uid)
        given = label if label is not None and label.status == "given" else None
        told.append(
            SimilarCase(
                case_uid=uid,
                title=near.signature.title,
                time=near.signature.time,
                likeness=near.likeness,
                shared=near.shared,
                disposition=verdict.disposition if verdict else None,
                verdict=verdict.verdict if verdict else "",
                label=given.verdict if given else None,
                by=given.by if given else "",
            )
        )
    return told
