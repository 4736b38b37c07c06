"""Data without attacks raises no finding of level high from our own detections."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import benign
from watchfloor.core.finding import Severity
from watchfloor.detect import Detector


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.load()


@pytest.fixture(scope="module")
def sources(shared_data: Path) -> dict[str, list[benign.Event]]:
    return benign.benign(shared_data)


@pytest.mark.xdist_group("benign")  # one worker reads the data once
@pytest.mark.parametrize(
    ("source", "least"),
    [("evtx-samples", 4_000), ("mordor", 1_000), ("aws_dataset", 1_500), ("zeek-sample", 150_000), ("mail", 500)],
)
def test_benign_data_raises_nothing_high(
    detector: Detector, sources: dict[str, list[benign.Event]], source: str, least: int
) -> None:
    told = benign.tell(detector, sources[source])
    assert told.events >= least, "the data is not what it was"
    loud = [(one.detection.title, one.title) for one in told.findings if one.severity >= Severity.high]
    assert loud == []


def test_the_attacks_of_the_recordings_are_found(detector: Detector, shared_data: Path) -> None:
    """That the line above is not held by silence."""
    files = [file for file in benign.recordings(shared_data / "mordor") if "lsass" in file.name]
    told = benign.tell(detector, benign.read(files))
    assert "Process opened LSASS with rights to read its memory" in {one.detection.title for one in told.findings}
