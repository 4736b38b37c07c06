"""Fixtures that every test may use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from watchfloor.app.story import Story
from watchfloor.app.watchfloor import Watchfloor

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "correct horse battery"

# A busy machine is no failure: no test is timed, and slow generation of examples is no reason to stop.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


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
    """A home in which the bundled story was taken in and decided, once a worker. Tests must not change it.

    Mark tests that use it with `pytest.mark.xdist_group("story")`, so that one worker has them all.
    """
    home = tmp_path_factory.mktemp("story") / "home"
    with Watchfloor.open(home, story.settings()) as product:
        product.add_user("lena", PASSWORD, ("lead", "analyst"))
        product.add_user("ana", PASSWORD, ("analyst",))
        product.pipeline.ingest([story.records])
        product.pipeline.triage()
    return home


@pytest.fixture
def decided(story: Story, story_home: Path, tmp_path: Path) -> Iterator[Watchfloor]:
    """The product on a copy of the decided story, connected to the simulated company. Tests may change it."""
    home = tmp_path / "home"
    shutil.copytree(story_home, home)
    with (
        story.company(tmp_path) as company,
        Watchfloor.open(home, story.settings(), company.connections()) as product,
    ):
        yield product
