"""Events and rules for the tests of this room."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from watchfloor.content import documents, folder
from watchfloor.core.event import Event
from watchfloor.core.intel import Intel
from watchfloor.detect import Detector

try:
    from watchfloor.detect.sigma.native import NativePath

    _absent = not NativePath
except ImportError:
    _absent = True
PATHS = [
    "plain",
    pytest.param("native", marks=pytest.mark.skipif(_absent, reason="the native core is not built: make install")),
]
"""The paths of the engine, for WATCHFLOOR_ENGINE."""


def event(original: dict[str, Any] | None = None, ocsf: dict[str, Any] | None = None, **other: Any) -> Event:
    """An event with these fields; `logsource` and any other field of Event by name."""
    given: dict[str, Any] = {
        "tenant": "acme",
        "uid": "r-1",
        "time": 1_790_000_000_000,
        "layer": "endpoint",
        "mapping": "test",
        "ocsf": ocsf or {},
        "original": original or {},
        "source": "test.json",
        "position": 0,
        "unit": "record",
        "logsource": {"product": "test"},
    }
    return Event(**{**given, **other})


def rule_text(detection: dict[str, Any], **other: Any) -> str:
    """A rule's YAML; `condition` defaults to `sel`."""
    rule = {"title": "A rule", "logsource": {"product": "test"}, "level": "low", **other}
    rule["detection"] = {"condition": "sel", **detection}
    return yaml.safe_dump(rule, sort_keys=False, allow_unicode=True)


def detector(folder_: Path, *texts: str, **options: Any) -> Detector:
    """A detector of these rules only."""
    for n, text in enumerate(texts):
        (folder_ / f"rule{n}.yml").write_text(text, encoding="utf-8")
    return Detector.load([folder_], shipped=False, **options)


def hit(folder_: Path, detection: dict[str, Any], original: dict[str, Any], **options: Any) -> bool:
    """Whether a rule with this detection matches a record."""
    found = detector(folder_, rule_text(detection), **options)
    assert not [p for p in found.problems if p.fatal], found.problems
    return bool(found.findings(event(original)))


def sigma_aliases(logsource: dict[str, str]) -> dict[str, list[str]]:
    """The vendor's names for a log source's fields, as fields.yaml has them (OCSF places left out)."""
    found: dict[str, list[str]] = {}
    for section in _sections():
        if all(logsource.get(k) == v for k, v in section["for"].items()):
            for name, places in section["fields"].items():
                found.setdefault(name, []).extend(p[9:] for p in places if p.startswith("original."))
    return found


@cache
def _sections() -> list[dict[str, Any]]:
    return [section for document in documents(folder("sigma") / "fields.yaml") for section in document.data]


NO_INTEL = Intel()
