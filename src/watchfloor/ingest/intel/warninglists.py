"""MISP warninglists: infrastructure known for something else than attacks."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.intel import IntelProblem, ListKind, Warninglist, compile_pattern
from watchfloor.ingest.intel.items import ALIASES, Item

# What being on a list means, by its name; all others are `benign`: used by their owner alone.
_KINDS: dict[str, ListKind] = {
    **dict.fromkeys(
        ("url-shortener", "disposable-email", "public-ipfs-gateways", "link-in-bio", "lots-project", "sinkholes",
         "parking-domain", "parking-domain-ns", "vpn-ipv4", "vpn-ipv6", "microsoft-attack-simulator",
         "digitalside", "whats-my-ip", "findip-host"), "abused"),
    **dict.fromkeys(
        ("amazon-aws", "google-gcp", "microsoft-azure", "microsoft-azure-china", "microsoft-azure-germany",
         "microsoft-azure-us-gov", "oracle-oci", "ovh-cluster", "akamai", "bunny-net", "cloudflare", "fastly",
         "stackpath", "github", "zscaler", "google", "google-gmail-sending-ips", "smtp-sending-ips",
         "smtp-receiving-ips", "second-level-tlds", "tlds", "telegram-ips", "cisco_top1000", "cisco_top5k",
         "cloudflare-top200", "moz-top500", "tranco", "university_domains", "microsoft",
         "microsoft-office365"), "shared"),
    **dict.fromkeys(
        ("rfc1918", "rfc3849", "rfc5735", "rfc6598", "rfc6761", "multicast", "ipv6-linklocal"), "reserved"),
    "googlebot": "scanner", "openai-gptbot": "scanner", "palo-alto-networks-cortex-xpanse": "scanner",
    "shadowserver": "scanner", "umich-cse-connection-attempts": "scanner", "check-host-net": "scanner",
}  # fmt: skip


def read_warninglist(file: Path, document: dict[str, Any]) -> Iterator[Item]:
    name = file.parent.name if file.stem == "list" else file.stem
    kind = document.get("type", "string")
    applies = {ALIASES.get(str(a).lower()) for a in document["matching_attributes"]} - {None}
    good: list[str] = []
    for number, entry in enumerate(document["list"]):
        try:
            good.append(_entry(kind, entry))
        except ValueError as error:
            yield IntelProblem(where=f"{file}, list[{number}]", what=str(error))
    try:
        yield Warninglist.from_dict(
            {
                "name": name,
                "title": document.get("name") or name,
                "type": kind,
                "kind": _KINDS.get(name, "scanner" if name.endswith(("-scanning", "-scanner")) else "benign"),
                "applies_to": sorted(a for a in applies if a),
                "entries": good,
            }
        )
    except WatchfloorError as error:
        yield IntelProblem(where=str(file), what=str(error))


def _entry(kind: str, entry: Any) -> str:
    text = str(entry).strip()
    if not text:
        raise ValueError("an empty entry")
    if kind == "cidr":
        ipaddress.ip_network(text, strict=False)
    elif kind == "regex":
        compile_pattern(text)
    return text
