"""Facets: the few fields of an event that history, correlation and questions speak of, read from OCSF paths.

The lake has one column a facet. A facet is None where the event has no such field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from watchfloor.core.clock import iso
from watchfloor.core.entity import Entity, EntityType, Involvement, Role
from watchfloor.core.event import Event, get_path, walked

# facet -> the OCSF paths that are tried in turn; the first one present counts.
TEXT_FACETS: dict[str, tuple[str, ...]] = {
    "user": (
        "actor.user.name",
        "actor.user.email_addr",
        "actor.user.uid",
        "user.name",
        "user.email_addr",
        "process.user.name",
        "job.user.name",
    ),
    "target_user": ("user.name", "user.email_addr", "evidences.0.user.name"),
    "host": ("device.hostname", "device.name"),
    "device": ("device.uid", "device.name"),
    "src_ip": ("src_endpoint.ip", "evidences.0.src_endpoint.ip"),
    "dst_ip": ("dst_endpoint.ip", "evidences.0.dst_endpoint.ip"),
    "domain": (
        "query.hostname",
        "http_request.url.hostname",
        "tls.sni",
        "dst_endpoint.hostname",
        "email.urls.0.hostname",
        "evidences.0.query.hostname",
        "evidences.0.http_request.url.hostname",
        "evidences.0.tls.sni",
        "evidences.0.dst_endpoint.hostname",
    ),
    "url": (
        "http_request.url.url_string",
        "url.url_string",
        "email.urls.0.url_string",
        "evidences.0.http_request.url.url_string",
        "evidences.0.url.url_string",
    ),
    "http_method": ("http_request.http_method", "evidences.0.http_request.http_method"),
    "user_agent": ("http_request.user_agent", "evidences.0.http_request.user_agent"),
    "process": ("process.name", "actor.process.name", "evidences.0.process.name"),
    "parent_process": (
        "process.parent_process.name",
        "actor.process.parent_process.name",
        "evidences.0.process.parent_process.name",
    ),
    "cmd_line": (
        "process.cmd_line",
        "script.script_content.value",
        "win_service.cmd_line",
        "job.cmd_line",
        "actor.process.cmd_line",
        "evidences.0.process.cmd_line",
    ),
    "file_name": (
        "file.path",
        "file.name",
        "module.file.path",
        "driver.file.path",
        "process.file.path",
        "email.files.0.name",
        "evidences.0.file.path",
        "evidences.0.process.file.path",
    ),
    "file_hash": (
        "file.hashes.0.value",
        "module.file.hashes.0.value",
        "driver.file.hashes.0.value",
        "process.file.hashes.0.value",
        "email.files.0.hashes.0.value",
        "evidences.0.file.hashes.0.value",
        "evidences.0.process.file.hashes.0.value",
    ),
    "operation": ("api.operation", "evidences.0.api.operation"),
    "service": ("api.service.name", "service.name", "evidences.0.api.service.name"),
    "error": ("api.response.error",),
    "country": ("src_endpoint.location.country", "evidences.0.src_endpoint.location.country"),
    "region": ("cloud.region",),
    "account": ("cloud.account.uid",),
    "access_key": ("actor.user.credential_uid",),
    "resource": ("resources.0.uid", "resources.0.name"),
    "sender": ("email.from", "email.smtp_from", "evidences.0.email.from"),
    "recipient": ("email.to.0", "evidences.0.email.to.0"),
    "message": ("email.message_uid", "evidences.0.email.message_uid"),
    "campaign": ("unmapped.campaign.0",),
    "signature": ("finding_info.title",),
    "status": ("status",),
}
NUMBER_FACETS: dict[str, tuple[str, ...]] = {
    "class_uid": ("class_uid",),
    "activity_id": ("activity_id",),
    "severity_id": ("severity_id",),
    "status_id": ("status_id",),
    "dst_port": ("dst_endpoint.port", "evidences.0.dst_endpoint.port"),
    "logon_type": ("logon_type_id",),
    "asn": ("src_endpoint.autonomous_system.number",),
}
# Facets that name a thing in any letter case: Windows hosts, users, domains, mail addresses.
FOLDED = frozenset(
    {
        "user",
        "target_user",
        "host",
        "domain",
        "process",
        "parent_process",
        "sender",
        "recipient",
        "file_hash",
        "file_name",
    }
)

_ENTITIES: tuple[tuple[str, EntityType, Role], ...] = (
    ("user", "user", "actor"),
    ("target_user", "user", "target"),
    ("host", "host", "target"),
    ("src_ip", "address", "source"),
    ("dst_ip", "address", "destination"),
    ("domain", "domain", "destination"),
    ("url", "url", "destination"),
    ("file_hash", "file", "related"),
    ("access_key", "access_key", "actor"),
    ("resource", "cloud_resource", "target"),
    ("sender", "mailbox", "source"),
    ("recipient", "mailbox", "target"),
    ("message", "message", "related"),
)

# The same of one evidence of an alert: path -> an entity of this type, in this part.
_OF_EVIDENCE: tuple[tuple[str, EntityType, Role], ...] = (
    ("actor.user.name", "user", "actor"),
    ("user.name", "user", "target"),
    ("device.hostname", "host", "target"),
    ("src_endpoint.ip", "address", "source"),
    ("dst_endpoint.ip", "address", "destination"),
    ("query.hostname", "domain", "destination"),
    ("url.url_string", "url", "destination"),
    ("file.hashes.0.value", "file", "related"),
    ("resources.0.uid", "cloud_resource", "target"),
    ("email.from", "mailbox", "source"),
    ("email.to.0", "mailbox", "target"),
    ("email.message_uid", "message", "related"),
    ("email.uid", "message", "related"),
)
_FOLDED_TYPES = frozenset({"host", "domain", "file", "mailbox"})
_MOST_EVIDENCES = 32
# Everything that a user or a system does comes of these: to have the same one for a parent says nothing.
_PARENT_OF_ALL = frozenset(
    {"explorer.exe", "services.exe", "svchost.exe", "wininit.exe", "winlogon.exe", "userinit.exe", "smss.exe"}
    | {"taskeng.exe", "taskhostw.exe", "systemd", "init", "launchd"}
)

# Accounts and addresses that stand for "nobody in particular"; 4294967295 is Linux's unset user id.
_DETECTION_FINDING = 2004
_LONGEST_ADDRESS = 64
_NOBODY = frozenset(
    {"", "-", "n/a", "unknown", "none", "null", "0.0.0.0", "::", "127.0.0.1", "::1", "localhost", "4294967295"}  # noqa: S104
)


def plain_user(name: str) -> str:
    """A user in its normal spelling: lower case, without a leading `DOMAIN\\`."""
    return name.rpartition("\\")[2].strip().lower()


def facets(event: Event) -> Mapping[str, Any]:
    """All facets of an event; those it has not are None. Read once an event: four steps ask for them."""
    known = event.__dict__.get("facets")
    if known is None:
        known = event.__dict__["facets"] = MappingProxyType(_read(event))
    return known


def _read(event: Event) -> dict[str, Any]:
    ocsf, found = event.ocsf, _NONE.copy()
    for name, paths in _paths(frozenset(_FIRST & ocsf.keys())):
        for first, rest in paths:
            value = walked(ocsf[first], rest) if rest else ocsf[first]
            if value is None or isinstance(value, dict):
                continue
            if name in TEXT_FACETS:
                found[name] = _spelled(name, value)
                break
            if isinstance(value, int):
                found[name] = value
                break
    return found


_Path = tuple[str, tuple[str, ...]]
_SPLIT: dict[str, tuple[_Path, ...]] = {
    name: tuple((first, tuple(rest)) for first, *rest in (path.split(".") for path in paths))
    for name, paths in (TEXT_FACETS | NUMBER_FACETS).items()
}
_FIRST = frozenset(first for paths in _SPLIT.values() for first, _ in paths)
_NONE: dict[str, Any] = dict.fromkeys(_SPLIT)


@lru_cache(maxsize=1_024)  # one for each set of attributes that events have: a few a mapping
def _paths(present: frozenset[str]) -> tuple[tuple[str, tuple[_Path, ...]], ...]:
    """The paths that can lead somewhere in an event with these attributes, by facet: most cannot."""
    led = ((name, tuple(path for path in paths if path[0] in present)) for name, paths in _SPLIT.items())
    return tuple((name, paths) for name, paths in led if paths)


def _spelled(name: str, value: Any) -> str:
    text = str(value[0] if isinstance(value, list) and value else value)
    if name in ("user", "target_user"):
        return plain_user(text)
    return text.lower() if name in FOLDED else text


def _nameless_host(event: Event) -> str:
    """The address of the host that a host's sensor raised an alert on: some products know no name of it."""
    if event.layer != "endpoint" or event.ocsf.get("class_uid") != _DETECTION_FINDING:
        return ""
    address = get_path(event.ocsf, "device.ip")
    return address[:_LONGEST_ADDRESS].lower() if isinstance(address, str) else ""


