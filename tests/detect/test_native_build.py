"""The native core's build: made where there is a compiler, left out with one clear line where there is none."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

from tools import native
from watchfloor.cli.doctor import checks


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    for file in native.FOLDER.glob("*.[ch]"):
        shutil.copy(file, tmp_path)
    return tmp_path


def test_the_core_is_built_without_a_warning_and_made_again_when_a_source_changes(sources: Path) -> None:
    if why := native.missing():
        pytest.skip(why)
    assert not native.is_fresh(sources)
    built = native.build(sources, flags=("-Werror",))
    assert native.is_fresh(sources)
    spec = importlib.util.spec_from_file_location("_core", built)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    core = module.Core(object(), 2, (), (), bytes(24))
    assert core.costs() == [(0, 0), (0, 0)]
    later = built.stat().st_mtime + 5
    os.utime(sources / "json.c", (later, later))
    assert not native.is_fresh(sources)
    assert [file.name for file in sources.iterdir() if ".so" in file.name] == ["_core.abi3.so"]


def test_without_a_compiler_the_core_is_left_out_and_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(native, "is_fresh", lambda: False)
    native.main()
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "no C compiler" in told
    assert "apt-get install gcc" in told
    assert "plain path" in told


def test_bad_tables_are_refused() -> None:
    """What lowering.py hands over is checked: a number out of range is an error, not a crash."""
    core_module = pytest.importorskip("watchfloor.detect.sigma.native._core", reason="the native core is not built")
    core = core_module.Core(object(), 1, (), (), bytes(24))
    field = core.add_field(((0, "a"),))
    leaf = core.add_leaf(0, 3, 0, field, 0, b"x", None, b"", 0, 0)
    one = leaf.to_bytes(4, "little")
    with pytest.raises(IndexError):
        core.add_leaf(0, 3, 0, 99, 0, b"x", None, b"", 0, 0)
    with pytest.raises(IndexError):
        core.add_set((99).to_bytes(4, "little"))
    with pytest.raises(IndexError):
        core.add_rule(1, one + b"\xff" * 8)
    with pytest.raises(ValueError, match="leads nowhere"):
        core.add_rule(0, one + bytes(4) + b"\xff" * 4)  # a step that leads to itself
    with pytest.raises(IndexError):
        core.add_group((7).to_bytes(4, "little"), (), b"", ())
    with pytest.raises(ValueError, match="do not fit"):
        core.add_group(b"", ((field, one, bytes(4), b""),), b"", ())
    with pytest.raises(ValueError, match="do not fit"):
        core.add_group(b"", (), bytes(4), (b"abc",))
    with pytest.raises(ValueError, match="one id"):
        core.scan(b"{}", bytes(4), 0)
    with pytest.raises(ValueError, match="form"):
        core.scan(b"{}", b"", 7)
    with pytest.raises(ValueError, match="made twice"):
        core.__init__(object(), 1, (), (), bytes(24))


def test_doctor_says_which_path_is_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> str:
        return next(check.sentence for check in checks(tmp_path / "home") if check.name == "detection engine")

    monkeypatch.delenv("WATCHFLOOR_ENGINE", raising=False)
    built = (native.FOLDER / "_core.abi3.so").exists()
    assert ("native path is in use" in told()) is built
    monkeypatch.setenv("WATCHFLOOR_ENGINE", "plain")
    assert "WATCHFLOOR_ENGINE" in told()
    monkeypatch.setenv("WATCHFLOOR_ENGINE", "")
    monkeypatch.setitem(sys.modules, "watchfloor.detect.sigma.native", None)
    assert "make install builds it" in told()
