"""Data, not code: mappings, questions, detections, playbooks, policy presets. Loaded with the place of each mistake."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from watchfloor.core.errors import WatchfloorError

HERE = Path(__file__).resolve().parent


class Document(NamedTuple):
    """One YAML document and where it stands (`questions/identity.yaml` or a path)."""

    where: str
    data: Any

    def line(self, place: Sequence[str | int]) -> int:
        """The line (from 1) to which keys and indices lead, or as far as they do; 0 where there is no such file."""
        file = HERE / self.where
        if not file.is_file():
            return 0
        text = file.read_text(encoding="utf-8")
        both = zip(yaml.load_all(text, Loader=_LOADER), yaml.compose_all(text, Loader=_LOADER), strict=True)
        return _line(next((node for data, node in both if data == self.data), None), place)


def folder(kind: str) -> Path:
    """The shipped folder of one kind of content: `mappings`, `questions`, `detections`, `playbooks`, ..."""
    return HERE / kind


def documents(path: Path) -> Iterator[Document]:
    """Every document of every YAML file under a folder (or of one file), in order of path.

    Raises WatchfloorError with file and line for YAML that cannot be parsed.
    """
    for file in _files(path):
        where = _where(file)
        try:
            for data in yaml.load_all(file.read_text(encoding="utf-8"), Loader=_LOADER):
                if data is not None:
                    yield Document(where, data)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            mark = getattr(error, "problem_mark", None)
            line = f", line {mark.line + 1}" if mark else ""
            problem = getattr(error, "problem", None) or str(error)
            raise WatchfloorError(f"not valid YAML: {problem}", where=where + line) from None


def heads(path: Path, keys: frozenset[str]) -> Iterator[tuple[Document, Callable[[], Document]]]:
    """Of every document the entries under some of its keys, and what loads all of it: for much content, little of
    which is needed. Only for content that is known to be laid out in blocks; files of several documents come whole.
    """
    for file in _files(path):
        text = file.read_text(encoding="utf-8")
        wanted = "".join(part for part in _ENTRY.findall(text) if part.partition(":")[0] in keys)
        try:
            data = None if "\n---" in text else yaml.load(wanted, Loader=_LOADER)  # noqa: S506 - a safe loader
        except yaml.YAMLError:  # what is wanted names what stands elsewhere
            data = None
        if isinstance(data, dict):
            yield Document(_where(file), data), partial(next, documents(file))
        else:
            yield from ((document, partial(_same, document)) for document in documents(file))


# An entry of the outermost mapping: its key at the start of a line, then what is indented, empty or a comment.
_ENTRY = re.compile(r"^\w+:.*\n?(?:(?:[ #-].*)?\n|[ #-].*)*", re.MULTILINE)


def _same(document: Document) -> Document:
    return document


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise WatchfloorError("there is no such file or folder", where=str(path))
    return [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix in (".yaml", ".yml"))


def _where(file: Path) -> str:
    return str(file.relative_to(HERE)) if file.is_relative_to(HERE) else str(file)


def _line(node: Any, place: Sequence[str | int]) -> int:
    line = node.start_mark.line + 1 if node else 0
    for part in place:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
            continue
        found = _entry(node, str(part))
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def _entry(node: Any, key: str) -> tuple[Any, Any] | None:
    """The key and value nodes of a mapping's entry, its own or one merged into it by `<<`."""
    if not isinstance(node, yaml.MappingNode):
        return None
    merged: list[Any] = []
    for name, value in node.value:
        if name.value == key:
            return name, value
        if name.value == "<<":
            merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
    return next((found for inner in merged if (found := _entry(inner, key)) is not None), None)


# libyaml's loader where the wheel has it: ten times as fast on thousands of rules.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
