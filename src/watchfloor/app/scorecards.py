"""Scorecards in use: the expert's, or the one that a person applied last. Never another.

What a person signs is the digest of a scorecard after another one. Whoever decides reads the newest signature, checks
it against the person's key, and takes the bytes of exactly that digest; what does not fit stops deciding with an error.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Literal, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from watchfloor.core.applied import HOLDER, Applied
from watchfloor.core.errors import RefusedError, WatchfloorError
from watchfloor.core.noun import short_id
from watchfloor.core.scorecard import Scorecard
from watchfloor.improve.training import Training

if TYPE_CHECKING:
    from watchfloor.app.parts import Parts

ROLE = "lead"


class LearningView(NamedTuple):
    """What was trained, who applied what (both the newest first), and the digest of the scorecard in use."""

    current: str
    applied: list[Applied]
    trainings: list[Training]


class _Change(NamedTuple):
    """What is signed: the digests of the scorecards before and after, the training and its seal."""

    purpose: Literal["apply", "undo"]
    before: str
    after: str
    training: str
    seal: str


class Scorecards:
    """The scorecards of one tenant."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._uid: str | None = None
        self._card: Scorecard | None = None

    def current(self) -> Scorecard:
        """What decides. Read once; `renew` looks whether a person has applied another."""
        if self._card is None:
            self._take(self.newest())
        assert self._card is not None
        return self._card

    def renew(self) -> None:
        """Look for what was applied since, perhaps by another process. Raises RefusedError when it does not fit."""
        newest = self.newest()
        if self._card is None or (newest.uid if newest else "") != self._uid:
            self._take(newest)

    def newest(self) -> Applied | None:
        found = self.history()
        return found[0] if found else None

    def history(self) -> list[Applied]:
        """Who applied what, the newest first. Raises RefusedError when one is missing or a signature does not fit."""
        parts = self._parts
        found = parts.documents.find(parts.tenant, Applied, case_uid=HOLDER, limit=None)
        found.sort(key=lambda one: -one.number)
        said = [Applied.from_json(entry.body).uid for entry in parts.ledger.of_subject(parts.tenant, HOLDER)]
        if sorted(said) != sorted(one.uid for one in found):
            raise RefusedError("the ledger tells of other scorecards than are kept", where=parts.tenant)
        for one in found:
            self._check(one)
        return found

    def trainings(self) -> list[Training]:
        """What was trained here, the newest first."""
        return self._parts.documents.find(self._parts.tenant, Training, limit=None)

    def view(self) -> LearningView:
        self.renew()
        return LearningView(self.current().digest(), self.history(), self.trainings())

    def keep(self, training: Training) -> None:
        """Keep a training, so that it can be looked at and applied; it decides nothing yet."""
        parts = self._parts
        with parts.together():
            parts.evidence.put_bytes(parts.tenant, training.scorecard.canonical())
            parts.documents.put(parts.tenant, training)

    def apply(self, training: Training, user: str, passphrase: str) -> Applied:
        """Have a trained scorecard decide from now on. Raises RefusedError for a wrong passphrase or role, or when it
        was learnt from another scorecard than the one in use."""
        parts = self._parts
        if training.tenant != parts.tenant:
            raise RefusedError("it was trained for another tenant", where=training.uid)
        before = self.current()
        if training.start != before.digest():
            raise RefusedError(
                "it was learnt from another scorecard than the one in use", where=training.uid, do="Train anew"
            )
        self.keep(training)
        parts.evidence.put_bytes(parts.tenant, before.canonical())
        change = _Change("apply", before.digest(), training.scorecard_digest, training.uid, training.seal)
        return self._sign(change, user, passphrase)

    def undo(self, user: str, passphrase: str) -> Applied:
        """Have the scorecard before the one in use decide again. Raises RefusedError; WatchfloorError with none."""
        newest = self.newest()
        if newest is None:
            raise WatchfloorError("no scorecard was applied, so there is none to undo")
        return self._sign(_Change("undo", newest.scorecard, newest.before, newest.uid, ""), user, passphrase)

    def _sign(self, change: _Change, user: str, passphrase: str) -> Applied:
        parts, at = self._parts, self._parts.clock()
        if ROLE not in parts.roles(parts.tenant)(user):
            raise RefusedError(f"a scorecard is applied by a {ROLE}, which {user} is not", where=change.after)
        with parts.together():
            number = len(self.history()) + 1
            unsigned = Applied(
                tenant=parts.tenant,
                uid=short_id("applied", parts.tenant, str(number), change.before, change.after, user, str(at)),
                time=at,
                purpose=change.purpose,
                number=number,
                before=change.before,
                scorecard=change.after,
                training=change.training,
                seal=change.seal,
                by=user,
                public_key=parts.keys.public(user),
                signature="",
            )
            signature = parts.keys.sign(user, passphrase, unsigned.signed_bytes())
            signed = unsigned.model_copy(update={"signature": signature})
            parts.documents.put(parts.tenant, signed)
            kind = "scorecard.applied" if change.purpose == "apply" else "scorecard.undone"
            parts.ledger.append(parts.tenant, kind=kind, subject=HOLDER, actor=user, body=signed.to_dict(), time=at)
        self._take(signed)
        return signed

    def _take(self, newest: Applied | None) -> None:
        parts = self._parts
        expert = Scorecard.expert(parts.catalogue)
        card = expert
        if newest is not None and newest.scorecard != expert.digest():
            card = Scorecard.from_json(parts.evidence.get_bytes(parts.tenant, newest.scorecard))
            # The expert's is that of today's catalogue, not of the day when it was replaced.
            card = expert if card.name == expert.name else card.completed(parts.catalogue)
        self._card, self._uid = card, newest.uid if newest else ""

    def _check(self, one: Applied) -> None:
        keys, where = self._parts.keys, one.uid
        try:
            if not keys.has(one.by) or keys.public(one.by) != one.public_key:
                raise RefusedError(f"the key under this scorecard is not the key of {one.by}", where=where)
            public = Ed25519PublicKey.from_public_bytes(base64.b64decode(one.public_key, validate=True))
            public.verify(base64.b64decode(one.signature, validate=True), one.signed_bytes())
        except (InvalidSignature, binascii.Error, ValueError):
            raise RefusedError("the signature under the scorecard in use does not fit it", where=where) from None
