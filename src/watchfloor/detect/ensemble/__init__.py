"""The ensemble: rules, vendors' alerts, indicators, anomalies and learned detectors, weighed into one risk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from watchfloor.core.risk import Risk
from watchfloor.core.signal import Signal
from watchfloor.detect.ensemble.alone import raised_alone
from watchfloor.detect.ensemble.members import Spoken, members
from watchfloor.detect.ensemble.model import Ensemble, shipped
from watchfloor.detect.ensemble.surroundings import Surroundings, surroundings
from watchfloor.detect.ensemble.together import case_risk, entity_risk, risk_in_context
from watchfloor.detect.findings import Raised

__all__ = [
    "Ensemble",
    "Spoken",
    "Surroundings",
    "case_risk",
    "ensemble_risk",
    "entity_risk",
    "members",
    "raised_alone",
    "risk_in_context",
    "shipped",
    "surroundings",
]


def ensemble_risk(raised: Sequence[Raised], signals: Iterable[Signal] = ()) -> Risk:
    """The risk of one event by the shipped weights: what its detections and signals come to."""
    spoken = [one for each in raised if (one := Spoken.of(each.detection, each.title, each.severity, each.tested))]
    return shipped().weigh(members(spoken, signals))
