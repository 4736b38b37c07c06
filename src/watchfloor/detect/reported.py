"""Reported mail: a person says "look at this", which is a finding whatever rules say of the mail."""

from __future__ import annotations

from watchfloor.core.event import Event
from watchfloor.core.finding import Detection, Severity
from watchfloor.detect.findings import Raised, source_of

_SHORT = 120


def report_of_mail(event: Event) -> Raised | None:
    """The finding that a person's report is, or None where nobody reported the event's mail."""
    reported = event.original.get("reported")
    if not isinstance(reported, dict) or not isinstance(event.ocsf.get("email"), dict):
        return None
    by = _short(reported.get("by")) or "somebody"
    subject = _short(event.original.get("subject")) or "a mail without a subject"
    checked = reported.get("authentication")
    failed = isinstance(checked, dict) and checked.get("dmarc") == "fail"
    detection = Detection(
        uid="mail/reported",
        title="Mail reported by a person",
        family="mail/reported",
        source=source_of(event),
        kind="vendor",
        description="A person thinks that this mail deceives. Many who report are right; much of it is only unwanted.",
        false_positives=("Newsletters and advertising", "Mail that its recipient did not expect"),
    )
    title = f"Reported by {by}{' (whose own mail fails DMARC)' if failed else ''}: {subject}"
    return Raised(detection, Severity.medium, title, ("T1566",), ("initial-access",))


def _short(value: object) -> str:
    return " ".join(value.split())[:_SHORT] if isinstance(value, str) else ""
