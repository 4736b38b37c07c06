"""What a rule file says, compiled, as plain data: what the cache keeps. Nothing here knows its file or pySigma."""

from __future__ import annotations

from typing import Any

import msgspec


class Remark(msgspec.Struct, frozen=True, array_like=True):
    """A problem of a rule of the file, or of another file's filter with it."""

    title: str
    reason: str
    fatal: bool = True
    file: str = ""


class CompiledRule(msgspec.Struct, frozen=True, array_like=True):
    """A rule; `node` is the tree as `nodes.written` has it, in msgpack."""

    uid: str
    title: str
    severity: str
    logsource: tuple[str, str, str]
    node: msgspec.Raw
    name: str
    taxonomy: str
    digest: str
    modified: str
    description: str
    false_positives: tuple[str, ...]
    references: tuple[str, ...]
    techniques: tuple[str, ...]
    tactics: tuple[str, ...]
    tested: bool


class ParsedCorrelation(msgspec.Struct, frozen=True, array_like=True):
    """A correlation, before what it refers to is known.

    `wanted` are ids or names; `span` is in ms; `bounds` must all hold; `expression` is an extended condition: a name,
    or `[and | or | not, ...]`; `severity` is empty where it is that of its rules.
    """

    uid: str
    title: str
    name: str
    kind: str
    wanted: tuple[str, ...]
    group_by: tuple[str, ...]
    span: int
    bounds: tuple[tuple[str, int | float], ...]
    fields: tuple[str, ...]
    percentile: int | None
    expression: Any
    generate: bool
    aliases: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    severity: str
    digest: str
    modified: str
    description: str
    false_positives: tuple[str, ...]
    references: tuple[str, ...]
    techniques: tuple[str, ...]
    tactics: tuple[str, ...]
    file: str = ""
    """Given when it is loaded."""


class FileEntry(msgspec.Struct, frozen=True, array_like=True):
    """A file compiled under a context: a digest of the filters and placeholders that had a part in it.

    `filters` tells whether it has filters itself.
    """

    context: str
    filters: bool
    rules: tuple[CompiledRule, ...] = ()
    correlations: tuple[ParsedCorrelation, ...] = ()
    problems: tuple[Remark, ...] = ()
