"""Intelligence that a source hands in, object by object: `stix` (bundles, TAXII's envelopes), `misp` (events,
attributes) and `entries` (a part of a list: heading, rows, and which part it is).

Each object is one record: it becomes an IntelObject, or what could not be read, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from watchfloor.core.clock import SECOND, parse_iso
from watchfloor.core.intel import Indicator, IntelProblem
from watchfloor.core.intel_object import IntelObject, Whole
from watchfloor.core.noun import canonical, digest_of
from watchfloor.core.record import Unit
from watchfloor.ingest.intel import misp, stix
from watchfloor.ingest.intel.items import BROKEN
from watchfloor.ingest.intel.lists import read_list
from watchfloor.ingest.readers.source import MIB, Unreadable

MOST_OBJECT = MIB
HEAD = 64 * 1024
Piece = IntelObject | Whole | Unreadable
_BUNDLE = re.compile(rb'\s*\{\s*(?:"(?:type|spec_version)"\s*:\s*"[^"]*"\s*,\s*)*"id"\s*:\s*"bundle--')
_EVENT = re.compile(rb'\s*(?:\{\s*"response"\s*:\s*)?(?:\[\s*)?\{\s*"Event"\s*:\s*\{')
# Other products' events stand under `Event`, too.
_MISP = re.compile(rb'"(?:Orgc|threat_level_id|event_creator_email)"\s*:')


class Delivery(NamedTuple):
    """What was handed in: by whom, when (ms), and what the feed's identities and markings are called."""

    tenant: str
    source: str
    at: int
    names: Mapping[str, str] = {}

    @property
    def feed(self) -> str:
        """What its indicators are said to come from where they do not say it themselves."""
        return self.source.rpartition("/")[2]

    def unreadable(self, number: int, reason: str, raw: bytes, form: str, unit: Unit = "record") -> Unreadable:
        return Unreadable(
            tenant=self.tenant,
            source=self.source,
            position=number,
            unit=unit,
            reason=reason[:500],
            raw=raw,
            live=True,
            form=form,
        )


def form_of(head: bytes) -> str:
    """Which form of intelligence first bytes begin; empty where they begin none."""
    if _BUNDLE.match(head):
        return "stix"
    return "misp" if _EVENT.match(head) and _MISP.search(head) else ""


def read_objects(content: bytes, form: str, names: Callable[[], Mapping[str, str]], **by: Any) -> list[Piece] | None:
    """The objects of what was handed in `by` a tenant's source at a time; None where it is no intelligence.

    A `form` says that it is, without one the content tells. `names` gives what is known of the feed already.
    """
    told = form or form_of(content[:HEAD])
    if told not in FORMS:
        return None
    delivery = Delivery(**by, names=names() if told == "stix" else {})
    try:
        document = orjson.loads(content)
    except ValueError as error:
        return [delivery.unreadable(0, f"no valid JSON: {error}", content, form, "file")] if form else None
    try:
        pieces = list(FORMS[told](delivery, document))
    except Exception as error:  # whatever odd data does, it is kept, and what waits behind it is worked off
        return [delivery.unreadable(0, f"cannot be read: {type(error).__name__}: {error}", content, told, "file")]
    return pieces or [delivery.unreadable(0, "holds no object of intelligence", content, told, "file")]


def _stix(delivery: Delivery, document: Any) -> Iterator[Piece]:
    objects = document.get("objects") if isinstance(document, dict) else None
    if not isinstance(objects, list):
        return
    names = {**delivery.names, **stix.names_of(objects)}
    for number, item in enumerate(objects):
        raw = orjson.dumps({"objects": [item]})
        try:
            yield _stix_object(delivery, item, names, raw)
        except BROKEN as error:
            reason = stix.reason_of(item, error) if isinstance(item, dict) else str(error)
            yield delivery.unreadable(number, reason, raw, "stix")


