"""Coverage: which layers and ATT&CK techniques the records that arrive and the detections in use can see. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from watchfloor.core.attack import in_order, tactic
from watchfloor.core.clock import DAY
from watchfloor.core.event import LAYERS, Layer
from watchfloor.core.noun import Noun

_SILENT_AFTER = DAY
_INTEL: Layer = "threat_intelligence"


class SeenSource(Noun):
    """Records of one mapping in one layer: how many, and the time (ms) of the newest."""

    mapping: str
    layer: Layer
    events: int
    last_time: int


class UsedDetection(Noun):
    """A detection in use. `reads` are the (mapping, layer) that bring records which its log source means; `wants` says
    in words what it would read."""

    uid: str
    title: str
    techniques: tuple[str, ...]
    tactics: tuple[str, ...]
    wants: str
    reads: tuple[tuple[str, Layer], ...]


class LayerLine(Noun):
    """One of the six layers: what comes from it, what can fire on that, and what could be connected."""

    layer: Layer
    sources: tuple[SeenSource, ...]
    silent: tuple[str, ...]
    """Mappings with no record in the day before the newest record of all."""
    detections: int
    could_connect: tuple[str, ...]
    """Mappings that are known and bring nothing."""

    @property
    def covered(self) -> bool:
        """Records arrive, and something can fire on them."""
        return bool(self.sources) and self.detections > 0


class TechniqueLine(Noun):
    """One ATT&CK technique: detections that can fire, detections that wait for a source, and what they wait for."""

    technique: str
    name: str
    tactics: tuple[str, ...]
    can_fire: int
    waiting: int
    wants: tuple[str, ...]
    """Log sources that would wake the waiting detections, most of them first."""


class Coverage(Noun):
    """The whole answer. `techniques` are those that a detection names, and all of ATT&CK where that was given."""

    layers: tuple[LayerLine, ...]
    techniques: tuple[TechniqueLine, ...]
    detections: int
    can_fire: int
    indicators: int
    """Indicators of compromise that are matched against the events of every layer."""
    wants: dict[str, int]
    """Log source in words -> how many detections wait for it, most first."""

    def blind(self) -> tuple[Layer, ...]:
        """Layers in which nothing arrives or nothing can fire; intelligence counts by its indicators."""
        seen = {line.layer for line in self.layers if line.covered} | ({_INTEL} if self.indicators else set())
        return tuple(layer for layer in LAYERS if layer not in seen)

    @property
    def covered(self) -> tuple[TechniqueLine, ...]:
        """Techniques on which something can fire now."""
        return tuple(line for line in self.techniques if line.can_fire)


def assess_coverage(
    sources: Sequence[SeenSource],
    detections: Sequence[UsedDetection],
    known: Mapping[Layer, Iterable[str]],
    techniques: Mapping[str, tuple[str, tuple[str, ...]]] | None = None,
    indicators: int = 0,
) -> Coverage:
    """Coverage of what was seen by what is used.

    `known` maps each layer to the mappings that exist for it; `techniques` maps ATT&CK ids to name and tactics, so that
    techniques which no detection names are listed, too.
    """
    waiting = [d for d in detections if not d.reads]
    return Coverage(
        layers=tuple(_layer(layer, sources, detections, known.get(layer, ())) for layer in LAYERS),
        techniques=_techniques(detections, techniques or {}),
        detections=len(detections),
        can_fire=len(detections) - len(waiting),
        indicators=indicators,
        wants=_counted(d.wants for d in waiting),
    )


def _layer(
    layer: Layer, sources: Sequence[SeenSource], detections: Sequence[UsedDetection], known: Iterable[str]
) -> LayerLine:
    mine = sorted((s for s in sources if s.layer == layer), key=lambda s: (-s.events, s.mapping))
    newest = max((s.last_time for s in sources), default=0)
    return LayerLine(
        layer=layer,
        sources=tuple(mine),
        silent=tuple(s.mapping for s in mine if s.last_time < newest - _SILENT_AFTER),
        detections=sum(any(of == layer for _, of in d.reads) for d in detections),
        could_connect=tuple(sorted(set(known) - {s.mapping for s in mine})),
    )


def _techniques(
    detections: Sequence[UsedDetection], known: Mapping[str, tuple[str, tuple[str, ...]]]
) -> tuple[TechniqueLine, ...]:
    naming: dict[str, list[UsedDetection]] = defaultdict(list)
    for detection in detections:
        for technique in detection.techniques:
            naming[technique].append(detection)
    lines = []
    for technique in sorted({*naming, *known}):
        mine = naming.get(technique, [])
        name, tactics = known.get(technique, ("", ()))
        if not tactics and mine:
            tactics = _shared_tactics(mine)
        lines.append(
            TechniqueLine(
                technique=technique,
                name=name,
                tactics=in_order(tactics),
                can_fire=sum(bool(d.reads) for d in mine),
                waiting=sum(not d.reads for d in mine),
                wants=tuple(_counted(d.wants for d in mine if not d.reads)),
            )
        )
    return tuple(lines)


def _shared_tactics(detections: Sequence[UsedDetection]) -> tuple[str, ...]:
    """The tactics that all detections of a technique name, else all that any names: a detection with two techniques
    does not say which of its tactics is whose."""
    named = [{tactic(t) for t in d.tactics} for d in detections]
    return tuple(set.intersection(*named) or set.union(*named))


def _counted(names: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for name in names:
        counts[name] += 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def navigator_layer(coverage: Coverage, name: str) -> dict[str, Any]:
    """The coverage as a layer of MITRE's ATT&CK Navigator (layer format 4.5).

    The score is how many detections can fire; a technique for which detections only wait has 0 and says what for.
    """
    most = max((line.can_fire for line in coverage.techniques), default=0)
    return {
        "name": name,
        "versions": {"layer": "4.5", "navigator": "5.1.0"},
        "domain": "enterprise-attack",
        "description": f"{coverage.can_fire} of {coverage.detections} detections can fire on the records that arrive",
        "gradient": {"colors": ["#f4d7d3", "#cfe6d0", "#2f7d32"], "minValue": 0, "maxValue": max(most, 1)},
        "legendItems": [
            {"label": "detections wait for a source", "color": "#f4d7d3"},
            {"label": "detections can fire", "color": "#2f7d32"},
        ],
        "showTacticRowBackground": False,
        "sorting": 3,
        "techniques": [
            {
                "techniqueID": line.technique,
                "score": line.can_fire,
                "comment": _comment(line),
                "enabled": True,
                "showSubtechniques": "." in line.technique,
            }
            for line in coverage.techniques
            if line.can_fire or line.waiting
        ],
    }


def _comment(line: TechniqueLine) -> str:
    waits = f"; {line.waiting} wait for {', '.join(line.wants[:3])}" if line.waiting else ""
    return f"{line.can_fire} detections can fire{waits}"
