"""Truth: what really happened in a labelled set. Read by summaries only, never by a decision."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from watchfloor import content
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.finding import Finding
from watchfloor.core.noun import Noun
from watchfloor.core.verdict import Hypothesis


class TruthRecords(Noun):
    """Records of one file: 0-based positions."""

    file: str
    positions: tuple[int, ...]


class Incident(Noun):
    """One thing that happened, an attack or a benign story, with the records that belong to it."""

    id: str
    title: str
    kind: Literal["attack", "benign"]
    verdict: Hypothesis
    start: str
    end: str
    entities: tuple[str, ...] = ()
    records: tuple[TruthRecords, ...]


class Truth:
    """Which incident a record belongs to; what is not listed is benign background."""

    def __init__(self, incidents: Iterable[Incident]) -> None:
        self.incidents = tuple(incidents)
        self._by_record = {
            (group.file, position): incident
            for incident in self.incidents
            for group in incident.records
            for position in group.positions
        }
        self._names = {Path(file).name: file for file, _ in self._by_record}

    @classmethod
    def read(cls, path: Path) -> Truth:
        """From a YAML file with a list `incidents`. Raises WatchfloorError that names what is wrong."""
        for document in content.documents(path):
            if isinstance(document.data, dict) and "incidents" in document.data:
                return cls(Incident.from_dict(entry) for entry in document.data["incidents"])
        raise WatchfloorError("no list `incidents`", where=str(path))

    def incident(self, finding: Finding) -> Incident | None:
        """The incident that the finding's record belongs to. Files are compared by the end of their path."""
        file = finding.source.partition("!")[0]
        known = self._names.get(Path(file).name)
        if known is None or not file.endswith(known):
            return None
        return self._by_record.get((known, finding.position))
