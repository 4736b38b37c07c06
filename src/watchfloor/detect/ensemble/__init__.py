"""The ensemble: rules, vendors' alerts, indicators, anomalies and learned detectors, weighed into one risk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from watchfloor.core.risk import Risk
from watchfloor.core.signal import Signal
from watchfloor.detect.ensemble.alone import raised_alone
from watchfloor.detect.ensemble.members import Spoken, members
from watchfloor.detect.ensemble.model import Ensemble, shipped
from watchfloor.detect.findings import Raised

__all__ = ["Ensemble", "Spoken", "ensemble_risk", "members", "raised_alone", "shipped"]


def ensemble_risk(raised: Sequence[Raised], signals: Iterable[Signal] = ()) -> Risk:
    """The risk of one event by the shipped weights: what its detections and signals come to."""
    spoken = [
        Spoken(each.detection.kind, each.detection.uid, each.title, each.severity)
        for each in raised
        if each.detection.kind in ("rule", "vendor", "indicator")
    ]
    return shipped().weigh(members(spoken, signals))
