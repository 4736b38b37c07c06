"""Shapes: the one form in which a family of records is mapped and detected on, whichever shipper brought it.

Windows events come as EVTX, from winlogbeat, from NXLog or as Mordor's JSON; all become a flat dictionary in Sigma's
names (`EventID`, `Channel`, `Provider_Name`, `Computer`, and each EventData field). Other records stay as they are,
out of the envelopes that search engines put around them. A log line whose text has a structure (`line` names it) is a
record with named fields, as JSON is; any other is `syslog`.
"""

from __future__ import annotations

import re
from typing import Any

from watchfloor.core.record import Record
from watchfloor.ingest.carried import carried
from watchfloor.ingest.entities import with_entities
from watchfloor.ingest.envelopes import unwrapped
from watchfloor.ingest.mappings.convert import integer, text
from watchfloor.ingest.mappings.values import getter

Data = dict[str, Any]
_BY_FORMAT = {"evtx": "windows", "mail": "mail", "syslog": "syslog"}
_MANY = 400


def shape_of(record: Record) -> tuple[str, Data]:
    """The shape's name and the record's data in it."""
    data = unwrapped(record.data)
    form = record.format.partition("/")[0]
    if form == "csv" or (form == "syslog" and data is not record.data):
        form = "json"  # named fields, as JSON has; and JSON that came in a line of syslog
    if form in ("json", "evtx"):
        flat = windows(data)
        if flat is None:
            line = carried(data)
            return ("json", with_entities(data)) if line is None else (_shape_of_line(line), line)
        if flat.get("Channel") == "Windows PowerShell" and "Message" in flat:
            # The classic log's data has no names; its message holds them, and Sigma's rules look for them in Data.
            flat.setdefault("Data", flat["Message"])
        return "windows", flat
    return _shape_of_line(data) if form == "syslog" else _BY_FORMAT.get(form, "json"), data


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


def _from_xml(event: Data) -> Data:
    """The `evtx` library's JSON of an event's XML."""
    system = event["System"]
    provider = _attributes(system.get("Provider"))
    flat: Data = {
        "EventID": _number(_content(system.get("EventID"))),
        "Channel": _content(system.get("Channel")),
        "Provider_Name": provider.get("Name") or provider.get("EventSourceName"),
        "Provider_Guid": provider.get("Guid"),
        "Computer": _content(system.get("Computer")),
        "TimeCreated": _attributes(system.get("TimeCreated")).get("SystemTime"),
        "EventRecordID": _content(system.get("EventRecordID")),
        "Execution_ProcessID": _attributes(system.get("Execution")).get("ProcessID"),
        "Security_UserID": _attributes(system.get("Security")).get("UserID"),
        "CorrelationActivityID": _attributes(system.get("Correlation")).get("ActivityID"),
    }
    for name in ("Level", "Task", "Opcode", "Keywords", "Version"):
        flat[name] = _content(system.get(name))
    flat = {k: v for k, v in flat.items() if v is not None}
    for part in ("EventData", "UserData"):
        _add_fields(flat, event.get(part), depth=0)
    return flat


def _add_fields(flat: Data, fields: Any, depth: int) -> None:
    """Every field of EventData or UserData; what has no name comes together under `Data`."""
    if not isinstance(fields, dict):
        if fields is not None:
            flat.setdefault("Data", text(_content(fields)))
        return
    for name, value in list(fields.items())[:_MANY]:
        if name == "#attributes":
            continue
        if name == "Data":
            flat["Data"] = _unnamed(value)
        elif isinstance(value, dict) and "#text" not in value and depth < 3:
            _add_fields(flat, value, depth + 1)
        elif value is not None:
            content = _content(value)
            if content is not None:
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
    flat = {_RENAMED.get(k, k): v for k, v in data.items() if v is not None}
    flat["EventID"] = _number(flat["EventID"])
    computer = data.get("Computer") or data.get("Hostname") or data.get("host") or data.get("MachineName")
    if isinstance(computer, dict):
        computer = computer.get("name")
    if computer is not None:
        flat["Computer"] = computer
    times = (data.get(k) for k in ("@timestamp", "TimeCreated", "EventTime", "TimeGenerated"))
    flat["TimeCreated"] = next((t for t in times if isinstance(t, (str, int, float))), None)
    for part in ("EventData", "UserData"):
        if isinstance(flat.get(part), dict):
            _add_fields(flat, flat.pop(part), depth=0)
    return flat
