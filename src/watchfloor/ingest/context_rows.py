"""Rows of exports of directories and inventories: CSV, JSON, JSON lines, YAML, LDIF, ISC DHCP leases; told by content.

A row is flat: `{"profile.email": "a@x", "emails.address": ["a@x", "b@x"]}`. What cannot be read is a row with a
problem, so that the rest goes in.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from watchfloor import content
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.fact import Statement

MOST_BYTES = 1_000_000_000
_MOST_COLUMNS = 1_000
_DEPTH = 6
_HOLDERS = ("value", "resources", "records", "result", "results", "users", "devices", "hosts", "members", "data")
_LDIF = re.compile(rb"^(?:#.*|version:.*|\s*)*dn::? ", re.IGNORECASE | re.MULTILINE)
_LEASE = re.compile(r"^lease\s+(\S+)\s*\{(.*?)^\}", re.DOTALL | re.MULTILINE)
_LEASE_TIME = r"(?:\d\s+(\d{4})/(\d\d)/(\d\d)\s+(\d\d:\d\d:\d\d)|epoch\s+(\d+)[^;]*)"


class Row(NamedTuple):
    """One row: its number in the file, its columns, its bytes, and why it could not be read (empty when it could)."""

    number: int
    columns: dict[str, Any]
    raw: bytes
    problem: str = ""


class Read(NamedTuple):
    """A row as what it says, or as what is wrong with it; `source` is who says it by default (a mapping's name)."""

    row: Row
    source: str
    statements: list[Statement]
    problem: str = ""


def rows_of(file: Path) -> Iterator[Row]:
    """The rows of a file. Raises WatchfloorError where the whole cannot be read."""
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise WatchfloorError(f"{size:,} bytes are more than {MOST_BYTES:,}", where=str(file), do="Split it")
    data = file.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        data = data.decode("utf-16", "replace").encode()
    begin = data[:4_096].lstrip()
    if begin[:1] in (b"{", b"["):
        return _json(data, file)
    if _LDIF.match(begin):
        return _ldif(data)
    if re.search(rb"^lease\s+\S+\s*\{", data[:65_536], re.MULTILINE):
        return _leases(data)
    if file.suffix in (".yaml", ".yml"):
        return _yaml(file)
    return _csv(data, file)


def _csv(data: bytes, file: Path) -> Iterator[Row]:
    text = data.decode("utf-8", "replace")
    if text.startswith("#TYPE"):  # PowerShell's Export-Csv
        text = text.partition("\n")[2]
    heading = text.partition("\n")[0]
    if not heading.strip():
        raise WatchfloorError("it is empty", where=str(file))
    delimiter = max(",;\t", key=heading.count)
    rows = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        names = [name.strip() for name in next(rows)]
    except csv.Error as error:
        raise WatchfloorError(f"neither CSV nor any other form that is known: {error}", where=str(file)) from None
    number = 0
    while True:
        number += 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(number, {}, b"", f"not CSV: {error}")
            continue
        if not any(cell.strip() for cell in cells):
            continue
        raw = delimiter.join(cells).encode()
        if len(cells) != len(names):
            yield Row(number, {}, raw, f"it has {len(cells)} columns, the heading {len(names)}")
            continue
        yield Row(number, {n: c.strip() for n, c in zip(names, cells, strict=True) if n and c.strip()}, raw)


def _json(data: bytes, file: Path) -> Iterator[Row]:
    try:
        whole = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if b"\n" not in data.strip():
            raise WatchfloorError(f"not JSON: {error}", where=str(file)) from None
        return _json_lines(data)
    return _numbered(_held(whole))


def _json_lines(data: bytes) -> Iterator[Row]:
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            try:
                yield _row(number, orjson.loads(line), line)
            except orjson.JSONDecodeError as error:
                yield Row(number, {}, line, f"not JSON: {error}")


def _yaml(file: Path) -> Iterator[Row]:
    return _numbered(item for document in content.documents(file) for item in _held(document.data))


def _held(whole: Any) -> Iterable[Any]:
    """The entries of a list, of the list that an answer of an API holds, or of a mapping by name."""
    if isinstance(whole, list):
        return whole
    if isinstance(whole, dict):
        for name in _HOLDERS:
            if isinstance(whole.get(name), list):
                return list(whole[name])
        if whole and all(isinstance(one, dict) for one in whole.values()):
            return [{"_name": name, **one} for name, one in whole.items()]
    return [whole]


def _numbered(items: Iterable[Any]) -> Iterator[Row]:
    for number, item in enumerate(items, 1):
        yield _row(number, item, orjson.dumps(item, default=str, option=orjson.OPT_NON_STR_KEYS))


def _row(number: int, item: Any, raw: bytes) -> Row:
    if not isinstance(item, dict):
        return Row(number, {}, raw, f"a mapping is expected, not {type(item).__name__}")
    columns: dict[str, Any] = {}
    _flatten(item, "", columns, _DEPTH)
    if len(columns) > _MOST_COLUMNS:
        return Row(number, {}, raw, f"it has more than {_MOST_COLUMNS:,} columns")
    return Row(number, columns, raw)


def _flatten(item: Any, name: str, columns: dict[str, Any], depth: int) -> None:
    if len(columns) > _MOST_COLUMNS or item is None or item == "":
        return
    if isinstance(item, dict) and depth:
        for key, value in item.items():
            _flatten(value, f"{name}.{key}" if name else str(key), columns, depth - 1)
    elif isinstance(item, list) and depth:
        for one in item:
            if isinstance(one, dict):
                _flatten(one, name, columns, depth - 1)
            elif one not in (None, ""):
                _add(columns, name, one)
    else:
        _add(columns, name, item)


def _add(columns: dict[str, Any], name: str, value: Any) -> None:
    if name not in columns:
        columns[name] = value
    elif isinstance(columns[name], list):
        columns[name].append(value)
    else:
        columns[name] = [columns[name], value]


def _ldif(data: bytes) -> Iterator[Row]:
    """RFC 2849: entries between empty lines; a line that begins with a space goes on; `::` is base64."""
    text = re.sub(rb"\r?\n ", b"", data).replace(b"\r\n", b"\n")
    number = 0
    for entry in re.split(rb"\n{2,}", text):
        lines = [line for line in entry.split(b"\n") if line and not line.startswith((b"#", b"version:"))]
        if not lines:
            continue
        number += 1
        columns: dict[str, Any] = {}
        try:
            for line in lines:
                name, _, value = line.partition(b":")
                if value.startswith(b":"):
                    packed = base64.b64decode(value[1:].strip(), validate=True)
                    plain: Any = _sid(packed) if name.lower() == b"objectsid" else _unpacked(packed)
                else:
                    plain = value.strip().decode()
                if plain not in ("", b""):
                    _add(columns, name.decode(), plain)
        except (binascii.Error, UnicodeDecodeError) as error:
            yield Row(number, {}, entry, f"not LDIF: {error}")
            continue
        if set(columns) - {"search", "result"} and "dn" in columns:
            yield Row(number, columns, entry)


def _sid(data: bytes) -> str | bytes:
    """`S-1-5-21-...` of its bytes."""
    if len(data) < 8 or len(data) != 8 + 4 * data[1]:
        return data
    numbers = [str(int.from_bytes(data[at : at + 4], "little")) for at in range(8, len(data), 4)]
    return "-".join(("S", str(data[0]), str(int.from_bytes(data[2:8], "big")), *numbers))


def _unpacked(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _leases(data: bytes) -> Iterator[Row]:
    """dhcpd.leases(5): times are UTC; later entries on an address count."""
    text = data.decode("utf-8", "replace")
    for number, found in enumerate(_LEASE.finditer(text), 1):
        body = found[2]
        columns: dict[str, Any] = {"lease": found[1]}
        for name in ("starts", "ends"):
            if (time := re.search(rf"^\s*{name}\s+{_LEASE_TIME};", body, re.MULTILINE)) is not None:
                year, month, day, clock, epoch = time.groups()
                columns[name] = epoch or f"{year}-{month}-{day}T{clock}Z"
        for name, pattern in (
            ("hardware", r"hardware\s+ethernet\s+([0-9a-fA-F:]+);"),
            ("client_hostname", r'client-hostname\s+"([^"]*)";'),
            ("state", r"^\s*binding state\s+(\w+);"),
        ):
            if (value := re.search(pattern, body, re.MULTILINE)) is not None:
                columns[name] = value[1]
        yield Row(number, columns, found[0].encode())
