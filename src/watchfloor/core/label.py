"""Label: a verdict that a person confirmed. The owner's labels bound what may be closed without a person."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from watchfloor.core.noun import Noun, Tenant
from watchfloor.core.verdict import Hypothesis

Basis = Literal["chosen", "drawn", "all"]
"""Why somebody looked at the case: of their own choice; because chance drew it; because all of the class were looked
at. What people choose is no fair sample: such a label may show a miss and never counts as clean."""


class Label(Noun):
    """`detection_class` is family x source; `would_close` tells whether nothing but the class's bound kept the product
    from closing it by itself, `closed` whether it had."""

    tenant: Tenant
    uid: str
    time: int
    detection_class: str
    detection: str
    verdict: Hypothesis
    would_close: bool
    closed: bool = False
    basis: Basis = "chosen"
    """Of a label that came in a file, as its owner says. Of a case of ours the draw is known (`core.closing.Draw`)."""
    version: str = ""
    """Of the detection, where the file says it."""
    by: str
    case_uid: str = ""
    status: Literal["given", "withdrawn"] = "given"
    """Withdrawn when the case is opened again."""


def standing(labels: Iterable[Label]) -> tuple[Label, ...]:
    """The labels that count: of each case the newest, unless it was withdrawn.

    A person who resolves one case again and again has still judged one case: the bound must not grow by that. A label
    without a case (of a file of earlier verdicts) counts by itself.
    """
    newest: dict[tuple[str, str], Label] = {}
    for label in labels:
        key = (label.tenant, label.case_uid or label.uid)
        held = newest.get(key)
        if held is None or (held.time, held.uid) <= (label.time, label.uid):
            newest[key] = label
    return tuple(label for label in newest.values() if label.status == "given")
