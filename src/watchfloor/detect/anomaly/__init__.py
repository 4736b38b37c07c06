"""Anomaly: what is unusual for an entity, by what was usual before. Streaming, bounded, each saying what was usual."""

from __future__ import annotations

from watchfloor.detect.anomaly.anomalies import Anomalies, Status
from watchfloor.detect.anomaly.shelf import Piece

__all__ = ["Anomalies", "Piece", "Status"]
