"""Documents: what is put comes back equal; lists come from an index; no tenant sees another's."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchfloor.core.case import Case, Comment
from watchfloor.core.entity import Entity, Involvement
from watchfloor.core.errors import NotFoundError, RefusedError
from watchfloor.core.record import DeadLetter
from watchfloor.store.database import Database
from watchfloor.store.documents import Documents, kind_of


def case(n: int, *, tenant: str = "acme", status: str = "new", time: int | None = None) -> Case:
    return Case.from_dict(
        {
            "tenant": tenant,
            "uid": f"case-{n}",
            "time": n if time is None else time,
            "last_time": n,
            "title": f"Fall {n}",
            "status": status,
            "severity": 3,
            "findings": ["f-1"],
            "involved": [Involvement(entity=Entity(type="user", value="zoë"), role="actor")],
            "detection_class": "x @ y",
        }
    )


def comment(n: int, case_uid: str, *, time: int) -> Comment:
    return Comment(tenant="acme", uid=f"c-{n}", case_uid=case_uid, time=time, author="a", text="t")


def test_what_is_put_comes_back(documents: Documents) -> None:
    cases = [case(n) for n in range(1200)]
    documents.put("acme", *cases)
    assert documents.get("acme", Case, "case-7") == cases[7]
    assert documents.get_many("acme", Case, [c.uid for c in reversed(cases)]) == cases[::-1]
    assert documents.count("acme", Case) == 1200
    assert documents.find("acme", Case, limit=None, newest_first=False) == cases


def test_a_known_uid_takes_the_place_of_the_former(documents: Documents) -> None:
    documents.put("acme", case(1), case(2))
    documents.put("acme", case(1, status="closed", time=9))
    assert documents.count("acme", Case) == 2
    assert documents.get("acme", Case, "case-1").status == "closed"
    assert documents.count("acme", Case, status="new") == 1


def test_what_is_absent_is_told(documents: Documents) -> None:
    documents.put("acme", case(1))
    with pytest.raises(NotFoundError, match="no case case-9"):
        documents.get_many("acme", Case, ["case-1", "case-9"])
    with pytest.raises(NotFoundError, match="no dead_letter case-1"):
        documents.get("acme", DeadLetter, "case-1")
    assert kind_of(DeadLetter) == "dead_letter"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.sampled_from(["new", "closed"])), max_size=12),
    st.sampled_from([None, "new"]),
    st.tuples(st.none() | st.integers(0, 9), st.none() | st.integers(0, 9), st.none() | st.integers(1, 5)),
    st.booleans(),
)
def test_lists_are_what_filtering_by_hand_gives(
    documents: Documents,
    made: list[tuple[int, str]],
    status: str | None,
    bounds: tuple[int | None, int | None, int | None],
    newest_first: bool,
) -> None:
    since, before, limit = bounds
    with documents.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM documents")
    cases = [case(n, status=status, time=time) for n, (time, status) in enumerate(made)]
    documents.put("acme", *cases)
    wanted = [
        c
        for c in cases
        if (status is None or c.status == status)
        and (since is None or c.time >= since)
        and (before is None or c.time < before)
    ]
    wanted.sort(key=lambda c: c.time)
    found = documents.find(
        "acme", Case, status=status, since=since, before=before, limit=limit, newest_first=newest_first
    )
    assert found == (wanted[::-1] if newest_first else wanted)[:limit]


def test_the_latest_of_a_case_is_the_last_written_of_the_newest(documents: Documents) -> None:
    documents.put("acme", comment(1, "case-1", time=5), comment(2, "case-1", time=5))
    documents.put("acme", comment(3, "case-1", time=4), comment(4, "case-2", time=1))
    assert documents.latest("acme", Comment, "case-1") == comment(2, "case-1", time=5)
    assert documents.latest("acme", Comment, "case-3") is None
    many = [f"case-{n}" for n in range(1200)]
    assert {uid: c.uid for uid, c in documents.latest_each("acme", Comment, many).items()} == {
        "case-1": "c-2",
        "case-2": "c-4",
    }


def test_tenants_do_not_see_each_other(documents: Documents) -> None:
    documents.put("acme", case(1))
    documents.put("other", case(1, tenant="other", status="closed"))
    assert documents.get("acme", Case, "case-1").status == "new"
    assert [c.tenant for c in documents.find("other", Case)] == ["other"]
    assert documents.latest_each("third", Case, ["case-1"]) == {}


def test_a_noun_of_another_tenant_is_refused_and_nothing_is_kept(documents: Documents) -> None:
    with pytest.raises(RefusedError, match="tenant acme cannot keep a Case of tenant other"):
        documents.put("acme", case(1), case(2, tenant="other"))
    assert documents.count("acme", Case) == 0


@pytest.mark.parametrize("tenant", ["", "../x", "ACME", "a/b", "a" * 64, "-a", "acme\n"])
def test_a_malformed_tenant_is_refused_everywhere(documents: Documents, tenant: str) -> None:
    for call in (
        lambda: documents.put(tenant),
        lambda: documents.get(tenant, Case, "x"),
        lambda: documents.find(tenant, Case),
        lambda: documents.count(tenant, Case),
        lambda: documents.latest(tenant, Case, "x"),
        lambda: documents.latest_each(tenant, Case, ["x"]),
    ):
        with pytest.raises(RefusedError, match="not a tenant's name"):
            call()


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "documents_by_time"),
        ({"since": 1, "before": 9}, "documents_by_time"),
        ({"status": "new"}, "documents_by_status"),
        ({"status": "new", "since": 5, "newest_first": False}, "documents_by_status"),
        ({"case_uid": "case-1"}, "documents_by_case_uid"),
    ],
)
def test_every_list_view_is_served_by_its_index(
    database: Database, documents: Documents, filters: dict[str, object], index: str
) -> None:
    """The plan of the very statement that `find` runs: its index, and no sorting."""
    documents.put("acme", *(case(n) for n in range(50)), *(comment(n, "case-1", time=n) for n in range(50)))
    ran: list[tuple[str, object]] = []

    @sa.event.listens_for(database.engine, "before_cursor_execute")
    def _note(_c: object, _k: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith("SELECT"):
            ran.append((statement, parameters))

    documents.find("acme", Case, **filters)  # type: ignore[arg-type]
    sa.event.remove(database.engine, "before_cursor_execute", _note)
    with database.read() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {ran[0][0]}", ran[0][1]).all()  # type: ignore[arg-type]
    steps = [row.detail for row in plan]
    assert len(steps) == 1
    assert f"USING INDEX {index} (tenant=? AND kind=?" in steps[0]
