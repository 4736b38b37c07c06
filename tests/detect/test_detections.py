"""Our own detections: each file's own test events through the detector, and what each file must have."""

from __future__ import annotations

from typing import Any

import pytest

from tests.detect.helpers import event
from watchfloor.content import Document, documents, folder
from watchfloor.core.event import LAYERS
from watchfloor.detect import Detector

FILES = list(documents(folder("detections")))
CASES = [
    (document, kind, n)
    for document in FILES
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
    assert len(detector.rules) == len(FILES) >= 40
    layers = {document.where.split("/")[1] for document in FILES}
    # Threat intelligence speaks through indicators (test_indicators.py), not rules.
    assert layers == set(LAYERS) - {"threat_intelligence"}
    assert len({document.data["id"] for document in FILES}) == len(FILES)
