"""Log lines: syslog by RFC 3164 and RFC 5424, the same with ISO times, auditd, products' own, and plain lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from watchfloor.ingest.readers.json import parse
from watchfloor.ingest.readers.line import parts
from watchfloor.ingest.readers.source import Item, Source, lines

# What lines of logs begin with; the sniffer asks whether lines look like one.
LOOKS = re.compile(
    rb"(?:<\d{1,3}>|[A-Z][a-z]{2} [ \d]\d (?:\d{4} )?\d\d:\d\d:\d\d|\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d"
    rb"|type=\w+ msg=audit\(|(?:\S+ )?\S+ \S+ \S+ \[\d\d/[A-Z][a-z]{2}/\d{4}|\d{10}\.\d{3} |CEF: ?[01]\||LEEF:[12]"
    rb"|[a-z_]\w{1,30}=\S+ +[a-z_]\w{1,30}=)"
)


def read(source: Source) -> Iterator[Item]:
    """Each line as a record: its known parts, or only `message`."""
    for index, (line, length) in enumerate(lines(source.stream, source.longest)):
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
