"""`sources.yaml` as commands change it: what the server collects, and from where it reads."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import yaml

from watchfloor.app.parts import Parts
from watchfloor.core.errors import NotFoundError, RefusedError, WatchfloorError
from watchfloor.core.source import Checkpoint
from watchfloor.ingest.sources import FILE, KINDS, Source, read_file, read_sources
from watchfloor.ingest.sources.entries import with_entry, without_entry
from watchfloor.store.spool import claim


class Collected:
    """The sources of one home's `sources.yaml`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._file = parts.home.path / FILE

    def sources(self) -> tuple[Source, ...]:
        """Raises WatchfloorError when the file cannot be read."""
        return read_sources(self._parts.home.path)

    def find(self, name: str) -> list[Source]:
        """Those of a name; or the one of a kind and a name (`kafka/logs`)."""
        return [source for source in self.sources() if name in (source.name, source.source)]

    def add(self, name: str, kind: str, fields: Mapping[str, Any]) -> Source:
        """Write a source to the file. Raises WatchfloorError when it is not valid, or its name is taken."""
        entry = {"name": name, "kind": kind, **fields}
        source = KINDS[kind].from_dict(entry)
        with self._changing():
            before = self.sources()
            if any(one.name == name for one in before):
                raise RefusedError(f"there is a source {name} already", do=f"Run: watchfloor source remove {name}")
            self._write(lambda text: with_entry(text, entry), (*before, source))
        self._tell("source.added", source, settings=entry)
        return source

    def remove(self, source: Source) -> None:
        """Take a source out of the file; what came from it stays, and its place for the case that it comes back."""
        with self._changing():
            before = self.sources()
            if source not in before:
                raise NotFoundError(f"{source.source} is not there any more", where=str(self._file))
            number = before.index(source)
            self._write(lambda text: without_entry(text, number), before[:number] + before[number + 1 :])
        self._tell("source.removed", source)

    def rewind(self, source: Source) -> None:
        """Forget how far it has read. Raises RefusedError while a server runs: it would keep its own place over it."""
        parts = self._parts
        try:
            lock = claim(parts.home.spool)
        except WatchfloorError:
            raise RefusedError(
                "a server runs, and keeps its own place", where=source.source, do="Stop `watchfloor serve`, then rewind"
            ) from None
        with lock, parts.together():
            kept = Checkpoint(tenant=parts.tenant, uid=source.source, time=parts.clock(), data=dict(source.AFRESH))
            parts.documents.put(parts.tenant, kept)
            self._tell("source.rewound", source)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One command at a time."""
        with self._file.with_suffix(".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, change: Callable[[str], str], wanted: tuple[Source, ...]) -> None:
        """The changed text in the file's place, if it says exactly what is wanted."""
        target = self._file.resolve()  # it may be a link to where somebody keeps such files
        draft = target.with_name(f".{secrets.token_hex(8)}.yaml")
        try:
            text = change(target.read_text(encoding="utf-8") if target.exists() else "")
            mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            problem = "" if read_file(draft) == wanted else "its layout is too unusual"
            if not problem:
                draft.replace(target)
        except (WatchfloorError, yaml.YAMLError) as error:
            problem = str(error)
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()
        if problem:
            what = f"this file cannot be changed by a command: {problem}"
            raise WatchfloorError(what, where=str(self._file), do="Change it by hand")

    def _tell(self, kind: str, source: Source, **more: Any) -> None:
        parts, body = self._parts, {"source": source.source, **more}
        parts.ledger.append(
            parts.tenant, kind=kind, subject=source.name, actor="watchfloor", body=body, time=parts.clock()
        )
