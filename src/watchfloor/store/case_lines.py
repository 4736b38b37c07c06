"""Case lines: what a list of cases shows, one slim row a case, so that SQL filters, sorts, pages and counts.

A line is derived from the stored case, its findings and its newest verdict. `Documents.put` writes it in the
transaction that writes those, so it is never older than they are; nothing else writes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from watchfloor.core.case import Case, CaseStatus
from watchfloor.core.clock import DAY
from watchfloor.core.entity import Entity
from watchfloor.core.event import LAYERS, Layer
from watchfloor.core.finding import Severity
from watchfloor.core.noun import canonical
from watchfloor.core.verdict import Disposition, Hypothesis, Verdict
from watchfloor.store.database import Database, write_rows
from watchfloor.store.schema import CASE_ORDERS, documents
from watchfloor.store.schema import case_lines as table
from watchfloor.store.tenancy import checked

Tab = Literal["now", "queue", "closed", "all"]
TABS: tuple[Tab, ...] = ("now", "queue", "closed", "all")
Sort = Literal["pressing", "probability", "severity", "risk", "age", "title"]
PAGE = 100
NAMED_ENTITIES = 4
_CHUNK = 500
_TITLE_KEY = 200
T = TypeVar("T")


class Ask(BaseModel):
    """Which cases, in which order. `severity` is the least OCSF severity_id; each word of `text` must occur."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    tab: Tab = "now"
    text: str = Field("", max_length=200)
    severity: int = Field(0, ge=0, le=6)
    layer: Layer | Literal[""] = ""
    sort: Sort = "pressing"
    reverse: bool = False
    page: int = Field(1, ge=1, le=10_000)


class CaseLine(BaseModel):
    """A case as a list shows it. What its verdict says is None or empty while it has none.

    `entities` are the first few of `involved` many; `could_not_check` the titles of what could not be checked.
    """

    model_config = ConfigDict(frozen=True)

    uid: str
    time: int
    last_time: int
    title: str
    status: CaseStatus
    severity: Severity
    assignee: str
    detection_class: str
    findings: int
    layers: tuple[Layer, ...]
    tactics: tuple[str, ...]
    techniques: tuple[str, ...]
    entities: tuple[Entity, ...]
    involved: int
    disposition: Disposition | None
    hypothesis: Hypothesis | None
    verdict: str | None
    probability: float | None
    probability_words: str
    sentence: str
    could_not_check: tuple[str, ...]
    risk: int | None
    """Its risk score, from 0 to 100."""


class CasePage(BaseModel):
    """One page of lines; `counts` are of all cases by tab, `found` of this tab after filters."""

    cases: list[CaseLine]
    found: int
    page: int
    pages: int
    counts: dict[Tab, int]


class DayCount(NamedTuple):
    """Cases whose newest finding is of this day (its start, ms), by who decides."""

    day: int
    now: int
    queue: int
    closed: int
    done: int


class Overview(NamedTuple):
    """Figures over all cases. `classes` and `could_not_check` come with the most frequent first."""

    counts: dict[Tab, int]
    days: list[DayCount]
    layers: dict[Layer, int]
    classes: list[tuple[str, int]]
    could_not_check: list[tuple[str, int]]


class CaseLines:
    """Lists of a tenant's cases. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, tenant: str, ask: Ask) -> CasePage:
        """The page that was asked for, or the last one when there are fewer."""
        with self._database.read() as connection:
            counts = _counts(connection, tenant)
            wanted = _wanted(tenant, ask)
            filtered = ask.text or ask.severity or ask.layer
            count = sa.select(sa.func.count()).where(*wanted)
            found = int(connection.execute(count).scalar_one()) if filtered else counts[ask.tab]
            pages = max(-(-found // PAGE), 1)
            page = min(ask.page, pages)
            query = sa.select(table).where(*wanted).order_by(*_order(ask.sort, ask.reverse))
            rows = connection.execute(query.limit(PAGE).offset((page - 1) * PAGE)).mappings().all()
        return CasePage(cases=[_line(row) for row in rows], found=found, page=page, pages=pages, counts=counts)

    def uids(
        self,
        tenant: str,
        *,
        status: str | None = None,
        disposition: Disposition | None = None,
        limit: int | None = None,
    ) -> list[str]:
        """The uids of cases, the most pressing first."""
        query = sa.select(table.c.uid).where(*_such(tenant, status, disposition))
        with self._database.read() as connection:
            return list(connection.execute(query.order_by(*_order("pressing", False)).limit(limit)).scalars())

    def count(self, tenant: str, *, disposition: Disposition | None = None) -> int:
        """How many cases there are."""
        query = sa.select(sa.func.count()).select_from(table).where(*_such(tenant, None, disposition))
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def involving(self, tenant: str, key: str, limit: int) -> list[str]:
        """The uids of the newest cases in whose words an entity's key stands."""
        mine = (table.c.tenant == checked(tenant), table.c.case_words.contains(f"\n{key.lower()}", autoescape=True))
        query = sa.select(table.c.uid).where(*mine).order_by(*_order("age", False)).limit(limit)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def overview(self, tenant: str, *, days: int = 14, most: int = 8) -> Overview:
        """What all cases come to: the newest `days` with cases, the `most` frequent classes and gaps."""
        mine = table.c.tenant == checked(tenant)
        number = sa.func.count()
        day = (table.c.last_time - table.c.last_time % DAY).label("day")
        with self._database.read() as connection:
            counts = _counts(connection, tenant)
            by_day: dict[int, Counter[str]] = {}
            for at, tab, n in connection.execute(
                sa.select(day, table.c.tab, number).where(mine).group_by(day, table.c.tab)
            ):
                by_day.setdefault(at, Counter())[tab] += n
            layers = [sa.func.sum(sa.case((_has_layer(layer), 1), else_=0)) for layer in LAYERS]
            sums = connection.execute(sa.select(*layers).where(mine)).one()
            classes = (
                sa.select(table.c.detection_class, number)
                .where(mine)
                .group_by(table.c.detection_class)
                .order_by(number.desc(), table.c.detection_class)
            )
            found = [(name, n) for name, n in connection.execute(classes.limit(most))]
            gaps = connection.execute(sa.select(table.c.could_not_check).where(mine, table.c.could_not_check != "[]"))
            titles = Counter(title for text in gaps.scalars() for title in msgspec.json.decode(text))
        return Overview(
            counts=counts,
            days=[
                DayCount(at, *(by_day[at][t] for t in ("now", "queue", "closed", "done")))
                for at in sorted(by_day)[-days:]
            ],
            layers={layer: int(n or 0) for layer, n in zip(LAYERS, sums, strict=True)},
            classes=found,
            could_not_check=sorted(titles.items(), key=lambda item: (-item[1], item[0]))[:most],
        )


