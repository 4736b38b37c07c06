"""Rules' YAML, as pySigma reads it, in less time.

Nearly all of a rule is plain texts, lists and mappings with texts as keys, for which PyYAML's general way to build
objects takes longer than parsing. What is anything else is built that way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from sigma.rule.base import SigmaYAMLLoader

_STR, _SEQ, _MAP = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))


class _OtherError(Exception):
    """There is something in a document that is not plain."""


# What a scalar without quotes may begin with that is no text; "" for one that is empty.
_ODD = frozenset(SigmaYAMLLoader.yaml_implicit_resolvers)


class _Loader(SigmaYAMLLoader):
    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is yaml.ScalarNode and not (implicit[0] and value[:1] in _ODD):
            return _STR
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]

    def construct_document(self, node: Any) -> Any:
        try:
            return self._plain(node, set())
        except _OtherError:
            self.constructed_objects = {}
            return super().construct_document(node)

    def _plain(self, node: Any, seen: set[int]) -> Any:
        tag = node.tag
        if isinstance(node, yaml.ScalarNode):
            return node.value if tag == _STR else self.construct_object(node)
        if id(node) in seen:  # an alias: what it stands for is shared, not copied
            raise _OtherError
        seen.add(id(node))
        if tag == _SEQ:
            return [self._plain(item, seen) for item in node.value]
        if tag != _MAP:
            raise _OtherError
        found: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag != _STR or not isinstance(key, yaml.ScalarNode) or key.value in found:
                raise _OtherError
            found[key.value] = self._plain(value, seen)
        return found


def documents_in(text: bytes) -> Iterator[Any]:
    """Every document that is not empty. Raises yaml.YAMLError, ValueError, RecursionError or TypeError."""
    return (data for data in yaml.load_all(text, Loader=_Loader) if data is not None)
