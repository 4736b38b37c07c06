"""Business context from a folder: company, assets, identities, groups, windows, each as YAML, JSON or CSV.

`company.yaml` is one mapping; the others are lists of entries. Times are ISO 8601. In CSV, lists are separated by `;`.
A file that is absent leaves its part empty; a mistake is an error with its file, entry and key. What a file says are
facts of the source `context/<file>`, in which the owner speaks.
"""

from __future__ import annotations

import csv
import io
import ipaddress
from collections.abc import Iterator, Mapping
from datetime import date, time
from pathlib import Path
from typing import Any, NamedTuple, get_origin
from zoneinfo import ZoneInfo

import orjson

from watchfloor import content
from watchfloor.core.chronicle import Chronicle
from watchfloor.core.clock import parse_iso
from watchfloor.core.context import Asset, Company, Context, Group, Identity, Window
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.fact import Fact, Statement, checked
from watchfloor.core.noun import Noun
from watchfloor.ingest.context_rows import Read, Row

_SUFFIXES = (".yaml", ".yml", ".json", ".csv")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMED_BY = {"assets": "host", "identities": "user", "windows": "id", "groups": "name"}
_NETWORKS = {
    "company": ("internal_networks", "egress_addresses", "public_addresses"),
    "assets": ("addresses",),
    "windows": ("addresses",),
}
PARTS: dict[str, type[Noun]] = {
    "company": Company,
    "assets": Asset,
    "identities": Identity,
    "groups": Group,
    "windows": Window,
}
# The key of an entry -> the attribute of facts, where they differ.
_ATTRIBUTE = {
    "host": "name",
    "user": "name",
    "names": "alias",
    "aliases": "alias",
    "addresses": "address",
    "tags": "tag",
    "groups": "group",
    "approved_tools": "approved_tool",
}


class Said(NamedTuple):
    """What one file says."""

    source: str
    statements: list[Statement]


def load_context(folder: Path) -> Context:
    """The context that lies in a folder. Raises WatchfloorError that lists every mistake."""
    facts = [
        Fact(
            tenant="default",
            uid=f"{said.source}/{number}",
            entity=one.entity,
            attribute=one.attribute,
            value=one.value,
            source=said.source,
            recorded_at=0,
        )
        for said in read_folder(folder)
        for number, one in enumerate(said.statements)
    ]
    return Chronicle(facts).moment(0).context


def read_folder(folder: Path) -> list[Said]:
    """What each file of a folder says. Raises WatchfloorError that lists every mistake."""
    if not folder.is_dir():
        raise WatchfloorError("no such folder of business context", where=str(folder), do="Mend the setting")
    problems: list[str] = []
    said = [one for part in PARTS for one in _read(folder, part, problems)]
    if problems:
        count = f"{len(problems)} mistake{'s' if len(problems) > 1 else ''}"
        raise WatchfloorError(f"{count} in business context: " + "; ".join(problems[:12]), where=str(folder))
    return said


def _read(folder: Path, part: str, problems: list[str]) -> Iterator[Said]:
    files = [file for suffix in _SUFFIXES if (file := folder / f"{part}{suffix}").is_file()]
    if len(files) > 1:
        problems.append(f"{part} stands in {' and in '.join(file.name for file in files)}; keep one of them")
    for file in files[:1]:
        try:
            reads = list(read_part(file))
        except (WatchfloorError, OSError, ValueError) as error:
            problems.append(f"{file.name}: {error}")
            continue
        problems += [one.problem for one in reads if one.problem]
        yield Said(f"context/{file.name}", [statement for one in reads for statement in one.statements])


def read_part(file: Path) -> Iterator[Read]:
    """What each entry of a file of this form says. Raises WatchfloorError where the whole cannot be read."""
    part = file.stem
    try:
        entries = _entries(file, part)
    except ValueError as error:
        raise WatchfloorError(str(error)) from None
    for number, entry in enumerate(entries, 1):
        named = entry.get(_NAMED_BY.get(part, "name"), "") if isinstance(entry, dict) else ""
        place = f"{file.name}, entry {number}" + (f" ({named})" if named else "")
        row = Row(number, {}, orjson.dumps(entry, default=str, option=orjson.OPT_NON_STR_KEYS))
        try:
            yield Read(row, f"import/{file.name}", statements_of(part, entry))
        except (WatchfloorError, ValueError) as error:
            yield Read(row, "", [], f"{place}: {error}")