def _counts(connection: sa.Connection, tenant: str) -> dict[Tab, int]:
    query = sa.select(table.c.tab, sa.func.count()).where(table.c.tenant == checked(tenant)).group_by(table.c.tab)
    found = {tab: int(n) for tab, n in connection.execute(query)}
    return {tab: sum(found.values()) if tab == "all" else found.get(tab, 0) for tab in TABS}


def _such(tenant: str, status: str | None, disposition: str | None) -> list[sa.ColumnElement[bool]]:
    given = ((table.c.status, status), (table.c.disposition, disposition))
    return [table.c.tenant == checked(tenant), *(column == value for column, value in given if value is not None)]


def _wanted(tenant: str, ask: Ask) -> list[sa.ColumnElement[bool]]:
    wanted: list[sa.ColumnElement[bool]] = [table.c.tenant == checked(tenant)]
    if ask.tab != "all":
        wanted.append(table.c.tab == ask.tab)
    if ask.severity:
        wanted.append(table.c.severity >= ask.severity)
    if ask.layer:
        wanted.append(_has_layer(ask.layer))
    for word in ask.text.lower().split():
        wanted.append(
            sa.or_(
                table.c.case_words.contains(word, autoescape=True),
                table.c.verdict_words.contains(word, autoescape=True),
            )
        )
    return wanted


def _has_layer(layer: str) -> sa.ColumnElement[bool]:
    return (" " + table.c.layers + " ").like(f"% {layer} %")


def _order(sort: Sort, reverse: bool) -> list[sa.ColumnElement[Any]]:
    return [table.c[name].desc() if down != reverse else table.c[name].asc() for name, down in CASE_ORDERS[sort]]


def _line(row: Any) -> CaseLine:
    decided = row["disposition"] is not None
    texts = {name: msgspec.json.decode(row[name]) for name in ("entities", "could_not_check")}
    words = {name: row[name].split() for name in ("layers", "tactics", "techniques")}
    known = {name: row[name] for name in CaseLine.model_fields if name not in {**texts, **words}}
    return CaseLine(**known | texts | words | {"probability": row["probability"] if decided else None})


# Writing: called by Documents.put inside its transaction

_CASE_HALF = (
    "tenant", "uid", "time", "last_time", "title", "title_key", "status", "severity", "assignee", "detection_class",
    "findings", "layers", "tactics", "techniques", "entities", "involved", "case_words", "risk",
)  # fmt: skip


# Who decides. What a person has resolved, or what another case took in, is `done`.
_TAB = sa.case(
    (table.c.status == "resolved", "done"),
    (table.c.disposition == "close", "closed"),
    (table.c.status == "closed", "done"),
    (table.c.disposition == "escalate", "now"),
    else_="queue",
)
_PRESSING = sa.case({"escalate": 0, "queue": 1, "close": 3}, value=table.c.disposition, else_=2)


class _Gap(msgspec.Struct):
    title: str


class _Said(msgspec.Struct):
    """What a line takes of a verdict's bytes, read without the rest of them."""

    case_uid: str
    disposition: str
    hypothesis: str
    verdict: str
    probability: float
    probability_words: str
    sentence: str
    could_not_check: list[_Gap]


class _Seen(msgspec.Struct):
    layer: str


