"""What a rule means, as data: a tree of And, Or, Not over leaves. Both paths of the engine are built from this.

| kind | data |
|---|---|
| equals, startswith, endswith, contains | the text; in lower case unless `cased` |
| glob | parts in order: `*`, `?`, and literals with `=` in front; in lower case unless `cased` |
| regex | the pattern, flags in front: `(?im)...`; read against the text as it stands |
| cidr | the network, `10.0.0.0/8` |
| compare | (lt, lte, gt, gte or neq; the number; "" or a part of a time) |
| time | (minute, hour, day, week, month or year; the number) |
| null | None: the field is absent, or one of its values is null |
| exists | whether the field has to be there |
| fieldref | (the other field, starts, ends): equal, one or the other, or with both, contains |
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from watchfloor.detect.sigma.fields import Field

Kind = Literal[
    "equals",
    "startswith",
    "endswith",
    "contains",
    "glob",
    "regex",
    "cidr",
    "compare",
    "time",
    "null",
    "exists",
    "fieldref",
]
LITERAL: frozenset[str] = frozenset({"equals", "startswith", "endswith", "contains"})


class Leaf(msgspec.Struct, frozen=True, gc=False):
    """One field against one value. A field with several values matches when one of them does.

    `field` None means every value of the record (keywords): these are `contains`, `glob` and `regex`, and whatever
    else pySigma lets stand without a field.
    """

    field: Field | None
    kind: Kind
    data: Any
    cased: bool = False


class And(msgspec.Struct, frozen=True):
    items: tuple[Node, ...]


class Or(msgspec.Struct, frozen=True):
    items: tuple[Node, ...]


class Not(msgspec.Struct, frozen=True):
    item: Node


Node = And | Or | Not | Leaf


def leaves_of(node: Node) -> Iterator[Leaf]:
    """Every leaf of a node, in order."""
    if isinstance(node, Leaf):
        yield node
    else:
        for item in (node.item,) if isinstance(node, Not) else node.items:
            yield from leaves_of(item)
