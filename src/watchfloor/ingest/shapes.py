"""Shapes: the one form in which a family of records is mapped and detected on, whichever shipper brought it.

Windows events come as EVTX, from winlogbeat, from NXLog or as Mordor's JSON; all become a flat dictionary in Sigma's
names (`EventID`, `Channel`, `Provider_Name`, `Computer`, and each EventData field). Other records stay as they are,
out of the envelopes that search engines put around them. A log line whose text has a structure (`line` names it) is a
record with named fields, as JSON is; any other is `syslog`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from typing import Any, NamedTuple

from watchfloor.core.record import Record
from watchfloor.ingest.carried import carried
from watchfloor.ingest.cef_tables import cef_of_table
from watchfloor.ingest.entities import with_entities
from watchfloor.ingest.envelopes import unwrapped
from watchfloor.ingest.mappings.convert import integer, text
from watchfloor.ingest.mappings.select import ByKeys, Keys
from watchfloor.ingest.mappings.values import getter
from watchfloor.ingest.ocsf_record import with_ocsf

Data = dict[str, Any]
_BY_FORMAT = {"evtx": "windows", "mail": "mail", "syslog": "syslog"}
_MANY = 400


def shape_of(record: Record) -> tuple[str, Data]:
    """The shape's name and the record's data in it."""
    data = record.data
    form = record.format
    looked = _LOOKED_AT[tuple(data)]
    if form == "json" and looked is _NOT_LOOKED_AT:
        return "json", data
    form = form.partition("/")[0]
    if looked.unwrapped:
        data = unwrapped(data)
    if form == "csv" or (form == "syslog" and data is not record.data):
        form = "json"  # named fields, as JSON has; and JSON that came in a line of syslog
    if form in ("json", "evtx"):
        return _of_named_fields(data, looked if data is record.data else _LOOKED_AT[tuple(data)])
    return _shape_of_line(data) if form == "syslog" else _BY_FORMAT.get(form, "json"), data


def _of_named_fields(data: Data, looked: _LookedAt) -> tuple[str, Data]:
    event = with_ocsf(data) if looked.with_ocsf else data
    if event is not data:
        return "json", event
    flat = windows(data) if looked.windows else None
    if flat is None:
        line = (carried(data) or cef_of_table(data)) if looked.line else None
        if line is None:
            return "json", with_entities(data) if looked.with_entities else data
        inner = unwrapped(line)
        return ("json", with_entities(inner)) if inner is not line else (_shape_of_line(line), line)
    if flat.get("Channel") == "Windows PowerShell" and "Message" in flat:
        # The classic log's data has no names; its message holds them, and Sigma's rules look for them in Data.
        flat.setdefault("Data", flat["Message"])
    return "windows", flat


def _shape_of_line(data: Data) -> str:
    return "json" if "line" in data else "syslog"


def windows(data: Data) -> Data | None:
    """A Windows event as a flat dictionary in Sigma's names, or None when the record is none."""
    event = data.get("Event")
    if isinstance(event, dict) and isinstance(event.get("System"), dict):
        return _from_xml(event)
    if isinstance(data.get("System"), dict) and "EventID" in data["System"]:
        return _from_xml(data)
    if isinstance(data.get("winlog"), dict):
        return _from_beat(data, data["winlog"])
    if "event_id" in data and "computer_name" in data:
        return _from_beat(data, data)
    if "EventID" in data and ("Channel" in data or "SourceName" in data or "ProviderName" in data):
        return _from_flat(data)
    return None


_NOT_NAMES = frozenset({"Data", "#attributes"})
_SYSTEM = ("Channel", "Computer", "EventRecordID", "Level", "Task", "Opcode", "Keywords", "Version")
# Sigma's name, and the element and attribute where it stands.
_ATTRIBUTES = (
    ("Provider_Name", "Provider", "Name"),
    ("Provider_Guid", "Provider", "Guid"),
    ("TimeCreated", "TimeCreated", "SystemTime"),
    ("Execution_ProcessID", "Execution", "ProcessID"),
    ("Security_UserID", "Security", "UserID"),
    ("CorrelationActivityID", "Correlation", "ActivityID"),
)


def _from_xml(event: Data) -> Data:
    """The `evtx` library's JSON of an event's XML."""
    system = event["System"]
    flat: Data = {}
    get = system.get
    number = get("EventID")
    if type(number) is not int:
        number = _number(_content(number))
    if number is not None:
        flat["EventID"] = number
    for name, element, attribute in _ATTRIBUTES:
        value = get(element)
        if type(value) is dict:
            value = value.get("#attributes", value)
            if type(value) is dict and (value := value.get(attribute)) is not None:
                flat[name] = value
    for name in _SYSTEM:
        value = get(name)
        if type(value) is dict:
            value = value.get("#text")
        if value is not None:
            flat[name] = value
    if not flat.get("Provider_Name") and (source := _attributes(system.get("Provider")).get("EventSourceName")):
        flat["Provider_Name"] = source
    for part in ("EventData", "UserData"):
        if (fields := event.get(part)) is not None:
            _add_fields(flat, fields, depth=0)
    return flat


def _add_fields(flat: Data, fields: Any, depth: int) -> None:
    """Every field of EventData or UserData; what has no name comes together under `Data`."""
    if not isinstance(fields, dict):
        if fields is not None:
            flat.setdefault("Data", text(_content(fields)))
        return
    for name, value in fields.items() if len(fields) <= _MANY else islice(fields.items(), _MANY):
        if type(value) is str and name not in _NOT_NAMES:
            if name not in flat:
                flat[name] = value
        elif name == "#attributes":
            continue
        elif name == "Data":
            flat["Data"] = _unnamed(value)
        elif not isinstance(value, dict):
            if value is not None:
                flat.setdefault(name, value)
        elif "#text" not in value and depth < 3:
            _add_fields(flat, value, depth + 1)
        elif (content := value.get("#text")) is not None:
            flat.setdefault(name, content)


