"""Traits of a sign-in.

Answer: `{"user", "succeeded": bool | null, "error": text, "application": text, "client": "legacy" | "modern" |
"", "client_name", "mfa": "done" | "by_token" | "denied" | "not_required" | "unknown", "risk": {"level": "none"
| "low" | "medium" | "high" | "", "state", "events": [..]}, "device": {"known": bool | null, "managed": bool |
null}, "country", "address", "previous": {"country", "address", "time"} | null, "travel": {"km", "minutes",
"kmh", "impossible": bool} | null, "country_changed": bool | null, "traits": [names]}`. The previous sign-in is
the last successful one of the same user. Faster than 900 km/h over more than 300 km is impossible.
Traits: legacy_client, risky, mfa_denied, without_mfa, unknown_device, unmanaged_device, impossible_travel,
country_changed, anonymised, token_replay, leaked_password, device_code, command_line_client, policy_failed, guest,
weak_ticket, no_preauthentication, old_ntlm, other_credentials.
"""

from __future__ import annotations

import math
from typing import Any

from watchfloor.core.clock import MINUTE
from watchfloor.core.event import Event, get_path
from watchfloor.core.facets import facets
from watchfloor.core.text import clipped, whole
from watchfloor.enrich.analysis.patterns import text_at

_AUTHENTICATION = 3002
_LEGACY = (
    "imap", "pop", "smtp", "activesync", "mapi", "other clients", "exchange web services", "autodiscover",
    "offline address book", "basic auth", "reporting web services",
)  # fmt: skip
_COMMAND_LINES = ("powershell", "azure cli", "command line", "graph explorer", "graph command", "aadinternals")
_NEW_CREDENTIALS = 9
_FASTEST_KMH = 900
_FAR_KM = 300
_EARTH_KM = 6_371.0


def traits_of(event: Event, previous: Event | None) -> dict[str, Any] | None:
    """The traits of a sign-in event, or None for any other event. `previous` is the user's sign-in before it."""
    if event.ocsf.get("class_uid") != _AUTHENTICATION:
        return None
    found, before = facets(event), facets(previous) if previous else {}
    raw = event.original
    client = text_at(raw, "properties.clientAppUsed", "clientAppUsed")
    risk = _risk(raw)
    device = _device(event)
    mfa = _mfa(event)
    travel = _travel(event, previous) if previous else None
    changed = found["country"] != before["country"] if found["country"] and before.get("country") else None
    legacy = any(word in client.lower() for word in _LEGACY)
    succeeded = {1: True, 2: False}.get(found["status_id"])
    told = {
        "legacy_client": legacy,
        "risky": risk["level"] in ("medium", "high") or risk["state"].lower() in ("atrisk", "confirmedcompromised"),
        "mfa_denied": mfa == "denied",
        "without_mfa": mfa == "not_required" and succeeded is True,
        "unknown_device": device["known"] is False,
        "unmanaged_device": device["managed"] is False,
        "impossible_travel": bool(travel and travel["impossible"]),
        "country_changed": bool(changed),
        **_told_by_provider(raw, risk["events"]),
        **_told_by_directory(raw, found["logon_type"]),
    }
    return {
        "user": found["user"] or "",
        "succeeded": succeeded,
        "error": clipped(whole(_error(raw)), 200),
        "application": clipped(whole(text_at(raw, "properties.appDisplayName", "appDisplayName")), 120),
        "client": "legacy" if legacy else "modern" if client else "",
        "client_name": clipped(whole(client), 80),
        "mfa": mfa,
        "risk": risk,
        "device": device,
        "country": found["country"] or "",
        "address": found["src_ip"] or "",
        "previous": {"country": before["country"], "address": before["src_ip"], "time": previous.time}
        if previous
        else None,
        "travel": travel,
        "country_changed": changed,
        "traits": sorted(name for name, held in told.items() if held),
    }


def _told_by_provider(raw: dict[str, Any], events: list[str]) -> dict[str, bool]:
    """What Entra ID or Okta say of a sign-in's way."""
    named = " ".join(events).lower()
    protocol = text_at(raw, "properties.authenticationProtocol", "authenticationProtocol").lower()
    application = text_at(raw, "properties.appDisplayName", "appDisplayName").lower()
    policy = text_at(raw, "properties.conditionalAccessStatus", "conditionalAccessStatus").lower()
    kind = text_at(raw, "properties.userType", "userType").lower()
    proxy = get_path(raw, "securityContext.isProxy") is True
    return {
        "anonymised": proxy or any(word in named for word in ("anonym", "maliciousip")),
        "token_replay": any(word in named for word in ("anomaloustoken", "tokenissuer", "attackerinthemiddle")),
        "leaked_password": any(word in named for word in ("leakedcredential", "passwordspray")),
        "device_code": protocol == "devicecode",
        "command_line_client": any(word in application for word in _COMMAND_LINES),
        "policy_failed": policy == "failure",
        "guest": kind == "guest",
    }


