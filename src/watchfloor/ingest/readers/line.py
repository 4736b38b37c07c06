"""A log line as a dictionary: syslog's header (RFC 3164, RFC 5424, ISO times, none), then what the text itself says.

The header's parts are `timestamp`, `host`, `program`, `pid`, `msgid`, `facility`, `severity` and `message`; beside
them stand the fields of a text that has a structure or a layout, with `line` naming which. Where both have a name,
the text's own counts.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from watchfloor.ingest.readers import layouts
from watchfloor.ingest.readers.stamp import dated, stated
from watchfloor.ingest.readers.structure import elements, pairs, structured

Data = dict[str, Any]

_COUNTED = re.compile(r"\d{1,7} (?=<\d)")  # RFC 6587: the length of the message before it
_5424 = re.compile(
    r"<(?P<pri>\d{1,3})>1 (?P<timestamp>\S{1,40}) (?P<host>\S{1,255}) (?P<program>\S{1,64}) (?P<pid>\S{1,128}) "
    r"(?P<msgid>\S{1,64}) (?P<data>-|(?:\[(?:[^\]\\]|\\.){0,16000}\])+) ?(?P<message>.*)",
    re.DOTALL,
)
_TAG = r"(?P<program>[\w./-]{1,64}?)(?:\[(?P<pid>[\w.-]{1,20})\])?: ?(?P<message>.*)"
_TAGGED = r"(?P<host>[^\s:]{1,255}) " + _TAG
_PRI = r"(?:<(?P<pri>\d{1,3})>)?"
_BSD_TIME = r"(?P<timestamp>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?: \d{4})?) "
_ISO_TIME = r"(?P<timestamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?) "
_3164 = re.compile(_PRI + _BSD_TIME + _TAGGED, re.DOTALL)
_ISO = re.compile(_PRI + _ISO_TIME + _TAGGED, re.DOTALL)
# Headers that leave parts out or add some: a year, a zone, a sequence number, an epoch, no tag, no host.
_LOOSE = re.compile(
    _PRI + r" ?(?:1 )?(?:(?P<sequence>\d{1,10}): )?(?:(?P<origin>[\w.-]{1,255}): )?[*.:]?"
    r"(?:(?P<bsd>[A-Z][a-z]{2} [ \d]\d (?:\d{4} )?\d\d:\d\d:\d\d)(?:[.,]\d{1,9})?"
    r"(?P<year> \d{4})?(?: (?:UTC|[A-Z]{1,3}T)\b)?"
    r"|(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)"
    r"|(?P<epoch>\d{10}(?:\.\d{1,9})?))(?:: ?| )(?P<rest>.*)",
    re.DOTALL,
)
_NO_HOST = re.compile(_TAG, re.DOTALL)
_HOST_AND_TAG = re.compile(_TAGGED, re.DOTALL)
_HOST = re.compile(r"(?P<host>[\w.-]{1,255})(?: ?:)? (?P<message>.*)", re.DOTALL)
_TAG_BEFORE_JSON = re.compile(r"(?P<program>[\w./-]{1,64}) (?P<message>\{.*)", re.DOTALL)
_ONLY_PRI = re.compile(r"<(?P<pri>\d{1,3})>(?:\d{1,10}: )? ?(?P<message>.*)", re.DOTALL)
_AUDIT = re.compile(
    r"(?:node=(?P<host>\S+) )?type=(?P<type>\w+) msg=audit\((?P<timestamp>\d+\.\d+):(?P<serial>\d+)\): ?(?P<message>.*)"
)
_BODY = re.compile(r"(?:CEF:|LEEF:|%[A-Z]|[{\[]|[A-Za-z_][\w.-]{0,63}=)")
_TELLING = 5  # so many parameters, or those of a product's own id, are the record itself, others a relay's remarks
_SHORTEST, _SHORT = 16, 48  # the length of a whole time
_stated_once = lru_cache(maxsize=4096)(stated)  # lines of one second state the same
_RECORD = 6  # so many pairs are no prose
_FORMATS = frozenset({"CEF", "LEEF"})
# Texts that are lines of logs also where they stand inside a JSON record.
_DATED = re.compile(r"[A-Z][a-z]{2} [ \d]\d (?:\d{4} )?\d\d:|\d{4}-\d\d-\d\dT\d\d:")
_LINE = re.compile(r"(?:\d{1,7} )?<\d{1,3}>|.{0,120}?(?:CEF: ?[01]\||LEEF:[12](?:\.0)?\||%(?:ASA|FTD|PIX)-)", re.DOTALL)


def parts(line: str, modified: int) -> Data:
    """The parts of a log line. `modified`: the file's time in milliseconds, from which a missing year follows."""
    line = _COUNTED.sub("", line, count=1) if line[:1].isdigit() else line
    known = layouts.shipped()
    if (found := known.read(line)) is not None:
        return _timed({"message": line, **found}, line, modified)
    if audit := _AUDIT.match(line):
        return _audited(audit)
    data = _headed(line, modified)
    text = data["message"]
    if audit := _AUDIT.match(text):
        return {**data, **_audited(audit)}
    if text is not line and (found := known.read(text)) is not None:
        return _timed({**data, **found}, text, modified)
    if "data" in data and (named := elements(data["data"])):
        told = "@" in str(named.get("sd_id")) or len(named) >= _TELLING
        data = {**data, **named, "line": "elements"} if told else {**data, **named}
    return _timed({**data, **structured(text)}, text, modified)


