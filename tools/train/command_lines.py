"""What the command-line detector learns from: templates written here (`commands.yaml`).

They are held out one by one, and as a harder test by family. Two things are scored only. What was really recorded is
too little to learn from. What Sigma rules look for in process creation and script blocks, and what they except as
usual, are fragments, not lines: learned, they make the detector worse on templates and recordings alike (measured).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tools.train.fitting import Sample, Task
from tools.train.slots import templates
from watchfloor.core.event import Event
from watchfloor.detect.learned import command_lines
from watchfloor.ingest import Normalizer, ingest

_EACH = 14
_LEVELS = frozenset({"high", "critical"})
_TEXT_FIELDS = ("CommandLine", "ScriptBlockText", "ParentCommandLine")
_UNIX_CARRIERS = ("sh -c ", "/bin/bash -c ", "sudo ")
_WINDOWS_CARRIERS = ("cmd.exe /c ", "cmd /c ", '"C:\\Windows\\system32\\cmd.exe" /c ')
_WINDOWS = re.compile(r"[a-z]:\\|\.exe|\\\\| /[a-z]|%|hk(lm|cu)|-[A-Z]", re.IGNORECASE)


def samples(data: Path) -> Iterator[Sample]:
    """Templates, rules, and real lines that are scored only."""
    yield from templates("commands.yaml", _EACH, _carried)
    yield from of_rules(data / "sigma")
    yield from recorded(data)


def _carried(line: str, draw: random.Random) -> str:
    """A line as another program may have started it: shells, services and jobs carry good ones and bad ones."""
    unix = line.startswith(("/", "./", "~")) or not _WINDOWS.search(line)
    carrier = draw.choice(_UNIX_CARRIERS if unix else _WINDOWS_CARRIERS) if draw.random() < 0.15 else ""
    return command_lines.plain(carrier + (line.upper() if draw.random() < 0.02 else line))


def of_rules(folder: Path) -> Iterator[Sample]:
    """Lines put together from the words that a rule looks for, and from those that it excepts: one of each."""
    seen: set[str] = set()
    for file in sorted(folder.glob("rules*/**/*.yml")):
        for rule in yaml.load_all(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader):
            source = rule.get("logsource", {})
            if source.get("category") not in ("process_creation", "ps_script"):
                continue
            tags = [tag for tag in rule.get("tags", ()) if re.fullmatch(r"attack\.t\d{4}(\.\d{3})?", tag)]
            group = f"rules {tags[0].removeprefix('attack.').partition('.')[0] if tags else 'without technique'}"
            draw = random.Random(str(rule["id"]))
            for bad, parts in _sides(rule):
                line = command_lines.plain(_composed(parts, source, draw))
                if line and line not in seen:
                    seen.add(line)
                    family = "rules of Sigma" if bad else "exceptions in rules of Sigma"
                    yield Sample(line, bad, group, family, learned=False)


def _sides(rule: dict[str, Any]) -> Iterator[tuple[bool, list[Any]]]:
    detection = rule["detection"]
    names = [name for name in detection if name not in ("condition", "timeframe")]
    excepted = [name for name in names if name.startswith("filter")]
    if rule.get("level") in _LEVELS:
        yield True, [detection[name] for name in names if name not in excepted]
    for name in excepted:
        yield False, [detection[name]]


def _composed(parts: list[Any], source: dict[str, Any], draw: random.Random) -> str:
    """A command line that has what these parts of a rule ask for; empty where they ask nothing of it."""
    images: list[str] = []
    texts: list[str] = []
    for part in parts:
        one = draw.choice(part) if isinstance(part, list) and part else part
        for key, value in one.items() if isinstance(one, dict) else ():
            field, *modifiers = key.split("|")
            values = [str(v) for v in (value if isinstance(value, list) else [value]) if v is not None]
            if not values or "re" in modifiers:
                continue
            if field == "Image":
                images.append(draw.choice(values))
            elif field in _TEXT_FIELDS:
                texts += values if "all" in modifiers else [draw.choice(values)]
    if not texts:
        return ""
    words = " ".join(text.strip(" *").replace("*", " ") for text in texts)
    image = images[0].lstrip("*\\/") if images else ""
    return f"{_placed(image, source, draw)} {words}".strip() if image and image.lower() not in words.lower() else words


def _placed(image: str, source: dict[str, Any], draw: random.Random) -> str:
    if source.get("product") != "windows":
        return draw.choice(("/usr/bin/", "")) + image.rpartition("/")[2]
    return draw.choice(("C:\\Windows\\System32\\", "", "")) + image


# What runs beside an attack in its recording, by how it begins; all else in these recordings is the attack.
_BESIDE = re.compile(
    r"dllhost\.exe /processid|taskhostex|sqlservr\.exe|filecoauth|officeclicktorun|microsoftsearchinbing|npcap\.sys"
    r"|wmiprvse|net1? +start mssql|net\.exe\" start|sqlcmd +-s|googleupdate|mozilla|teamviewer|svchost|windows defender"
    r"|source engine|netkvm|balloon|mpksl",
    re.IGNORECASE,
)


def recorded(data: Path) -> Iterator[Sample]:
    """Lines of real recordings, for scoring only: of attacks, and of what ran beside them."""
    seen: set[str] = set()
    normalizer = Normalizer.shipped()
    for name in ("evtx-to-mitre", "mordor", "evtx-samples"):
        for event in ingest([data / name], "default", normalizer):
            if not isinstance(event, Event):
                continue
            for place in ("process.cmd_line", "win_service.cmd_line"):
                value = event.get(place)
                line = command_lines.plain(value) if isinstance(value, str) else ""
                if line and line not in seen and not line.startswith("C:\\Users\\mpowers"):
                    seen.add(line)
                    bad = name != "evtx-samples" and not _BESIDE.search(line)
                    family = "recorded attacks" if bad else "recorded beside attacks"
                    yield Sample(line, bad, f"recorded {name}", family, learned=False)


TASK = Task(
    "command_line",
    samples,
    command_lines.pieces,
    strength=3.0,
    false_positives=0.02,
    harder=True,
    groups_alike=True,
)
