"""What the company's threat intelligence holds: some of the attackers' marks, many others, one stale."""

from __future__ import annotations

import csv
import io
import json
import uuid
from dataclasses import dataclass

from tools.story.attacks.ransomware import LOADER_SHA256
from tools.story.attacks.web_shell import LISTENER
from tools.story.formats.web import LISTED_ADDRESS, STALE_SOURCE
from tools.story.recorder import digest


@dataclass(frozen=True)
class Indicator:
    """One line of the list; `kind` is STIX's: ipv4-addr, domain-name, url, sha256."""

    kind: str
    value: str
    description: str
    confidence: int
    valid_from: str
    valid_until: str
    source: str


EVERYDAY_HOSTS = (
    "archive.ubuntu.com",
    "crm.leadharbor.example",
    "ctldl.windowsupdate.com",
    "deb.debian.org",
    "intranet-cdn.paperclip.example",
    "meet.clearcall.example",
    "www.msftconnecttest.com",
)
_GROUP, _VENDOR = "sharing-group-maritime", "vendor-feed-north"
KNOWN = (
    Indicator(
        "domain-name",
        "sso.rnarlund.example",
        "Adversary-in-the-middle log-in page, look-alike of a maritime supplier",
        85,
        "2026-10-11T00:00:00Z",
        "2027-01-11T00:00:00Z",
        _GROUP,
    ),
    Indicator(
        "domain-name",
        "api.metrics-edge.example",
        "Command and control of a loader seen before ransomware",
        80,
        "2026-10-02T00:00:00Z",
        "2027-04-02T00:00:00Z",
        _VENDOR,
    ),
    Indicator(
        "url",
        "http://pkg.static-mirror.example/c/prtcache.bin",
        "Loader download",
        80,
        "2026-10-09T00:00:00Z",
        "2027-04-09T00:00:00Z",
        _VENDOR,
    ),
    Indicator(
        "sha256", LOADER_SHA256, "Loader, second stage", 90, "2026-10-09T00:00:00Z", "2028-10-09T00:00:00Z", _VENDOR
    ),
    Indicator(
        "ipv4-addr",
        LISTENER,
        "Hosts Linux implants; reverse shells on 4444",
        70,
        "2026-09-20T00:00:00Z",
        "2026-12-20T00:00:00Z",
        _VENDOR,
    ),
    Indicator(
        "ipv4-addr",
        "203.0.113.74",
        "Password spraying against mail protocols",
        60,
        "2026-10-01T00:00:00Z",
        "2026-11-01T00:00:00Z",
        _GROUP,
    ),
    Indicator(
        "ipv4-addr",
        LISTED_ADDRESS,
        "Malware distribution (shared hosting, 2024)",
        40,
        "2024-02-01T00:00:00Z",
        "2024-08-01T00:00:00Z",
        STALE_SOURCE,
    ),
)
_NAMES = (
    "quay",
    "lantern",
    "ferry",
    "anchor",
    "harbour",
    "compass",
    "keel",
    "mooring",
    "ballast",
    "tug",
    "dredge",
    "gangway",
)


def unrelated() -> list[Indicator]:
    """Indicators that nothing in the story meets."""
    found = []
    for number, name in enumerate(_NAMES):
        source, start = (_GROUP, _VENDOR)[number % 2], f"2026-0{1 + number % 9}-15T00:00:00Z"
        found += [
            Indicator(
                "domain-name",
                f"{name}-update.example",
                "Phishing kit host",
                50 + number,
                start,
                "2027-03-01T00:00:00Z",
                source,
            ),
            Indicator(
                "ipv4-addr",
                f"192.0.2.{30 + number}",
                "Scanning and exploitation",
                30 + number,
                start,
                "2026-12-31T00:00:00Z",
                source,
            ),
            Indicator(
                "sha256",
                digest("unrelated", name).lower(),
                "Information stealer",
                75,
                start,
                "2028-01-01T00:00:00Z",
                source,
            ),
        ]
    return found


def csv_list() -> bytes:
    """The list as CSV; every other unrelated entry is only in the bundle."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["type", "value", "description", "confidence", "valid_from", "valid_until", "source"])
    for item in (*KNOWN[:1], *KNOWN[4:], *unrelated()[::2]):
        writer.writerow(
            [item.kind, item.value, item.description, item.confidence, item.valid_from, item.valid_until, item.source]
        )
    return out.getvalue().encode()


def _pattern(item: Indicator) -> str:
    if item.kind == "sha256":
        return f"[file:hashes.'SHA-256' = '{item.value}']"
    return f"[{item.kind}:value = '{item.value}']"


def _id(kind: str, *parts: str) -> str:
    return f"{kind}--{uuid.uuid5(uuid.NAMESPACE_URL, 'https://marlund.example/' + '/'.join(parts))}"


def harmless() -> bytes:
    """What the company knows to be harmless, in the shape of a MISP warninglist: where its own machines always go."""
    known = {
        "name": "Update, telemetry and connectivity hosts of our own software",
        "description": "Kept by the workplace team",
        "type": "hostname",
        "version": 20261001,
        "matching_attributes": ["domain", "hostname", "url"],
        "list": list(EVERYDAY_HOSTS),
    }
    return (json.dumps(known, indent=1) + "\n").encode()


def bundle() -> bytes:
    """The STIX 2.1 bundle."""
    author: dict[str, object] = {
        "type": "identity",
        "spec_version": "2.1",
        "id": _id("identity", _VENDOR),
        "created": "2026-01-05T08:00:00.000Z",
        "modified": "2026-01-05T08:00:00.000Z",
        "name": _VENDOR,
        "identity_class": "organization",
    }
    objects: list[dict[str, object]] = [author]
    for item in (*KNOWN[:4], *unrelated()[1::2]):
        stamp = item.valid_from.replace("Z", ".000Z")
        objects.append(
            {
                "type": "indicator",
                "spec_version": "2.1",
                "id": _id("indicator", item.kind, item.value),
                "created_by_ref": author["id"],
                "created": stamp,
                "modified": stamp,
                "name": item.description,
                "description": f"{item.description} ({item.source})",
                "indicator_types": ["malicious-activity"],
                "pattern": _pattern(item),
                "pattern_type": "stix",
                "pattern_version": "2.1",
                "valid_from": item.valid_from,
                "valid_until": item.valid_until,
                "confidence": item.confidence,
            }
        )
    malware: dict[str, object] = {
        "type": "malware",
        "spec_version": "2.1",
        "id": _id("malware", "prtcache"),
        "created": "2026-10-02T00:00:00.000Z",
        "modified": "2026-10-02T00:00:00.000Z",
        "name": "PrtCache loader",
        "is_family": True,
        "malware_types": ["downloader"],
    }
    objects.append(malware)
    for item in KNOWN[1:4]:
        objects.append(
            {
                "type": "relationship",
                "spec_version": "2.1",
                "id": _id("relationship", item.value),
                "created": "2026-10-09T00:00:00.000Z",
                "modified": "2026-10-09T00:00:00.000Z",
                "relationship_type": "indicates",
                "source_ref": _id("indicator", item.kind, item.value),
                "target_ref": malware["id"],
            }
        )
    return (json.dumps({"type": "bundle", "id": _id("bundle", "story"), "objects": objects}, indent=1) + "\n").encode()
