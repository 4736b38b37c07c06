"""`watchfloor intel`: what feeds hold, what names a value, how one is forgotten; and what doctor says of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from watchfloor.app.watchfloor import Watchfloor
from watchfloor.cli.doctor import checks
from watchfloor.core.clock import DAY
from watchfloor.store.spool import Parcel, Spool

from .test_cli import run

FEED = {
    "objects": [
        {"type": "identity", "id": "identity--1", "name": "CERT\x1b[31m", "modified": "2026-10-01T00:00:00Z"},
        {"type": "indicator", "id": "indicator--1", "modified": "2026-10-01T00:00:00Z", "confidence": 80,
         "pattern": "[domain-name:value = 'evil.example']", "name": "Phish kit", "created_by_ref": "identity--1",
         "valid_until": "2026-10-02T00:00:00Z"},
    ]
}  # fmt: skip


def hand(product: Watchfloor, source: str, at: int) -> None:
    spool = Spool(product.parts.home.spool)
    spool.put(product.parts.tenant, Parcel(source, at, json.dumps(FEED).encode(), "stix")).result()
    product.intake.work(spool)
    spool.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "list.csv").write_text("type,value\naddress,203.0.113.0/24\n")
    (tmp_path / "home" / "watchfloor.yaml").write_text(f"intel: [{tmp_path / 'list.csv'}]\n")
    with Watchfloor.open(tmp_path / "home") as product:
        hand(product, "taxii/cert", product.parts.clock())
    return tmp_path / "home"


def test_what_is_held_is_listed_looked_up_and_forgotten(home: Path) -> None:
    listed = run("intel", "list", "--home", home).stdout.splitlines()
    assert [line.split()[:2] for line in listed] == [["taxii/cert", "1"], ["files", "of"]]
    shown = run("intel", "look", "www[.]evil[.]example", "--home", home).stdout
    assert "malicious domain evil.example, confidence 80, expired now" in shown
    assert "from CERT" in shown
    assert "\x1b" not in shown
    assert "in taxii/cert, indicator--1, since" in shown
    assert "in files of the settings" in run("intel", "look", "203.0.113.9", "--home", home).stdout
    nothing = run("intel", "look", "good.example", "--home", home)
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "nothing names it" in nothing.stderr
    assert run("intel", "look", "what is this", "--home", home).returncode == 1
    assert "1 indicators of taxii/cert are gone" in run("intel", "forget", "taxii/cert", "--home", home).stdout
    assert "taxii/cert" not in run("intel", "list", "--home", home).stdout
    assert "no feed taxii/cert" in run("intel", "forget", "taxii/cert", "--home", home).stderr


def test_doctor_names_feeds_that_are_old_and_those_that_never_came(home: Path) -> None:
    def said() -> tuple[bool, str]:
        return next((check.works, check.sentence) for check in checks(home) if check.name == "intelligence")

    assert said() == (True, "1 indicators of 1 feeds")
    (home / "sources.yaml").write_text("sources:\n- {name: new, kind: misp, list: 'https://lists.example/x'}\n")
    assert said() == (False, "nothing has come from misp/new yet. Run: watchfloor source list")
    with Watchfloor.open(home) as product:
        hand(product, "taxii/old", product.parts.clock() - 9 * DAY)
    works, sentence = said()
    assert not works
    assert "nothing new for more than 7 days from taxii/old (9 days)" in sentence
