"""Label: a verdict that a person confirmed. The owner's labels bound what may be closed without a person."""

from __future__ import annotations

from watchfloor.core.noun import Noun, Tenant
from watchfloor.core.verdict import Hypothesis


class Label(Noun):
    """`detection_class` is family x source; `closed_by_itself` tells whether the product had wanted to close it."""

    tenant: Tenant
    uid: str
    time: int
    detection_class: str
    detection: str
    verdict: Hypothesis
    would_close: bool
    by: str
    case_uid: str = ""