def involved(event: Event) -> tuple[Involvement, ...]:
    """The entities of an event with their roles, each once, in a fixed order."""
    values = facets(event)
    seen: dict[Entity, Role] = {}
    for facet, kind, role in _ENTITIES:
        value = values[facet]
        if value is None or value.lower() in _NOBODY:
            continue
        seen.setdefault(Entity(type=kind, value=value), role)
    if event.ocsf.get("class_uid") == _DETECTION_FINDING:
        for entity, role in _evidences(event):
            seen.setdefault(entity, role)
    address = _nameless_host(event)
    if address and values["host"] is None:
        seen.setdefault(Entity(type="address", value=address), "target")
    return tuple(Involvement(entity=entity, role=role) for entity, role in seen.items())


def _evidences(event: Event) -> Iterator[tuple[Entity, Role]]:
    """Entities of all evidences of an alert, processes among them: a process is known by its host, id and start."""
    evidences = event.ocsf.get("evidences")
    for evidence in evidences[:_MOST_EVIDENCES] if isinstance(evidences, list) else ():
        for path, kind, role in _OF_EVIDENCE:
            value = get_path(evidence, path)
            if isinstance(value, str) and value.lower() not in _NOBODY:
                text = plain_user(value) if kind == "user" else value.lower() if kind in _FOLDED_TYPES else value
                yield Entity(type=kind, value=text), role
        process = get_path(evidence, "process")
        parent = get_path(process, "parent_process")
        for one in (process, parent):
            named = str(get_path(one, "name") or "").lower()
            instance = _instance(event, one)
            if instance and (one is process or named not in _PARENT_OF_ALL):
                yield Entity(type="process", value=instance), "related"


def _instance(event: Event, process: Any) -> str:
    """`ws-17/4242@2026-10-13T07:01:02.345Z`; empty where it is not known when the process began: ids are used again."""
    pid, began, host = get_path(process, "pid"), get_path(process, "created_time"), facets(event)["host"]
    return f"{host}/{pid}@{iso(began)}" if host and type(pid) is int and type(began) is int else ""
