"""Tables: CSV with its delimiter found out, Zeek's own tab-separated logs, W3C's extended log format."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import Any

from watchfloor.ingest.readers.source import MIB, Item, Source, lines

DELIMITERS = ",;\t|"
_NAME = re.compile(r"\w[\w .:/@()\[\]#-]{0,63}")
_MOST_COLUMNS = 2000
csv.field_size_limit(MIB)


def header_of(line: str, *, prose: bool = True) -> tuple[str, list[str]] | None:
    """The delimiter and the names of a header line, or None when it is none. `prose`: it could be a sentence."""
    best = max(DELIMITERS, key=line.count)
    try:
        names = next(csv.reader([line], delimiter=best), [])
    except csv.Error:
        return None
    if not 3 <= len(names) <= _MOST_COLUMNS or len(set(names)) < len(names):
        return None
    plain = [name.strip().strip("﻿") for name in names]
    if not all(_NAME.fullmatch(name) and not name[0].isdigit() for name in plain):
        return None
    if prose and any(name.count(" ") > 2 for name in plain):
        return None
    return best, plain


def read(source: Source) -> Iterator[Item]:
    """Rows of a CSV file as `{column: text}`; empty cells are left out."""
    taken: list[bytes] = []
    overlong: list[int] = []
    feed = lines(source.stream, source.longest)
    begun: list[tuple[bytes, int]] = []  # the line that the parser of rows is to begin with

    def texts() -> Iterator[str]:
        while (one := begun.pop() if begun else next(feed, None)) is not None:
            line, length = one
            taken.append(line)
            if length:
                overlong.append(length)
            yield ("" if length else _text(line)) + "\n"

    line, length = next(feed, (b"", 0))
    header = header_of("" if length else _text(line).strip(), prose=False)
    if header is None:
        yield source.unreadable(0, "file", "the first line is no CSV header", source.head)
        return
    delimiter, names = header
    rows = csv.reader(texts(), delimiter=delimiter)
    position = 0
    for line, length in feed:
        if not length and b'"' not in line and b"\r" not in line and len(line) < MIB:
            if line:  # a row that needs no parser
                yield _row(source, position, line, names, _text(line).split(delimiter))
                position += 1
            continue
        taken.clear()
        overlong.clear()
        begun.append((line, length))
        try:
            row = next(rows)
        except csv.Error as error:
            yield source.unreadable(position, "row", f"no valid CSV row: {error}", b"\n".join(taken))
            position += 1
            continue
        raw = b"\n".join(taken)
        if overlong:
            reason = f"a line of {overlong[0]:,} bytes is longer than a record may be"
            yield source.unreadable(position, "row", reason, raw)
        elif row:
            yield _row(source, position, raw, names, row)
        else:
            continue
        position += 1


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").replace("\0", "�")


def _row(source: Source, position: int, raw: bytes, names: list[str], row: list[str]) -> Item:
    if len(row) > len(names):
        reason = f"{len(row)} cells in a row, but {len(names)} columns in the header"
        return source.unreadable(position, "row", reason, raw)
    cells = zip(names, row, strict=False)
    data = {name: cell for name, cell in cells if cell != ""} if "" in row else dict(cells)
    return source.record("csv", position, "row", raw, data)


def read_zeek(source: Source) -> Iterator[Item]:
    """Zeek's tab-separated log: `#separator`, `#path`, `#fields`, `#types` lead it; values become JSON's types."""
    names: list[str] = []
    types: list[str] = []
    path = ""
    for position, (line, length) in enumerate(lines(source.stream, source.longest)):
        text = line.decode("utf-8", "replace")
        if length:
            reason = f"a line of {length:,} bytes is longer than a record may be"
            yield source.unreadable(position, "line", reason, line)
        elif text.startswith("#"):
            key, _, value = text[1:].partition("\t")
            if key == "fields":
                names = value.split("\t")
            elif key == "types":
                types = value.split("\t")
            elif key == "path":
                path = value
        elif text:
            cells = text.split("\t")
            if len(cells) != len(names):
                reason = f"{len(cells)} cells in a row, but {len(names)} fields in the header"
                yield source.unreadable(position, "line", reason, line)
                continue
            kinds = types if len(types) == len(names) else ["string"] * len(names)
            data: dict[str, Any] = {"_path": path}
            for name, kind, cell in zip(names, kinds, cells, strict=True):
                if cell not in ("-", "(empty)"):
                    data[name] = _typed(kind, cell)
            yield source.record("json", position, "line", line, data)


def _typed(kind: str, cell: str) -> Any:
    try:
        if kind in ("count", "int", "port"):
            return int(cell)
        if kind in ("time", "interval", "double"):
            return float(cell)
    except ValueError:
        return cell
    if kind == "bool":
        return cell == "T"
    if kind.startswith(("set[", "vector[")):
        return cell.split(",")
    return cell


def read_w3c(source: Source) -> Iterator[Item]:
    """W3C extended logs (IIS, CloudFront, proxies): `#Fields:` names the columns; a plain first line of names, too.
    Exchange's message tracking is the same with commas.

    `date` and `time` together are `timestamp`, in UTC as the format says. Cells that say nothing are left out.
    """
    names: list[str] = []
    delimiter = software = ""
    for position, (line, length) in enumerate(lines(source.stream, source.longest)):
        text = line.decode("utf-8", "replace").strip("\ufeff")
        if length:
            reason = f"a line of {length:,} bytes is longer than a record may be"
            yield source.unreadable(position, "line", reason, line)
        elif text.startswith("#"):
            key, _, value = text[1:].partition(":")
            if key == "Fields":
                delimiter = "," if "," in value else ""
                names = [name.strip() for name in value.split(delimiter or None)]
            elif key == "Software":
                software = value.strip()
        elif not names:
            names = text.split()
        elif text.strip():
            cells = _cells(text, delimiter or ("\t" if "\t" in text else " "))
            if len(cells) != len(names):
                reason = f"{len(cells)} cells in a row, but {len(names)} fields in the header"
                yield source.unreadable(position, "line", reason, line)
                continue
            data: dict[str, Any] = {n: c for n, c in zip(names, cells, strict=True) if c not in ("-", "")}
            if "date" in data and "time" in data:
                data["timestamp"] = f"{data['date']}T{data['time']}Z"
            if software:
                data["_software"] = software
            yield source.record("json", position, "line", line, data)


def _cells(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([text.replace("\0", "�")], delimiter=delimiter), [])
    except csv.Error:
        return text.split(delimiter)
