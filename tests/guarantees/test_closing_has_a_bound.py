"""Promise 3: a case closes by itself only where the owner's own labels bound what would be missed."""

from __future__ import annotations

import pytest

from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.label import Label
from watchfloor.core.noun import short_id
from watchfloor.triage.bound import labels_needed, upper_bound

pytestmark = pytest.mark.xdist_group("story")


def unlabelled(product: Watchfloor) -> None:
    product.parts.settings = product.parts.settings.model_copy(update={"labels": None})


def labels(product: Watchfloor, klass: str, count: int, missed: int) -> list[Label]:
    tenant = product.parts.tenant
    return [
        Label(
            tenant=tenant,
            uid=short_id("label", klass, str(n)),
            time=1_700_000_000_000 + n,
            detection_class=klass,
            detection="any",
            verdict="malicious" if n < missed else "benign_true_positive",
            would_close=True,
            by="ana",
        )
        for n in range(count)
    ]


def test_without_labels_nothing_closes(decided: Watchfloor) -> None:
    unlabelled(decided)
    decided.pipeline.triage()
    assert not decided.desk.queue(disposition="close", limit=None)


def test_a_class_closes_from_the_exact_number_of_labels_on_and_not_before(decided: Watchfloor) -> None:
    unlabelled(decided)
    decided.pipeline.triage()
    policy = decided.parts.policy.triage
    needed = labels_needed(policy.max_missed_share, policy.confidence)
    assert upper_bound(0, needed, policy.confidence) <= policy.max_missed_share
    assert upper_bound(0, needed - 1, policy.confidence) > policy.max_missed_share
    ready = [row.case for row in decided.desk.queue(limit=None) if row.verdict and row.verdict.wants_to_close]
    klass = ready[0].detection_class

    given = labels(decided, klass, needed, missed=0)
    decided.parts.documents.put(decided.parts.tenant, *given[:-1])
    decided.pipeline.triage()
    assert not decided.desk.queue(disposition="close", limit=None)

    decided.parts.documents.put(decided.parts.tenant, given[-1])
    decided.pipeline.triage()
    closed = [row.case for row in decided.desk.queue(disposition="close", limit=None)]
    assert closed
    assert {case.detection_class for case in closed} == {klass}
    assert {case.status for case in closed} == {"closed"}


def test_one_missed_attack_among_the_labels_opens_the_class_again(decided: Watchfloor) -> None:
    unlabelled(decided)
    decided.pipeline.triage()
    policy = decided.parts.policy.triage
    needed = labels_needed(policy.max_missed_share, policy.confidence)
    ready = [row.case for row in decided.desk.queue(limit=None) if row.verdict and row.verdict.wants_to_close]
    decided.parts.documents.put(decided.parts.tenant, *labels(decided, ready[0].detection_class, needed, missed=0))
    decided.pipeline.triage()
    closed = decided.desk.queue(disposition="close", limit=None)
    assert closed
    decided.parts.documents.put(decided.parts.tenant, *labels(decided, ready[0].detection_class, needed, missed=1))
    decided.pipeline.triage()
    assert not decided.desk.queue(disposition="close", limit=None)
    assert decided.desk.case_view(closed[0].case.uid).case.status == "new"


def test_one_case_judged_again_and_again_is_one_label_and_a_reopened_one_is_none(decided: Watchfloor) -> None:
    unlabelled(decided)
    decided.pipeline.triage()
    policy = decided.parts.policy.triage
    case = next(row.case for row in decided.desk.queue(limit=None) if row.verdict and row.verdict.wants_to_close)
    for _ in range(labels_needed(policy.max_missed_share, policy.confidence)):
        decided.desk.resolve(case.uid, "benign_true_positive", "ana", "expected_activity")
    assert len(decided.parts.labels()) == 1
    decided.pipeline.triage()
    assert not decided.desk.queue(disposition="close", limit=None)

    decided.desk.reopen(case.uid, "ana")
    assert decided.parts.labels() == ()
    assert decided.desk.case_view(case.uid).label is None
    decided.desk.resolve(case.uid, "malicious", "ana", "confirmed_attack")
    assert [label.verdict for label in decided.parts.labels()] == ["malicious"]
