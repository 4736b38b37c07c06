"""The tenant's facts: recorded from files, exports, the API and people; read as business context at any time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from watchfloor.app.progress import Report, silent
from watchfloor.core.chronicle import Chronicle
from watchfloor.core.context import Context
from watchfloor.core.errors import RefusedError, WatchfloorError
from watchfloor.core.fact import ATTRIBUTES, BEGINNING, FOREVER, Fact, Statement, fact_uid
from watchfloor.core.noun import Noun, canonical, short_id
from watchfloor.core.record import DeadLetter
from watchfloor.ingest.context import PARTS, read_folder, read_part
from watchfloor.ingest.context_exports import read_export
from watchfloor.ingest.context_rows import Read, Row

if TYPE_CHECKING:
    from watchfloor.app.parts import Parts

DEAD = "context"
"""The form of dead letters that are rows of an import: no reader of records knows it."""
SAME, DIFFERENT = "same_as", "different_from"
_CHUNK, _SHOWN = 2_000, 20


class Change(NamedTuple):
    """What came of what a source said: facts that are new, that ended, that were taken back, that were so before."""

    new: int = 0
    ended: int = 0
    retracted: int = 0
    unchanged: int = 0

    def __add__(self, other: object) -> Change:
        assert isinstance(other, Change)
        return Change(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def any(self) -> bool:
        return bool(self.new or self.ended or self.retracted)


class ContextReport(Noun):
    """What came of an import. `rows` = rows that said something + `silent` ones + `problems`."""

    rows: int
    silent: int
    problems: int
    new: int
    ended: int
    retracted: int
    unchanged: int
    sources: tuple[str, ...]
    bad: tuple[str, ...]
    """The first problems, a line each."""


class How(NamedTuple):
    """How what a source says is taken.

    `corrects`: it speaks of all time, so what it no longer says was never so (the context folder). Otherwise what is
    new holds from `moment` on (from the beginning for what the source had never spoken of), and what is gone ends then.
    `whole`: what a source says of an entity is all that it says of it. `full`: of all entities.
    """

    moment: int
    corrects: bool = False
    whole: bool = True
    full: bool = False


class ContextBook:
    """The facts of one tenant."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._mark: int | None = None
        self._chronicle: Chronicle | None = None
        self._until = (BEGINNING, FOREVER)

    # Reading

    @property
    def mark(self) -> int:
        """How far facts are known here: another one where any changed."""
        return self._mark or 0

    def now(self) -> Context:
        """What is known and true now; its `at` tells what is known now and was true at another time."""
        chronicle = self.chronicle()
        at = self._parts.clock()
        self._until = chronicle.span(at)
        return chronicle.at(at)

    def changed(self) -> bool:
        """Whether the context is another than when `now` was asked: facts came, or time went over an edge."""
        if self._mark is None:
            return False
        begin, end = self._until
        return not begin <= self._parts.clock() < end or self._parts.facts.mark(self._parts.tenant) != self._mark

    def chronicle(self) -> Chronicle:
        """All that is known now, over all time."""
        if self._chronicle is None and self._parts.settings.context:
            self._read_folder(self._parts.settings.context)
        mark = self._parts.facts.mark(self._parts.tenant)
        if self._chronicle is None or mark != self._mark:
            self._chronicle = Chronicle(self._parts.facts.known(self._parts.tenant))
            self._mark = mark
        return self._chronicle

    def earliest_since(self, mark: int) -> tuple[int, int | None]:
        """How far facts are known here, and from when (ms) the first of those since a mark holds: what was before that
        cannot be another."""
        return self.mark, self._parts.facts.earliest(self._parts.tenant, mark, self.mark)

    def as_known(self, at: int) -> Chronicle:
        """All that was known at a time (ms)."""
        self.chronicle()
        return Chronicle(self._parts.facts.known(self._parts.tenant, at))

    def history(self, places: Sequence[tuple[str, str]]) -> list[Fact]:
        """All that was ever recorded of these sources' entities."""
        return self._parts.facts.history(self._parts.tenant, places)

    # Recording

    def _read_folder(self, folder: Path) -> None:
        said = read_folder(folder)
        how = How(self._parts.clock(), corrects=True, full=True)
        # A part whose file is gone says nothing more.
        known = {f.source for f in self._parts.facts.known(self._parts.tenant) if f.source.startswith("context/")}
        gone = [(source, list[Statement]()) for source in sorted(known - {one.source for one in said})]
        for source, statements in (*said, *gone):
            self.take(source, statements, how, by="watchfloor")

    def import_paths(
        self,
        paths: Sequence[Path],
        *,
        by: str,
        source: str = "",
        mapping: str = "",
        valid_from: int | None = None,
        full: bool = False,
        report: Report = silent,
    ) -> ContextReport:
        """Facts of files and folders. Bad rows are kept as dead letters and counted, and the rest goes in.

        `source` names all of it; by default an export is named by its mapping, a file of the context folder's form by
        `context/<file>`. `valid_from` (ms) is when what changed changed, by default now; with `full`, what an export no
        longer has ends then. Raises WatchfloorError where a file cannot be read as a whole.
        """
        how = How(self._parts.clock() if valid_from is None else valid_from, full=full)
        zone = ZoneInfo(self.now().company.timezone)
        counts: Counter[str] = Counter()
        said: dict[str, list[Statement]] = defaultdict(list)
        bad: list[str] = []
        for file in _files(paths):
            for one in self._read(file, zone, mapping):
                counts["rows"] += 1
                if one.problem:
                    counts["problems"] += 1
                    bad += [one.problem] if len(bad) < _SHOWN else []
                elif not one.statements:
                    counts["silent"] += 1
                else:
                    said[source or one.source] += one.statements
                if not counts["rows"] % _CHUNK:
                    report("rows read", counts["rows"], None)
        if full and counts["problems"]:
            # A row that cannot be read is not a row that is gone.
            how = how._replace(full=False)
            bad.append("nothing was ended for being gone: some rows could not be read")
        changes = Change()
        for name, statements in sorted(said.items()):
            changes += self.take(name, statements, how, by=by, report=report, given=valid_from is not None)
        return ContextReport(
            rows=counts["rows"],
            silent=counts["silent"],
            problems=counts["problems"],
            sources=tuple(sorted(said)),
            bad=tuple(bad),
            **changes._asdict(),
        )

    def _read(self, file: Path, zone: ZoneInfo, mapping: str) -> Iterator[Read]:
        """Each row of a file; one that cannot be read is kept."""
        own = file.stem in PARTS and not mapping
        for one in read_part(file) if own else read_export(file, zone, mapping):
            if not one.problem:
                yield one
                continue
            self._keep_row(file, one.row, one.problem)
            place = "" if own else f"{file.name}, row {one.row.number}: "
            yield one._replace(problem=place + one.problem)

    def _keep_row(self, file: Path, row: Row, problem: str) -> None:
        parts = self._parts
        letter = DeadLetter(
            tenant=parts.tenant,
            uid=short_id("d", parts.tenant, DEAD, file.name, str(row.number), row.raw.hex()),
            time=parts.clock(),
            source=f"{DEAD}/{file.name}",
            position=row.number - 1,
            unit="row",
            reason=problem[:500],
            content=parts.evidence.put_bytes(parts.tenant, row.raw),
            size=len(row.raw),
            form=DEAD,
        )
        parts.documents.put(parts.tenant, letter)

    def take(
        self,
        source: str,
        statements: Iterable[Statement],
        how: How,
        *,
        by: str,
        report: Report = silent,
        given: bool = False,
    ) -> Change:
        """Record what a source says, all or nothing, with one entry in the ledger where anything changed. Saying the
        same again changes nothing. `given`: whether somebody named the moment; else the beginning is open."""
        parts = self._parts
        by_entity: dict[str, list[Statement]] = defaultdict(list)
        for one in statements:
            by_entity[one.entity].append(one)
        with parts.together():
            now = parts.clock()
            held: dict[str, list[Fact]] = defaultdict(list)
            for fact in parts.facts.known(parts.tenant, source=source):
                held[fact.entity].append(fact)
            writer = _Writer(parts.tenant, source, now, by, how, given=given, spoke=bool(held))
            for number, (entity, said) in enumerate(by_entity.items()):
                writer.entity(said, held.get(entity, []))
                if not number % _CHUNK:
                    report(f"{source}: entities compared", number, len(by_entity))
            if how.full:
                for entity in sorted(held.keys() - by_entity.keys()):
                    writer.gone(held[entity])
            for start in range(0, len(writer.facts), _CHUNK):
                parts.facts.add(parts.tenant, writer.facts[start : start + _CHUNK])
                report(f"{source}: facts recorded", start, len(writer.facts))
            change = writer.change
            if change.any:
                self._enter("context.recorded", source, by, {**change._asdict(), "moment": how.moment})
        return change

    # A person's word

    def relate(self, one: str, other: str, *, same: bool, by: str) -> Change:
        """Say that two are the same, or are not; what was said of the two before is taken back.

        Each is an entity (`user:alice`) or one record of it (`okta/users#user:00u1`). Raises WatchfloorError where one
        is not known, or stands for several and cannot be told.
        """
        kinds = {_kind(one), _kind(other)}
        if len(kinds) != 1 or not kinds <= {"user", "host"}:
            raise WatchfloorError(f"{one} and {other} cannot be compared", do="Name two users or two hosts")
        (kind,) = kinds
        if one == other:
            raise WatchfloorError(f"{one} is itself", do="Name two that differ")
        moment = self.chronicle().moment(self._parts.clock())
        for end in (one, other):
            meant = moment.meant(kind, end)
            if not meant:
                raise WatchfloorError(f"nothing is known of {end}", do="`watchfloor context show` tells what is known")
            if len(meant) > 1 and same:
                places = ", ".join(sorted(record.place for entity in meant for record in entity))
                raise WatchfloorError(f"could not tell which {end} is meant", do=f"Name one of its records: {places}")
        entity = one if one.startswith(f"{kind}:") else f"{kind}:{one}"
        how = How(self._parts.clock(), whole=False)
        with self._parts.together():
            taken = Change()
            for fact in self._words({one, other}):
                taken += self._retract(fact, by)
            said = Statement(entity, SAME if same else DIFFERENT, other)
            return taken + self.take(f"person/{by}", [said], how, by=by)

    def _words(self, pair: set[str]) -> list[Fact]:
        words = [f for f in self._parts.facts.known(self._parts.tenant) if f.attribute in (SAME, DIFFERENT)]
        return [fact for fact in words if {_end(fact.entity), str(fact.value)} == pair]

    def retract(self, uid: str, by: str) -> Fact:
        """Take back a fact: as if it had never been said, from now on. What was known before stays what it was.

        Raises NotFoundError, and RefusedError for a fact that stands no more or stands in the context folder.
        """
        fact, stands = self._parts.facts.get(self._parts.tenant, uid)
        if not stands:
            raise RefusedError("this fact was replaced or taken back already", where=uid)
        if fact.source.startswith("context/") and self._parts.settings.context:
            name = fact.source.partition("/")[2]
            if (self._parts.settings.context / name).is_file():
                raise RefusedError(f"it stands in {name} of the context folder", where=uid, do="Change the file")
        self._retract(fact, by)
        return fact

    def _retract(self, fact: Fact, by: str) -> Change:
        parts, now = self._parts, self._parts.clock()
        said = Statement(fact.entity, fact.attribute, fact.value, fact.valid_from, fact.valid_to)
        uid = fact_uid(parts.tenant, said, fact.source, now, replaces=fact.uid)
        with parts.together():
            parts.facts.add(parts.tenant, [_taken_back(fact, uid, now, by)])
            body = {"fact": fact.uid, "attribute": fact.attribute, "source": fact.source}
            self._enter("context.retracted", fact.entity, by, body)
        return Change(retracted=1)

    def _enter(self, kind: str, subject: str, by: str, body: dict[str, Any]) -> None:
        parts = self._parts
        parts.ledger.append(parts.tenant, kind=kind, subject=subject, actor=by, body=body, time=parts.clock())


