"""The events of bench/detect.py, as JSON lines of the vendor's own record.

A: every distinct Windows event of all recordings (EVTX and mordor) of the real data, as it is.
B: the same events of the kinds that most rules read (processes, files, registry, images, network, services), copied
over and over, with nearly every command line, path and name made unique: what memory can help with least.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from watchfloor.core.event import Event
from watchfloor.ingest import Normalizer, ingest

RECORDINGS = ("evtx-to-mitre", "evtx-samples", "sigma/regression_data", "mordor")
SEED = 4
_SYSMON, _SECURITY = "Microsoft-Windows-Sysmon/Operational", "Security"
_KINDS = {
    _SYSMON: {1, 2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 15, 17, 18, 22, 23},
    _SECURITY: {4624, 4625, 4657, 4663, 4688, 4697, 5145},
    "Microsoft-Windows-PowerShell/Operational": {4104},
    "System": {7045},
}
_VARIED = re.compile(
    r"CommandLine|Image|Filename|FileName|ProcessName|TargetObject|Details|ObjectName|ShareName|PipeName|QueryName|"
    r"ImagePath|ScriptBlockText|User|Hostname|Computer|CurrentDirectory|Service"
)
_GUID = re.compile(r"Guid$|LogonId$|^TimeCreated$|^UtcTime$|RecordID$|ProcessId$|Hashes$")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]{3,}")
_KEPT = re.compile(
    r"^(?:windows|system32|syswow64|users|program|microsoft|currentversion|software|hklm|hkcu|hku|machine)$", re.I
)


def events_a(data: Path) -> list[bytes]:
    """Every distinct Windows event, in the order of the recordings."""
    found: dict[bytes, None] = {}
    for item in ingest([data / name for name in RECORDINGS], "bench", Normalizer.shipped()):
        if isinstance(item, Event) and item.logsource.get("product") == "windows":
            found[orjson.dumps(item.original)] = None
    return list(found)


def events_b(a: Iterable[bytes], count: int) -> Iterator[bytes]:
    """`count` varied events; the kinds (channel, event id) come in turn, so that none drowns the others."""
    kinds: dict[Any, list[dict[str, Any]]] = {}
    for line in a:
        record = orjson.loads(line)
        if record.get("EventID") in _KINDS.get(record.get("Channel", ""), ()):
            kinds.setdefault((record["Channel"], record["EventID"]), []).append(record)
    # As often as in a busy domain: every second event is the start of a process.
    processes = [kinds[kind] for kind in ((_SYSMON, 1), (_SECURITY, 4688)) if kind in kinds]
    others = [some for some in kinds.values() if some not in processes]
    chance = random.Random(SEED)
    for _ in range(count):
        some = chance.choice(processes if chance.random() < 0.5 else others)
        yield orjson.dumps(_varied(chance.choice(some), chance))


def _varied(record: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    made = dict(record)
    for name, value in record.items():
        if not isinstance(value, str) or not value:
            continue
        if _GUID.search(name):
            made[name] = re.sub(r"[0-9a-fA-F]", lambda _: chance.choice("0123456789abcdef"), value)
        elif _VARIED.search(name):
            made[name] = _text(value, chance)
    return made


def _text(text: str, chance: random.Random) -> str:
    """The text with some of its words, but not what Windows itself is called, made others; and one more at the end of
    what has several."""
    words = [word for word in _WORD.finditer(text) if not _KEPT.match(word[0])]
    for word in reversed(words[:40]):
        if chance.random() < 0.3:
            text = f"{text[: word.start()]}{word[0][:2]}{chance.randrange(36**4):x}{text[word.end() :]}"
    if " " in text:
        return f"{text} {chance.randrange(36**6):x}"
    stem, slash, last = text.rpartition("\\")
    return f"{stem}\\{chance.randrange(36**4):x}{slash}{last}" if slash else text