def follow(connection: sa.Connection, tenant: str, nouns: Iterable[object]) -> None:
    """Bring the lines of the cases that were just written, or whose verdict was, up to date."""
    cases: dict[str, Case] = {}
    decided: dict[str, None] = {}
    for noun in nouns:
        if isinstance(noun, Case):
            cases[noun.uid] = noun
        elif isinstance(noun, Verdict):
            decided[noun.case_uid] = None
    fresh = cases.keys() - _present(connection, tenant, list(cases))
    if cases:
        _write_cases(connection, tenant, cases.values())
    if either := [*decided, *sorted(fresh - decided.keys())]:
        _write_verdicts(connection, tenant, either)
    for chunk in _chunks([*{**cases, **decided}]):
        mine = (table.c.tenant == tenant, table.c.uid.in_(chunk))
        connection.execute(table.update().where(*mine).values(tab=_TAB, pressing=_PRESSING))


def fill(connection: sa.Connection) -> None:
    """Lines of all cases of all tenants: for a database from before there were any."""
    cases = documents.c.kind == "case"
    for tenant in connection.execute(sa.select(documents.c.tenant).where(cases).distinct()).scalars().all():
        mine = (documents.c.tenant == tenant, cases)
        numbers = connection.execute(sa.select(documents.c.n).where(*mine)).scalars().all()
        for chunk in _chunks(numbers):
            bodies = connection.execute(sa.select(documents.c.body).where(documents.c.n.in_(chunk))).scalars()
            follow(connection, tenant, [Case.from_json(body) for body in bodies])


def _present(connection: sa.Connection, tenant: str, uids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for chunk in _chunks(uids):
        mine = (table.c.tenant == tenant, table.c.uid.in_(chunk))
        found.update(connection.execute(sa.select(table.c.uid).where(*mine)).scalars())
    return found


def _write_cases(connection: sa.Connection, tenant: str, cases: Iterable[Case]) -> None:
    layers = _layers(connection, tenant, list({uid: None for case in cases for uid in case.findings}))
    rows = []
    for case in cases:
        seen = {layers[uid] for uid in case.findings if uid in layers}
        named = [i.entity.to_dict() for i in case.involved[:NAMED_ENTITIES]]
        words = [case.uid, case.title, case.assignee, case.detection_class, *case.tactics, *case.techniques]
        words += [i.entity.key for i in case.involved]
        rows.append(
            (
                tenant, case.uid, case.time, case.last_time, case.title, case.title.lower()[:_TITLE_KEY], case.status,
                int(case.severity), case.assignee, case.detection_class, len(case.findings), " ".join(sorted(seen)),
                " ".join(case.tactics), " ".join(case.techniques), canonical(named).decode(), len(case.involved),
                "\n".join(words).lower(), case.risk.score if case.risk else None,
            )
        )  # fmt: skip
    write_rows(connection, table, _CASE_HALF, rows)


def _layers(connection: sa.Connection, tenant: str, findings: Sequence[str]) -> dict[str, str]:
    read = msgspec.json.Decoder(_Seen).decode
    found: dict[str, str] = {}
    for chunk in _chunks(findings):
        mine = (documents.c.tenant == tenant, documents.c.kind == "finding", documents.c.uid.in_(chunk))
        rows = connection.execute(sa.select(documents.c.uid, documents.c.body).where(*mine))
        found.update((uid, read(body).layer) for uid, body in rows)
    return found


def _write_verdicts(connection: sa.Connection, tenant: str, case_uids: Sequence[str]) -> None:
    """The newest verdict of each case: the last written."""
    read = msgspec.json.Decoder(_Said).decode
    newest = sa.func.row_number().over(partition_by=documents.c.case_uid, order_by=documents.c.n.desc())
    for chunk in _chunks(case_uids):
        mine = (documents.c.tenant == tenant, documents.c.kind == "verdict", documents.c.case_uid.in_(chunk))
        ranked = sa.select(documents.c.n, newest.label("rank")).where(*mine).subquery()
        query = sa.select(documents.c.body).join(ranked, documents.c.n == ranked.c.n).where(ranked.c.rank == 1)
        if rows := [_said(tenant, read(body)) for body in connection.execute(query).scalars()]:
            of = (table.c.tenant == sa.bindparam("of_tenant"), table.c.uid == sa.bindparam("of_case"))
            connection.execute(table.update().where(*of), rows)


def _said(tenant: str, said: _Said) -> dict[str, Any]:
    names = [name.replace("_", " ") for name in (said.verdict, said.hypothesis, said.disposition)]
    return {
        "of_tenant": tenant,
        "of_case": said.case_uid,
        "disposition": said.disposition,
        "hypothesis": said.hypothesis,
        "verdict": said.verdict,
        "probability": said.probability,
        "probability_words": said.probability_words,
        "sentence": said.sentence,
        "could_not_check": canonical([gap.title for gap in said.could_not_check]).decode(),
        "verdict_words": "\n".join([said.sentence, *names]).lower(),
    }


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
