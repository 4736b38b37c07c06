"""What every source has: a place in `sources.yaml`, a hand that stores for it, and secrets that stand elsewhere."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import ConfigDict, StringConstraints

from watchfloor.core.errors import RefusedError, WatchfloorError
from watchfloor.core.intake import SourceName
from watchfloor.core.noun import Noun

Secret = Annotated[str, StringConstraints(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)$")]
"""Where a secret stands: `env:NAME`, an environment variable of the server, or `file:/PATH`, a file of mode 0600."""

Https = Annotated[str, StringConstraints(pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])\S+$")]
"""An address with TLS; without it only on this machine."""


class Hand(Protocol):
    """What a source hands its records to. What it stored is not lost; a record that comes again counts once."""

    async def put(self, content: bytes, form: str = "") -> None:
        """Store the bytes of one or many records; returns when they are on the disk, and waits while they cannot be.

        `form` names their reader (`ingest.readers.READERS`); empty where the content has to tell.
        """

    def checkpoint(self) -> dict[str, Any]:
        """What was kept last; empty at the first start."""

    async def keep(self, checkpoint: Mapping[str, Any]) -> None:
        """Keep how far the source has read. Only after `put` returned for all that it covers."""

    async def working(self, note: str = "") -> None:
        """The source has reached what it reads from: what hindered it is over. `note` says what is worth knowing
        meanwhile, such as how much waits; it may come as often as it likes."""

    async def hindered(self, problem: str) -> None:
        """Some of what is there cannot be read and will be tried again, while the rest is; until `working` is said."""


class Source(Noun):
    """One source of `sources.yaml`. What stands under a field says what it is: the command line shows it."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    AFRESH: ClassVar[Mapping[str, Any]] = {}
    """The checkpoint that has it read everything again that is still there."""

    name: SourceName
    """Its name: lower-case letters, digits and . _ -"""
    kind: str
    """How it is collected."""

    @property
    def source(self) -> str:
        """As records name it."""
        return f"{self.kind}/{self.name}"

    def check(self) -> None:
        """Whether it can be started as it is written: files, secrets. Raises WatchfloorError."""

    async def run(self, hand: Hand) -> None:
        """Hand records in until cancelled. Whatever it raises is shown, and it is started again after a while."""
        raise NotImplementedError


def secret(reference: str) -> str:
    """The secret that a reference leads to. Raises WatchfloorError; the secret itself stands in no message."""
    how, _, place = reference.partition(":")
    if how == "env":
        found = os.environ.get(place, "")
        do = "Set that environment variable for the server"
    else:
        found, do = _of_file(Path(place)), "Put the secret into that file"
    if not found.strip():
        raise WatchfloorError("there is no secret", where=reference, do=do)
    return found.strip()


def _of_file(path: Path) -> str:
    try:
        if path.stat().st_mode & 0o077:
            raise RefusedError("other users may read this secret", where=str(path), do=f"Run: chmod 600 {path}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WatchfloorError(f"the secret cannot be read ({type(error).__name__})", where=str(path)) from None


def library(module: str, extra: str) -> ModuleType:
    """A client that not everybody has. Raises WatchfloorError that says how to get it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise WatchfloorError(
            f"the client {error.name} is not installed", do=f"Run: make extras, or pip install 'watchfloor[{extra}]'"
        ) from None


_SECRETS = re.compile(r"(?i)((?:token|secret|password|key|signature|authorization)[\w-]*[=:]\s*)\S+")


def shown(problem: BaseException) -> str:
    """An error as one line for people, with nothing in it that looks like a secret."""
    text = " ".join((str(problem) or type(problem).__name__).split())
    return _SECRETS.sub(r"\1***", text)[:500]
