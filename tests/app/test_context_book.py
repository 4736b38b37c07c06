"""Importing what is known: again changes nothing, gone ends, bad rows are kept, the folder is read as facts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from watchfloor.app.context_view import view_of
from watchfloor.app.settings import Settings
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.clock import DAY, parse_iso
from watchfloor.core.entity import Entity
from watchfloor.core.errors import NotFoundError, RefusedError, WatchfloorError
from watchfloor.core.fact import FOREVER
from watchfloor.store.schema import facts as table

NOW = parse_iso("2026-11-20T12:00:00Z")
USERS = [
    {"id": "00u1", "profile": {"login": "alice@acme.example", "department": "Finance"}},
    {"id": "00u2", "profile": {"login": "bob@acme.example", "department": "IT"}},
]


class Clock:
    now = NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def product(tmp_path: Path, clock: Clock) -> Iterator[Watchfloor]:
    with Watchfloor.open(tmp_path / "home", clock=clock) as product:
        yield product


def export(folder: Path, rows: list[Any]) -> Path:
    (folder / "okta.json").write_text(json.dumps(rows))
    return folder / "okta.json"


def department(product: Watchfloor, user: str, *, true: int, known: int = FOREVER - 1) -> str | None:
    identity = product.parts.context_book.as_known(known).at(true).identity(Entity(type="user", value=user))
    return None if identity is None else identity.department


def test_the_same_file_twice_changes_nothing_and_writes_nothing(product: Watchfloor, tmp_path: Path) -> None:
    book, file = product.parts.context_book, export(tmp_path, USERS)
    first = book.import_paths([file], by="ana")
    assert (first.rows, first.new, first.sources) == (2, 6, ("okta/users",))
    mark, entries = product.parts.facts.mark("default"), len(product.desk.ledger_entries())
    again = book.import_paths([file, file], by="ana", full=True)
    assert (again.new, again.ended, again.retracted, again.unchanged) == (0, 0, 0, 6)
    assert (product.parts.facts.mark("default"), len(product.desk.ledger_entries())) == (mark, entries)


def test_what_changed_holds_from_then_on_and_what_is_gone_from_a_full_export_ends(
    product: Watchfloor, clock: Clock, tmp_path: Path
) -> None:
    book = product.parts.context_book
    book.import_paths([export(tmp_path, USERS)], by="ana")
    clock.now += DAY
    moved = [{"id": "00u1", "profile": {"login": "alice@acme.example", "department": "Sales"}}]
    kept = book.import_paths([export(tmp_path, moved)], by="ana")
    assert (kept.new, kept.ended, kept.unchanged) == (1, 1, 2), "without --full, who is not in it stays"
    assert department(product, "bob@acme.example", true=clock.now) == "IT"
    clock.now += DAY
    gone = book.import_paths([export(tmp_path, moved)], by="ana", full=True)
    assert (gone.new, gone.ended, gone.retracted) == (0, 3, 0)
    at = {day: department(product, "alice@acme.example", true=NOW + day * DAY) for day in (-900, 0, 1, 2)}
    assert at == {-900: "Finance", 0: "Finance", 1: "Sales", 2: "Sales"}
    assert department(product, "bob@acme.example", true=NOW + DAY) == "IT"
    assert department(product, "bob@acme.example", true=clock.now) is None
    assert department(product, "bob@acme.example", true=clock.now, known=clock.now - 1) == "IT", "as known before"
    assert department(product, "alice@acme.example", true=clock.now, known=NOW) == "Finance"
    new = [*moved, {"id": "00u3", "profile": {"login": "bob@acme.example", "department": "HR"}}]
    clock.now += DAY
    book.import_paths([export(tmp_path, new)], by="ana", full=True)
    found = {day: department(product, "bob@acme.example", true=NOW + day * DAY) for day in (0, 2, 3)}
    assert found == {0: "IT", 2: None, 3: "HR"}, "an address that is given on is another person's from then on"


def test_bad_rows_are_kept_and_counted_and_end_nothing(product: Watchfloor, clock: Clock, tmp_path: Path) -> None:
    book = product.parts.context_book
    book.import_paths([export(tmp_path, USERS)], by="ana")
    bad = {"id": "00u2", "profile": {"login": "not an address"}}
    clock.now += DAY
    report = book.import_paths([export(tmp_path, [USERS[0], bad, 7])], by="ana", full=True)
    assert (report.rows, report.problems, report.ended, report.unchanged) == (3, 2, 0, 3)
    assert report.bad[0] == "okta.json, row 2: upn: 'not an address' is no mail address"
    assert "nothing was ended" in report.bad[-1]
    letters = product.dead_letters.find()
    assert {letter.where for letter in letters} == {"context/okta.json, row 2", "context/okta.json, row 3"}
    assert json.loads(product.dead_letters.content(next(one for one in letters if one.position == 1))) == bad
    with pytest.raises(RefusedError, match="import it again"):
        product.dead_letters.replay(letters[0].uid, "ana")
    book.import_paths([export(tmp_path, [USERS[0], bad, 7])], by="ana")
    assert len(product.dead_letters.find()) == 2, "the same bad row counts once"


def test_the_context_folder_is_facts_and_a_change_to_it_corrects_them(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "assets.yaml").write_text("- {host: ws-1, criticality: low, addresses: [10.0.0.1]}\n- {host: ws-2}\n")
    (folder / "company.yaml").write_text("name: Acme\ntimezone: Europe/Berlin\n")
    settings = Settings(context=folder)

    def criticality(product: Watchfloor, known: int) -> str | None:
        asset = product.parts.context_book.as_known(known).at(NOW).asset(Entity(type="address", value="10.0.0.1"))
        return None if asset is None else asset.criticality

    with Watchfloor.open(tmp_path / "home", settings, clock=clock) as product:
        assert product.parts.context.company.timezone == "Europe/Berlin"
        assert {f.source for f in product.parts.facts.known("default")} == {
            "context/assets.yaml", "context/company.yaml",
        }  # fmt: skip
        fact = next(f for f in product.parts.facts.known("default") if f.attribute == "criticality")
        with pytest.raises(RefusedError, match=r"stands in assets\.yaml"):
            product.parts.context_book.retract(fact.uid, "ana")
    clock.now += DAY
    (folder / "assets.yaml").write_text("- {host: ws-1, criticality: high, addresses: [10.0.0.1]}\n")
    (folder / "company.yaml").unlink()
    with Watchfloor.open(tmp_path / "home", clock=clock) as product:
        assert [asset.host for asset in product.parts.context.assets] == ["ws-1"]
        assert product.parts.context.company.timezone == "UTC"
        assert (criticality(product, NOW), criticality(product, clock.now)) == ("low", "high")
        mark = product.parts.facts.mark("default")
    with Watchfloor.open(tmp_path / "home", clock=clock) as product:
        assert product.parts.context.assets
        assert product.parts.facts.mark("default") == mark
    (folder / "assets.yaml").write_text("- {host: ws-1, criticality: huge}\n")
    with (
        Watchfloor.open(tmp_path / "home", clock=clock) as product,
        pytest.raises(WatchfloorError, match=r"assets\.yaml, entry 1"),
    ):
        _ = product.parts.context


def test_a_file_of_the_folders_form_can_be_imported(product: Watchfloor, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "identities.csv").write_text("user,mail,privileged\nann,ann@acme.example,true\nbob,bob,maybe\n")
    report = product.parts.context_book.import_paths([folder], by="ana")
    with pytest.raises(WatchfloorError, match="neither CSV nor"):
        product.parts.context_book.import_paths([tmp_path / "home" / "watchfloor.db"], by="ana")
    assert (report.rows, report.problems, report.sources) == (2, 1, ("import/identities.csv",))
    assert "identities.csv, entry 2 (bob)" in report.bad[0]
    identity = product.parts.context_book.now().identity(Entity(type="mailbox", value="ann@acme.example"))
    assert identity is not None
    assert identity.privileged


def test_facts_that_another_process_records_are_seen(product: Watchfloor, tmp_path: Path, clock: Clock) -> None:
    assert product.parts.context.empty
    with Watchfloor.open(tmp_path / "home", clock=clock) as other:
        other.parts.context_book.import_paths([export(tmp_path, USERS)], by="ana")
    product.parts.refresh_context()
    assert len(product.parts.context.identities) == 2


def test_a_lease_concerns_only_what_came_after_its_beginning(product: Watchfloor, tmp_path: Path) -> None:
    """Cases that were over before are not asked about again (`Freshness.begin`)."""
    book = product.parts.context_book
    book.import_paths([export(tmp_path, USERS)], by="ana")
    book.now()
    mark, earliest = book.earliest_since(0)
    assert earliest == 0
    assert book.earliest_since(mark) == (mark, None)
    (tmp_path / "dhcpd.leases").write_text(
        "lease 10.0.0.7 {\n  starts 4 2026/11/19 07:00:00;\n  ends 5 2026/11/20 07:00:00;\n  binding state active;\n"
        "  hardware ethernet 4c:cc:6a:01:02:03;\n}\n"
    )
    book.import_paths([tmp_path / "dhcpd.leases"], by="ana")
    assert book.earliest_since(mark) == (mark, None), "not before it is read"
    book.now()
    after, earliest = book.earliest_since(mark)
    assert (after > mark, earliest) == (True, 0), "that there is such an interface holds as ever"
    (tmp_path / "dhcpd.leases").write_text(
        "lease 10.0.0.8 {\n  starts 5 2026/11/20 07:00:00;\n  ends 6 2026/11/21 07:00:00;\n  binding state active;\n"
        "  hardware ethernet 4c:cc:6a:01:02:03;\n}\n"
    )
    book.import_paths([tmp_path / "dhcpd.leases"], by="ana")
    book.now()
    assert book.earliest_since(after)[1] == parse_iso("2026-11-20T07:00:00Z")


def test_the_view_of_what_cannot_be_told_says_so(product: Watchfloor, tmp_path: Path, clock: Clock) -> None:
    book = product.parts.context_book
    twin = {"id": "00u9", "profile": {"login": "a2@acme.example", "email": "alice@acme.example"}}
    book.import_paths([export(tmp_path, [*USERS, twin])], by="ana")
    view = view_of(book, Entity(type="user", value="alice@acme.example"), true=clock.now)
    assert len(view.several) == 2
    assert not view.records
    for same, end in ((True, "user:alice@acme.example"), (True, "user:nobody"), (True, "host:bob@acme.example")):
        with pytest.raises(WatchfloorError):
            book.relate("user:bob@acme.example", end, same=same, by="ana")
    with pytest.raises(NotFoundError):
        book.retract("f-none", "ana")
    book.relate("okta/users#user:00u1", "okta/users#user:00u9", same=True, by="ana")
    assert not view_of(book, Entity(type="user", value="alice@acme.example"), true=clock.now).several
    book.relate("okta/users#user:00u1", "okta/users#user:00u9", same=False, by="bo")
    words = [f for f in product.parts.facts.known("default") if f.attribute in ("same_as", "different_from")]
    assert [(f.attribute, f.recorded_by) for f in words] == [("different_from", "bo")], "the later word stands"


def test_facts_cannot_be_changed_or_deleted(product: Watchfloor, tmp_path: Path) -> None:
    product.parts.context_book.import_paths([export(tmp_path, USERS)], by="ana")
    for verb in (f"UPDATE {table.name} SET value = '1'", f"DELETE FROM {table.name}"):
        with pytest.raises(Exception, match="append-only"), product.parts.together() as connection:
            connection.exec_driver_sql(verb)
