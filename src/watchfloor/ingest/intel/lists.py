"""Lists in text: CSV with a heading, and one value a line, as most feeds are.

Values may be written so that nobody clicks on them (`hxxp://evil[.]example`), stand in a hosts file
(`0.0.0.0 evil.example`) or in a block list (`||evil.example^`), and have a comment behind them.
"""

from __future__ import annotations

import csv
import io
import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path

from watchfloor.core.clock import parse_iso
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.intel import INDICATOR_TYPES, Indicator, IndicatorType, IntelProblem
from watchfloor.ingest.intel.items import ALIASES, Item, indicator

# Other headings for the same columns.
_HEADINGS = {
    **dict.fromkeys(("indicator", "ioc", "ioc_value", "observable"), "value"),
    **dict.fromkeys(("indicator_type", "ioc_type", "observable_type"), "type"),
    **dict.fromkeys(("comment", "threat", "malware", "malware_printable", "signature"), "description"),
    **dict.fromkeys(("first_seen", "first_seen_utc", "firstseen", "dateadded"), "valid_from"),
    **dict.fromkeys(("confidence_level",), "confidence"),
}
# Headings that are themselves a type: each such cell is an indicator.
_TYPED: dict[str, IndicatorType] = {
    **{name: kind for name, kind in ALIASES.items() if name not in ("hash", "sender", "network", "host", "link")},
    **dict.fromkeys(("dst_ip", "ip_address", "ipaddress", "src_ip"), "address"),
    "sha256_hash": "file",
    "sha1_hash": "file",
    "md5_hash": "file",
}
_COMMENT = ("#", ";", "//", "!")
_BEHIND = re.compile(r"(?:\s+[#;]|\s+//).*$")
_NOWHERE = frozenset({"0.0.0.0", "127.0.0.1", "::", "::1"})  # noqa: S104


def heading_of(text: str) -> str:
    """The heading of a list with columns; empty where each line is a value."""
    first = next((line for line in text.splitlines() if is_entry(line)), "")
    heads = [_plain(head) for head in next(csv.reader([first]), [])]
    return first if "value" in heads or (len(heads) > 1 and any(head in _TYPED for head in heads)) else ""


def is_entry(line: str) -> bool:
    """Whether a line is neither empty nor a comment."""
    return bool(line.strip()) and not line.lstrip().startswith(_COMMENT)


def read_list(file: Path, text: str) -> Iterator[Item]:
    """Columns type, value, description, confidence, valid_from, valid_until, source; `value` is all that must be there.

    Without a type it is told by the value's shape. Instead of `value` a column may be named by its type (`dst_ip`,
    `url`, `sha256`). A file without a heading is a list of values, one a line.
    """
    if heading := heading_of(text):
        lines = [line for line in text.splitlines() if is_entry(line)]
        heads = [_plain(head) for head in next(csv.reader([heading]))]
        typed = [head for head in heads if head in _TYPED]
        yield from _rows(file, heads, lines[1:], [] if "value" in heads else typed)
        return
    for number, line in enumerate(text.splitlines(), 1):
        if not is_entry(line):
            continue
        try:
            yield _row(file, {"value": _value(line)})
        except (ValueError, WatchfloorError) as error:
            yield IntelProblem(where=f"{file}, row {number}", what=str(error))


def _plain(head: str) -> str:
    name = head.strip().lower().replace(" ", "_")
    return _HEADINGS.get(name, name)


def _rows(file: Path, heads: list[str], lines: list[str], typed: list[str]) -> Iterator[Item]:
    table = csv.DictReader(io.StringIO("\n".join(lines)), fieldnames=heads)
    for number, found in enumerate(table, 2):
        row = {k: (v or "").strip() for k, v in found.items() if k and not isinstance(v, list)}
        cells = [{**row, "type": name, "value": row.get(name, "")} for name in typed if row.get(name)] or [row]
        for cell in cells:
            try:
                yield _row(file, cell)
            except (ValueError, WatchfloorError) as error:
                yield IntelProblem(where=f"{file}, row {number}", what=str(error))


def _row(file: Path, row: dict[str, str]) -> Indicator:
    value, named = refanged(row.get("value", "")), row.get("type", "").lower()
    kind = ALIASES.get(named, _TYPED.get(named)) if named else shape_of(value)
    if kind is None and named:
        raise ValueError(f"type {row['type']!r} is not known; use one of {', '.join(INDICATOR_TYPES)}")
    if kind is None:
        raise ValueError(f"{value[:80]!r} is no address, domain, URL, hash or mail address")
    return indicator(
        kind,
        value,
        description=row.get("description", ""),
        confidence=int(row.get("confidence") or 50),
        valid_from=parse_iso(row["valid_from"].removesuffix(" UTC")) if row.get("valid_from") else 0,
        valid_until=parse_iso(row["valid_until"]) if row.get("valid_until") else None,
        source=row.get("source") or file.name,
    )


def _value(line: str) -> str:
    """The value of a line of a plain list."""
    text = _BEHIND.sub("", line.strip())
    if text.startswith("||"):
        text = text[2:].partition("^")[0]
    words = text.split()
    if len(words) == 2 and words[0] in _NOWHERE:
        return words[1]
    return next(csv.reader([text]), [""])[0].strip().strip("\"'")


def refanged(value: str) -> str:
    """`hxxps[:]//evil[.]example` and `bob[at]evil(.)example` as they are meant."""
    text = re.sub(r"[\[({]\s*(?:\.|dot)\s*[\])}]", ".", value.strip(), flags=re.IGNORECASE)
    text = re.sub(r"[\[({]\s*(?:@|at)\s*[\])}]", "@", text, flags=re.IGNORECASE)
    text = text.replace("[:]", ":").replace("[://]", "://").replace("[/]", "/")
    return re.sub(r"^h(?:xx|XX|\*\*)p", "http", text)


def shape_of(value: str) -> IndicatorType | None:
    """What a value looks like: an address, URL, mail address, hash or domain."""
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        pass
    else:
        return "address"
    if "://" in value:
        return "url"
    if "@" in value:
        return "mailbox"
    if len(value) in (32, 40, 56, 64, 128) and all(c in "0123456789abcdefABCDEF" for c in value):
        return "file"
    return "domain" if "." in value and not any(c in value for c in " /\\") else None