def _unnamed(value: Any) -> str | None:
    content = _content(value)
    if isinstance(content, list):
        return "\n".join(text(_content(item)) or "" for item in content)
    return text(content)


def _content(value: Any) -> Any:
    """The text of an element with attributes."""
    if isinstance(value, dict):
        return value.get("#text")
    return value


def _attributes(value: Any) -> Data:
    if isinstance(value, dict):
        found = value.get("#attributes", value)
        return found if isinstance(found, dict) else {}
    return {}


def _number(value: Any) -> Any:
    number = integer(value)
    return value if number is None else number


def _from_beat(data: Data, log: Data) -> Data:
    """Winlogbeat 7 and later (`winlog.*`) and before (top level)."""
    host = data.get("host")
    flat: Data = {
        "EventID": _number(log.get("event_id")),
        "Channel": log.get("channel") or log.get("log_name"),
        "Provider_Name": log.get("provider_name") or log.get("source_name"),
        "Provider_Guid": log.get("provider_guid"),
        "Computer": log.get("computer_name") or (host.get("name") if isinstance(host, dict) else None),
        "TimeCreated": data.get("@timestamp"),
        "EventRecordID": log.get("record_id") or log.get("record_number"),
        "Task": log.get("task"),
        "Opcode": log.get("opcode"),
        "Message": data.get("message"),
    }
    process = log.get("process")
    if isinstance(process, dict):
        flat["Execution_ProcessID"] = process.get("pid")
    user = log.get("user")
    if isinstance(user, dict):
        flat["Security_UserID"] = user.get("identifier")
    flat = {k: v for k, v in flat.items() if v is not None}
    for part in ("event_data", "user_data"):
        _add_fields(flat, log.get(part), depth=0)
    _restore(flat, data)
    return flat


_STATED = re.compile(r"^\s*([A-Z]\w{1,40}): (.*?)\s*$", re.MULTILINE)
# ECS fields to which winlogbeat's modules move event data, for the events that keep it nowhere else.
_ECS = {
    "CommandLine": "process.command_line",
    "NewProcessName": "process.executable",
    "ParentProcessName": "process.parent.executable",
    "IpAddress": "source.ip",
    "IpPort": "source.port",
    "WorkstationName": "source.domain",
    "ScriptBlockText": "powershell.file.script_block_text",
}
_ECS_GETTERS = {name: getter(path) for name, path in _ECS.items()}


def _restore(flat: Data, data: Data) -> None:
    """Fields that winlogbeat's modules took out of `event_data`: Sysmon's message still states each of them."""
    if flat.get("Provider_Name") == "Microsoft-Windows-Sysmon":
        for name, value in _STATED.findall(str(flat.get("Message", ""))[:20_000])[:60]:
            if value:
                flat.setdefault(name, value)
        return
    for name, get in _ECS_GETTERS.items():
        if name not in flat and (value := get(data)) is not None:
            flat[name] = value


# NXLog's and Mordor's names of what Sigma calls otherwise.
_RENAMED = {"SourceName": "Provider_Name", "ProviderName": "Provider_Name", "ProviderGuid": "Provider_Guid"}


def _from_flat(data: Data) -> Data:
    flat = {k: v for k, v in data.items() if v is not None} if None in data.values() else data.copy()
    for name, sigma in _RENAMED.items():
        if name in flat:
            flat[sigma] = flat.pop(name)
    if "EventID" in flat:
        flat["EventID"] = _number(flat["EventID"])
    computer = data.get("Computer") or data.get("Hostname") or data.get("host") or data.get("MachineName")
    if isinstance(computer, dict):
        computer = computer.get("name")
    if computer is not None:
        flat["Computer"] = computer
    flat["TimeCreated"] = None
    for name in ("@timestamp", "TimeCreated", "EventTime", "TimeGenerated"):
        if isinstance(time := data.get(name), (str, int, float)):
            flat["TimeCreated"] = time
            break
    for part in ("EventData", "UserData"):
        if isinstance(flat.get(part), dict):
            _add_fields(flat, flat.pop(part), depth=0)
    return flat


class _LookedAt(NamedTuple):
    """Which functions look at a value of records that have certain keys; the others leave such records as they are."""

    unwrapped: bool
    with_ocsf: bool
    windows: bool
    line: bool
    with_entities: bool


class _AValueIsAsked(Exception):
    pass


class _Probe(dict[str, Any]):
    """A record of which only the keys are known."""

    def get(self, key: str, default: Any = None) -> Any:
        if key in self:
            raise _AValueIsAsked
        return default

    def _asked(self, *_: str) -> Any:
        raise _AValueIsAsked

    __getitem__ = items = values = copy = _asked


def _looks(function: Callable[[Data], Any], keys: Keys) -> bool:
    probe = _Probe.fromkeys(keys)
    try:
        found = function(probe)
    except _AValueIsAsked:
        return True
    return found is not None and found is not probe


def _looked_at(keys: Keys) -> _LookedAt:
    line = _looks(carried, keys) or _looks(cef_of_table, keys)
    found = (_looks(unwrapped, keys), _looks(with_ocsf, keys), _looks(windows, keys), line, _looks(with_entities, keys))
    return _LookedAt(*found) if any(found) else _NOT_LOOKED_AT


# Most records have no key that matters here, and are what they are.
_NOT_LOOKED_AT = _LookedAt(*[False] * 5)
_LOOKED_AT = ByKeys(_looked_at)
