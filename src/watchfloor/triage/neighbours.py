"""Neighbours: which cases that need a person now stand near another one. What stands near an attack does not close."""

from __future__ import annotations

from collections import defaultdict

from watchfloor.core.case import Case


class Neighbours:
    """Escalated cases, found by relation and by who acted: the same user, key, sender or source address."""

    def __init__(self) -> None:
        self._escalated: set[str] = set()
        self._acting: dict[str, set[str]] = defaultdict(set)

    def add(self, case: Case) -> None:
        """Take in an escalated case."""
        self._escalated.add(case.uid)
        for key in _actors(case):
            self._acting[key].add(case.uid)

    def near(self, case: Case) -> tuple[str, ...]:
        """The uids of escalated cases near this one, in order."""
        found = self._escalated.intersection(case.related)
        for key in _actors(case):
            found |= self._acting.get(key, set())
        return tuple(sorted(found - {case.uid}))


def _actors(case: Case) -> set[str]:
    return {i.entity.key for i in case.involved if i.role in ("actor", "source")}
