"""The browser libraries come from npm by a lock that pins bytes and names no host."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def assets() -> ModuleType:
    spec = importlib.util.spec_from_file_location("assets", ROOT / "tools" / "assets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lock_pins_bytes_and_names_no_host() -> None:
    lock = (ROOT / "package-lock.json").read_text(encoding="utf-8")
    packages = {name: p for name, p in json.loads(lock)["packages"].items() if name}
    assert set(packages) == {"node_modules/htmx.org", "node_modules/cytoscape"}
    assert all(p["integrity"].startswith("sha512-") for p in packages.values())
    assert "://" not in lock
    assert "omit-lockfile-registry-resolved=true" in (ROOT / ".npmrc").read_text(encoding="utf-8")


def test_a_complete_folder_is_left_alone_and_an_incomplete_one_is_not(
    assets: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "VENDOR", tmp_path)
    monkeypatch.setattr(assets, "STAMP", tmp_path / ".stamp")
    want = assets.wanted()
    assert not assets.present(want)
    for name in assets.FILES.values():
        (tmp_path / name).write_text("x")
    assert not assets.present(want)
    (tmp_path / ".stamp").write_text(want + "\n")
    assert assets.present(want)
    (tmp_path / "htmx.js").unlink()
    assert not assets.present(want)


def test_no_npm_to_be_had_is_one_clear_line(
    assets: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_npm() -> Path:
        raise assets.AssetsError("Node could not be had. Install npm")

    monkeypatch.setattr(assets, "VENDOR", tmp_path)
    monkeypatch.setattr(assets, "STAMP", tmp_path / ".stamp")
    monkeypatch.setattr(assets, "find_npm", no_npm)
    monkeypatch.setattr("sys.argv", ["assets.py"])
    assert assets.main() == 1
    assert capsys.readouterr().err.count("\n") == 1
