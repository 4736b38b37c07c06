"""What an object makes when it is first asked for, once, however many threads ask at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")
_LOCK = "_making"


class once(Generic[T]):
    """`functools.cached_property` with a lock, which that has no more since Python 3.12: for what holds state, so that
    there must be one of it."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make, self._name, self.__doc__ = make, make.__name__, make.__doc__

    @overload
    def __get__(self, holder: None, owner: type) -> Self: ...
    @overload
    def __get__(self, holder: object, owner: type) -> T: ...
    def __get__(self, holder: object | None, owner: type) -> Self | T:
        if holder is None:
            return self
        made: dict[str, Any] = holder.__dict__
        with made.setdefault(_LOCK, threading.RLock()):
            if self._name not in made:
                made[self._name] = self._make(holder)
            found: T = made[self._name]
            return found
