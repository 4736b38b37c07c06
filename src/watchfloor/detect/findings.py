"""How a detection on an event becomes a finding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from watchfloor.content import documents, folder
from watchfloor.core.entity import Involvement
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.event import Event
from watchfloor.core.facets import facets
from watchfloor.core.finding import Detection, Finding, Severity, Standing
from watchfloor.core.noun import short_id
from watchfloor.core.risk import Risk
from watchfloor.core.similarity import signature
from watchfloor.detect.sigma.fields import find
from watchfloor.detect.sigma.rules import Rule
from watchfloor.detect.sigma.values import flat, text_of

_MOST_THREADS = 16


class Raised(NamedTuple):
    """A detection with what it says of this one event."""

    detection: Detection
    severity: Severity
    title: str
    techniques: tuple[str, ...] = ()
    tactics: tuple[str, ...] = ()
    alert: str = ""
    standing: Standing = "open"
    changed: int = 0
    tested: bool = False
    """As a rule's."""


def source_of(event: Event) -> str:
    """The product whose records it reads, `windows/sysmon`; the mapping's name when no log source is known."""
    parts = [event.logsource.get(part, "") for part in ("product", "service")]
    return "/".join(part for part in parts if part) or event.logsource.get("category", "") or event.mapping


def of_rule(rule: Rule, event: Event) -> Raised:
    """What a Sigma rule that matched says of the event."""
    detection = Detection(
        uid=rule.uid,
        title=rule.title,
        family=rule.logsource.family,
        source=source_of(event),
        kind="rule",
        description=rule.description,
        false_positives=rule.false_positives,
        references=rule.references,
        version=rule.digest,
    )
    return Raised(detection, rule.severity, rule.title, rule.techniques, rule.tactics, tested=rule.tested)


def finding(
    event: Event, raised: Raised, entities: tuple[Involvement, ...], thread: tuple[str, ...], risk: Risk
) -> Finding:
    """The finding of one detection on one event; its uid is a function of both, or of the alert that it tells of."""
    uid = short_id("f", event.tenant, raised.detection.uid, event.uid)
    if raised.alert:
        uid = short_id("f", event.tenant, raised.alert, digits=32)
    return Finding(
        tenant=event.tenant,
        uid=uid,
        time=event.time,
        detection=raised.detection,
        severity=raised.severity,
        layer=event.layer,
        event_uid=event.uid,
        source=event.source,
        position=event.position,
        title=raised.title,
        techniques=raised.techniques,
        tactics=raised.tactics,
        involved=entities,
        thread=thread,
        likeness=likeness(event),
        alert=raised.alert,
        changed=raised.changed if raised.alert else 0,
        stood=raised.standing,
        standing=raised.standing,
        standing_since=raised.changed,
        standing_event=event.uid if raised.changed else "",
        risk=risk,
    )


def likeness(event: Event) -> tuple[str, ...]:
    """Signatures of the command line and of the URL's path, where they say enough to be told from others."""
    seen = facets(event)
    texts = {"command": seen["cmd_line"], "url": _path_of(seen["url"])}
    return tuple(f"{kind}:{found}" for kind, text in texts.items() if text and (found := signature(text)))


def _path_of(url: str | None) -> str:
    """What follows the host: a campaign changes hosts more often than what it asks of them."""
    return (url or "").partition("://")[2].partition("/")[2]


class Threads:
    """Ids that tie events together, as content/sigma/threads.yaml names them."""

    def __init__(self, rows: list[Mapping[str, Any]]) -> None:
        self._rows = rows

    @classmethod
    @cache
    def shipped(cls) -> Threads:
        """The shipped table, read once a process. Raises WatchfloorError that names the place of a mistake."""
        rows = [row for document in documents(folder("sigma") / "threads.yaml") for row in document.data]
        for row in rows:
            if not {"thread", "places"} <= row.keys():
                raise WatchfloorError(f"{row}: needs `thread` and `places`", where="sigma/threads.yaml")
        return cls(rows)

    def of(self, event: Event) -> tuple[str, ...]:
        """`process:{guid}`, `logon:host/0x3e7ab`, ...: each once, in the table's order, at most 16."""
        found: dict[str, None] = {}
        for row in self._rows:
            scope = f"{facets(event)['host'] or '?'}/" if row.get("per_host") else ""
            for place in row["places"]:
                found.update((f"{row['thread']}:{scope}{text}", None) for text in _ids(event, row, place))
        return tuple(found)[:_MOST_THREADS]


def _ids(event: Event, row: Mapping[str, Any], place: str) -> Iterator[str]:
    kind, _, path = place.partition(".")
    if row.get("product") not in (None, event.logsource.get("product")):
        return
    for unless, values in row.get("unless", {}).items():
        texts = (text_of(v) for v in find(event.original, unless))
        if any(text and text.lower().endswith(tuple(values)) for text in texts):
            return
    for value in flat(list(find(event.original if kind == "original" else event.ocsf, path))):
        text = (text_of(value) or "").strip().lower().strip("{}")
        wanted = text.startswith(row.get("starts", ""))
        if wanted and text not in ("", "-", "0", *row.get("never", ())):
            yield text
