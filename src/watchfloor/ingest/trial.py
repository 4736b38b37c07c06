"""Trials of mappings: the test records that their files carry, with what is expected of each event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from watchfloor.core.record import Record
from watchfloor.ingest.mappings import Mapping
from watchfloor.ingest.normalizer import Normalizer

_FORMATS = {"json": "json", "windows": "json", "mail": "mail", "syslog": "syslog"}


class Trial(NamedTuple):
    """A test of a mapping and what went wrong in it; nothing where it passed."""

    mapping: str
    name: str
    failures: tuple[str, ...]


def record_of(data: dict[str, Any], shape: str = "json") -> Record:
    """A test's record as a reader would hand it over."""
    raw = orjson.dumps(data, default=str)
    return Record(tenant="test", source="test", position=0, unit="record", format=_FORMATS[shape], raw=raw, data=data)


def trials(mapping: Mapping, normalizer: Normalizer) -> Iterator[Trial]:
    """Each test of a mapping, run by a normaliser that has it and those beside which it will stand."""
    for number, case in enumerate(mapping.tests, 1):
        case_ = case if isinstance(case, dict) else {}
        name = str(case_.get("name", f"test {number}"))
        record, expected = case_.get("record"), case_.get("expect")
        if not isinstance(record, dict) or not isinstance(expected, dict) or not expected:
            yield Trial(mapping.name, name, ("a test has a `record` and what to `expect` of its event",))
            continue
        yield Trial(
            mapping.name, name, tuple(_failures(mapping.name, record_of(record, mapping.shape), expected, normalizer))
        )


def _failures(name: str, record: Record, expected: dict[str, Any], normalizer: Normalizer) -> Iterator[str]:
    event = normalizer.event(record)
    if event.mapping != name:
        yield f"{event.mapping} takes the record"
        return
    if problem := (event.ocsf.get("unmapped") or {}).get("problem"):
        yield str(problem)
    for path, wanted in expected.items():
        found = event.get(str(path))
        if found != wanted:
            yield f"{path} is {found!r}, expected is {wanted!r}"
