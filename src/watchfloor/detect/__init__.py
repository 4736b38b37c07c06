"""Detect: events -> findings. Sigma rules, vendors' own alerts, and indicators of threat intelligence."""

from __future__ import annotations

from watchfloor.detect.detector import Detector
from watchfloor.detect.sigma.rules import RuleProblem

__all__ = ["Detector", "RuleProblem"]
