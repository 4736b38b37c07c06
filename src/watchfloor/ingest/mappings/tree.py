"""From a flat table `ocsf.path: field` to one function that builds the nested OCSF object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.ocsf import ADDRESSES, ANYTHING, FLOATS, INTEGERS, MAILBOXES, NEEDS, TIMES, Needs
from watchfloor.ingest.mappings import convert
from watchfloor.ingest.mappings.convert import Converter
from watchfloor.ingest.mappings.spec import compile_field, constant
from watchfloor.ingest.mappings.values import Data, Getter

Build = Callable[[Data], dict[str, Any]]


def natural(path: str) -> Converter:
    """The converter that an OCSF attribute's type asks for, by its name."""
    name = path.rpartition(".")[2]
    if path.startswith("unmapped.") or name in ANYTHING:
        return convert.CONVERTERS["raw"]
    if name == "port":
        return convert.port
    if name in ADDRESSES:
        return convert.address
    if name in MAILBOXES:
        return convert.mailbox
    if name == "pid":
        return convert.decimal_pid
    if name in INTEGERS or name.endswith("_id"):
        return convert.integer
    if name in TIMES or name.endswith("_time"):
        return convert.time_ms
    if name in FLOATS:
        return convert.real
    if name.startswith(("is_", "has_")):
        return convert.boolean
    return convert.text


def build(fields: dict[str, Any], where: str) -> Build:
    """A function that builds the object of a table of fields.

    Constants accompany: an object that has a field from the record appears only when one of those is present. What
    OCSF requires of an object and the record has not is filled with "unknown".
    """
    if not isinstance(fields, dict):
        raise WatchfloorError("fields have to be a table of OCSF path: field", where=where)
    tree: dict[str, Any] = {}
    for path, spec in fields.items():
        if spec is not None:
            _plant(tree, str(path).split("."), (spec, str(path)), where)
    return _node(tree, "", where)


def _plant(tree: dict[str, Any], parts: list[str], leaf: tuple[Any, str], where: str) -> None:
    for part in parts[:-1]:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise WatchfloorError("is a value and an object at once", where=f"{where}.{leaf[1]}")
    if isinstance(tree.get(parts[-1]), dict):
        raise WatchfloorError("is a value and an object at once", where=f"{where}.{leaf[1]}")
    tree[parts[-1]] = leaf


def _node(tree: dict[str, Any], name: str, where: str) -> Build:
    constants: dict[str, Any] = {}
    leaves: list[tuple[str, Getter]] = []
    branches: list[tuple[str, Build]] = []
    for key, child in tree.items():
        if isinstance(child, dict):
            branches.append((key, _branch(child, key, where)))
            continue
        spec, path = child
        make = compile_field(spec, natural(path), f"{where}.{path}")
        if constant(spec):
            constants[key] = make({})
        else:
            leaves.append((key, make))
    needs = NEEDS.get(name, ())
    always = bool(constants) and not leaves and not branches
    return _builder(constants, leaves, branches, needs, always=always or not name)


def _branch(child: dict[str, Any], key: str, where: str) -> Build:
    """A branch whose keys are numbers is a list; its missing items close up."""
    if not all(k.isdigit() for k in child):
        return _node(child, key, where)
    items = [_node(v, key, where) if isinstance(v, dict) else _leaf(v, where) for _, v in sorted(child.items())]

    def run(data: Data) -> Any:
        return [value for item in items if (value := item(data)) is not None and value != {}]

    return run


def _leaf(leaf: tuple[Any, str], where: str) -> Any:
    spec, path = leaf
    return compile_field(spec, natural(path.rpartition(".")[0]), f"{where}.{path}")


def _builder(
    constants: dict[str, Any],
    leaves: list[tuple[str, Getter]],
    branches: list[tuple[str, Build]],
    needs: tuple[Needs, ...],
    *,
    always: bool,
) -> Build:
    def run(data: Data) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, get in leaves:
            value = get(data)
            if value is not None:
                made[key] = value
        for key, branch in branches:
            inner = branch(data)
            if inner:
                made[key] = inner
        if not made and not always:
            return made
        if constants:
            for key, value in constants.items():
                made.setdefault(key, value)
        for need in needs:
            if not any(key in made for key in need.any_of):
                made.update(need.filler)
        return made

    return run
