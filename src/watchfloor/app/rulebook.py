"""The rules in use: loaded again when they change, never for a broken set, and every version written down."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from watchfloor.app.keeping import Keeper
from watchfloor.app.parts import Parts
from watchfloor.app.provenance import place_of, stamp
from watchfloor.app.suppressions import SUBJECT
from watchfloor.core.errors import NotFoundError, WatchfloorError
from watchfloor.core.noun import canonical, digest_of
from watchfloor.core.rule_set import ReloadWanted, RuleChange, RuleInUse, RulePlace, RuleSet, RuleVersion, change
from watchfloor.detect import Detector
from watchfloor.store.spool import claim

LOOK_SECONDS = 2.0
"""Between two looks at the places of rules."""
_LISTED = 200
"""Rules that one entry of the ledger names; their number and digest stand there whatever it is."""
_log = structlog.get_logger(__name__)


class Rulebook:
    """One tenant's rules in use."""

    def __init__(self, parts: Parts, keeper: Keeper) -> None:
        self._parts, self._keeper = parts, keeper
        self._loading = threading.Lock()
        self._stopping = threading.Event()
        self._asked_by = ""

    # Looking

    def current(self) -> RuleSet | None:
        """The set that was written down last; None before any was used."""
        try:
            return self._parts.documents.get(self._parts.tenant, RuleSet, "rules")
        except NotFoundError:
            return None

    def versions(self, uid: str) -> list[RuleVersion]:
        """The versions of a rule that were in use, the newest first."""
        return self._parts.documents.find(self._parts.tenant, RuleVersion, status=uid, limit=None)

    # Changing

    def settle(self, by: str) -> RuleChange:
        """Write down which rules the detector in use has, where that differs from what was written down last."""
        with self._loading:
            current = self.current()
            return self._write(self._parts.detector, by, refused=current.refused if current else ())

    def reload(self, by: str) -> RuleChange:
        """Load the rules again and use them from the next batch on; what correlations have counted stays.

        Raises WatchfloorError where rules do not load that did, or that are new: then the set in use stays, and what is
        wrong is written down with it.
        """
        parts, settings = self._parts, self._parts.settings
        with self._loading:
            if self.current() is None:
                self._write(parts.detector, by)
            company = parts.context.company
            new = Detector.load(settings.rules, shipped=settings.shipped_rules, intel=parts.intel, company=company)
            current = self.current()
            assert current is not None
            broken = [text for text in _fatal(new) if text not in current.problems]
            if broken:
                self._refuse(current, broken, by)
                raise WatchfloorError(
                    f"{len(broken):,} rules do not load, so the set in use stays: {broken[0]}",
                    do="Mend them (watchfloor detect lint) and load again",
                )
            with self._keeper.between_batches():
                parts.use(new)
            return self._write(new, by)

    def _refuse(self, current: RuleSet, broken: list[str], by: str) -> None:
        parts, now = self._parts, self._parts.clock()
        if tuple(broken) == current.refused:
            return
        refused = current.model_copy(update={"refused": tuple(broken), "refused_at": now})
        body = {"problems": broken[:_LISTED], "count": len(broken)}
        with parts.together():
            parts.documents.put(parts.tenant, refused)
            parts.ledger.append(parts.tenant, kind="detections.refused", subject=SUBJECT, actor=by, body=body, time=now)
        _log.error("a newer set of rules is broken; the one in use stays", problems=len(broken), first=broken[0])

    def _write(self, detector: Detector, by: str, refused: tuple[str, ...] = ()) -> RuleChange:
        parts, now = self._parts, self._parts.clock()
        current, rules = self.current(), _rules_of(detector)
        found = change(current.rules if current else (), rules)
        places = self._places()
        new = RuleSet(
            tenant=parts.tenant,
            time=now,
            by=by,
            rules=rules,
            places=places,
            problems=tuple(_fatal(detector)),
            refused=refused,
            refused_at=current.refused_at if current and refused else 0,
            answered=current.answered if current else 0,
        )
        if current and found.empty and (current.problems, current.refused) == (new.problems, refused):
            return found
        with parts.together():
            parts.documents.put(parts.tenant, new, *self._new_versions(found, by, now))
            if not found.empty:
                body = _body(found, rules, places)
                parts.ledger.append(
                    parts.tenant, kind="detections.changed", subject=SUBJECT, actor=by, body=body, time=now
                )
        return found

    def _places(self) -> tuple[RulePlace, ...]:
        shipped = (RulePlace(path="", kind="shipped"),) if self._parts.settings.shipped_rules else ()
        return (*shipped, *map(place_of, self._parts.settings.rules))

    def _new_versions(self, found: RuleChange, by: str, now: int) -> list[RuleVersion]:
        places = [place for place in self._places() if place.path]
        return [
            RuleVersion(
                tenant=self._parts.tenant,
                uid=f"{rule.uid}@{rule.version[7:23]}",
                time=now,
                status=rule.uid,
                title=rule.title,
                version=rule.version,
                modified=rule.modified,
                level=rule.level,
                file=rule.file,
                by=by,
                place=next(
                    (place.words for place in places if rule.file.startswith(place.path)), "shipped with Watchfloor"
                ),
            )
            for rule in (*found.added, *found.changed)
        ]

    # While the product is served

    def served(self) -> bool:
        """Whether another process serves this home, and so has the detector that counts."""
        try:
            claim(self._parts.home.spool).close()
        except WatchfloorError:
            return True
        return False

    def want_reload(self, by: str) -> ReloadWanted:
        """Ask the process that serves to load the rules again; `current().answered` tells when it has."""
        wanted = ReloadWanted(tenant=self._parts.tenant, time=self._parts.clock(), by=by)
        self._parts.documents.put(self._parts.tenant, wanted)
        return wanted

    def ask(self, by: str) -> None:
        """Have the rules loaded again soon, from a place that cannot wait (a signal's handler)."""
        self._asked_by = by

    @contextmanager
    def running(self) -> Iterator[None]:
        """Follow the places of rules until the block ends."""
        self._stopping.clear()
        thread = threading.Thread(target=self._follow, name="rules", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join()

    def _follow(self) -> None:
        seen = before = stamp(self._parts.settings.rules)
        self._trying(self.settle, "watchfloor")
        while not self._stopping.wait(LOOK_SECONDS):
            now = stamp(self._parts.settings.rules)
            settled, before = now == before, now  # a checkout may be in the middle of being written
            asked, self._asked_by = self._asked_by or self._wanted(), ""
            if asked or (settled and now != seen):
                seen = now
                self._trying(self.reload, asked or "watchfloor")
                self._answer()

    def _trying(self, work: object, by: str) -> None:
        try:
            work(by)  # type: ignore[operator]
        except WatchfloorError as error:
            _log.error("the rules in use stay as they are", problem=str(error))
        except Exception as error:  # it is tried again with the next change; what runs goes on
            _log.error("rules could not be loaded", problem=f"{type(error).__name__}: {error}")

    def _wanted(self) -> str:
        """Who has asked for the rules to be loaded again and has no answer yet."""
        current = self.current()
        try:
            wanted = self._parts.documents.get(self._parts.tenant, ReloadWanted, "reload")
        except NotFoundError:
            return ""
        return wanted.by if current is None or wanted.time > current.answered else ""

    def _answer(self) -> None:
        parts, current = self._parts, self.current()
        if current is not None:
            parts.documents.put(parts.tenant, current.model_copy(update={"answered": parts.clock()}))


def _rules_of(detector: Detector) -> tuple[RuleInUse, ...]:
    return tuple(
        RuleInUse(
            uid=one.uid,
            title=one.title,
            version=one.digest,
            modified=one.modified,
            level=one.severity.name,
            file=one.file,
        )
        for one in detector.all_rules
    )


def _fatal(detector: Detector) -> list[str]:
    return [str(problem) for problem in detector.problems if problem.fatal]


def _body(found: RuleChange, rules: tuple[RuleInUse, ...], places: tuple[RulePlace, ...]) -> dict[str, object]:
    """What the ledger says: counts and a digest of the whole set, and the first of what changed by name."""
    named = {name: getattr(found, name) for name in ("added", "changed", "removed")}
    return {
        **{
            name: [{"uid": o.uid, "title": o.title, "version": o.version} for o in some[:_LISTED]]
            for name, some in named.items()
        },
        "counts": {name: len(some) for name, some in named.items()},
        "rules": len(rules),
        "rules_digest": digest_of(canonical(sorted(f"{one.uid} {one.version}" for one in rules))),
        "places": [place.to_dict() for place in places],
    }
