"""An additive model: a value is taken into pieces, each piece has a weight, the sum is the log-odds.

Weights are whole numbers of 1/256 log-odds, so contributions add up to the sum exactly. A piece is `kind:text`
(`word:-enc`, `is:longer than 40 letters`); what stands after the colon is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, Self
from zlib import crc32

import orjson

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.risk import logistic

UNIT = 256
"""Weights are counted in 1/UNIT of a log-odd."""


class Weighed(NamedTuple):
    """`log_odds` is the bias and all contributions; `parts` are those that are not zero, greatest first."""

    log_odds: float
    bias: float
    parts: tuple[tuple[str, float], ...]

    @property
    def probability(self) -> float:
        """Calibrated, for as many bad values as good ones; the owner's own rate is the ensemble's to know."""
        return logistic(self.log_odds)


class Model:
    """The weights of one detector. `threshold` is the log-odds from which it speaks; `about` all else in the file."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.name: str = data["name"]
        self.version: int = data["version"]
        self.threshold: float = data["threshold"]["log_odds"]
        self.about = {key: value for key, value in data.items() if key != "weights"}
        self._bias: int = data["bias"]
        self._hashed: bool = data["hashed"]
        weights = data["weights"].items()
        self._weights: dict[str | int, int] = {int(k, 16) if self._hashed else k: w for k, w in weights}

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read a model's file. Raises WatchfloorError for one that is missing or is no model."""
        try:
            return cls(orjson.loads(file.read_bytes()))
        except OSError as error:
            raise WatchfloorError(f"a learned detector cannot be read: {error.strerror}", where=str(file)) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise WatchfloorError(f"not a learned detector: {error!r}", where=str(file)) from None

    def __len__(self) -> int:
        return len(self._weights)

    def log_odds(self, pieces: Iterable[str]) -> float:
        """The sum for a value's pieces, each of which counts once."""
        return sum(map(self._weight, pieces), self._bias) / UNIT

    def weigh(self, pieces: Iterable[str]) -> Weighed:
        """The same sum, with what each piece put in."""
        counted = [(piece, weight) for piece in pieces if (weight := self._weight(piece))]
        counted.sort(key=lambda one: (-abs(one[1]), one[0]))
        total = self._bias + sum(weight for _, weight in counted)
        parts = tuple((piece.partition(":")[2], weight / UNIT) for piece, weight in counted)
        return Weighed(total / UNIT, self._bias / UNIT, parts)

    def _weight(self, piece: str) -> int:
        return self._weights.get(crc32(piece.encode()) if self._hashed else piece, 0)
