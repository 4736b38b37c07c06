"""The ensemble: members of all kinds, weighed into one calibrated probability of which each part is shown.

It is a logistic model: log-odds = base + sum of weight x feature. Its calibration (Platt's) is linear in the log-odds
and stands in base and weights already, so that the parts add up to the calibrated log-odds exactly. No weight is below
zero: a member may raise suspicion and never lower it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Self

import orjson

from watchfloor.content import folder
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.risk import Risk, RiskPart
from watchfloor.detect.ensemble.members import Member

_DIGITS = 4


class Ensemble:
    """Weighs members. `weights` are by feature; a member's features without a weight of their own have that of its
    family (`anomaly/rare` that of `anomaly`), others none. `base` is for an event of which nothing else is known,
    `base_in_context` where what stands around it is: that nothing unusual does says something, too."""

    def __init__(self, version: str, base: float, base_in_context: float, weights: Mapping[str, float]) -> None:
        for name, weight in weights.items():
            if not weight >= 0:
                raise WatchfloorError(f"the weight {weight} of {name!r} is below zero", where=f"weights {version}")
        self.version, self.base, self.base_in_context = version, base, base_in_context
        self._weights = dict(weights)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """From the content of `ensemble/weights.json`. Raises WatchfloorError."""
        try:
            weights = {str(name): float(weight) for name, weight in data["weights"].items()}
            return cls(str(data["version"]), float(data["base"]), float(data["base_in_context"]), weights)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise WatchfloorError(f"not the weights of an ensemble: {error}", where="ensemble/weights.json") from None

    def weight(self, feature: str) -> float:
        """The weight of one feature."""
        known = self._weights.get(feature)
        return self._weights.get(feature.partition("/")[0], 0.0) if known is None else known

    def adds(self, features: Iterable[tuple[str, float]]) -> float:
        """What features with these values add, as it is shown: to four digits."""
        return round(sum(self.weight(feature) * value for feature, value in features), _DIGITS) + 0.0

    def part(self, member: Member) -> RiskPart:
        """What one member adds."""
        return RiskPart(member=member.name, sentence=member.sentence, contribution=self.adds(member.features))

    def weigh(self, members: Iterable[Member]) -> Risk:
        """The risk that these members come to. Who adds nothing is shown with nothing."""
        return Risk.of(self.base, map(self.part, members), self.version)


@cache
def shipped() -> Ensemble:
    """The shipped weights."""
    return Ensemble.from_dict(orjson.loads((folder("ensemble") / "weights.json").read_bytes()))
