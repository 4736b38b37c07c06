"""Settings of a home: kept when it is made, read again from anywhere, and never ignored in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchfloor.app.settings import FILE, Settings
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.errors import WatchfloorError


def test_a_home_is_the_same_when_opened_again_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "own.yaml").write_text("name: own\nautonomy: observe\n")
    monkeypatch.chdir(tmp_path)
    given = Settings(tenant="acme", rules=(Path("rules"),), policy="own.yaml")
    Watchfloor.open(Path("home"), given).close()
    monkeypatch.chdir("/")
    with Watchfloor.open(tmp_path / "home") as product:
        assert product.parts.tenant == "acme"
        assert product.parts.settings.rules == (tmp_path / "rules",)
        assert product.parts.policy.name == "own"


def test_settings_that_are_there_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("tenant: first\n")
    Settings(tenant="second").keep(tmp_path)
    assert Settings.read(tmp_path).tenant == "first"


def test_relative_paths_are_relative_to_the_home(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("context: context\nintel: [intel, /elsewhere]\nconnections: connections.yaml\n")
    found = Settings.read(tmp_path)
    assert found.context == tmp_path / "context"
    assert found.intel == (tmp_path / "intel", Path("/elsewhere"))
    assert found.connections == tmp_path / "connections.yaml"
    assert found.policy == "default"


def test_connections_that_are_named_and_absent_are_an_error(tmp_path: Path) -> None:
    """Without them every plan would be refused, and nobody would know why."""
    (tmp_path / FILE).write_text("connections: connections.yaml\n")
    with pytest.raises(WatchfloorError, match="no such file") as caught:
        Watchfloor.open(tmp_path)
    assert "connections.yaml" in str(caught.value)


def test_a_wrong_key_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("tenat: acme\n")
    with pytest.raises(WatchfloorError, match="tenat"):
        Settings.read(tmp_path)
