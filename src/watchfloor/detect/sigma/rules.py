"""Rules as they are when loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import msgspec

from watchfloor.core.finding import Severity
from watchfloor.detect.sigma.fields import FieldNames
from watchfloor.detect.sigma.logsource import LogSource
from watchfloor.detect.sigma.nodes import Node, read


@dataclass(frozen=True)
class RuleProblem:
    """A rule that did not load (`fatal`), or loaded and has something to mend."""

    file: str
    title: str
    reason: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.file}: {self.title or 'untitled'}: {self.reason}"


@dataclass(frozen=True)
class Rule:
    """A compiled rule: what findings say of it, where it applies, and what it means (`node`)."""

    uid: str
    title: str
    file: str
    severity: Severity
    logsource: LogSource
    written: bytes = field(repr=False)
    """The tree of its condition in msgpack, as `nodes.written` has it."""
    names: FieldNames = field(repr=False, compare=False)
    description: str = ""
    false_positives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    tactics: tuple[str, ...] = ()
    name: str = ""
    """What correlations may call it."""
    taxonomy: str = "sigma"
    digest: str = ""
    """Of what it says, filters aside (`versions`)."""
    modified: str = ""
    tested: bool = False
    """Whether it brings events that it must match, and such as look alike and that it must not."""

    @cached_property
    def node(self) -> Node:
        """Made when first asked for: of most rules no event is ever seen."""
        return _node(self.written, self.names, self.logsource, self.taxonomy)


@lru_cache(maxsize=1_000)
def _node(written: bytes, names: FieldNames, logsource: LogSource, taxonomy: str) -> Node:
    """Nodes do not change, and our own rules are loaded with every detector of a process."""
    named = logsource.named
    return read(msgspec.msgpack.decode(written), lambda name: names.field(name, named, taxonomy))