def statements_of(part: str, entry: Any) -> list[Statement]:
    """What an entry says, in the order of its keys. Raises WatchfloorError or ValueError."""
    kind = PARTS[part]
    noun = kind.from_dict(_plain(part, kind, entry))
    if isinstance(noun, Company):
        return [Statement("company:", "company", noun.model_dump(mode="json", exclude_defaults=True))]
    if isinstance(noun, Window):
        return [Statement(f"window:{noun.id}", "window", noun.to_dict())]
    named = _NAMED_BY[part]
    name = " ".join(str(getattr(noun, named)).split())
    entity = f"{named if named != 'name' else 'group'}:{name if named == 'name' else name.lower()}"
    found = []
    for key in kind.model_fields:
        value = getattr(noun, key)
        if key not in noun.model_fields_set or value in ("", ()) or (kind is Group and key == "name"):
            continue
        for one in value if isinstance(value, tuple) else (value,):
            attribute = _ATTRIBUTE.get(key, key)
            plain = checked(entity, attribute, one)
            if plain is not None:
                found.append(Statement(entity, attribute, plain))
    return found


def _entries(file: Path, part: str) -> list[Any]:
    if file.suffix == ".csv":
        return [_without_blanks(row) for row in csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig")))]
    if file.suffix == ".json":
        data = orjson.loads(file.read_bytes())
    else:
        data = next((document.data for document in content.documents(file)), None)
    if part == "company":
        return [] if data is None else [data]
    if isinstance(data, dict) and list(data) == [part]:
        data = data[part]
    if not isinstance(data, list | None):
        raise ValueError(f"a list of {part} is expected, not {type(data).__name__}")  # noqa: TRY004 (a mistake in a file)
    return data or []


def _without_blanks(row: Mapping[str | None, Any]) -> dict[str, Any]:
    if None in row:
        raise ValueError(f"a row has more columns than the heading: {row[None]}")
    return {key: value.strip() for key, value in row.items() if key and value and value.strip()}


def _plain(part: str, kind: type[Noun], entry: Any) -> Any:
    """An entry as its noun wants it: texts of CSV as lists and booleans, ISO times as milliseconds, aliases as text."""
    if not isinstance(entry, dict):
        raise ValueError(f"a mapping is expected, not {type(entry).__name__}")  # noqa: TRY004 (a mistake in a file)
    plain = {key: _value(kind, str(key), value) for key, value in entry.items() if value is not None}
    if part == "company":
        _company(plain)
    if part == "windows":
        for key in ("start", "end"):
            plain[key] = _time(key, plain.get(key))
        if plain["end"] <= plain["start"]:
            raise ValueError("end: is not after start")
    if part == "identities" and plain.get("leaving_on"):
        plain["leaving_on"] = date.fromisoformat(str(plain["leaving_on"])[:10]).isoformat()
    for key in _NETWORKS.get(part, ()):
        for address in plain.get(key, ()):
            _checked_network(key, address)
    return plain


def _value(kind: type[Noun], key: str, value: Any) -> Any:
    field = kind.model_fields.get(key)
    if field is None:
        raise ValueError(f"{key}: there is no such key; there are {', '.join(kind.model_fields)}")
    if get_origin(field.annotation) is tuple and isinstance(value, str):
        return [part.strip() for part in value.split(";") if part.strip()]
    # YAML reads 2026-10-13 as a date and 111122223333 as a number: nouns want text.
    if isinstance(value, (date, int, float)) and not isinstance(value, bool) and field.annotation is str:
        return str(value)
    if isinstance(value, list):
        return [str(item) if isinstance(item, (int, date)) and key != "working_days" else item for item in value]
    return value


def _company(plain: dict[str, Any]) -> None:
    hours = plain.get("working_hours")
    if isinstance(hours, dict):
        days = hours.get("days", list(_DAYS[:5]))
        plain["working_hours"] = [str(hours.get("start")), str(hours.get("end"))]
        plain["working_days"] = [_DAYS.index(str(day).lower()[:3]) for day in days]
    for text in plain.get("working_hours", ()):
        try:
            time.fromisoformat(text)
        except (TypeError, ValueError):
            raise ValueError(f"working_hours: {text!r} is not a time such as 08:00") from None
    accounts = plain.get("cloud_accounts", ())
    plain["cloud_accounts"] = [str(a["id"]) if isinstance(a, dict) and "id" in a else a for a in accounts]
    try:
        ZoneInfo(str(plain.get("timezone", "UTC")))
    except (OSError, ValueError, LookupError):
        raise ValueError(f"timezone: {plain['timezone']!r} is not known; use one such as Europe/Berlin") from None


def _time(key: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return parse_iso(value.isoformat() if isinstance(value, date) else str(value))
    except ValueError:
        raise ValueError(f"{key}: {value!r} is not an ISO 8601 time") from None


def _checked_network(key: str, address: Any) -> None:
    try:
        ipaddress.ip_network(str(address), strict=False)
    except ValueError:
        raise ValueError(f"{key}: {address!r} is neither an address nor a network") from None
