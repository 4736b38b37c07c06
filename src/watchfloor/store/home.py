"""Home: where one installation keeps its things."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from watchfloor.core.errors import WatchfloorError


@dataclass(frozen=True)
class Home:
    """The folder of an installation and the places in it."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> Home:
        """Make the folder and its parts where they are absent, readable by their owner only.

        Raises WatchfloorError when the folder cannot be made.
        """
        home = cls(path.expanduser().resolve())
        try:
            for folder in (home.path, home.evidence, home.lake, home.keys):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise WatchfloorError(
                f"cannot make the home folder: {error.strerror or error}",
                where=str(home.path),
                do="Name a folder that you may write to",
            ) from None
        return home

    @property
    def database(self) -> Path:
        """Cases, state, accounts and the ledger."""
        return self.path / "watchfloor.db"

    @property
    def work(self) -> Path:
        """Durable work in progress (DBOS)."""
        return self.path / "work.db"

    @property
    def spool(self) -> Path:
        """What live sources handed in and nobody has worked off yet."""
        return self.path / "spool.db"

    @property
    def evidence(self) -> Path:
        return self.path / "evidence"

    @property
    def lake(self) -> Path:
        return self.path / "lake"

    @property
    def keys(self) -> Path:
        return self.path / "keys"