def _stix_object(delivery: Delivery, item: Any, names: Mapping[str, str], raw: bytes) -> IntelObject:
    if not isinstance(item, dict) or not all(_is_name(item.get(name)) for name in ("type", "id")):
        raise ValueError("an object without a type or an id")
    if len(raw) > MOST_OBJECT:
        raise ValueError(f"an object of more than {MOST_OBJECT >> 20} MiB")
    changed = item.get("modified") or item.get("created")
    withdrawn, holds = item.get("revoked") is True, item["type"] == "indicator"
    return IntelObject(
        tenant=delivery.tenant,
        source=delivery.source,
        at=delivery.at,
        uid=item["id"],
        kind=item["type"],
        modified=parse_iso(changed) if changed else 0,
        state="context" if not holds else "withdrawn" if withdrawn else "active",
        name=stix.name_of(item),
        indicators=tuple(stix.indicators_of(item, delivery.feed, names)) if holds and not withdrawn else (),
        body=b"" if holds else canonical(item),
    )


def _misp(delivery: Delivery, document: Any) -> Iterator[Piece]:
    for event in misp.events_of(document):
        uuid = event.get("uuid")
        whole = uuid if isinstance(uuid, str) and _is_name(uuid) and isinstance(event.get("Attribute"), list) else ""
        about = {name: event[name] for name in ("info", "Orgc", "Tag") if name in event}
        for number, attribute in enumerate(misp.attributes_of(event)):
            raw = orjson.dumps({"Event": {**about, "Attribute": [attribute]}})
            try:
                yield _misp_attribute(delivery, event, attribute, whole, raw)
            except BROKEN as error:
                yield delivery.unreadable(number, str(error), raw, "misp")
        if whole:
            yield Whole(tenant=delivery.tenant, source=delivery.source, at=delivery.at, part_of=whole)


def _misp_attribute(
    delivery: Delivery, event: dict[str, Any], attribute: Any, whole: str, raw: bytes
) -> IntelObject:  # fmt: skip
    if not isinstance(attribute, dict) or not _is_name(attribute.get("uuid")) or not _is_name(attribute.get("type")):
        raise ValueError("an attribute without a type or an uuid")
    if len(raw) > MOST_OBJECT:
        raise ValueError(f"an attribute of more than {MOST_OBJECT >> 20} MiB")
    withdrawn = bool(attribute.get("deleted")) or bool(event.get("deleted"))
    holds = misp.is_indicator(attribute) and not withdrawn
    return IntelObject(
        tenant=delivery.tenant,
        source=delivery.source,
        at=delivery.at,
        uid=attribute["uuid"],
        kind=attribute["type"],
        modified=_seconds(attribute.get("timestamp") or 0) * SECOND,
        state="active" if holds else "withdrawn" if withdrawn else "context",
        part_of=whole,
        indicators=tuple(misp.indicators_of(event, attribute, delivery.feed)) if holds else (),
        body=b"" if holds or withdrawn else canonical(attribute),
    )


def _entries(delivery: Delivery, document: Any) -> Iterator[Piece]:
    """`{"heading": "type,value", "rows": [...], "part": "03"}`; without a part the rows are no whole."""
    heading, part = str(document.get("heading") or ""), str(document.get("part") or "")
    for number, row in enumerate(document["rows"]):
        found = list(read_list(Path(delivery.feed), f"{heading}\n{row}" if heading else row))
        named = tuple(one for one in found if isinstance(one, Indicator))
        if len(named) < len(found) or not found:
            reason = next((one.what for one in found if isinstance(one, IntelProblem)), "no entry of a list")
            raw = orjson.dumps({"heading": heading, "rows": [row]})
            yield delivery.unreadable(number, reason, raw, "entries", "line")
            continue
        yield IntelObject(
            tenant=delivery.tenant,
            source=delivery.source,
            at=delivery.at,
            uid=digest_of(row.encode()),
            kind="entry",
            modified=0,
            state="active",
            part_of=part,
            indicators=named,
        )
    if part:
        yield Whole(tenant=delivery.tenant, source=delivery.source, at=delivery.at, part_of=part)


FORMS: dict[str, Callable[[Delivery, Any], Iterator[Piece]]] = {"stix": _stix, "misp": _misp, "entries": _entries}


def _seconds(value: Any) -> int:
    seconds = int(value)
    if not 0 <= seconds < 1 << 40:
        raise ValueError(f"no time: {str(value)[:40]}")
    return seconds


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 300 and value.isprintable()
