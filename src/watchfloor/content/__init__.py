"""Data, not code: mappings, questions, detections, playbooks, policy presets. Loaded with the place of each mistake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from watchfloor.core.errors import WatchfloorError

HERE = Path(__file__).resolve().parent


class Document(NamedTuple):
    """One YAML document and where it stands (`questions/identity.yaml` or a path)."""

    where: str
    data: Any


def folder(kind: str) -> Path:
    """The shipped folder of one kind of content: `mappings`, `questions`, `detections`, `playbooks`, ..."""
    return HERE / kind


def documents(path: Path) -> Iterator[Document]:
    """Every document of every YAML file under a folder (or of one file), in order of path.

    Raises WatchfloorError with file and line for YAML that cannot be parsed.
    """
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix in (".yaml", ".yml"))
    for file in files:
        where = str(file.relative_to(HERE)) if file.is_relative_to(HERE) else str(file)
        try:
            for data in yaml.load_all(file.read_text(encoding="utf-8"), Loader=_LOADER):
                if data is not None:
                    yield Document(where, data)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            mark = getattr(error, "problem_mark", None)
            line = f", line {mark.line + 1}" if mark else ""
            problem = getattr(error, "problem", None) or str(error)
            raise WatchfloorError(f"not valid YAML: {problem}", where=where + line) from None


# libyaml's loader where the wheel has it: ten times as fast on thousands of rules.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
