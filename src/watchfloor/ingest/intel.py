"""Threat intelligence from files: STIX 2.1 bundles, CSV lists, MISP warninglists and CISA's KEV catalogue.

What cannot be read becomes a problem with its place in `Intel.problems`; the rest of the file is kept.
"""

from __future__ import annotations

import csv
import io
import ipaddress
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from watchfloor.core.clock import parse_iso
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.intel import (
    INDICATOR_TYPES,
    ExploitedVulnerability,
    Indicator,
    IndicatorType,
    Intel,
    IntelProblem,
    ListKind,
    Warninglist,
    compile_pattern,
    spelled,
)
from watchfloor.ingest.stix_pattern import PatternError, read_pattern

Item = Indicator | Warninglist | ExploitedVulnerability | IntelProblem

# Other formats' words (CSV headings of many feeds, MISP attribute types) for our types.
_ALIASES: dict[str, IndicatorType] = {
    **{name: name for name in INDICATOR_TYPES},
    **dict.fromkeys(("ip", "ipv4", "ipv6", "ipv4-addr", "ipv6-addr", "ip-src", "ip-dst", "cidr", "network"), "address"),
    **dict.fromkeys(("hostname", "fqdn", "domain-name", "host"), "domain"),
    **dict.fromkeys(("uri", "link"), "url"),
    **dict.fromkeys(("hash", "file_hash", "md5", "sha1", "sha224", "sha256", "sha512"), "file"),
    **dict.fromkeys(("filename", "file-name"), "file_name"),
    **dict.fromkeys(("email", "email-addr", "email-src", "email-dst", "target-email", "sender"), "mailbox"),
    **dict.fromkeys(("user-agent", "useragent"), "user_agent"),
}  # fmt: skip
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


def load_intel(paths: Iterable[Path]) -> Intel:
    """All intelligence in files and folders (every .json, .csv and .txt below), in order of path.

    Raises WatchfloorError for a path that is not there.
    """
    items: list[Item] = [item for path in paths for file in _files(path) for item in _read(file)]
    return Intel(
        indicators=tuple(dict.fromkeys(i for i in items if isinstance(i, Indicator))),
        warninglists=tuple(i for i in items if isinstance(i, Warninglist)),
        vulnerabilities=tuple(i for i in items if isinstance(i, ExploitedVulnerability)),
        problems=tuple(i for i in items if isinstance(i, IntelProblem)),
    )