def _told_by_directory(raw: dict[str, Any], logon_type: Any) -> dict[str, bool]:
    """What a domain controller says of tickets and logons."""
    event = text_at(raw, "EventID", "System.EventID", "winlog.event_id", "data.win.system.eventID")
    fields = ("{}", "EventData.{}", "winlog.event_data.{}", "data.win.eventdata.{}")

    def value(name: str) -> str:
        lower = name[0].lower() + name[1:]
        return text_at(raw, *(one.format(spelled) for one in fields for spelled in (name, lower))).lower()

    return {
        "weak_ticket": event == "4769" and value("TicketEncryptionType") in ("0x17", "0x18"),
        "no_preauthentication": event == "4768" and value("PreAuthType") == "0",
        "old_ntlm": value("LmPackageName").replace(" ", "") == "ntlmv1",
        "other_credentials": logon_type == _NEW_CREDENTIALS,
    }


def _error(raw: dict[str, Any]) -> str:
    return text_at(raw, "properties.status.failureReason", "status.failureReason", "resultDescription", "errorMessage")


def _risk(raw: dict[str, Any]) -> dict[str, Any]:
    level = text_at(raw, "properties.riskLevelDuringSignIn", "riskLevelDuringSignIn", "properties.riskLevelAggregated")
    events = get_path(raw, "properties.riskEventTypes_v2") or raw.get("riskEventTypes_v2") or []
    state = text_at(raw, "properties.riskState", "riskState")
    names = sorted({clipped(whole(e), 60) for e in events if isinstance(e, str)}) if isinstance(events, list) else []
    return {"level": whole(level).lower()[:20], "state": whole(state)[:40], "events": names[:10]}


def _device(event: Event) -> dict[str, bool | None]:
    """Whether the directory knows and manages the device; None where the record does not say."""
    detail = get_path(event.original, "properties.deviceDetail") or event.original.get("deviceDetail")
    if not isinstance(detail, dict):
        managed = event.get("device.is_managed")
        return {"known": None, "managed": managed if isinstance(managed, bool) else None}
    known = bool(detail.get("deviceId"))
    return {"known": known, "managed": bool(detail.get("isManaged")) if known else False}


def _mfa(event: Event) -> str:
    raw = event.original
    steps = get_path(raw, "properties.authenticationDetails") or raw.get("authenticationDetails") or []
    requirement = text_at(raw, "properties.authenticationRequirement", "authenticationRequirement")
    for step in reversed(steps if isinstance(steps, list) else []):
        if not isinstance(step, dict):
            continue
        detail = str(step.get("authenticationStepResultDetail", "")).lower()
        second = "multifactor" in str(step.get("authenticationStepRequirement", "")).lower() or "mfa" in detail
        if second and step.get("succeeded") is False:
            return "denied"
        if second:
            return "by_token" if "claim in the token" in detail else "done"
    stated = event.ocsf.get("is_mfa")
    if requirement == "singleFactorAuthentication" or (not requirement and stated is False):
        return "not_required"
    return "done" if stated is True else "unknown"


def _travel(event: Event, previous: Event) -> dict[str, Any] | None:
    """How far and how fast from the previous place to this one, or None where a place is not known."""
    here, there = _place(event), _place(previous)
    if here is None or there is None:
        return None
    km = round(_distance(here, there))
    minutes = max(1, (event.time - previous.time) // MINUTE)
    kmh = round(km * 60 / minutes)
    return {"km": km, "minutes": minutes, "kmh": kmh, "impossible": km > _FAR_KM and kmh > _FASTEST_KMH}


def _place(event: Event) -> tuple[float, float] | None:
    """Latitude and longitude in degrees."""
    location = event.get("src_endpoint.location")
    location = location if isinstance(location, dict) else {}
    pair = location.get("coordinates")
    points = [(location.get("lat"), location.get("long"))]
    if isinstance(pair, list) and len(pair) == 2:
        points.append((pair[1], pair[0]))  # OCSF keeps GeoJSON's order
    for path in ("properties.location.geoCoordinates", "location.geoCoordinates"):
        points.append((get_path(event.original, f"{path}.latitude"), get_path(event.original, f"{path}.longitude")))
    return next((place for latitude, longitude in points if (place := _on_earth(latitude, longitude))), None)


def _on_earth(latitude: Any, longitude: Any) -> tuple[float, float] | None:
    numbers = isinstance(latitude, (int, float)) and isinstance(longitude, (int, float))
    fits = numbers and abs(latitude) <= 90 and abs(longitude) <= 180
    return (float(latitude), float(longitude)) if fits else None


def _distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Great-circle distance in km (haversine)."""
    (lat_a, long_a), (lat_b, long_b) = (tuple(map(math.radians, point)) for point in (one, other))
    half = math.sin((lat_b - lat_a) / 2) ** 2
    half += math.cos(lat_a) * math.cos(lat_b) * math.sin((long_b - long_a) / 2) ** 2
    return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(half)))
