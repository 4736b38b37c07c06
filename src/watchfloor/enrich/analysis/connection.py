"""Traits of network traffic: ports against protocols, how long, how much, and what its DNS names look like.

Answer: `{"port": 443 | null, "application": "ssl", "outbound": bool | null, "minutes": 12 | null, "sent_mb": 1.5 |
null, "received_mb": 0.2 | null, "name": queried name, "name_length": n, "longest_label": n, "label_entropy": bits a
character, "query_type": "TXT", "agent": "tool" | "script" | "none" | "other", "certificate": text, "traits": [names]}`.
Traits: odd_port_for_application, other_application_on_port, often_abused_port, long_connection, sent_much,
long_name, random_name, odd_query_type, admin_port_outbound, clear_text_login, bad_certificate, tool_agent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from watchfloor.core.clock import MINUTE
from watchfloor.core.event import Event
from watchfloor.core.facets import facets
from watchfloor.core.text import clipped, entropy, whole
from watchfloor.enrich.analysis.addresses import internal
from watchfloor.enrich.analysis.patterns import text_at

_MEGABYTE = 1_000_000
_PORTS: Mapping[str, frozenset[int]] = {
    "dns": frozenset({53, 5353, 5355, 853}),
    "http": frozenset({80, 81, 8000, 8008, 8080, 8081, 8088, 8888, 3128, 5985, 9200, 7001, 9000, 9090}),
    "ssl": frozenset({443, 465, 563, 587, 636, 853, 989, 990, 993, 995, 3269, 3389, 4443, 5061, 5223, 5228, 5671, 5986,
                      6443, 8443, 8883, 9443, 10443, 25, 143, 110, 389, 1433}),
    "ssh": frozenset({22, 2222, 8022, 830}),
    "smb": frozenset({445, 139}),
    "rdp": frozenset({3389}),
    "ftp": frozenset({21, 2121}),
    "smtp": frozenset({25, 465, 587, 2525}),
}  # fmt: skip
_NAMES = {"tls": "ssl", "https": "ssl", "smb2": "smb", "ssl,http": "ssl"}
_OWNED: Mapping[int, frozenset[str]] = {
    53: frozenset({"dns"}),
    443: frozenset({"ssl", "http2", "quic", "websocket"}),
    80: frozenset({"http", "websocket", "http2"}),
    123: frozenset({"ntp"}),
}
_ABUSED = frozenset({1337, 4444, 4445, 5554, 6660, 6666, 6667, 6668, 6697, 8531, 9001, 9030, 31337, 50050, 55553})
_ADMIN = frozenset({135, 139, 445, 3389, 5900, 5901, 5985, 5986, 22, 23, 1433, 3306, 5432})
_CLEAR = frozenset({21, 23, 110, 143, 512, 513, 514, 389})
_ODD_TYPES = frozenset({"TXT", "NULL", "ANY", "AXFR", "*", "KEY"})
_SCRIPT = re.compile(
    r"curl/|wget/|python|go-http|powershell|java/|libwww|okhttp|axios|winhttp|ruby|perl", re.IGNORECASE
)
_TOOL = re.compile(
    r"nmap|sqlmap|nikto|nuclei|masscan|zgrab|gobuster|dirbuster|feroxbuster|wpscan|hydra|metasploit|burp", re.IGNORECASE
)


def traits_of(event: Event) -> dict[str, Any] | None:
    """The traits of an event's traffic, or None for an event without a destination, a query or a request."""
    found = facets(event)
    name = whole(text_at(event.ocsf, "query.hostname", "evidences.0.query.hostname")).rstrip(".")
    if found["dst_ip"] is None and found["dst_port"] is None and not name and found["url"] is None:
        return None
    port, agent = found["dst_port"], whole(found["user_agent"] or "")
    application = whole(text_at(event.ocsf, "app_name", "evidences.0.app_name", "unmapped.app_proto")).lower()
    application = _NAMES.get(application, application)
    sent, received = _number(event, "traffic.bytes_out"), _number(event, "traffic.bytes_in")
    lasted = _number(event, "duration")
    outbound = _outbound(found["src_ip"], found["dst_ip"])
    kind = text_at(event.ocsf, "query.type", "evidences.0.query.type").upper()
    certificate = _certificate(event.original)
    labels = name.split(".")
    told = {
        "odd_port_for_application": port is not None and application in _PORTS and port not in _PORTS[application],
        "other_application_on_port": port in _OWNED and application in _PORTS and application not in _OWNED[port],
        "often_abused_port": port in _ABUSED,
        "long_connection": lasted is not None and lasted >= 120 * MINUTE,
        "sent_much": sent is not None and sent >= 20 * _MEGABYTE and sent > 4 * (received or 0),
        "long_name": len(name) >= 90 or max(map(len, labels)) >= 45,
        "random_name": any(len(one) >= 18 and entropy(one) >= 3.6 for one in labels[:-2]),
        "odd_query_type": kind in _ODD_TYPES,
        "admin_port_outbound": bool(outbound) and port in _ADMIN,
        "clear_text_login": bool(outbound) and port in _CLEAR,
        "bad_certificate": re.search(r"self.?signed|expired|unable to get|not.?trusted|invalid", certificate)
        is not None,
        "tool_agent": _TOOL.search(agent) is not None,
    }
    return {
        "port": port,
        "application": clipped(application, 40),
        "outbound": outbound,
        "minutes": None if lasted is None else lasted // MINUTE,
        "sent_mb": None if sent is None else round(sent / _MEGABYTE, 1),
        "received_mb": None if received is None else round(received / _MEGABYTE, 1),
        "name": clipped(name, 260),
        "name_length": len(name),
        "longest_label": max(map(len, labels)),
        "label_entropy": entropy(max(labels, key=len)),
        "query_type": clipped(kind, 20),
        "agent": "tool" if told["tool_agent"] else "script" if _SCRIPT.search(agent) else "other" if agent else "none",
        "certificate": clipped(certificate, 80),
        "traits": sorted(trait for trait, held in told.items() if held),
    }


def _outbound(source: str | None, destination: str | None) -> bool | None:
    """From inside to outside; None where an end is not known."""
    if not source or not destination:
        return None
    return internal(source) and not internal(destination)


def _certificate(raw: dict[str, Any]) -> str:
    return whole(text_at(raw, "validation_status", "tls.validation_status", "ssl.validation_status")).lower()


def _number(event: Event, path: str) -> int | None:
    value = event.get(path)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
