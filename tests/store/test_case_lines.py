"""Case lines: lists of cases come from an index, and are never older than the cases, findings and verdicts."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchfloor.core.case import Case
from watchfloor.core.clock import DAY
from watchfloor.core.entity import Entity, Involvement
from watchfloor.core.finding import Finding
from watchfloor.core.verdict import Verdict
from watchfloor.store import case_lines
from watchfloor.store.case_lines import PAGE, TABS, Ask, CaseLine, CaseLines
from watchfloor.store.database import Database
from watchfloor.store.documents import Documents
from watchfloor.store.schema import CASE_ORDERS

DIGEST = "sha256:" + "0" * 64


def case(n: int, *, tenant: str = "acme", **fields: object) -> Case:
    whole = {
        "tenant": tenant,
        "uid": f"case-{n}",
        "time": n,
        "last_time": n,
        "title": f"Fall {n}",
        "severity": 3,
        "findings": [f"f-{n}"],
        "involved": [Involvement(entity=Entity(type="user", value=f"zoë-{n}"), role="actor")],
        "detection_class": "x @ y",
    }
    return Case.from_dict(whole | fields)


def verdict(n: int, *, of: int | None = None, tenant: str = "acme", **fields: object) -> Verdict:
    whole = {
        "tenant": tenant,
        "uid": f"v-{n}",
        "case_uid": f"case-{n if of is None else of}",
        "time": 5,
        "hypothesis": "false_positive",
        "verdict_id": 1,
        "verdict": "false_positive",
        "posterior": {},
        "probability": 0.25,
        "probability_words": "unlikely",
        "disposition": "queue",
        "resolution_code": "x",
        "sentence": "It is 50 % noise_",
        "answers": [],
        "claims": [],
        "could_not_check": [],
        "counterfactual": None,
        "gates": [],
        "rests_on": [],
        "inputs_digest": DIGEST,
        "scorecard_digest": DIGEST,
        "policy_digest": DIGEST,
    }
    return Verdict.from_dict(whole | fields)


def risk(score: int) -> dict[str, object] | None:
    """A risk of this score; none of zero."""
    return {"p_critical": score / 100, "score": score, "base": -4.0, "model": "test"} if score else None


def finding(n: int, layer: str) -> Finding:
    detection = {"uid": "r", "title": "t", "family": "x", "source": "y", "kind": "rule"}
    whole = {"tenant": "acme", "uid": f"f-{n}", "time": 1, "detection": detection, "severity": 3, "layer": layer}
    return Finding.from_dict(whole | {"event_uid": "r-1", "source": "s", "position": 0, "title": "t"})


@pytest.fixture
def lines(database: Database) -> CaseLines:
    return CaseLines(database)


def only(lines: CaseLines) -> CaseLine:
    (line,) = lines.page("acme", Ask(tab="all")).cases
    return line


def test_a_line_has_what_a_list_shows(documents: Documents, lines: CaseLines) -> None:
    gap = {"question": "q", "title": "Is it known?", "about": "a", "reason": "no answer", "required": True}
    documents.put("acme", finding(1, "email"), finding(2, "cloud"))
    people = [Involvement(entity=Entity(type="user", value=f"u{n}"), role="actor") for n in range(9)]
    one = case(1, findings=["f-1", "f-2", "f-absent"], tactics=["impact"], techniques=["T1486"], involved=people)
    documents.put("acme", one, verdict(1, could_not_check=[gap], disposition="escalate", probability=0.9))
    line = only(lines)
    assert line.layers == ("cloud", "email")
    assert (line.title, line.tactics, line.techniques, line.findings) == ("Fall 1", ("impact",), ("T1486",), 3)
    assert [e.value for e in line.entities] == ["u0", "u1", "u2", "u3"]
    assert line.involved == 9
    assert (line.disposition, line.probability, line.sentence) == ("escalate", 0.9, "It is 50 % noise_")
    assert line.could_not_check == ("Is it known?",)


def test_a_line_has_the_case_s_risk(documents: Documents, lines: CaseLines) -> None:
    documents.put("acme", case(1))
    assert only(lines).risk is None
    documents.put("acme", case(1, risk=risk(83)))
    assert only(lines).risk == 83


def test_a_database_from_before_there_was_risk_opens_and_sorts_by_it(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "old.db")
    Documents(database).put("acme", case(1))
    with database.write() as connection:
        for (name,) in connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND name LIKE 'case_lines%risk'"
        ).all():
            connection.exec_driver_sql(f"DROP INDEX {name}")
        connection.exec_driver_sql("ALTER TABLE case_lines DROP COLUMN risk")
        connection.exec_driver_sql("DROP TABLE facts")
        connection.exec_driver_sql("UPDATE schema_version SET version = 4")
    database.close()
    database = Database.open(tmp_path / "old.db")
    Documents(database).put("acme", case(2, risk=risk(50)))
    found = CaseLines(database).page("acme", Ask(tab="all", sort="risk")).cases
    assert [line.risk for line in found] == [50, None]
    database.close()


def test_a_line_without_a_verdict_says_so(documents: Documents, lines: CaseLines) -> None:
    documents.put("acme", case(1))
    line = only(lines)
    assert (line.disposition, line.hypothesis, line.verdict, line.probability) == (None, None, None, None)
    assert lines.page("acme", Ask(tab="queue")).counts == {"now": 0, "queue": 1, "closed": 0, "all": 1}


def test_a_line_follows_the_case_and_keeps_the_verdict(documents: Documents, lines: CaseLines) -> None:
    documents.put("acme", case(1), verdict(1, disposition="escalate"))
    documents.put("acme", case(1, status="in_progress", assignee="ana"))
    assert (only(lines).status, only(lines).assignee, only(lines).disposition) == ("in_progress", "ana", "escalate")
    assert lines.page("acme", Ask(tab="now")).found == 1
    documents.put("acme", case(1, status="resolved"))
    assert lines.page("acme", Ask(tab="now")).counts == {"now": 0, "queue": 0, "closed": 0, "all": 1}


def test_a_line_follows_the_verdict_that_was_written_last_be_it_an_old_one_again(
    documents: Documents, lines: CaseLines
) -> None:
    documents.put("acme", verdict(1, of=1, time=5, disposition="queue"))
    documents.put("acme", case(1))
    assert only(lines).disposition == "queue"
    documents.put("acme", verdict(2, of=1, time=9, disposition="escalate"))
    assert only(lines).disposition == "escalate"
    documents.put("acme", verdict(3, of=1, time=7, disposition="close"))
    assert only(lines).disposition == "close"
    documents.put("acme", verdict(2, of=1, time=9, disposition="escalate"))
    assert only(lines).disposition == "escalate"
    newest = documents.latest("acme", Verdict, "case-1")
    assert newest == documents.latest_each("acme", Verdict, ["case-1"])["case-1"]
    assert newest is not None
    assert newest.disposition == "escalate"
    documents.put("acme", verdict(1, of=1, time=5, disposition="queue"))
    assert documents.latest("acme", Verdict, "case-1") == verdict(1, of=1, time=5, disposition="queue")
    assert documents.count("acme", Verdict) == 3
    documents.put("acme", verdict(4, of=1, time=9, disposition="close"))
    assert only(lines).disposition == "close"
    newest = documents.latest("acme", Verdict, "case-1")
    assert newest is not None
    assert newest.uid == "v-4"


def test_a_line_is_written_with_its_case_or_not_at_all(
    documents: Documents, lines: CaseLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents.put("acme", case(1))

    def broken(*_: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr(case_lines, "_write_verdicts", broken)
    with pytest.raises(RuntimeError, match="power cut"):
        documents.put("acme", case(1, title="Other"), verdict(1))
    assert documents.get("acme", Case, "case-1").title == "Fall 1"
    assert documents.latest("acme", Verdict, "case-1") is None
    assert (only(lines).title, only(lines).disposition) == ("Fall 1", None)


def test_tenants_do_not_see_each_others_lines(documents: Documents, lines: CaseLines) -> None:
    documents.put("acme", case(1), verdict(1))
    documents.put("other", case(1, tenant="other", title="Secret"), case(2, tenant="other"))
    assert only(lines).title == "Fall 1"
    assert lines.page("other", Ask(tab="all")).found == 2
    assert lines.page("other", Ask(tab="all", text="Secret")).cases[0].disposition is None
    assert lines.page("acme", Ask(tab="all", text="Secret")).found == 0
    assert lines.overview("third").counts == {"now": 0, "queue": 0, "closed": 0, "all": 0}


_STATUS = st.sampled_from(["new", "in_progress", "resolved", "closed"])
_DISPOSITION = st.sampled_from([None, "escalate", "queue", "close"])
_MADE = st.tuples(_STATUS, _DISPOSITION, st.integers(1, 5), st.sampled_from([0.1, 0.5]), st.integers(0, 3))
_ASKS = st.builds(
    Ask,
    tab=st.sampled_from(TABS),
    text=st.sampled_from(["", "ZOË-1", "fall noise_", "%", "user:zoë"]),
    severity=st.integers(0, 6),
    layer=st.sampled_from(["", "email", "cloud"]),
    sort=st.sampled_from(sorted(CASE_ORDERS)),
    reverse=st.booleans(),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(_MADE, max_size=14), _ASKS)
def test_pages_are_what_filtering_and_sorting_by_hand_gives(
    documents: Documents, lines: CaseLines, made: list[tuple[str, str | None, int, float, int]], ask: Ask
) -> None:
    with documents.database.write() as connection:
        for name in ("documents", "case_lines"):
            connection.exec_driver_sql(f"DELETE FROM {name}")
    documents.put("acme", finding(0, "email"), finding(1, "cloud"))
    cases = [
        case(n, status=status, severity=severity, last_time=time, findings=[f"f-{n % 3}"], risk=risk(time))
        for n, (status, _, severity, _, time) in enumerate(made)
    ]
    said = {
        f"case-{n}": verdict(n, disposition=disposition, probability=p)
        for n, (_, disposition, _, p, _) in enumerate(made)
        if disposition
    }
    documents.put("acme", *cases, *said.values())

    def tab(one: Case) -> str:
        v = said.get(one.uid)
        if one.status == "resolved":
            return "done"
        if v and v.disposition == "close":
            return "closed"
        if one.status == "closed":
            return "done"
        return "now" if v and v.disposition == "escalate" else "queue"

    def fits(one: Case) -> bool:
        v = said.get(one.uid)
        text = f"{one.uid} {one.title} user:{one.involved[0].entity.value} {v.sentence if v else ''}".lower()
        layer = {"f-0": "email", "f-1": "cloud"}.get(one.findings[0], "")
        return (
            ask.tab in ("all", tab(one))
            and one.severity >= ask.severity
            and ask.layer in ("", layer)
            and all(word in text for word in ask.text.lower().split())
        )

    def order(one: Case) -> tuple[object, ...]:
        v = said.get(one.uid)
        p = v.probability if v else 0.0
        pressing = {"escalate": 0, "queue": 1, None: 2, "close": 3}[v.disposition if v else None]
        return {
            "pressing": (pressing, -p, -one.severity, one.uid),
            "probability": (-p, -one.severity, one.uid),
            "severity": (-one.severity, -p, one.uid),
            "risk": (-(one.risk.score if one.risk else -1), -p, one.uid),
            "age": (-one.last_time, one.uid),
            "title": (one.title.lower(), one.uid),
        }[ask.sort]

    page = lines.page("acme", ask)
    wanted = sorted(filter(fits, cases), key=order, reverse=ask.reverse)
    assert [line.uid for line in page.cases] == [c.uid for c in wanted]
    assert page.found == len(wanted)
    assert page.counts == {t: sum(t in ("all", tab(c)) for c in cases) for t in TABS}


def test_pages_hold_all_cases_once(documents: Documents, lines: CaseLines) -> None:
    documents.put("acme", *(case(n) for n in range(2 * PAGE + 5)))
    pages = [lines.page("acme", Ask(tab="queue", page=n)) for n in (1, 2, 3)]
    assert [len(page.cases) for page in pages] == [PAGE, PAGE, 5]
    assert len({line.uid for page in pages for line in page.cases}) == 2 * PAGE + 5
    assert lines.page("acme", Ask(tab="queue", page=99)) == pages[2]


@pytest.mark.parametrize(
    "ask", [Ask(tab=t, sort=s, reverse=r) for t in TABS for s in sorted(CASE_ORDERS) for r in (False, True)], ids=str
)
def test_every_order_is_served_by_its_index(
    database: Database, documents: Documents, lines: CaseLines, ask: Ask
) -> None:
    """The plans of the very statements that a page runs: an index each, and no sorting."""
    documents.put("acme", *(case(n) for n in range(50)), *(verdict(n) for n in range(50)))
    ran: list[tuple[str, object]] = []

    @sa.event.listens_for(database.engine, "before_cursor_execute")
    def _note(_c: object, _k: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith("SELECT"):
            ran.append((statement, parameters))

    lines.page("acme", ask)
    sa.event.remove(database.engine, "before_cursor_execute", _note)
    with database.read() as connection:
        plans = [
            [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters)]
            for sql, parameters in ran  # type: ignore[arg-type]
        ]
    counting, listing = plans
    assert len(counting) == len(listing) == 1
    assert "USING COVERING INDEX case_lines_by_" in counting[0]
    assert f"USING INDEX case_lines_{'all_' if ask.tab == 'all' else ''}by_{ask.sort} (tenant=?" in listing[0]


def test_the_overview_counts(documents: Documents, lines: CaseLines) -> None:
    gap = {"question": "q", "title": "Is it known?", "about": "a", "reason": "no answer", "required": False}
    documents.put("acme", finding(0, "email"), finding(1, "cloud"))
    documents.put(
        "acme",
        case(0, last_time=3 * DAY + 5, findings=["f-0", "f-1"]),
        case(1, last_time=3 * DAY + 9, findings=["f-1"], detection_class="a @ b"),
        case(2, last_time=7 * DAY, status="resolved", detection_class="a @ b"),
        verdict(0, disposition="escalate", could_not_check=[gap, gap]),
        verdict(1, disposition="close"),
        verdict(2),
    )
    seen = lines.overview("acme")
    assert seen.counts == {"now": 1, "queue": 0, "closed": 1, "all": 3}
    assert seen.days == [(3 * DAY, 1, 0, 1, 0), (7 * DAY, 0, 0, 0, 1)]
    assert {name: n for name, n in seen.layers.items() if n} == {"email": 1, "cloud": 2}
    assert seen.classes == [("a @ b", 2), ("x @ y", 1)]
    assert seen.could_not_check == [("Is it known?", 2)]


def test_a_database_from_before_gets_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    database = Database.open(path)
    Documents(database).put("acme", finding(1, "email"), *(case(n) for n in range(700)), verdict(1))
    Documents(database).put("other", case(1, tenant="other"))
    before = CaseLines(database).page("acme", Ask(tab="all", page=3))
    with database.write() as connection:
        connection.exec_driver_sql("DROP TABLE case_lines")
        connection.exec_driver_sql("UPDATE schema_version SET version = 1")
    database.close()
    database = Database.open(path)
    assert CaseLines(database).page("acme", Ask(tab="all", page=3)) == before
    assert CaseLines(database).page("acme", Ask(tab="all", text="case-1 noise")).cases[0].layers == ("email",)
    assert CaseLines(database).page("other", Ask(tab="all")).found == 1
    database.close()
