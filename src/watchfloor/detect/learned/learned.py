"""The learned detectors: each judges one kind of value, and speaks only where there is something to say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, cached_property, lru_cache
from pathlib import Path

from watchfloor.content import folder
from watchfloor.core.event import Event
from watchfloor.core.signal import Signal
from watchfloor.core.text import clipped
from watchfloor.detect.learned.kinds import Kind, kinds
from watchfloor.detect.learned.model import Model

_REMEMBERED, _LONGEST_REMEMBERED = 8_192, 1_000
_MOST_VALUES = 20  # of one event: a mail may have hundreds of links
_MOST_PARTS, _LONGEST_PART = 8, 80


class Judge:
    """One detector: a kind of values and the model of it, which is loaded when it is first needed."""

    def __init__(self, kind: Kind, file: Path) -> None:
        self.kind, self._file = kind, file
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self.judge)

    @cached_property
    def model(self) -> Model:
        """Raises WatchfloorError when the file is missing or no model."""
        return Model.load(self._file)

    def signals(self, event: Event) -> Iterator[Signal]:
        """What is notable of an event's values, each once."""
        values = dict.fromkeys(value for value, _ in zip(self.kind.read(event), range(_MOST_VALUES), strict=False))
        for value in values:
            found = self._remembered(value) if len(value) <= _LONGEST_REMEMBERED else self.judge(value)
            if found is not None:
                yield found

    def judge(self, value: str) -> Signal | None:
        """What to say of one value; None of what is under the threshold."""
        kind, model = self.kind, self.model
        pieces = kind.pieces(value)
        if model.log_odds(pieces) < model.threshold:
            return None
        weighed = model.weigh(pieces)
        parts = tuple((clipped(text, _LONGEST_PART), weight) for text, weight in weighed.parts[:_MOST_PARTS])
        most = [f"“{text}”" for text, weight in parts if weight > 0][:3]
        why = f"; what counted most: {', '.join(most)}" if most else ""
        return Signal(
            member=f"learned/{kind.name}",
            strength=round(weighed.probability, 4),
            said=f"{kind.said(pieces)} ({min(weighed.probability, 0.99):.0%} at even odds, by learned weights){why}.",
            parts=parts,
            subject=f"{kind.entity}:{value}" if kind.entity else "",
            title=kind.title,
            techniques=kind.techniques,
        )


class Learned:
    """Says what is notable of an event's command lines, domains, URLs and mail. It keeps no state but caches."""

    def __init__(self, judges: Iterable[Judge]) -> None:
        self.judges = tuple(judges)
        self._within = frozenset().union(*(judge.kind.within for judge in self.judges))

    @classmethod
    @cache
    def shipped(cls, own: tuple[str, ...] = ()) -> Learned:
        """The detectors of `content/learned`; `own` are the owner's domains, which others may imitate."""
        return cls(Judge(kind, folder("learned") / f"{kind.name}.json") for kind in kinds(own))

    def signals(self, event: Event) -> list[Signal]:
        """What the detectors say of an event; nothing of what is ordinary."""
        if self._within.isdisjoint(event.ocsf):
            return []
        asked = (judge for judge in self.judges if not judge.kind.within.isdisjoint(event.ocsf))
        return [signal for judge in asked for signal in judge.signals(event)]
