"""Suppressions: what they hold back is kept, marked and counted; what they do not mean comes through."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.records import trails
from watchfloor.app.suppressions import Suppressions, conditions
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.case import Case
from watchfloor.core.clock import DAY
from watchfloor.core.errors import NotFoundError, RefusedError, WatchfloorError
from watchfloor.core.finding import Detection, Finding, Severity
from watchfloor.core.suppression import Suppressed, Suppression

START = 1_792_000_000_000


class Clock:
    now = START

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def product(tmp_path: Path, clock: Clock) -> Iterator[Watchfloor]:
    with Watchfloor.open(tmp_path / "home", clock=clock) as product:
        yield product


def bring(product: Watchfloor, folder: Path, name: str, **changes: Any) -> list[Finding]:
    """A stopped trail comes; returns the findings on it."""
    before = {finding.uid for finding in product.pipeline.findings()}
    (folder / f"{name}.json").write_text(json.dumps({"Records": trails(1, requestID=name, **changes)}))
    product.pipeline.ingest([folder / f"{name}.json"])
    return [finding for finding in product.pipeline.findings() if finding.uid not in before]


def wanted(finding: Finding, **other: Any) -> Suppression:
    given: dict[str, Any] = {
        "tenant": finding.tenant, "uid": "", "time": 0, "until": START + 30 * DAY, "owner": "lena",
        "reason": "a test of the trail", "made_by": "ana", "detection": finding.detection.uid,
    }  # fmt: skip
    return Suppression(**(given | other))


def in_cases(product: Watchfloor) -> set[str]:
    product.pipeline.triage()
    return {uid for case in product.parts.documents.find("default", Case, limit=None) for uid in case.findings}


def test_what_is_held_back_is_kept_and_marked_and_makes_no_case(
    product: Watchfloor, tmp_path: Path, clock: Clock
) -> None:
    (first,) = bring(product, tmp_path, "a")
    assert in_cases(product) == {first.uid}
    book = Suppressions(product.parts)
    made = book.add(wanted(first))
    (second,) = bring(product, tmp_path, "b")
    assert in_cases(product) == {first.uid}  # what stood in a case stays
    (held,) = book.held()
    assert (held.findings, held.gravest, held.in_force, held.last) == (1, second.severity, True, second.time)
    assert [mark.uid for mark in book.marked(made.uid)] == [second.uid]
    product.pipeline.ingest([tmp_path / "a.json", tmp_path / "b.json"])  # again: nothing changes
    assert in_cases(product) == {first.uid}

    clock.now = made.until  # it ends by itself
    (third,) = bring(product, tmp_path, "c")
    assert in_cases(product) == {first.uid, third.uid}
    assert not book.held()[0].in_force
    assert [mark.uid for mark in book.marked(made.uid)] == [second.uid]

    book.lift(made.uid, "ana", bring_back=True)
    assert in_cases(product) == {first.uid, second.uid, third.uid}
    kinds = [entry.kind for entry in product.parts.ledger.of_subject("default", "detections")]
    assert [kind for kind in kinds if kind.startswith("suppression")] == ["suppression.added", "suppression.lifted"]


def test_lifted_it_holds_back_no_more(product: Watchfloor, tmp_path: Path) -> None:
    (first,) = bring(product, tmp_path, "a")
    book = Suppressions(product.parts)
    made = book.add(wanted(first))
    (held,) = bring(product, tmp_path, "b")
    assert book.lift(made.uid, "ana").lifted_by == "ana"
    (after,) = bring(product, tmp_path, "c")
    assert in_cases(product) == {first.uid, after.uid}
    assert [mark.uid for mark in book.marked(made.uid)] == [held.uid]
    with pytest.raises(RefusedError, match="lifted already"):
        book.lift(made.uid, "ana")


@pytest.mark.parametrize(
    ("scope", "holds"),
    [
        ({"entity": "user:mallory"}, True),
        ({"entity": "user:alice"}, False),
        ({"source": "aws/cloudtrail"}, True),
        ({"source": "windows"}, False),
        ({"detection": "another"}, False),
        ({"up_to": Severity.low}, False),
        ({"where": conditions(["userAgent=AWS-CLI/*"])}, True),
        ({"where": conditions(["userAgent=aws-cli/*", "awsRegion=eu-*"])}, True),
        ({"where": conditions(["userAgent=aws-cli/*", "awsRegion=us-*"])}, False),
        ({"where": conditions(["nothing=x"])}, False),
    ],
)
def test_its_scope(scope: dict[str, Any], holds: bool, product: Watchfloor, tmp_path: Path) -> None:
    (first,) = bring(product, tmp_path, "a")
    scope = {"source": first.detection.source} if scope == {"source": "aws/cloudtrail"} else scope
    Suppressions(product.parts).add(wanted(first, **scope))
    (second,) = bring(product, tmp_path, "b")
    assert (second.uid not in in_cases(product)) is holds


def test_a_family_can_be_held_back_and_everything_cannot(product: Watchfloor, tmp_path: Path) -> None:
    (first,) = bring(product, tmp_path, "a")
    Suppressions(product.parts).add(wanted(first, detection="", family=first.detection.family))
    (second,) = bring(product, tmp_path, "b")
    assert second.uid not in in_cases(product)
    with pytest.raises(ValueError, match="names a detection or a family"):
        wanted(first, detection="", entity="user:mallory")


@pytest.mark.parametrize("change", [{"owner": " "}, {"reason": ""}, {"until": START}, {"until": START + 91 * DAY}])
def test_owner_reason_and_an_end_are_wanted(change: dict[str, Any], product: Watchfloor, tmp_path: Path) -> None:
    (first,) = bring(product, tmp_path, "a")
    with pytest.raises((WatchfloorError, ValueError)):
        Suppressions(product.parts).add(wanted(first, **change))
    with pytest.raises(NotFoundError):
        Suppressions(product.parts).lift("s-none", "ana")
    for pair in ("field", "=x", "a=", "a=**"):
        with pytest.raises(RefusedError):
            conditions([pair])


def test_an_alert_that_its_product_raises_comes_through(product: Watchfloor, tmp_path: Path) -> None:
    (rule,) = bring(product, tmp_path, "a")
    detection = Detection(uid="v1", title="V", family="vendor/x", source="x", kind="vendor")
    alert = rule.model_copy(update={
        "uid": "f-alert", "detection": detection, "alert": "x/1", "severity": Severity.high, "changed": 1})  # fmt: skip
    book = Suppressions(product.parts)
    book.add(wanted(alert))
    product.pipeline.keeper.keep_found([alert])
    assert book.held()[0].vendor_high == 1
    assert product.desk.held_back() == (1, 1)  # never silently
    assert alert.uid not in in_cases(product)
    product.pipeline.keeper.keep_found([alert.model_copy(update={"severity": Severity.critical, "changed": 2})])
    assert product.parts.documents.count("default", Suppressed) == 0
    assert alert.uid in in_cases(product)
