"""Dead letters: what could not be read, kept with its bytes, and read again when a reader or mapping was mended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from watchfloor.app.deliveries import Deliveries, Item
from watchfloor.app.keeping import Keeper, Kept
from watchfloor.app.parts import Parts
from watchfloor.core.errors import NotFoundError, RefusedError
from watchfloor.core.intake import LiveState, Tally
from watchfloor.core.record import DeadLetter
from watchfloor.ingest import Unreadable
from watchfloor.ingest.readers import read_parcel
from watchfloor.ingest.readers.source import SAMPLE
from watchfloor.store.documents import Document


class Replayed(NamedTuple):
    """What came of reading a dead letter again. Where it could not be read it stays dead, and `reason` says why."""

    letter: DeadLetter
    events: int
    findings: int
    reason: str = ""
    indicators: int = 0

    @property
    def read(self) -> bool:
        return bool(self.events or self.indicators)


class DeadLetters:
    """The dead letters of one tenant."""

    def __init__(self, parts: Parts, keeper: Keeper) -> None:
        self._parts, self._keeper = parts, keeper

    def find(self, *, source: str = "", limit: int | None = 100) -> list[DeadLetter]:
        """Those that nobody could read yet, the newest first; with `source`, of this one and what was inside it."""
        all_ = None if source else limit
        letters = self._parts.documents.find(self._parts.tenant, DeadLetter, status="dead", limit=all_)
        return [one for one in letters if not source or one.source.partition("!")[0] == source][:limit]

    def get(self, uid: str) -> DeadLetter:
        """Raises NotFoundError."""
        return self._parts.documents.get(self._parts.tenant, DeadLetter, uid)

    def content(self, letter: DeadLetter) -> bytes:
        """Its bytes, hashed anew on the way."""
        return self._parts.evidence.get_bytes(letter.tenant, letter.content) if letter.content else b""

    def replay(self, uid: str, by: str) -> Replayed:
        """Read it again. What is a record now becomes an event as if it had been read at first; the ledger is told.

        Raises NotFoundError, and RefusedError when it was replayed already or not all of its bytes were kept.
        """
        parts, letter = self._parts, self.get(uid)
        if letter.status == "replayed":
            raise RefusedError("its bytes are events already", where=uid)
        if letter.form == "context":
            raise RefusedError("it is a row of an import", where=letter.where, do="Mend the row and import it again")
        if not letter.live and (letter.unit == "file" or letter.size >= SAMPLE):
            raise RefusedError(
                "of a file only the beginning was kept", where=letter.where, do="Take the file in again: it counts once"
            )
        items = self._read(letter)
        if all(isinstance(item, Unreadable) for item in items):
            reason = next((item.reason for item in items if isinstance(item, Unreadable)), letter.reason)
            return Replayed(letter, 0, 0, reason)
        read = letter.model_copy(update={"status": "replayed"})
        kept = self._keeper.keep(items, lambda kept: self._beside(read, kept))
        body = {
            "source": letter.source,
            "reason": letter.reason,
            "content": letter.content,
            "events": [event.uid for event in kept.events],
            "dead_letters": [one.uid for one in kept.letters],
            "indicators": kept.intel.came,
        }
        parts.ledger.append(
            parts.tenant, kind="deadletter.replayed", subject=uid, actor=by, body=body, time=parts.clock()
        )
        parts.updates.publish(parts.tenant, "ingest", "records")
        return Replayed(read, len(kept.events), len(kept.findings), indicators=kept.intel.came)

    def _read(self, letter: DeadLetter) -> list[Item]:
        content = self.content(letter)
        if letter.live:
            deliveries = Deliveries(self._parts)
            return list(deliveries.parcel(letter.source, content, form=letter.form, at=letter.time))
        event, found = self._parts.normalizer.event, list[Item]()
        for item in read_parcel(letter.tenant, letter.source, content, form=letter.form, at=letter.time):
            # A record of a file is known by its place; reading the whole file again must find it to be the same one.
            same = msgspec.structs.replace(item, live=False, position=letter.position, unit=letter.unit)
            found.append(same if isinstance(same, Unreadable) else event(same))
        return found

    def _beside(self, letter: DeadLetter, kept: Kept) -> Sequence[Document]:
        """The letter is none any more, and its source's balance says so."""
        parts = self._parts
        source = letter.source.partition("!")[0]
        try:
            state = parts.documents.get(parts.tenant, LiveState, source)
        except NotFoundError:
            return [letter]
        repeats = len(kept.events) - kept.new + sum(kept.intel.repeats.values())
        change = Tally(
            received=len(kept.events) + len(kept.letters) + kept.intel.came - 1,
            events=kept.new,
            dead_letters=len(kept.letters) - 1,
            repeats=repeats,
            indicators=sum(kept.intel.fresh.values()),
        )
        return [letter, state.model_copy(update={"tally": state.tally + change})]