class _Writer:
    """Turns what a source says of entities, and what it said before, into new facts."""

    def __init__(self, tenant: str, source: str, now: int, by: str, how: How, *, given: bool, spoke: bool) -> None:
        self._tenant, self._source, self._now, self._by, self._how = tenant, source, now, by, how
        self._given, self._spoke = given, spoke
        self.facts: list[Fact] = []
        self.change = Change()

    def entity(self, said: Sequence[Statement], held: Sequence[Fact]) -> None:
        """What it says of one entity now."""
        open_ = {(f.attribute, canonical(f.value)): f for f in held if f.valid_to == FOREVER}
        last = {s.attribute: s for s in said if not ATTRIBUTES[s.attribute].many}
        lasting = {
            (s.attribute, canonical(s.value)): s
            for s in said
            if not s.dated and (ATTRIBUTES[s.attribute].many or last[s.attribute] is s)
        }
        kept: set[str] = set()
        start = self._start(held)
        for key, one in lasting.items():
            fact = open_.get(key)
            if fact is not None and one.valid_from in (None, fact.valid_from):
                kept.add(fact.uid)
                self.change += Change(unchanged=1)
            else:
                self._add(one._replace(valid_from=start if one.valid_from is None else one.valid_from))
        for one in {(s.attribute, canonical(s.value), s.valid_from): s for s in said if s.dated}.values():
            self._span(one, held)
        self.gone(f for f in open_.values() if f.uid not in kept and (self._how.whole or f.attribute in last))

    def _start(self, held: Sequence[Fact]) -> int:
        """From when what is new holds: nobody says since when a thing is so that was never spoken of before."""
        if held and held[0].kind == "interface":  # a MAC address is what it is
            return BEGINNING
        known = bool(held) or (self._how.full and self._spoke)
        return self._how.moment if self._given or (known and not self._how.corrects) else BEGINNING

    def _span(self, said: Statement, held: Sequence[Fact]) -> None:
        """What holds from a time to a time, as a lease does; a renewed one is the same with another end."""
        start = self._how.moment if said.valid_from is None else said.valid_from
        if said.valid_to is None or said.valid_to <= start:
            return
        same = [f for f in held if f.attribute == said.attribute and f.value == said.value]
        if said.valid_from is None:
            before = next((f for f in same if f.valid_from <= start < f.valid_to), None)
        else:
            before = next((f for f in same if f.valid_from == start), None)
        if before is None:
            self._add(said._replace(valid_from=start))
        elif before.valid_to == said.valid_to:
            self.change += Change(unchanged=1)
        else:
            self._add(said._replace(valid_from=before.valid_from), replaces=before.uid)

    def gone(self, facts: Iterable[Fact]) -> None:
        """What a source no longer says: it ends, or, for one that speaks of all time, was never so. What has an end
        has it; a server of addresses lets go of what is over, and its silence says nothing."""
        for fact in facts:
            if fact.valid_to < FOREVER or fact.kind == "interface":
                continue
            said = Statement(fact.entity, fact.attribute, fact.value, fact.valid_from, self._how.moment)
            uid = fact_uid(self._tenant, said, self._source, self._now, replaces=fact.uid)
            if self._how.corrects or self._how.moment <= fact.valid_from:
                self.facts.append(_taken_back(fact, uid, self._now, self._by))
                self.change += Change(retracted=1)
            else:
                self._add(said, replaces=fact.uid, counted=Change(ended=1))

    def _add(self, said: Statement, *, replaces: str = "", counted: Change | None = None) -> None:
        start = BEGINNING if said.valid_from is None else said.valid_from
        end = FOREVER if said.valid_to is None else said.valid_to
        said = said._replace(valid_from=start, valid_to=end)
        self.facts.append(
            Fact(
                tenant=self._tenant,
                uid=fact_uid(self._tenant, said, self._source, self._now, replaces=replaces),
                entity=said.entity,
                attribute=said.attribute,
                value=said.value,
                source=self._source,
                valid_from=start,
                valid_to=end,
                recorded_at=self._now,
                recorded_by=self._by,
                replaces=replaces,
            )
        )
        self.change += counted or Change(new=1)


def _taken_back(fact: Fact, uid: str, now: int, by: str) -> Fact:
    return msgspec.structs.replace(fact, uid=uid, recorded_at=now, recorded_by=by, replaces=fact.uid, retracted=True)


def _kind(end: str) -> str:
    """`user` of `user:alice` and of `okta/users#user:00u1`."""
    kind = end.rpartition("#")[2].partition(":")[0]
    return kind if kind in ("user", "host") else end.partition(":")[0]


def _end(entity: str) -> str:
    """The record that a word is about where it names one (`user:okta/users#user:00u1`), else the entity."""
    place = entity.partition(":")[2]
    return place if place.partition("#")[2].partition(":")[0] in ("user", "host") else entity


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
        else:
            yield path
