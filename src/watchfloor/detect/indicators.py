"""Indicators: what an event names against threat intelligence."""

from __future__ import annotations

from watchfloor.core.event import Event
from watchfloor.core.facets import facets
from watchfloor.core.finding import Detection, Severity
from watchfloor.core.intel import Indicator, Intelligence
from watchfloor.detect.findings import Raised, source_of

# facet -> type of indicator. A URL also matches by its host and a mail address by its domain (core.intel).
LOOKED_UP: tuple[tuple[str, str], ...] = (
    ("src_ip", "address"),
    ("dst_ip", "address"),
    ("domain", "domain"),
    ("url", "url"),
    ("file_hash", "file"),
    ("sender", "mailbox"),
)
LISTED_CONFIDENCE = 75
"""Under this confidence an indicator on a list of benign infrastructure raises nothing."""


def indicator_findings(event: Event, intel: Intelligence) -> list[Raised]:
    """One finding for each indicator that holds at the event's time, the most confident spelling of each first."""
    values = facets(event)
    seen = [(kind, str(values[facet])) for facet, kind in LOOKED_UP if values[facet]]
    also = frozenset(f"{kind}:{value}" for kind, value in seen)
    found: dict[Indicator, str] = {}
    for kind, value in seen:
        for indicator in intel.matches(kind, value, event.time, also):
            if indicator.confidence >= LISTED_CONFIDENCE or not intel.benign(kind, value):
                found.setdefault(indicator, value)
    return [_raised(event, indicator, value) for indicator, value in found.items()]


def _raised(event: Event, indicator: Indicator, value: str) -> Raised:
    detection = Detection(
        uid=f"intel/{indicator.source}/{indicator.type}/{indicator.value}"[:300],
        title=f"Known {indicator.kind} {_WORDS.get(indicator.type, indicator.type)}",
        family=f"intel/{indicator.type}",
        source=source_of(event),
        kind="indicator",
        description=indicator.description,
    )
    title = f"{detection.title}: {value[:200]} ({indicator.source})"
    return Raised(detection, _severity(indicator), title)


_WORDS = {"file": "file hash", "mailbox": "sender", "url": "URL", "file_name": "file name", "user_agent": "user agent"}


def _severity(indicator: Indicator) -> Severity:
    if indicator.kind == "suspicious" or indicator.confidence < 50:
        return Severity.low
    return Severity.high if indicator.confidence >= 80 else Severity.medium
