"""What a kind of source takes, as its noun says it, and options of a command line read as that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import yaml
from pydantic_core import PydanticUndefined, to_jsonable_python

from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.sources.source import Source

_OF_ALL = ("name", "kind")


class Option(NamedTuple):
    """One field: what it is, its default as YAML (empty where it is required, or has none to speak of), and what it may
    be where that is one of a few."""

    name: str
    about: str
    required: bool
    default: str
    choices: tuple[str, ...] = ()


def options_of(kind: type[Source]) -> list[Option]:
    """The options of a kind, those that it needs first."""
    found = []
    properties = kind.model_json_schema()["properties"]
    for name, field in kind.model_fields.items():
        if name not in _OF_ALL:
            choices = tuple(str(one) for one in properties[name].get("enum", ()) if one)
            plain = field.default not in (PydanticUndefined, None, "", (), {})
            value = to_jsonable_python(field.default, exclude_none=True) if plain else ""
            default = yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n") if plain else ""
            about = " ".join((field.description or "").split())
            found.append(Option(name, about, field.is_required(), default.strip(), choices))
    return sorted(found, key=lambda option: not option.required)


def read_options(kind: type[Source], given: Sequence[str]) -> dict[str, Any]:
    """`name=value` as fields: text as it is, all else as YAML; `a.b=value` is in a mapping; one value may stand for a
    list. Raises WatchfloorError."""
    properties = kind.model_json_schema()["properties"]
    fields: dict[str, Any] = {}
    for one in given:
        path, equals, text = one.partition("=")
        name, *inner = path.strip().split(".")
        if not equals or name in _OF_ALL or name not in properties:
            known = ", ".join(option.name for option in options_of(kind))
            raise WatchfloorError(f"{one[:80]!r} is no option", do=f"Known, each as NAME=VALUE: {known}")
        types = _types(properties[name])
        try:
            value = text if types == {"string"} and not inner else yaml.safe_load(text)
        except yaml.YAMLError:
            raise WatchfloorError(f"the value of {path} is no YAML: {text[:80]}", do="Quote it") from None
        if "array" in types and not inner and not isinstance(value, list):
            value = [text if isinstance(value, str) else value]
        _put(fields, [name, *inner], value)
    return fields


def _types(schema: dict[str, Any]) -> set[str]:
    """What JSON types a field may have, beside none at all; what stands elsewhere in the schema is an object."""
    choices = schema.get("anyOf", [schema])
    found = {"string" if "enum" in one or "const" in one else one.get("type", "object") for one in choices}
    return found - {"null"}


def _put(fields: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        inner = fields.setdefault(name, {})
        if not isinstance(inner, dict):
            raise WatchfloorError(f"{name} was given as a whole already")
        fields = inner
    fields[path[-1]] = value
