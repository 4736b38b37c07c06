"""Named patterns over text, all in linear time: an attacker chooses the text, so no pattern may backtrack."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple, Self

import re2

from watchfloor import content
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.event import get_path
from watchfloor.core.text import clipped

_SHOWN = 120


class Pattern(NamedTuple):
    """A trait, the family that it belongs to, its ATT&CK technique (or empty) and what shows it."""

    trait: str
    family: str
    technique: str
    expression: str


class Hit(NamedTuple):
    """A pattern that was found, and the text that shows it."""

    pattern: Pattern
    matched: str

    def shown(self) -> dict[str, str]:
        """As it stands in an answer."""
        name, family, technique, _ = self.pattern
        return {"trait": name, "family": family, "technique": technique, "matched": self.matched}


class Patterns:
    """Patterns compiled once. Letter case never matters, and a dot also matches line ends."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._compiled = [(one, compiled(one.expression, one.trait)) for one in patterns]

    @classmethod
    @cache
    def shipped(cls, name: str) -> Self:
        """The patterns of `content/traits/<name>.yaml`. Raises WatchfloorError for one that is no pattern."""
        return cls(Pattern(i["trait"], i["family"], i["technique"], i["pattern"]) for i in table(name))

    def find(self, texts: Sequence[str]) -> list[Hit]:
        """Each pattern once, with the first text that shows it."""
        hits: list[Hit] = []
        for pattern, compiled in self._compiled:
            for text in texts:
                found = compiled.search(text)
                if found is not None:
                    hits.append(Hit(pattern, clipped(found.group(0).strip(), _SHOWN)))
                    break
        return hits


def table(name: str) -> Any:
    """The one document of `content/traits/<name>.yaml`."""
    return next(content.documents(content.folder("traits") / f"{name}.yaml")).data


def compiled(expression: str, where: str) -> Any:
    """An RE2 pattern in any letter case. Raises WatchfloorError."""
    try:
        return re2.compile(f"(?is){expression}")
    except re2.error as error:
        raise WatchfloorError(f"not a pattern of RE2: {error}", where=f"traits, {where}") from None


def share(count: int, total: int) -> float:
    """A share to three digits; 0 of nothing is 0."""
    return round(count / total, 3) if total else 0.0


def text_at(data: Any, *paths: str) -> str:
    """The first of some dotted paths in plain data at which a text or number stands; empty when none does."""
    for path in paths:
        value = get_path(data, path)
        if isinstance(value, (str, int, float)) and value != "":
            return str(value)
    return ""
