"""Exports of directories, inventories and DHCP servers as facts, by mappings that are content (`content/context`).

A mapping says by which columns a row is known, what it is about, and which column states what. Columns are found
whatever their case, spaces and underscores. What a value must go through is named: `split`, `words`, `means_yes`, ...
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from watchfloor import content
from watchfloor.core.clock import SECOND, parse_iso, to_ms
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.fact import ATTRIBUTES, Statement, checked
from watchfloor.core.noun import Noun
from watchfloor.ingest.context_rows import Read, rows_of

_FILETIME_NEVER = {0, 0x7FFFFFFFFFFFFFFF}
_US_TIME = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S")


class Spec(Noun):
    """What one fact is read from. `columns` are tried in turn; where an attribute may have many values, all count.

    `join` puts several columns together and says nothing where one is absent (`{domain}\\{name}`). `split` parts one
    text; `words` renames values (`*` for all others); `means_yes` are the values that mean yes; `unless_bit` means yes
    where that bit is not set; `as`: `filetime`, `cn` (of a distinguished name), `day`. `since`, `until` are
    columns of times between which it holds; `when` limits it to rows in which a column is one of some values.
    """

    columns: tuple[str, ...] = ()
    join: str = ""
    split: str = ""
    words: dict[str, str] = {}
    means_yes: tuple[str, ...] = ()
    unless_bit: int = 0
    form: Literal["", "filetime", "cn", "day"] = ""
    prefix: str = ""
    since: str = ""
    until: str = ""
    when: dict[str, tuple[str, ...]] = {}


class ExportMapping(Noun):
    """`rows`: the columns by which it is known, all of them; `where` limits it to rows with such values."""

    name: str
    title: str
    of: Literal["user", "host", "interface"]
    rows: tuple[str, ...]
    where: dict[str, tuple[str, ...]] = {}
    key: tuple[str, ...]
    facts: dict[str, Spec]
    tests: tuple[dict[str, Any], ...] = ()

    def statements(self, columns: Mapping[str, Any], zone: ZoneInfo) -> list[Statement]:
        """What a row says. Raises WatchfloorError for a value that cannot be one."""
        row = {plain_column(name): value for name, value in columns.items()}
        key = next((str(_first(row[name])) for name in map(plain_column, self.key) if name in row), "")
        entity = f"{self.of}:{' '.join(key.split()).lower()}"
        if self.of == "interface":
            entity = f"interface:{checked('host:x', 'mac', key) or ''}"
        if entity.endswith(":"):
            raise WatchfloorError(f"none of {', '.join(self.key)} says which {self.of} it is")
        found = []
        for attribute, spec in self.facts.items():
            if not _fits(row, spec.when):
                continue
            span = tuple(
                _time(row.get(plain_column(name)), zone) if name else None for name in (spec.since, spec.until)
            )
            for value in _values(row, spec, many=ATTRIBUTES[attribute].many):
                plain = checked(entity, attribute, value)
                if plain is not None:
                    found.append(Statement(entity, attribute, plain, *span))
        return found


def mappings() -> tuple[ExportMapping, ...]:
    """The shipped mappings, by name."""
    return _shipped()


@cache
def _shipped() -> tuple[ExportMapping, ...]:
    found = []
    for document in content.documents(content.folder("context")):
        try:
            found.append(mapping_of(document.data))
        except WatchfloorError as error:
            raise WatchfloorError(str(error), where=document.where) from None
    return tuple(sorted(found, key=lambda one: one.name))


def mapping_of(given: Any) -> ExportMapping:
    """A mapping of its YAML. Raises WatchfloorError."""
    data = dict(given)
    data["facts"] = {name: _spec(spec) for name, spec in data.get("facts", {}).items()}
    mapping = ExportMapping.from_dict(data)
    if wrong := [n for n in mapping.facts if n not in ATTRIBUTES or mapping.of not in ATTRIBUTES[n].of]:
        raise WatchfloorError(f"a {mapping.of} has no attribute {', '.join(wrong)}")
    return mapping


def _spec(given: Any) -> Any:
    if isinstance(given, str):
        return {"columns": [given]}
    if isinstance(given, list):
        return {"columns": given}
    if isinstance(given, dict):
        spec = dict(given)
        if "from" in spec:
            columns = spec.pop("from")
            spec["columns"] = [columns] if isinstance(columns, str) else columns
        if "as" in spec:
            spec["form"] = spec.pop("as")
        return spec
    return given


def read_export(file: Path, zone: ZoneInfo, name: str = "") -> Iterator[Read]:
    """Every row of an export. With `name`, by that mapping; else by the one that knows the most of its columns.

    Raises WatchfloorError where the file cannot be read, or none of its rows is known.
    """
    some = [one for one in mappings() if not name or one.name == name]
    if not some:
        known = ", ".join(one.name for one in mappings())
        raise WatchfloorError(f"there is no mapping {name!r}", do=f"There are {known}")
    chosen: dict[frozenset[str], tuple[ExportMapping, ...]] = {}
    known_any, seen = False, frozenset[str]()
    for row in rows_of(file):
        if row.problem:
            yield Read(row, "", [], row.problem)
            continue
        present = frozenset(map(plain_column, row.columns))
        seen = seen or present
        if present not in chosen:
            chosen[present] = _ranked(some, present)
        plain = {plain_column(column): value for column, value in row.columns.items()}
        mapping = next((one for one in chosen[present] if _fits(plain, one.where)), None)
        if mapping is None:
            yield Read(row, "", [], "no mapping knows a row with such columns")
            continue
        known_any = True
        try:
            yield Read(row, mapping.name, mapping.statements(row.columns, zone))
        except (WatchfloorError, ValueError, ArithmeticError) as error:
            yield Read(row, mapping.name, [], str(error))
    if not known_any and seen:
        raise WatchfloorError(
            f"no mapping knows these columns: {', '.join(sorted(seen)[:12])}",
            where=str(file),
            do="`watchfloor context mappings` lists what is known; a CSV named assets.csv or identities.csv needs none",
        )


def _ranked(some: Iterable[ExportMapping], present: frozenset[str]) -> tuple[ExportMapping, ...]:
    fitting = [one for one in some if present.issuperset(map(plain_column, one.rows))]
    return tuple(sorted(fitting, key=lambda one: (-len(one.rows) - len(one.where), one.name)))


@cache
def plain_column(name: str) -> str:
    """`displayname` of `Display Name`: as columns are compared."""
    return re.sub(r"[^a-z0-9.]", "", name.lower())


def _fits(row: Mapping[str, Any], where: Mapping[str, tuple[str, ...]]) -> bool:
    for column, wanted in where.items():
        have = {str(one).lower() for one in _listed(row.get(plain_column(column), ""))}
        if have.isdisjoint(one.lower() for one in wanted):
            return False
    return True


def _values(row: Mapping[str, Any], spec: Spec, *, many: bool) -> Iterator[Any]:
    if spec.join:
        parts = {name: row.get(plain_column(name)) for name in re.findall(r"\{([^}]+)\}", spec.join)}
        if all(parts.values()):
            yield re.sub(r"\{([^}]+)\}", lambda m: str(_first(parts[m[1]])), spec.join)
        return
    for column in spec.columns:
        values = _listed(row.get(plain_column(column)))
        if spec.split:
            values = [part.strip() for one in values for part in str(one).split(spec.split) if part.strip()]
        if spec.means_yes and values:
            yield bool({str(one).lower() for one in values} & {one.lower() for one in spec.means_yes})
            return
        shown = [changed for one in values if (changed := _changed(one, spec)) is not None]
        yield from shown if many else shown[:1]
        if shown and not many:
            return


def _changed(value: Any, spec: Spec) -> Any:
    if spec.unless_bit:
        return not int(value) & spec.unless_bit
    if spec.words:
        words = {name.lower(): word for name, word in spec.words.items()}
        return words.get(str(value).lower(), words.get("*"))
    if spec.form == "filetime":
        return _filetime_day(value)
    if spec.form == "day":
        return str(value)[:10]
    if spec.form == "cn":
        return re.sub(r"(?i)^cn=((?:\\.|[^,])*).*$", r"\1", str(value)).replace("\\", "")
    return f"{spec.prefix}{value}" if spec.prefix else value


def _filetime_day(value: Any) -> str | None:
    """The day of a Windows file time (100 ns since 1601); None for never."""
    try:
        ticks = int(value)
    except ValueError:
        return str(value)[:10]
    if ticks in _FILETIME_NEVER:
        return None
    return (datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10)).date().isoformat()


def _time(value: Any, zone: ZoneInfo) -> int | None:
    """Milliseconds of a time in any spelling that exports have; one without a zone is the company's. Raises
    WatchfloorError."""
    if value is None:
        return None
    text = str(_first(value)).strip()
    if text.isdigit():
        return int(text) if len(text) > 11 else int(text) * SECOND
    try:
        found = datetime.fromisoformat(text)
        return parse_iso(text) if found.tzinfo else to_ms(found.replace(tzinfo=zone))
    except ValueError:
        pass
    for form in _US_TIME:
        try:
            return to_ms(datetime.strptime(text, form).replace(tzinfo=zone))
        except ValueError:
            continue
    raise WatchfloorError(f"{text[:40]!r} is no time")


def _listed(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value
