"""The bundled story: three days at an invented company, used by the demo and the tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from watchfloor import content
from watchfloor.app.settings import Settings
from watchfloor.improve.truth import Truth
from watchfloor.ingest.context import load_context
from watchfloor.integrations.simulated_company import SimulatedCompany

TENANT = "demo"
KNOWN_BY_ANY_NAME = frozenset({"messages", "mailboxes", "access_keys", "attachments", "trails", "files", "processes"})
"""What the simulated company has under any name asked for: too many to list, and none of them is missing."""


@dataclass(frozen=True)
class Story:
    """A folder with `records/`, `context/`, `intel/`, `labels.csv` and `truth.yaml`."""

    folder: Path

    @classmethod
    def bundled(cls) -> Story:
        return cls(content.folder("story"))

    @property
    def records(self) -> Path:
        return self.folder / "records"

    def settings(self) -> Settings:
        """Everything that the company knows; not the truth."""
        return Settings(
            tenant=TENANT,
            context=self.folder / "context",
            intel=(self.folder / "intel",),
            labels=self.folder / "labels.csv",
        )

    def truth(self) -> Truth:
        """What really happened: for the summary alone."""
        return Truth.read(self.folder / "truth.yaml")

    def company(self, home: Path) -> SimulatedCompany:
        """The company's own products, simulated over HTTP, for its plans to act on."""
        return SimulatedCompany(
            home / "simulated-company",
            load_context(self.folder / "context"),
            knows_any=KNOWN_BY_ANY_NAME,
        )
