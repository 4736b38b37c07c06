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

from collections.abc import Callable, Iterator
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


class UnsupportedError(ValueError):
    """Something in a rule that cannot be evaluated; the message says what."""


def leaves_of(node: Node) -> Iterator[Leaf]:
    """Every leaf of a node, in order."""
    if isinstance(node, Leaf):
        yield node
    else:
        for item in (node.item,) if isinstance(node, Not) else node.items:
            yield from leaves_of(item)


def written(node: Node) -> list[Any]:
    """A node as plain data, fields by their names; `read` reads it."""
    if isinstance(node, And | Or):
        return ["and" if isinstance(node, And) else "or", *map(written, node.items)]
    if isinstance(node, Not):
        return ["not", written(node.item)]
    data = node.data
    if node.kind in ("compare", "time"):  # numbers as text: they may be larger than the format has
        data = [repr(part) if isinstance(part, int | float) else part for part in data]
    elif node.kind == "fieldref":
        data = [data[0].name, *data[1:]]
    return [node.kind, None if node.field is None else node.field.name, data, node.cased]


def read(data: list[Any], field: Callable[[str], Field]) -> Node:
    """The node that `written` wrote; `field` gives the Field of a name."""
    kind, *rest = data
    if kind in ("and", "or"):
        items = tuple(read(item, field) for item in rest)
        return And(items) if kind == "and" else Or(items)
    if kind == "not":
        return Not(read(rest[0], field))
    name, given, cased = rest
    if kind == "compare":
        given = (given[0], _number(given[1]), given[2])
    elif kind == "time":
        given = (given[0], _number(given[1]))
    elif kind == "fieldref":
        given = (field(given[0]), *given[1:])
    elif kind == "glob":
        given = tuple(given)
    return Leaf(None if name is None else field(name), kind, given, cased)


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)
