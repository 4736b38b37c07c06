"""Rules checked with what an installation knows: fields of the events that it keeps, recordings that rules name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from watchfloor.app.parts import Parts
from watchfloor.app.progress import Report, silent
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.event import Event
from watchfloor.detect import Detector
from watchfloor.detect.engineering.cases import cases_of, try_case, uid_of
from watchfloor.detect.engineering.documents import Broken, Place, RuleDocument, read_documents
from watchfloor.detect.engineering.explain import explain
from watchfloor.detect.engineering.lint import loaded
from watchfloor.detect.sigma.logsource import LogSource
from watchfloor.ingest import Normalizer, Unreadable, ingest
from watchfloor.store.lake_scan import segments_between
from watchfloor.store.lake_table import batches_of, events_in

_SEGMENTS, _A_SEGMENT, _A_SOURCE = 64, 1_024, 500
_EVER = 1 << 62
_EXPLAINED = 3


class TestResult(NamedTuple):
    """What became of one test. `state`: passed, failed, or skipped, for `why`."""

    place: Place
    rule: str
    title: str
    test: str
    state: str
    why: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "file": self.place.file,
            "line": self.place.line,
            "rule_id": self.rule,
            "title": self.title,
            "test": self.test,
            "state": self.state,
            "why": list(self.why),
        }


def sample(parts: Parts, detector: Detector) -> Mapping[LogSource, tuple[int, list[Event]]]:
    """Of each log source that rules read: how many events of it are among the newest of the lake, and some of them."""
    lake, tenant = parts.lake, parts.tenant
    found: dict[LogSource, list[Event]] = {}
    counts: dict[LogSource, int] = {}
    newest = sorted(segments_between(lake, tenant, 0, _EVER), key=lambda s: -s.last)[:_SEGMENTS]
    for segment in newest:
        for table in islice(batches_of(lake.folder / tenant / segment.file, 0, _EVER, _A_SEGMENT), 1):
            for event in events_in(tenant, table):
                for source in {rule.logsource for rule in detector.rules_for(event)}:
                    counts[source] = counts.get(source, 0) + 1
                    some = found.setdefault(source, [])
                    if len(some) < _A_SOURCE:
                        some.append(event)
    return {source: (counts[source], some) for source, some in found.items()}


def run_tests(paths: Sequence[Path], *, shipped: bool = True, report: Report = silent) -> Iterator[TestResult]:
    """Run the tests of every rule of files, folders and zips: those inside it, and recordings that it or an `info.yml`
    beside them names. `shipped`: correlations may refer to our own detections."""
    read = list(read_documents(paths))
    detector = loaded(paths, shipped=shipped)
    recorder = _Recorder(detector, Normalizer.shipped())
    for n, one in enumerate(read):
        report("rules tested", n, len(read))
        if isinstance(one, Broken):
            yield TestResult(one.place, "", "", "read", "failed", (one.problem,))
        elif "regression_tests_info" in one.entries:
            yield from recorder.of(Path(one.file), one.data, one.place(), {})
        elif one.kind in ("rule", "correlation"):
            yield from _inside(detector, one)
            if one.value("regression_tests_path"):
                yield from recorder.named_by(one)


def _inside(detector: Detector, rule: RuleDocument) -> Iterator[TestResult]:
    data, place = rule.data, rule.place(rule.key("tests"))
    about = (place, rule.value("id"), rule.title)
    try:
        cases = cases_of(data)
        uid = uid_of(detector, rule)
        if cases and uid is None:
            reasons = [p.reason for p in detector.problems if p.file == rule.file and p.title == rule.title]
            yield TestResult(*about, "load", "failed", tuple(reasons) or ("it is not loaded",))
            return
        for case in cases:
            tried = try_case(detector, data, str(uid), case)
            yield TestResult(*about, case.name, "passed" if tried.passed else "failed", tried.why)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        yield TestResult(*about, "read", "failed", (f"its tests cannot be read: {error}",))


class _Recorder:
    """Runs recordings, each description of some (`info.yml`) once."""

    def __init__(self, detector: Detector, normalizer: Normalizer) -> None:
        self._detector, self._normalizer = detector, normalizer
        self._titles = {one.uid: one.title for one in detector.all_rules}
        self._done: set[Path] = set()

    def named_by(self, rule: RuleDocument) -> Iterator[TestResult]:
        """The recordings of the `info.yml` that a rule names, in a folder above it."""
        wanted = rule.value("regression_tests_path")
        about = (rule.place(rule.key("regression_tests_path")), rule.value("id"), rule.title, wanted)
        info = _above(Path(rule.file), wanted)
        if info is None:
            yield TestResult(*about, "skipped", ("no folder above the rule has it",))
            return
        try:
            data = yaml.safe_load(info.read_bytes())
        except (OSError, yaml.YAMLError, RecursionError) as error:
            yield TestResult(*about, "failed", (f"it cannot be read: {error}",))
            return
        yield from self.of(info, data if isinstance(data, dict) else {}, about[0], rule.data)

    def of(self, info: Path, data: Mapping[str, Any], place: Place, rule: Mapping[str, Any]) -> Iterator[TestResult]:
        """The recordings of one description. `rule` is the rule's document, where that is at hand to explain by."""
        if info.resolve() in self._done:
            return
        self._done.add(info.resolve())
        rules = [str(one.get("id")) for one in data.get("rule_metadata") or () if isinstance(one, dict)]
        for test in data.get("regression_tests_info") or ():
            path = str(test.get("path", "")) if isinstance(test, dict) else ""
            file = _above(info, path) if path else None
            for uid in rules:
                about = (place, uid, self._titles.get(uid, ""), path or "regression test")
                if file is None:
                    yield TestResult(*about, "skipped", ("the recording is not there",))
                elif uid not in self._titles:
                    yield TestResult(*about, "skipped", ("the rule is not among those that are loaded",))
                else:
                    state, *why = self._run(file, uid, test.get("match_count"), rule)
                    yield TestResult(*about, state, tuple(why))

    def _run(self, file: Path, uid: str, wanted: Any, rule: Mapping[str, Any]) -> list[str]:
        """`passed`, or `failed` and why."""
        count = 0
        missed: list[Event] = []
        try:
            for item in ingest([file], "test", self._normalizer):
                if isinstance(item, Unreadable):
                    continue
                if any(one.uid == uid for one in self._detector.matches(item)):
                    count += 1
                elif len(missed) < _EXPLAINED and any(one.uid == uid for one in self._detector.rules_for(item)):
                    missed.append(item)
        except (WatchfloorError, OSError) as error:
            return ["failed", f"the recording cannot be read: {error}"]
        if count == wanted or (wanted is None and count):
            return ["passed"]
        why = [f"{count:,} events match, {'at least 1' if wanted is None else wanted} should"]
        if rule and count < (wanted or 1):
            why += [f"event {event.position + 1}: {line}" for event in missed for line in explain(rule, event)]
            if not missed:
                why.append("no other event of the recording is of its log source")
        return ["failed", *why]


def _above(file: Path, wanted: str) -> Path | None:
    """`wanted` in the folder of a file or in one above it; never outside of that."""
    relative = Path(wanted)
    if relative.is_absolute() or ".." in relative.parts:
        return None
    found = (parent / relative for parent in file.resolve().parents)
    return next((path for path in found if path.is_file()), None)
