"""Traits of a command line or script block.

Answer: `{"command_line": text (first 2,000 characters), "program": "powershell.exe", "length": n, "decoded":
[texts of base64, first 1,000 characters each], "hits": [{"trait", "family", "technique", "matched"}], "traits":
[names], "families": [names], "families_count": n, "entropy": bits a character, "noise_share": share of carets,
back-ticks, quotes and plus signs, "obfuscated": bool}`.
Families: encoded, download, lolbin, tampering, credential_access, recon, persistence, lateral_movement,
web_shell, obfuscation, staging, exfiltration, tunnel, bypass, remote_access. Names and techniques follow ATT&CK.
"""

from __future__ import annotations

import re
from typing import Any

from watchfloor.core.decoding import decoded_texts, without_noise
from watchfloor.core.event import Event
from watchfloor.core.facets import facets
from watchfloor.core.text import clipped, entropy, whole
from watchfloor.enrich.analysis.patterns import Patterns, share, text_at

_NOISE = "^`'\"+"
_SHELLS = frozenset({"cmd", "powershell", "pwsh", "bash", "sh", "wscript", "cscript", "mshta", "python", "python3"})
_WEB_SERVERS = frozenset(
    {"w3wp", "httpd", "nginx", "tomcat", "tomcat9", "php-cgi", "php-fpm", "php", "apache2", "java"}
)


def traits_of(event: Event) -> dict[str, Any] | None:
    """The traits of an event's command line or script block, or None when it has none."""
    found = facets(event)
    line = found["cmd_line"] or text_at(event.original, "ScriptBlockText", "CommandLine", "data.command", "Payload")
    return traits(line, found["process"] or "", found["parent_process"] or "") if line else None


def traits(line: str, program: str = "", parent: str = "") -> dict[str, Any]:
    """The traits of a command line; `program` and `parent` are the processes' names, if known."""
    text = whole(line)
    decoded = decoded_texts(text)
    plain = [text, without_noise(text), *decoded, *map(without_noise, decoded)]
    name, parent = whole(program) or _program(text), whole(parent)
    hits = [hit.shown() for hit in Patterns.shipped("command_line").find(plain)]
    if decoded:
        hits.append(_own("base64_decodes_to_text", "encoded", "T1027.010", decoded[0]))
    noise = share(sum(text.count(sign) for sign in _NOISE), len(text))
    broken_up = text.count("^") >= 3 or text.count("`") >= 3 or (noise > 0.12 and len(text) > 60)
    if broken_up:
        hits.append(_own("broken_up", "obfuscation", "T1027.010", text))
    if _stem(parent) in _WEB_SERVERS and _stem(name) in _SHELLS:
        hits.append(_own("shell_of_web_server", "web_shell", "T1505.003", f"{parent} started {name}"))
    families = sorted({hit["family"] for hit in hits})
    return {
        "command_line": clipped(text, 2_000),
        "program": name.lower(),
        "length": len(line),
        "decoded": [clipped(one, 1_000) for one in decoded],
        "hits": hits,
        "traits": sorted({hit["trait"] for hit in hits}),
        "families": families,
        "families_count": len(families),
        "entropy": entropy(text),
        "noise_share": noise,
        "obfuscated": broken_up or "obfuscation" in families,
    }


def _own(trait: str, family: str, technique: str, matched: str) -> dict[str, str]:
    return {"trait": trait, "family": family, "technique": technique, "matched": clipped(matched, 120)}


def _program(line: str) -> str:
    text = line.strip()
    word = text[1:].partition('"')[0] if text.startswith('"') else text.partition(" ")[0]
    return re.split(r"[\\/]", word)[-1][:80]


def _stem(program: str) -> str:
    return re.split(r"[\\/]", program.lower())[-1].removesuffix(".exe")
