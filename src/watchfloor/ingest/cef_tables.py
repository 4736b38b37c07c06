"""CEF records that a SIEM has already parsed, under the keys that CEF itself has: Sentinel's table, Elastic's fields.

Sources: Azure Monitor's `CommonSecurityLog` ("CEF and CommonSecurityLog field mapping"), the CEF dictionary's full
names as Filebeat's `decode_cef` writes them under `cef.extensions`.
"""

from __future__ import annotations

from typing import Any

from watchfloor.ingest.mappings.values import present
from watchfloor.ingest.readers.structure import extensions

Data = dict[str, Any]

# Only what is not its CEF key with another first letter (`SourceHostName` is told, `RequestMethod` follows).
_SENTINEL = {
    "ApplicationProtocol": "app",
    "CommunicationDirection": "deviceDirection",
    "DestinationHostName": "dhost",
    "DestinationIP": "dst",
    "DestinationMACAddress": "dmac",
    "DestinationNTDomain": "dntdom",
    "DestinationPort": "dpt",
    "DestinationProcessId": "dpid",
    "DestinationProcessName": "dproc",
    "DestinationUserName": "duser",
    "DeviceAction": "act",
    "DeviceAddress": "dvc",
    "DeviceEventCategory": "cat",
    "DeviceExternalID": "deviceExternalId",
    "DeviceName": "dvchost",
    "EndTime": "end",
    "EventOutcome": "outcome",
    "ExternalID": "externalId",
    "FileName": "fname",
    "Message": "msg",
    "ProcessID": "dvcpid",
    "Protocol": "proto",
    "ReceiptTime": "rt",
    "ReceivedBytes": "in",
    "RequestURL": "request",
    "SentBytes": "out",
    "SourceHostName": "shost",
    "SourceIP": "src",
    "SourceMACAddress": "smac",
    "SourceNTDomain": "sntdom",
    "SourcePort": "spt",
    "SourceProcessId": "spid",
    "SourceProcessName": "sproc",
    "SourceUserID": "suid",
    "SourceUserName": "suser",
    "StartTime": "start",
}
_FULL = {
    "sourceAddress": "src",
    "sourcePort": "spt",
    "sourceHostName": "shost",
    "sourceUserName": "suser",
    "sourceUserId": "suid",
    "sourceMacAddress": "smac",
    "sourceProcessName": "sproc",
    "destinationAddress": "dst",
    "destinationPort": "dpt",
    "destinationHostName": "dhost",
    "destinationUserName": "duser",
    "destinationProcessName": "dproc",
    "deviceAction": "act",
    "deviceAddress": "dvc",
    "deviceHostName": "dvchost",
    "deviceEventCategory": "cat",
    "deviceReceiptTime": "rt",
    "startTime": "start",
    "endTime": "end",
    "eventOutcome": "outcome",
    "applicationProtocol": "app",
    "transportProtocol": "proto",
    "requestUrl": "request",
    "fileName": "fname",
    "message": "msg",
    "bytesIn": "in",
    "bytesOut": "out",
}
_CUSTOM = {"DeviceCustomString": "cs", "DeviceCustomNumber": "cn", "DeviceCustomDate": "deviceCustomDate"}


def cef_of_table(data: Data) -> Data | None:
    """The record as the CEF reader would have given it (see readers.structure.cef), or None when it is no such."""
    if "DeviceVendor" in data and "DeviceProduct" in data and ("DeviceEventClassID" in data or "Activity" in data):
        return _of_sentinel(data)
    header = data.get("cef")
    if isinstance(header, dict) and isinstance(header.get("device"), dict) and "line" not in data:
        return _of_elastic(data, header)
    return None


def _of_sentinel(data: Data) -> Data:
    found: Data = {}
    for name, value in data.items():
        if present(value) is not None:
            found.setdefault(_SENTINEL.get(name) or _custom(name) or name[:1].lower() + name[1:], value)
    more = data.get("AdditionalExtensions")
    if isinstance(more, str):
        found = {**extensions(more.replace(";", " ")), **found}
    header = {
        "vendor": data.get("DeviceVendor"),
        "product": data.get("DeviceProduct"),
        "device_version": data.get("DeviceVersion"),
        "id": data.get("DeviceEventClassID"),
        "name": data.get("Activity"),
        "severity": data.get("LogSeverity") or data.get("OriginalLogSeverity"),
    }
    return _completed(found, header, data.get("TimeGenerated"), data.get("Computer"))


def _of_elastic(data: Data, cef: Data) -> Data:
    given = cef.get("extensions")
    found: Data = {}
    for name, value in (given if isinstance(given, dict) else {}).items():
        found.setdefault(_FULL.get(name) or _custom(name[:1].upper() + name[1:]) or name, value)
    device = cef["device"]
    header = {
        "vendor": device.get("vendor"),
        "product": device.get("product"),
        "device_version": device.get("version"),
        "id": device.get("event_class_id"),
        "name": cef.get("name"),
        "severity": cef.get("severity"),
    }
    return _completed(found, header, data.get("@timestamp"), None)


def _completed(found: Data, header: Data, time: Any, host: Any) -> Data:
    labels = {
        str(found[f"{name}Label"]): value
        for name, value in found.items()
        if f"{name}Label" in found and not name.endswith("Label")
    }
    more = {"labels": labels, "timestamp": time, "host": host}
    told = {name: str(value) for name, value in header.items() if value is not None}
    return {**{k: v for k, v in more.items() if v}, **found, "cef": told, "line": "cef"}


def _custom(name: str) -> str | None:
    """`cs1Label` of `DeviceCustomString1Label`."""
    for full, short in _CUSTOM.items():
        if name.startswith(full):
            return short + name[len(full) :]
    return None
