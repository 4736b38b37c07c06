"""Log lines: syslog by RFC 3164 and RFC 5424, the same with ISO times, auditd, and plain lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from watchfloor.core.clock import DAY, iso, to_ms
from watchfloor.ingest.readers.json import parse
from watchfloor.ingest.readers.source import Item, Source, lines

_5424 = re.compile(
    r"<(?P<pri>\d{1,3})>1 (?P<timestamp>\S{1,40}) (?P<host>\S{1,255}) (?P<program>\S{1,64}) (?P<pid>\S{1,128}) "
    r"(?P<msgid>\S{1,64}) (?P<data>-|(?:\[[^\]]{0,8000}\])+) ?(?P<message>.*)",
    re.DOTALL,
)
_TAGGED = r"(?P<host>[^\s:]{1,255}) (?P<program>[\w./-]{1,64}?)(?:\[(?P<pid>[\w.-]{1,20})\])?: ?(?P<message>.*)"
_3164 = re.compile(
    r"(?:<(?P<pri>\d{1,3})>)?(?P<timestamp>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?: \d{4})?) " + _TAGGED, re.DOTALL
)
_ISO = re.compile(
    r"(?:<(?P<pri>\d{1,3})>)?(?P<timestamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?) "
    + _TAGGED,
    re.DOTALL,
)
_AUDIT = re.compile(
    r"(?:node=(?P<host>\S+) )?type=(?P<type>\w+) msg=audit\((?P<timestamp>\d+\.\d+):(?P<serial>\d+)\): ?(?P<message>.*)"
)
_PAIR = re.compile(r"(\w[\w-]{0,40})=(?:\"([^\"]*)\"|'([^']*)'|(\S*))")
# What lines of logs begin with; the sniffer asks whether lines look like one.
LOOKS = re.compile(
    rb"(?:<\d{1,3}>|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d"
    rb"|type=\w+ msg=audit\(|\S+ \S+ \S+ \[\d\d/[A-Z][a-z]{2}/\d{4}|\d{10}\.\d{3} )"
)


def read(source: Source) -> Iterator[Item]:
    """Each line as a record: its known parts, or only `message`."""
    for index, (line, length) in enumerate(lines(source.stream)):
        if length:
            reason = f"a line of {length:,} bytes is longer than a record may be"
            yield source.unreadable(index, "line", reason, line)
            continue
        text = line.decode("utf-8", "replace").strip()
        if not text:
            continue
        if text.startswith("{") and (data := parse(line)[0]) is not None:
            yield source.record("json", index, "line", line, data)
            continue
        form = "syslog/bytes that are no UTF-8 were replaced" if "�" in text else "syslog"
        yield source.record(form, index, "line", line, parts(text, source.modified))


def parts(line: str, modified: int) -> dict[str, Any]:
    """The parts of a log line. `modified`: the file's time, from which a missing year follows."""
    for pattern in (_5424, _3164, _ISO):
        found = pattern.match(line)
        if found:
            data = {k: v for k, v in found.groupdict().items() if v not in (None, "-")}
            if pattern is _3164:
                data["timestamp"] = _dated(data["timestamp"], modified)
            return _prioritised(data)
    audit = _AUDIT.match(line)
    if audit:
        data = {k: v for k, v in audit.groupdict().items() if v is not None}
        return {**_pairs(data["message"]), **data, "program": "auditd"}
    return {"message": line}


def _pairs(text: str) -> dict[str, Any]:
    """`key=value` pairs; those inside `msg='...'` too."""
    found: dict[str, Any] = {}
    for key, double, single, bare in _PAIR.findall(text[:8000])[:200]:
        if key == "msg" and single:
            found.update(_pairs(single))
        else:
            found.setdefault(key, double or single or bare)
    return found


def _prioritised(data: dict[str, Any]) -> dict[str, Any]:
    if "pri" in data:
        number = int(data.pop("pri"))
        data["facility"], data["severity"] = divmod(number, 8)
    return data


def _dated(text: str, modified: int) -> str:
    """A time without a year is the latest one that is not after the file's last change (and a day)."""
    normal = " ".join(text.split())
    year = datetime.fromtimestamp(modified / 1000, UTC).year
    if normal[-5:-4] == " ":
        year, normal = int(normal[-4:]), normal[:-5]
    for candidate in (year, year - 1, year - 2, year - 3, year - 4):
        try:
            when = datetime.strptime(f"{candidate} {normal}", "%Y %b %d %H:%M:%S").replace(tzinfo=UTC)
        except ValueError:
            continue
        if to_ms(when) <= modified + DAY or candidate != year:
            return iso(to_ms(when))
    return text
