"""Days as bits: on which of the last 64 days something was seen. Seen twice is seen once, in whatever order it comes.

Bit 0 is the newest day. What was not seen for 64 days falls out: nothing becomes usual for ever.
"""

from __future__ import annotations

WINDOW = 64
_ALL = (1 << WINDOW) - 1


def until(mask: int, newest: int, day: int) -> int:
    """The same bits with `day` (days since the epoch) as the newest: what was seen on it or before."""
    return (mask << (day - newest)) & _ALL if day >= newest else mask >> (newest - day)


def marked(mask: int, newest: int, day: int) -> tuple[int, int]:
    """The bits with `day` set, and their newest day. A day that is too long ago changes nothing."""
    if day > newest:
        return ((mask << (day - newest)) & _ALL if day - newest < WINDOW else 0) | 1, day
    return mask | (1 << (newest - day)) & _ALL, newest


def span(mask: int) -> int:
    """Days from the first to the newest, both counted."""
    return mask.bit_length()
