"""Doctor: what works, what does not, and how to mend it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from watchfloor.app.settings import Settings, read_policy
from watchfloor.cli.named import is_home, opened
from watchfloor.core.errors import WatchfloorError

LOW_DISK = 1_000_000_000


class Check(NamedTuple):
    """One line: whether it works, and what to do when it does not."""

    name: str
    works: bool
    sentence: str


def checks(home: Path, rules: Sequence[Path] = ()) -> Iterator[Check]:
    """Every check, each by itself: one that fails stops none of the others."""
    tests: tuple[tuple[str, Callable[[], str]], ...] = (
        ("content", _content),
        ("detection engine", _engine),
        ("home", lambda: _home(home)),
        ("settings", lambda: _settings(home)),
        ("disk", lambda: _disk(home)),
        ("sources", lambda: _sources(home)),
        ("intelligence", lambda: _intelligence(home)),
        ("console libraries", _assets),
        ("rules in use", lambda: _rules_in_use(home)),
        ("lake", lambda: _lake(home)),
        ("reviews", lambda: _reviews(home)),
        ("record", lambda: _record(home)),
    )
    for name, test in tests:
        try:
            yield Check(name, True, test())
        except (WatchfloorError, OSError) as error:
            yield Check(name, False, str(error))
    yield from _rules(rules, home)


@cache
def _content() -> str:
    """Nothing of a home: once a process says it all."""
    from watchfloor import content
    from watchfloor.detect import Detector
    from watchfloor.ingest.mappings import load
    from watchfloor.integrations import Actions
    from watchfloor.respond.playbooks import shipped_playbooks
    from watchfloor.triage.catalogue import Catalogue

    load(content.folder("mappings"))
    shipped_playbooks(Actions.shipped())
    questions = Catalogue.shipped()
    if failures := questions.failures():
        raise WatchfloorError(f"{len(failures)} questions fail their own tests: {failures[0]}", do="Install again")
    if problems := Detector.load().problems:
        raise WatchfloorError(f"{len(problems)} shipped detections do not load: {problems[0]}", do="Install again")
    return f"mappings, detections, playbooks and {len(questions.questions)} questions load"


def _engine() -> str:
    from watchfloor.detect.sigma.logsource import LogSources
    from watchfloor.detect.sigma.path import path_for

    if path_for((), LogSources({})).name == "native":
        return "the native path is in use"
    if os.environ.get("WATCHFLOOR_ENGINE"):
        return "the plain path is in use, as the environment variable WATCHFLOOR_ENGINE says"
    return (
        "the plain path is in use: same matches, several times slower. The native core is not built; with a C compiler "
        "and Python's headers (Debian: gcc, python3-dev), make install builds it"
    )


def _home(home: Path) -> str:
    if not home.exists():
        return f"{home} is not there yet; the first command that needs it makes it"
    from watchfloor.app.watchfloor import Watchfloor

    with Watchfloor.open(home) as product:
        return f"{home} opens, with {product.pipeline.count()} findings"


def _settings(home: Path) -> str:
    settings = Settings.read(home)
    read_policy(settings.policy)
    named = (*settings.rules, *settings.intel, settings.context, settings.labels, settings.connections)
    missing = [str(path) for path in named if path and not path.exists()]
    if missing:
        raise WatchfloorError(
            f"not found: {', '.join(missing)}", where=str(home), do="Mend the paths in watchfloor.yaml"
        )
    return f"policy {settings.policy!r}, tenant {settings.tenant!r}"


def _disk(home: Path) -> str:
    place = next(p for p in (home, *home.absolute().parents) if p.exists())
    free = shutil.disk_usage(place).free
    if free < LOW_DISK:
        raise WatchfloorError(f"only {free / 1e9:.1f} GB are free", where=str(place), do="Make room")
    return f"{free / 1e9:.0f} GB are free"


def _sources(home: Path) -> str:
    from watchfloor.ingest.sources import read_sources

    sources = read_sources(home)
    for source in sources:
        source.check()
    if not sources:
        return "sources.yaml has none"
    from watchfloor.app.watchfloor import Watchfloor

    with Watchfloor.open(home) as product:
        _, troubles = product.supervisor.look()
    if troubles:
        first = troubles[0]
        raise WatchfloorError(f"{len(troubles)} of {len(sources)} fail: {first.doing}: {first.problem}")
    return f"{', '.join(source.source for source in sources)} can be started"


def _intelligence(home: Path) -> str:
    from watchfloor.app.watchfloor import Watchfloor
    from watchfloor.core.clock import DAY
    from watchfloor.ingest.sources.feed import FeedSource

    if not home.exists():
        return "no feed has brought anything yet"
    with Watchfloor.open(home) as product:
        parts = product.parts
        feeds = parts.intel_store.feeds(parts.tenant)
        now, days = parts.clock(), parts.policy.intel.silent_days
        read = product.supervisor.sources()
    came = {feed.source for feed in feeds}
    silent = [source.source for source in read if isinstance(source, FeedSource) and source.source not in came]
    old = [f"{feed.source} ({(now - feed.seen) // DAY} days)" for feed in feeds if now - feed.seen > days * DAY]
    if old:
        raise WatchfloorError(
            f"nothing new for more than {days} days from {', '.join(old)}",
            do="See whether it is still kept up; `watchfloor intel forget FEED` removes what it brought",
        )
    if silent:
        raise WatchfloorError(f"nothing has come from {', '.join(silent)} yet", do="Run: watchfloor source list")
    return f"{sum(feed.indicators for feed in feeds):,} indicators of {len(feeds)} feeds"


def _assets() -> str:
    from watchfloor import server

    if not (Path(server.__file__).parent / "static" / "vendor" / "htmx.js").exists():
        raise WatchfloorError(
            "absent: no live updates and no graph", do="Run: python3 tools/assets.py (needs the npm registry)"
        )
    return "present"


def _rules_in_use(home: Path) -> str:
    if not (home / "watchfloor.db").exists():
        return "none yet"
    from watchfloor.app.watchfloor import Watchfloor

    with Watchfloor.open(home) as product:
        current = product.rulebook.current()
    if current is None:
        return "none yet"
    if current.refused:
        raise WatchfloorError(
            f"a newer set is broken and {len(current.rules):,} older rules stay in use: {current.refused[0]}",
            do="Mend it; a server takes it by itself then",
        )
    return f"{len(current.rules):,}, from {', '.join(place.words for place in current.places)}"


def _lake(home: Path) -> str:
    if not (home / "lake" / "manifest.db").exists():
        return "no events yet"
    from watchfloor.app.watchfloor import Watchfloor

    with Watchfloor.open(home) as product:
        lake, tenant = product.parts.lake, product.parts.tenant
        problems = lake.problems(tenant)
        segments = lake.segments(tenant)
    if problems:
        raise WatchfloorError(f"{len(problems)} files are wrong: {problems[0]}", do="Restore them from a backup")
    return f"{sum(s.rows for s in segments):,} events in {len(segments):,} files are as they were written"


def _reviews(home: Path) -> str:
    if not (home / "watchfloor.db").exists():
        return "no case was closed yet"
    from watchfloor.app.watchfloor import Watchfloor

    with Watchfloor.open(home) as product:
        now, reviews = product.parts.clock(), product.desk.reviews()
    late = [draw for draw in reviews if draw.due < now]
    if late:
        classes = len({draw.detection_class for draw in late})
        raise WatchfloorError(
            f"{len(late)} reviews of closed cases are overdue, so {classes} classes stopped closing",
            do="Judge them: the page Closing lists them",
        )
    return f"{len(reviews)} reviews of closed cases wait, none is overdue"


def _record(home: Path) -> str:
    if not (home / "watchfloor.db").exists():
        return "no ledger yet"
    from watchfloor.app.watchfloor import Watchfloor

    with Watchfloor.open(home) as product:
        state = product.desk.ledger_state()
    if state.problems:
        raise WatchfloorError(
            f"the ledger does not verify: {state.problems[0]}", where=str(home), do="Restore a backup"
        )
    return f"{state.size} ledger entries verify"


def _rules(rules: Sequence[Path], home: Path) -> Iterator[Check]:
    """Whether rules load, with what placeholders stand for in the home's context."""
    if not rules:
        return
    from watchfloor.core.context import Company
    from watchfloor.detect import Detector

    company = Company()
    if is_home(home):
        with opened(home) as product:
            company = product.parts.context.company
    detector = Detector.load(rules, shipped=False, company=company)
    for problem in detector.problems:
        yield Check("rule", False, str(problem))
    yield Check("rules", True, f"{len(detector.rules) + len(detector.correlations):,} rules load")
