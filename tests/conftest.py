"""Fixtures that every test may use."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck, settings

from watchfloor.app.story import Story
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.respond import keys
from watchfloor.store import accounts

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "correct horse battery"

# A busy machine is no failure: no test is timed, and slow generation of examples is no reason to stop.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def costs_of_guessing() -> Iterator[tuple[PasswordHasher, int]]:
    """The product's own hasher of passwords and scrypt's N for keys. The cost that stops guessing would stop tests as
    well, so that they have cheap ones."""
    with pytest.MonkeyPatch.context() as patch:
        own = accounts._HASHER, keys._N
        patch.setattr(accounts, "_HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
        patch.setattr(keys, "_N", 2**10)
        yield own


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, not part of the repository; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("WATCHFLOOR_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs the real data of WATCHFLOOR_DATA, and {folder} is absent")
    return folder


@pytest.fixture
def tenant() -> str:
    return "acme"


@pytest.fixture(scope="session")
def story() -> Story:
    return Story.bundled()


@pytest.fixture(scope="session")
def story_home(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the bundled story was taken in and decided. Tests must not change it."""
    return made_once(tmp_path_factory, "story", lambda home: _decide(story, home, [story.records]))


@pytest.fixture(scope="session")
def day_home(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `story_home`, with the last of the story's three days alone: a quarter of its cases, of all kinds."""
    return made_once(tmp_path_factory, "day", lambda home: _decide(story, home, last_day(story.records)))


@pytest.fixture
def decided(story: Story, story_home: Path, tmp_path: Path) -> Iterator[Watchfloor]:
    """The product on a copy of the decided story, connected to the simulated company. Tests may change it."""
    with _copied(story, story_home, tmp_path) as product:
        yield product


@pytest.fixture
def decided_day(story: Story, day_home: Path, tmp_path: Path) -> Iterator[Watchfloor]:
    """As `decided`, over the last day of the story: for what needs cases of all kinds and not all of them."""
    with _copied(story, day_home, tmp_path) as product:
        yield product


def last_day(records: Path) -> list[Path]:
    """The files of the story's last day; those of several days are none."""
    return sorted(p for p in records.rglob("*") if "2026-10-15" in p.name or "20261015T" in p.name)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that `make` filled, once a run: the first worker makes it, others that want it wait."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    made, making = base / f"made-{name}", base / f"making-{name}"
    with (base / f"made-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(making, ignore_errors=True)  # of a worker that failed
            make(making)
            making.rename(made)
    return made


def _decide(story: Story, home: Path, records: list[Path]) -> None:
    with Watchfloor.open(home, story.settings()) as product:
        product.add_user("lena", PASSWORD, ("lead", "analyst"))
        product.add_user("ana", PASSWORD, ("analyst",))
        product.pipeline.ingest(records)
        product.pipeline.triage()


@contextmanager
def _copied(story: Story, made: Path, folder: Path) -> Iterator[Watchfloor]:
    home = folder / "home"
    shutil.copytree(made, home)
    with (
        story.company(folder) as company,
        Watchfloor.open(home, story.settings(), company.connections()) as product,
    ):
        yield product
