"""Log lines that a shipper carries inside a JSON record (`message`, `_raw`), read as their files are."""

from __future__ import annotations

from typing import Any

from watchfloor.core.clock import iso
from watchfloor.ingest.mappings.convert import text, time_ms
from watchfloor.ingest.mappings.values import getter
from watchfloor.ingest.readers.line import line_of

Data = dict[str, Any]

_LONGEST = 1 << 20
_CARRIERS = [
    getter(path)
    for path in ("event.original", "message", "@message", "_raw", "log", "raw", "Message", "RawData", "SyslogMessage")
]
_TIMES = [getter(path) for path in ("@timestamp", "timestamp", "@ingestionTime", "_time", "time", "TimeGenerated")]


def carried(data: Data) -> Data | None:
    """The line's parts where a record carries one as its product wrote it, else None.

    What the shipper says of time counts where the line itself has none, and gives the year that a line has not.
    """
    when: int | None = None
    for get in _CARRIERS:
        carrier = get(data)
        if not isinstance(carrier, str) or len(carrier) > _LONGEST:
            continue
        if when is None:
            when = next((t for time in _TIMES if (t := time_ms(time(data))) is not None), 0)
        found = line_of(text(carrier) or "", when)
        if found is not None:
            return found if "timestamp" in found or not when else {**found, "timestamp": iso(when)}
    return None
