"""What a case has of mails: drafts of what to answer who reported them, and how far each campaign reaches."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from typing import Any, NamedTuple

from watchfloor.app.parts import Parts
from watchfloor.core.case import Case
from watchfloor.core.clock import DAY, parse_iso
from watchfloor.core.event import Event
from watchfloor.core.facets import facets
from watchfloor.core.finding import Finding
from watchfloor.core.label import Label
from watchfloor.core.text import clipped
from watchfloor.core.verdict import Verdict
from watchfloor.respond.reply import Reply, Report, reply

_DAYS, _MOST = 30, 50


class Campaign(NamedTuple):
    """Mails that are copies of one another, as far as they are on record; times in ms."""

    subject: str
    mails: int
    recipients: int
    senders: tuple[str, ...]
    hosts: tuple[str, ...]
    first: int
    last: int


class CaseMails(NamedTuple):
    """`replies` are drafts: a person sends them."""

    campaigns: tuple[Campaign, ...]
    replies: tuple[Reply, ...]


def case_mails(parts: Parts, case: Case, verdict: Verdict | None, label: Label | None) -> CaseMails:
    """Of one case. A mail whose event is no longer kept is left out."""
    findings = parts.documents.get_many(parts.tenant, Finding, case.findings)
    mails = [one for one in findings if one.layer == "email"]
    if not mails:
        return CaseMails((), ())
    events = parts.lake.events(parts.tenant, {one.event_uid for one in mails})
    reported = [events[f.event_uid] for f in mails if f.detection.uid == "mail/reported" and f.event_uid in events]
    drafts = {(one.by, one.subject): one for event in reported if (one := _report(event)) is not None}
    replies = [reply(one, verdict, label.verdict if label else None) for one in drafts.values()] if verdict else []
    return CaseMails(_campaigns(parts, events.values(), case.last_time), tuple(replies[:_MOST]))


def _report(event: Event) -> Report | None:
    said = event.original.get("reported")
    if not isinstance(said, dict) or "@" not in str(said.get("by")):
        return None
    date = event.original.get("date")
    return Report(
        by=str(said["by"]),
        name=str(said.get("name") or ""),
        subject=str(event.original.get("subject") or ""),
        sender=str(event.original.get("from") or ""),
        at=parse_iso(date) if isinstance(date, str) else 0,
        report_subject=str(said.get("subject") or ""),
    )


def _campaigns(parts: Parts, events: Iterable[Event], until: int) -> tuple[Campaign, ...]:
    """Each campaign once, with all copies that the lake has of the days around the case."""
    found: dict[str, list[Event]] = {}
    for event in sorted(events, key=lambda one: (one.time, one.uid)):
        if name := facets(event)["campaign"]:
            found.setdefault(str(name), []).append(event)
    reader = parts.lake.reader(parts.tenant)
    campaigns = []
    for name, mine in list(found.items())[:_MOST]:
        measures = ["count", "first", "last", "distinct:recipient", "top:sender", "top:domain"]
        since, before = until - _DAYS * DAY, until + _DAYS * DAY
        told = reader.query({"campaign": name}, measures, since=since, before=before, zone=UTC)
        campaigns.append(
            Campaign(
                subject=clipped(str(mine[0].get("email.subject") or "(without a subject)"), 120),
                mails=max(told["count"], len(mine)),
                recipients=told["distinct:recipient"],
                senders=_values(told["top:sender"]),
                hosts=_values(told["top:domain"]),
                first=told["first"] or mine[0].time,
                last=told["last"] or mine[-1].time,
            )
        )
    return tuple(campaigns)


def _values(top: list[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(str(one["value"]) for one in top)
