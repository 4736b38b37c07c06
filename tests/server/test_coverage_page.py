"""The coverage page: layers, the ATT&CK matrix, what to connect next, and the Navigator's layer."""

from __future__ import annotations

from pathlib import Path

from tests.server.conftest import ANALYST, Enter
from tests.server.test_pages import words
from watchfloor.app.settings import Settings
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.attack import TACTICS
from watchfloor.improve.coverage import Coverage, TechniqueLine
from watchfloor.server.present.coverage import matrix


def test_the_page_says_what_can_be_seen_and_what_cannot(enter: Enter) -> None:
    page = words(enter(ANALYST).get("/coverage").text)
    assert "1 of 2 detections can fire" in page
    assert "2 of 2 listed ATT&CK techniques 2 of 6 layers 3 indicators are matched" in page
    assert "Identity covered 7 1 entra_signin" in page
    assert "Cloud nothing arrives 0 0 1 more are known aws_cloudtrail" in page
    assert "Connect next log sources that detections wait for Log source Detections windows process_creation 1" in page


def test_the_navigators_layer_is_one_click_away(enter: Enter) -> None:
    answer = enter(ANALYST).get("/coverage/layer.json")
    assert "attachment" in answer.headers["content-disposition"]
    assert {t["techniqueID"]: t["score"] for t in answer.json()["techniques"]} == {"T1059.001": 1, "T1078": 1}


def test_it_needs_a_login(visit: Enter) -> None:
    assert visit().get("/coverage/layer.json", follow_redirects=False).status_code in (303, 401)


def line(technique: str, can_fire: int, waiting: int = 0, *tactics: str) -> TechniqueLine:
    wants = ("windows",) if waiting else ()
    return TechniqueLine(
        technique=technique, name="", tactics=tactics or ("execution",), can_fire=can_fire, waiting=waiting, wants=wants
    )


def test_the_matrix_has_a_cell_a_technique_in_every_tactic_of_its() -> None:
    lines = (
        line("T1059", 0),
        line("T1059.001", 5),
        line("T1059.003", 2, 1),
        line("T1053", 0, 3, "execution", "persistence"),
        line("T9999", 1, 0, "no such tactic"),
    )
    nothing = Coverage(layers=(), techniques=lines, detections=0, can_fire=0, indicators=0, wants={})
    execution, persistence = matrix(nothing)
    assert [(c.technique, c.shade, c.can_fire) for c in execution.cells] == [
        ("T1059", "many", 5),
        ("T1053", "waits", 0),
    ]
    assert [one.technique for one in execution.cells[0].lines] == ["T1059.001", "T1059.003", "T1059"]
    assert execution.cells[0].wants == ("windows",)
    assert (execution.covered, persistence.covered) == (1, 0)
    assert [persistence.tactic, persistence.cells[0].technique] == ["persistence", "T1053"]
    assert list(TACTICS).index("execution") < list(TACTICS).index("persistence")


def test_the_products_own_answer_is_held_for_a_while(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text(
        '{"eventVersion": "1.08", "eventSource": "ec2.amazonaws.com", "eventName": "x"}\n'
    )
    with Watchfloor.open(tmp_path / "home", Settings(tenant="acme")) as product:
        before = product.desk.coverage()
        assert not before.can_fire
        product.pipeline.ingest([tmp_path / "one.jsonl"])
        assert product.desk.coverage() is before
    with Watchfloor.open(tmp_path / "home") as product:
        assert product.desk.coverage().can_fire > 10
