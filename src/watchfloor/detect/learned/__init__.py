"""Learned detectors: command lines, domains, URLs and the text of mail, each an additive model that says what counted.

Weights are content (`content/learned/NAME.json`), made by `python -m tools.train NAME`; see
docs/explanation/learned-detectors.md for what they were trained on and where they are weak.
"""

from __future__ import annotations

from watchfloor.detect.learned.learned import Learned
from watchfloor.detect.learned.model import Model, Weighed

__all__ = ["Learned", "Model", "Weighed"]