def _files(path: Path) -> Sequence[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise WatchfloorError("no such file or folder of intelligence", where=str(path), do="Mend the setting")
    return sorted(p for p in path.rglob("*") if p.suffix.lower() in (".json", ".csv", ".txt") and p.is_file())


def _read(file: Path) -> Iterator[Item]:
    try:
        data = file.read_bytes()
        if data.lstrip()[:1] not in (b"{", b"["):
            yield from _csv(file, data.decode("utf-8-sig"))
            return
        document = orjson.loads(data)
    except (OSError, ValueError) as error:
        yield IntelProblem(where=str(file), what=f"cannot be read: {error}")
        return
    reader = _reader_of(document)
    if reader is None:
        what = "neither a STIX bundle, nor a MISP warninglist, nor the KEV catalogue"
        yield IntelProblem(where=str(file), what=what)
        return
    yield from reader(file, document)


def _reader_of(document: Any) -> Callable[[Path, dict[str, Any]], Iterator[Item]] | None:
    if not isinstance(document, dict):
        return None
    if document.get("type") == "bundle" and isinstance(document.get("objects"), list):
        return _stix
    if isinstance(document.get("list"), list) and isinstance(document.get("matching_attributes"), list):
        return _warninglist
    return _kev if isinstance(document.get("vulnerabilities"), list) else None


# --- CSV ------------------------------------------------------------------------------------------------------------


def _csv(file: Path, text: str) -> Iterator[Item]:
    """Columns type, value, description, confidence, valid_from, valid_until, source; `value` is all that must be there.

    Without a type it is told by the value's shape. A file without a heading is a list of values, one a line.
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    first = next(csv.reader(lines[:1]), [])
    heads = [head.strip().lower() for head in first]
    if "value" not in heads:
        heads, lines = ["value"], ["value", *lines]
    else:
        lines = [",".join(heads), *lines[1:]]
    for number, row in enumerate(csv.DictReader(io.StringIO("\n".join(lines))), 2):
        where = f"{file}, row {number}"
        try:
            yield _row(file, {k: (v or "").strip() for k, v in row.items() if k and not isinstance(v, list)})
        except (ValueError, WatchfloorError) as error:
            yield IntelProblem(where=where, what=str(error))


def _row(file: Path, row: dict[str, str]) -> Indicator:
    kind = _ALIASES.get(row.get("type", "").lower()) if row.get("type") else _shape(row["value"])
    if kind is None:
        raise ValueError(f"type {row.get('type')!r} is not known; use one of {', '.join(INDICATOR_TYPES)}")
    return _indicator(
        kind,
        row["value"],
        description=row.get("description", ""),
        confidence=int(row.get("confidence") or 50),
        valid_from=parse_iso(row["valid_from"]) if row.get("valid_from") else 0,
        valid_until=parse_iso(row["valid_until"]) if row.get("valid_until") else None,
        source=row.get("source") or file.name,
    )


def _shape(value: str) -> IndicatorType | None:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        pass
    else:
        return "address"
    if "://" in value:
        return "url"
    if "@" in value:
        return "mailbox"
    if len(value) in (32, 40, 56, 64, 128) and all(c in "0123456789abcdefABCDEF" for c in value):
        return "file"
    return "domain" if "." in value and not any(c in value for c in " /\\") else None


def _indicator(named: IndicatorType, value: str, **fields: Any) -> Indicator:
    if not value.strip():
        raise ValueError("no value")
    return Indicator.from_dict({"type": named, "value": spelled(named, value), **fields})


# --- STIX 2.1 -------------------------------------------------------------------------------------------------------


def _stix(file: Path, bundle: dict[str, Any]) -> Iterator[Item]:
    objects = bundle["objects"]
    names = {o.get("id"): o.get("name") for o in objects if isinstance(o, dict) and o.get("type") == "identity"}
    for number, item in enumerate(objects):
        if not isinstance(item, dict) or item.get("type") != "indicator" or item.get("revoked") is True:
            continue  # other objects describe; a revoked indicator was withdrawn by its author
        where = f"{file}, objects[{number}] {item.get('id', '')}".rstrip()
        try:
            source = names.get(item.get("created_by_ref")) or file.name
            yield from _stix_indicator(item, str(source))
        except (ValueError, KeyError, TypeError, AttributeError, WatchfloorError) as error:
            what = f"{item.get('pattern', 'no pattern')}: {error}" if isinstance(error, PatternError) else str(error)
            yield IntelProblem(where=where, what=what)


def _stix_indicator(item: dict[str, Any], source: str) -> Iterator[Indicator]:
    if item.get("pattern_type", "stix") != "stix":
        raise ValueError(f"pattern type {item['pattern_type']!r} is not supported; rules go to detections")
    says = item.get("indicator_types") or []
    if "benign" in says:
        raise ValueError("it names benign things; put them on a warninglist")
    ways = read_pattern(item.get("pattern") or "")
    until = item.get("valid_until")
    for terms in ways:
        parts = [(kind, spelled(kind, value)) for kind, value in terms]
        for kind, value in parts:
            yield _indicator(
                kind,
                value,
                description=item.get("name") or item.get("description") or "",
                confidence=item.get("confidence", 50),
                valid_from=parse_iso(item["valid_from"]) if item.get("valid_from") else 0,
                valid_until=parse_iso(until) if until else None,
                source=source,
                kind="suspicious" if "anomalous-activity" in says else "malicious",
                together=sorted(f"{k}:{v}" for k, v in parts if (k, v) != (kind, value)),
            )


# --- MISP warninglists and KEV --------------------------------------------------------------------------------------


def _warninglist(file: Path, document: dict[str, Any]) -> Iterator[Item]:
    name = file.parent.name if file.stem == "list" else file.stem
    kind = document.get("type", "string")
    applies = {_ALIASES.get(str(a).lower()) for a in document["matching_attributes"]} - {None}
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


def _kev(file: Path, document: dict[str, Any]) -> Iterator[Item]:
    for number, item in enumerate(document["vulnerabilities"]):
        try:
            yield ExploitedVulnerability.from_dict(
                {
                    "cve": str(item["cveID"]).upper(),
                    "name": item.get("vulnerabilityName") or "",
                    "vendor": item.get("vendorProject") or "",
                    "product": item.get("product") or "",
                    "added": parse_iso(item["dateAdded"]) if item.get("dateAdded") else 0,
                    "ransomware": item.get("knownRansomwareCampaignUse") == "Known",
                }
            )
        except (KeyError, ValueError, TypeError, AttributeError, WatchfloorError) as error:
            where = f"{file}, vulnerabilities[{number}]"
            yield IntelProblem(where=where, what=f"{type(error).__name__}: {error}")