def line_of(text: str, modified: int) -> Data | None:
    """The parts of a text that is a log line as its product wrote it, and None of any other text.

    A header, a structure or a layout begins such a line.
    """
    if _LINE.match(text) or layouts.shipped().fits(text):
        return parts(text, modified)
    if text[:1].isalpha() and len(structured(text)) > _RECORD:
        return parts(text, modified)
    if not _DATED.match(text):
        return None
    found = parts(text, modified)
    return found if "line" in found or ("host" in found and "program" in found) else None


def _headed(line: str, modified: int) -> Data:
    """Syslog's header of a line, in any of its spellings; always with `message`."""
    for pattern in (_5424, _3164, _ISO):
        found = pattern.match(line)
        if found:
            data = {k: v for k, v in found.groupdict().items() if v not in (None, "-")}
            data.setdefault("message", "")
            if pattern is _3164:
                data["timestamp"] = dated(data["timestamp"], modified)
            return _finished(data)
    return _loosely(line, modified)


def _loosely(line: str, modified: int) -> Data:
    found = _LOOSE.match(line)
    if not found:
        found = _ONLY_PRI.match(line)
        return _finished(found.groupdict()) if found else {"message": line}
    data: Data = {}
    if found["pri"]:
        data["pri"] = found["pri"]
    if found["bsd"]:
        data["timestamp"] = _bsd(found["bsd"], found["year"], modified)
    else:
        data["timestamp"] = found["iso"] or found["epoch"]
    if found["origin"]:
        data["host"] = found["origin"]
    rest = found["rest"]
    if _BODY.match(rest):
        data["message"] = rest
    elif tag := _NO_HOST.match(rest) or _HOST_AND_TAG.match(rest):
        data.update({k: v for k, v in tag.groupdict().items() if v is not None})
    elif host := _HOST.match(rest):
        data.update(host.groupdict())
        if tag := _TAG_BEFORE_JSON.match(data["message"]):
            data.update(tag.groupdict())
    else:
        data["message"] = rest
    return _finished(data)


def _bsd(time: str, year: str | None, modified: int) -> str:
    """`Oct 13 07:01:02`, with a year before the clock, behind it, or with none."""
    words = time.split()
    if len(words) == 4:
        year = words.pop(2)
    return dated(" ".join([*words, (year or "").strip()]).strip(), modified)


def _timed(data: Data, text: str, modified: int) -> Data:
    """With the time that a column or the text itself states, where the header has none."""
    if data.get("timestamp"):
        return data
    column = data.get("time")
    short = isinstance(column, str) and _SHORTEST < len(column) < _SHORT
    when = _stated_once(column, modified) if short else None
    if when is None:
        when = stated(text, modified)
    return data if when is None else {**data, "timestamp": when}


def _audited(audit: re.Match[str]) -> Data:
    data = {k: v for k, v in audit.groupdict().items() if v is not None}
    return {**_audit_pairs(data["message"]), **data, "program": "auditd"}


def _audit_pairs(text: str) -> Data:
    """auditd's `key=value` pairs; those inside `msg='...'` too."""
    found = pairs(text[:8000])
    inner = found.pop("msg", None)
    return {**found, **pairs(str(inner))} if inner else found


def _finished(data: Data) -> Data:
    if data.get("program") in _FORMATS:  # `host CEF:0|...` is no program with a text
        data["message"] = f"{data.pop('program')}:{data['message']}"
    if "pri" in data:
        number = int(data.pop("pri"))
        data["facility"], data["severity"] = divmod(number, 8)
    return data
