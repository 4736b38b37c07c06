"""Our own detections: each file's own test events through the detector, and what each file must have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.detect.helpers import event
from watchfloor.content import Document, documents, folder
from watchfloor.core.event import LAYERS, Event
from watchfloor.detect import Detector
from watchfloor.detect.correlation import MemoryGroups

DOCUMENTS = list(documents(folder("detections")))
# A rule with a name is a part of the correlation in its file, and told and tested by that.
FILES = [document for document in DOCUMENTS if "name" not in document.data]
CORRELATIONS = [document for document in FILES if "correlation" in document.data]
CASES = [
    (document, kind, n)
    for document in FILES
    if "correlation" not in document.data
    for kind in ("match", "no_match")
    for n in range(len(document.data.get("tests", {}).get(kind, ())))
]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.load()


@pytest.mark.parametrize(
    ("document", "kind", "n"), CASES, ids=lambda v: v.where[11:] if isinstance(v, Document) else str(v)
)
def test_own_test_events(detector: Detector, document: Document, kind: str, n: int) -> None:
    given: dict[str, Any] = document.data["tests"][kind][n]
    fields = {"ocsf": given["ocsf"]} if "ocsf" in given else {"original": given}
    found = detector.findings(event(**fields, logsource=document.data["logsource"]))
    assert (document.data["id"] in {f.detection.uid for f in found}) is (kind == "match")


@pytest.mark.parametrize(
    ("document", "kind", "n"),
    [(d, kind, n) for d in CORRELATIONS for kind in ("match", "no_match") for n in range(len(d.data["tests"][kind]))],
    ids=lambda v: v.where[11:] if isinstance(v, Document) else str(v),
)
def test_own_test_events_of_correlations(detector: Detector, document: Document, kind: str, n: int) -> None:
    """In any order: here the last event comes first."""
    groups = MemoryGroups("acme")
    hits = [hit for one in reversed(_events(detector, document, kind, n)) for hit in detector.examine(one).hits]
    found = detector.correlator.step(hits, groups, 0) + detector.correlator.finish(groups, 0, 0)
    assert (document.data["id"] in {f.detection.uid for f in found}) is (kind == "match")
    assert all(f.correlated and f.correlated.sentence for f in found)


def _events(detector: Detector, document: Document, kind: str, n: int) -> list[Event]:
    """A test's events: each step is `times` events, `every` so long, with {n} for the number; `as` names the rule whose
    log source they have."""
    rules = {name: rule for rule in detector.rules for name in (rule.uid, rule.name) if name}
    found: list[Event] = []
    at = 1_790_000_000_000
    for step in document.data["tests"][kind][n]:
        source = rules[step.get("as") or document.data["correlation"]["rules"][0]].logsource
        every = step.get("every", "1s")
        for number in range(step.get("times", 1)):
            given = json.loads(json.dumps(step["event"]).replace("{n}", str(number)))
            found.append(event(given, uid=f"e{len(found)}", time=at, logsource=source.named))
            at += int(every[:-1]) * {"s": 1_000, "m": 60_000, "h": 3_600_000}[every[-1]]
    return found


@pytest.mark.parametrize("document", FILES, ids=lambda d: d.where[11:])
def test_each_has_what_an_analyst_needs(document: Document) -> None:
    data = document.data
    assert len(data["tests"]["match"]) >= 1
    assert len(data["tests"]["no_match"]) >= 1
    assert any(tag.startswith("attack.t") for tag in data["tags"])
    assert data["falsepositives"]
    assert data["level"] in ("low", "medium", "high", "critical")
    assert any(word in data["description"].lower() for word in (data["level"], "low")), "the level's reason is missing"


def test_all_load_over_all_layers(detector: Detector) -> None:
    assert detector.problems == []
    assert len(detector.rules) + len(detector.correlations) == len(DOCUMENTS)
    assert len(FILES) >= 40
    assert len(CORRELATIONS) >= 8
    layers = {document.where.split("/")[1] for document in FILES}
    # Threat intelligence speaks through indicators (test_indicators.py), not rules.
    assert layers == set(LAYERS) - {"threat_intelligence"}
    assert len({document.data["id"] for document in FILES}) == len(FILES)
