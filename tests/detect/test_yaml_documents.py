"""Rules' YAML is read as pySigma reads it, the odd and the hostile as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from sigma.rule.base import SigmaYAMLLoader

from watchfloor.detect.sigma.yaml_documents import documents_in


def both(text: bytes) -> tuple[Any, Any]:
    """What we read and what pySigma reads; of an error its text."""

    def told(documents: Any) -> Any:
        try:
            return [data for data in documents if data is not None]
        except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
            return type(error), str(error)

    return told(documents_in(text)), told(yaml.load_all(text, Loader=SigmaYAMLLoader))


@pytest.mark.parametrize(
    "text",
    [
        "a: [1, 2.5, true, no, null, ~, 2026-01-02, 0x1f, '1', \"\\u00e9\"]\nb: {c: d}",
        "a: 1\na: 2",
        "x:\n  a: 1\n  b: {c: 1, c: 2}",
        "base: &b {k: v}\nother: *b\nmerged: {<<: *b, l: w}",
        "1: one\nnull: none\ntrue: yes",
        "? [a, b]\n: c",
        "a: &x [*x]",
        "a: !!python/object/apply:os.system ['true']",
        "a: !!set {b, c}\nd: !!str 5\ne: !!int '7'",
        "---\na: 1\n---\n---\nb: 2\n...",
        "a: [",
        "\tb: c",
        "plain text",
        "",
        "a: |\n  two\n  lines\nb: >\n  folded\n  text",
        "&a [&b [&c [x], *c], *b]: y",
        "k: !!binary aGk=\nt: 2026-01-02T03:04:05Z",
    ],
)
def test_odd_documents(text: str) -> None:
    ours, theirs = both(text.encode())
    assert repr(ours) == repr(theirs)  # one of them has itself in it


def test_aliases_share_what_they_stand_for() -> None:
    (data,) = documents_in(b"a: &x [1]\nb: *x")
    assert data["a"] is data["b"]


def test_all_shared_rules(shared_data: Path) -> None:
    files = sorted((shared_data / "sigma").rglob("*.yml"))
    assert len(files) > 3_000
    for file in files[::10]:
        ours, theirs = both(file.read_bytes())
        assert ours == theirs, file
