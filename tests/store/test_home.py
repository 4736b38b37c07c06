"""The home folder: made at first use, its owner's only, and a clear word when it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchfloor.core.errors import WatchfloorError
from watchfloor.store.home import Home


def test_a_home_is_made_for_its_owner_only(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "deep" / "home")
    assert Home.open(home.path) == home
    for folder in (home.path, home.evidence, home.lake, home.keys):
        assert folder.is_dir()
        assert folder.stat().st_mode & 0o077 == 0
    assert {home.database.parent, home.work.parent} == {home.path}


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way")
    with pytest.raises(WatchfloorError, match="cannot make the home folder"):
        Home.open(tmp_path / "home")
