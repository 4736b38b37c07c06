"""From a flat table `ocsf.path: field` to the code that builds the nested OCSF object."""

from __future__ import annotations

from typing import Any, NamedTuple

from watchfloor.core.ocsf import ADDRESSES, ANYTHING, FLOATS, INTEGERS, MAILBOXES, NEEDS, TIMES
from watchfloor.ingest.mappings.fields import KEYS, Fields, constant, constant_value
from watchfloor.ingest.mappings.problems import Place


class Leaf(NamedTuple):
    """A field, and where it is stated."""

    path: str
    spec: Any
    place: Place


Tree = dict[str, Any]
"""Keys of an object: a Leaf, or a Tree again."""


class Made(NamedTuple):
    """An object that code has built: its variable, and whether it surely holds something."""

    source: str
    certain: bool


def natural(path: str) -> str:
    """The converter that an OCSF attribute's type asks for, by its name."""
    name = path.rpartition(".")[2]
    if path.startswith("unmapped.") or name in ANYTHING:
        return "raw"
    for converter, names in (("ip", ADDRESSES), ("mail", MAILBOXES), ("time", TIMES), ("float", FLOATS)):
        if name in names:
            return converter
    if name in ("port", "pid"):
        return name
    if name in INTEGERS or name.endswith("_id"):
        return "int"
    if name.endswith("_time"):
        return "time"
    return "bool" if name.startswith(("is_", "has_")) else "text"


def tree_of(leaves: list[Leaf], write: Fields) -> Tree:
    """The nested form of a flat table."""
    root: Tree = {}
    for leaf in leaves:
        if constant(leaf.spec) and isinstance(leaf.spec, dict):
            write.problems.keys(leaf.place, leaf.spec, KEYS)
        *above, last = leaf.path.split(".")
        tree: Any = root
        for part in above:
            tree = tree.setdefault(part, {})
            if isinstance(tree, Leaf):
                break
        if isinstance(tree, Leaf) or isinstance(tree.get(last), dict):
            write.problems.add(leaf.place, "is a value and an object at once", "Leave out one of them.")
        else:
            tree[last] = leaf
    return root


def write_object(write: Fields, fields: Any, place: Place, name: str) -> str:
    """Writes the object of an item of the list `name`; the variable that holds it."""
    if not isinstance(fields, dict):
        write.problems.add(place, "fields have to be a table of OCSF path: field")
        return "None"
    leaves = [Leaf(str(path), spec, (*place, path)) for path, spec in fields.items() if spec is not None]
    objects, tree = Objects(write), tree_of(leaves, write)
    made = objects.node(tree, "", "").source
    if name in NEEDS:
        with write.code.scope(), write.code.block(f"if {made}:"):
            objects.accompany(made, {}, name, tree)
    return made


class Objects:
    """Writes objects.

    Constants accompany: an object that has a field from the record appears only when one of those is present. What
    OCSF requires of an object and the record has not is filled with "unknown".

    `variables` says which variable holds the value of each leaf, by its path.
    """

    def __init__(self, write: Fields) -> None:
        self.write, self.code = write, write.code
        self.variables: dict[str, tuple[str, bool]] = {}

    def node(self, tree: Tree, name: str, path: str, start: str = "{}") -> Made:
        """Writes one object. `start`: what its variable begins with; only the outermost has no `name`."""
        constants = {k: constant_value(c.spec) for k, c in tree.items() if isinstance(c, Leaf) and constant(c.spec)}
        rest = {k: c for k, c in tree.items() if k not in constants}
        if constants and not rest and start == "{}":
            return Made(self.code.module.bind(_filled(constants, name), "CONST"), True)
        made = self.code.let(start, "o")
        certain = not name
        for key, child in rest.items():
            at = f"{path}.{key}" if path else key
            if isinstance(child, Leaf):
                self.leaf(made, key, child, at)
        for key, child in rest.items():
            if not isinstance(child, Leaf):
                inner = self.branch(child, key, f"{path}.{key}" if path else key)
                self.store(made, key, inner)
                certain = certain or inner.certain
        if certain:
            self.accompany(made, constants, name, rest)
        elif constants or name in NEEDS:
            with self.code.scope(), self.code.block(f"if {made}:"):
                self.accompany(made, constants, name, rest)
        return Made(made, certain)

    def leaf(self, made: str, key: str, leaf: Leaf, at: str, by: str = "") -> None:
        """Writes a field into an object; `by`: the path whose name says the type."""
        value = self.write.field(leaf.spec, natural(by or leaf.path), leaf.place)
        v = self.code.named(value.source)
        self.variables[at] = (v, value.is_text)
        self.code.line(f"if {v} is not None: {made}[{self.code.module.literal(key)}] = {v}")

    def store(self, made: str, key: str, inner: Made) -> None:
        condition = "" if inner.certain else f"if {inner.source}: "
        self.code.line(f"{condition}{made}[{self.code.module.literal(key)}] = {inner.source}")

    def branch(self, child: Tree, key: str, path: str) -> Made:
        """A branch whose keys are numbers is a list; its missing items close up."""
        if not all(k.isdigit() for k in child):
            return self.node(child, key, path)
        made = self.code.let("[]", "o")
        certain = False
        for index, item in sorted(child.items()):
            at = f"{path}.{index}"
            if isinstance(item, Leaf):
                value = self.write.field(item.spec, natural(item.path.rpartition(".")[0]), item.place)
                v = self.code.named(value.source)
                self.variables[at] = (v, value.is_text)
                self.code.line(f"if {v} is not None and {v} != {{}}: {made}.append({v})")
            else:
                inner = self.node(item, key, at)
                certain = certain or inner.certain
                self.code.line(f"{'' if inner.certain else f'if {inner.source}: '}{made}.append({inner.source})")
        return Made(made, certain)

    def accompany(self, made: str, constants: dict[str, Any], name: str, rest: Tree) -> None:
        """Writes an object's constants, and what OCSF requires of it."""
        literal = self.code.module.literal
        for key, value in constants.items():
            self.code.line(f"{made}[{literal(key)}] = {literal(value)}")
        for need in NEEDS.get(name, ()):
            if any(key in constants for key in need.any_of):
                continue
            absent = " and ".join(f"{literal(key)} not in {made}" for key in need.any_of if key in rest)
            for key, filler in need.filler.items():
                self.code.line(f"{f'if {absent}: ' if absent else ''}{made}[{literal(key)}] = {filler!r}")


def _filled(constants: dict[str, Any], name: str) -> dict[str, Any]:
    made = dict(constants)
    for need in NEEDS.get(name, ()):
        if not any(key in made for key in need.any_of):
            made.update(need.filler)
    return made
