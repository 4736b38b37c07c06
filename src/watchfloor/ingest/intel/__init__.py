"""Threat intelligence from files: STIX 2.1 and TAXII, MISP events and warninglists, OpenIOC, lists, CISA's KEV.

What cannot be read becomes a problem with its place in `Intel.problems`; the rest of the file is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.intel import ExploitedVulnerability, Indicator, Intel, IntelProblem, Warninglist
from watchfloor.ingest.intel.items import Item
from watchfloor.ingest.intel.kev import read_kev
from watchfloor.ingest.intel.lists import read_list
from watchfloor.ingest.intel.misp import is_misp, read_misp
from watchfloor.ingest.intel.openioc import read_openioc
from watchfloor.ingest.intel.stix import read_stix
from watchfloor.ingest.intel.warninglists import read_warninglist

__all__ = ["load_intel"]

_ENDINGS = (".json", ".stix", ".stix2", ".taxii", ".misp", ".xml", ".ioc", ".csv", ".txt", ".list", ".ipset", ".netset")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def load_intel(paths: Iterable[Path]) -> Intel:
    """All intelligence in files and folders (every file below with an ending of intelligence), in order of path.

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
    return sorted(p for p in path.rglob("*") if p.suffix.lower() in _ENDINGS and p.is_file())


def _read(file: Path) -> Iterator[Item]:
    try:
        data = file.read_bytes()
        start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
        if start == b"<" or data.startswith(_UTF16):
            yield from read_openioc(file, data)
            return
        if start not in (b"{", b"["):
            yield from read_list(file, data.decode("utf-8-sig"))
            return
        document = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except (OSError, ValueError) as error:
        yield IntelProblem(where=str(file), what=f"cannot be read: {error}")
        return
    reader = _reader_of(document)
    if reader is None:
        what = "neither STIX, nor an event or warninglist of MISP, nor the KEV catalogue"
        yield IntelProblem(where=str(file), what=what)
        return
    yield from reader(file, document)


def _reader_of(document: Any) -> Callable[[Path, Any], Iterator[Item]] | None:
    if is_misp(document):
        return read_misp
    if not isinstance(document, dict):
        return None
    if isinstance(document.get("objects"), list) and document.get("type", "bundle") == "bundle":
        return read_stix
    if isinstance(document.get("list"), list) and isinstance(document.get("matching_attributes"), list):
        return read_warninglist
    return read_kev if isinstance(document.get("vulnerabilities"), list) else None
