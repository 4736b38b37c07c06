"""Coverage as a picture: the six layers, and ATT&CK's matrix with a cell a technique."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, NamedTuple

from watchfloor.core.attack import TACTICS
from watchfloor.improve.coverage import Coverage, LayerLine, TechniqueLine

Shade = Literal["none", "waits", "one", "few", "many"]
SHADES: dict[Shade, str] = {
    "waits": "only waits for a source",
    "one": "one detection can fire",
    "few": "2 to 4",
    "many": "5 and more",
}
_FEW, _MANY = 2, 5


class Cell(NamedTuple):
    """A technique with its sub-techniques. `lines` are its own and theirs, those that can fire first."""

    technique: str
    name: str
    can_fire: int
    waiting: int
    lines: list[TechniqueLine]

    @property
    def shade(self) -> Shade:
        if self.can_fire:
            return "many" if self.can_fire >= _MANY else "few" if self.can_fire >= _FEW else "one"
        return "waits" if self.waiting else "none"

    @property
    def wants(self) -> tuple[str, ...]:
        """Log sources that would wake what waits."""
        return tuple(dict.fromkeys(want for line in self.lines for want in line.wants))


class Column(NamedTuple):
    """A tactic with its techniques, those that most can fire on first."""

    tactic: str
    covered: int
    cells: list[Cell]


def matrix(coverage: Coverage) -> list[Column]:
    """Tactics in the order of an intrusion; without those of which no technique is listed."""
    columns = []
    for tactic in TACTICS:
        lines: dict[str, list[TechniqueLine]] = defaultdict(list)
        for line in coverage.techniques:
            if tactic in line.tactics:
                lines[line.technique.partition(".")[0]].append(line)
        cells = sorted((_cell(uid, some) for uid, some in lines.items()), key=lambda c: (-c.can_fire, c.technique))
        if cells:
            columns.append(Column(tactic.replace("-", " "), sum(cell.can_fire > 0 for cell in cells), cells))
    return columns


def _cell(technique: str, lines: Sequence[TechniqueLine]) -> Cell:
    """Detections may name several of its sub-techniques: the counts are those of the one that most can fire on."""
    own = next((line.name for line in lines if line.technique == technique), "")
    return Cell(
        technique,
        own,
        max(line.can_fire for line in lines),
        max(line.waiting for line in lines),
        sorted(lines, key=lambda line: (-line.can_fire, line.technique)),
    )


def state(line: LayerLine, blind: Sequence[str]) -> str:
    """How a layer stands, in words."""
    if line.layer in blind:
        return "nothing can fire" if line.sources else "nothing arrives"
    if line.silent:
        return f"silent: {', '.join(line.silent)}"
    return "covered"
