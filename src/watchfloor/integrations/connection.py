"""Connection: where another product answers, which kinds of action it offers, and where its token is kept."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field

from watchfloor import content
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.noun import Noun


class Connection(Noun):
    """One product. The token stands in a file or in an environment variable, never in the settings themselves."""

    name: str
    kinds: tuple[str, ...]
    base_url: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")]
    token_file: Path | None = None
    token_env: str = ""
    timeout: Annotated[float, Field(gt=0, le=300)] = 10.0
    """Seconds."""

    def token(self) -> str:
        """The bearer token. Raises WatchfloorError when it cannot be had."""
        try:
            token = self.token_file.read_text().strip() if self.token_file else os.environ[self.token_env]
        except (OSError, KeyError) as error:
            place = self.token_file or f"the environment variable {self.token_env or '(none named)'}"
            raise WatchfloorError(
                f"no token ({type(error).__name__})",
                where=f"connection {self.name}",
                do=f"Put the token into {place}",
            ) from None
        if not token.isascii() or not token.isprintable() or not token:
            raise WatchfloorError("the token is empty or not printable ASCII", where=f"connection {self.name}")
        return token


def read_connections(path: Path) -> tuple[Connection, ...]:
    """Connections of a YAML file with `connections:` as a list. Token files are relative to that file."""
    found = []
    for where, data in content.documents(path):
        for index, fields in enumerate(data.get("connections") or []):
            try:
                connection = Connection.from_dict(fields)
            except WatchfloorError as error:
                raise WatchfloorError(error.what, where=f"{where}, connection {index + 1}") from None
            if connection.token_file is not None:
                token_file = path.parent / connection.token_file  # absolute ones stay as they are
                connection = connection.model_copy(update={"token_file": token_file})
            found.append(connection)
    return tuple(found)


def write_connections(path: Path, connections: Iterable[Connection]) -> Path:
    """Write connections as `read_connections` reads them; tokens stay where they are."""
    listed = []
    for connection in connections:
        fields = connection.model_dump(mode="json", exclude_defaults=True)
        # Absolute: read back, a relative one would be taken as relative to the file.
        own = {"token_file": str(connection.token_file.resolve())} if connection.token_file else {}
        listed.append(fields | own)
    path.write_text(yaml.safe_dump({"connections": listed}, sort_keys=False), encoding="utf-8")
    return path
