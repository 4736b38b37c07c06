"""A shelf: what one detector knows of each entity, within an exact limit, saved in the pieces that changed.

Who is let go of when it is full: what was seen on few days before what was seen on many, and among those that which
changed longest ago. New entities keep an eighth of the room and no more, so that a flood of names that nobody saw
before pushes out the flood itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, TypeVar

import msgspec

from watchfloor.detect.anomaly.days import marked, until

_CLASSES = 4
"""Seen on one day, on two or three, on four to seven, on more."""


class Known(msgspec.Struct, array_like=True):
    """What is known of one entity. `days` has a bit a day, bit 0 being `day` (days since the epoch); `said` is the
    day on which something was said of it last."""

    day: int = 0
    days: int = 0
    said: int = 0

    def before(self, day: int) -> int:
        """The days on which it was seen before that day; bit 1 is the day before."""
        return until(self.days, self.day, day) & ~1

    def mark(self, day: int) -> bool:
        """Seen on that day. Returns whether that is news."""
        days, newest = marked(self.days, self.day, day)
        if newest > self.day > 0:
            self.move(newest)
        changed = (days, newest) != (self.days, self.day)
        self.days, self.day = days, newest
        return changed

    def move(self, day: int) -> None:
        """`day` becomes the newest: what else counts days follows."""

    def size(self) -> int:
        """How many entries it takes of the shelf."""
        return 1


R = TypeVar("R", bound=Known)


class Piece(NamedTuple):
    """One entity's row as it is kept; no body: it was let go of. `n` is the order of change."""

    shelf: str
    key: str
    n: int
    body: bytes | None


class Shelf(Generic[R]):
    """Records by key. Change a record, then say `changed`."""

    def __init__(
        self, name: str, type_: type[R], most: int, left: Callable[[str, R], None] = lambda _key, _record: None
    ) -> None:
        self.name, self.most = name, most
        self.rows: dict[str, R] = {}
        self._type, self._left = type_, left
        self._decode = msgspec.msgpack.Decoder(type_).decode
        self._encode = msgspec.msgpack.Encoder().encode
        self._held: dict[str, tuple[int, int]] = {}
        # Not plain dictionaries: their first entry is found by walking over all that were taken out before it.
        self._orders: tuple[OrderedDict[str, None], ...] = tuple(OrderedDict() for _ in range(_CLASSES))
        self._sizes = [0] * _CLASSES
        self._changed: dict[str, None] = {}
        self._n = 0

    @property
    def entries(self) -> int:
        """How much of `most` is taken."""
        return sum(self._sizes)

    def get(self, key: str) -> R:
        """The record of a key, a new one where it is not known. It is kept only when it is `changed`."""
        return self.rows.get(key) or self._type()

    def changed(self, key: str, record: R) -> None:
        """The record is as it should be kept from now on."""
        self.rows[key] = record
        self._changed.pop(key, None)
        self._changed[key] = None
        self._place(key, record)
        if sum(self._sizes) > self.most:
            self._make_room()

    def _place(self, key: str, record: R) -> None:
        held = self._held.get(key)
        place = min(_CLASSES, record.days.bit_count().bit_length() or 1) - 1
        size = record.size()
        if held is not None:
            if held == (place, size):
                self._orders[place].move_to_end(key)
                return
            del self._orders[held[0]][key]
            self._sizes[held[0]] -= held[1]
        self._held[key] = place, size
        self._orders[place][key] = None
        self._sizes[place] += size

    def _make_room(self) -> None:
        share = self.most // 8
        while sum(self._sizes) > self.most:
            place = next((p for p in range(_CLASSES - 1) if self._sizes[p] > share), _CLASSES - 1)
            if not self._orders[place]:
                place = next(p for p in range(_CLASSES) if self._orders[p])
            self.remove(next(iter(self._orders[place])))

    def remove(self, key: str) -> None:
        """Let go of a record, if it is there."""
        record = self.rows.pop(key, None)
        if record is not None:
            place, size = self._held.pop(key)
            del self._orders[place][key]
            self._sizes[place] -= size
            self._changed.pop(key, None)
            self._changed[key] = None
            self._left(key, record)

    def expire(self, before: int) -> None:
        """Let go of what was not seen since a day."""
        for key in [key for key, record in self.rows.items() if record.day < before]:
            self.remove(key)

    # Keeping

    def bytes(self) -> int:
        """The bytes of all records as they are kept, with their keys."""
        return sum(len(key.encode()) + len(self._encode(record)) for key, record in self.rows.items())

    def load(self, pieces: Iterable[Piece]) -> None:
        """Take up what was kept, in its order of change. Raises msgspec.MsgspecError for what is not ours."""
        for piece in pieces:
            if piece.body is not None:
                record = self.rows[piece.key] = self._decode(piece.body)
                self._place(piece.key, record)
                self._n = max(self._n, piece.n)

    def changes(self) -> list[Piece]:
        """What changed since the last call."""
        found = []
        for key in self._changed:
            self._n += 1
            record = self.rows.get(key)
            found.append(Piece(self.name, key, self._n, None if record is None else self._encode(record)))
        self._changed.clear()
        return found
