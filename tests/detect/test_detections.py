"""Our own detections: each file's own test events through the detector, and what each file must have."""

from __future__ import annotations

import pytest

from watchfloor.content import Document, documents, folder
from watchfloor.core.event import LAYERS
from watchfloor.detect import Detector
from watchfloor.detect.engineering.cases import cases_of, try_case

DOCUMENTS = list(documents(folder("detections")))
# A rule with a name is a part of the correlation in its file, and told and tested by that.
FILES = [document for document in DOCUMENTS if "name" not in document.data]
CORRELATIONS = [document for document in FILES if "correlation" in document.data]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.load()


@pytest.mark.parametrize("document", FILES, ids=lambda d: d.where[11:])
def test_own_test_events(detector: Detector, document: Document) -> None:
    tried = {
        case.name: try_case(detector, document.data, document.data["id"], case) for case in cases_of(document.data)
    }
    assert tried
    assert {name: one.why for name, one in tried.items() if not one.passed} == {}


@pytest.mark.parametrize("document", FILES, ids=lambda d: d.where[11:])
def test_each_has_what_an_analyst_needs(document: Document) -> None:
    data = document.data
    least = 2 if "date" in data else 1  # those that are dated came later, with two near misses at least
    assert len(data["tests"]["match"]) >= least
    assert len(data["tests"]["no_match"]) >= least
    assert any(tag.startswith("attack.t") for tag in data["tags"])
    assert data["falsepositives"]
    assert data["level"] in ("low", "medium", "high", "critical")
    assert any(word in data["description"].lower() for word in (data["level"], "low")), "the level's reason is missing"


def test_all_load_over_all_layers(detector: Detector) -> None:
    assert detector.problems == []
    assert len(detector.rules) + len(detector.correlations) == len(DOCUMENTS)
    assert len(FILES) >= 200
    assert len(CORRELATIONS) >= 40
    assert {document.where.split("/")[1] for document in FILES} == set(LAYERS)
    assert len({document.data["id"] for document in FILES}) == len(FILES)
