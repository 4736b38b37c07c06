"""Rules from files, folders and zips. What does not load is listed with file and reason and stops nothing else."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from watchfloor.core.finding import Severity
from watchfloor.detect.sigma import cache
from watchfloor.detect.sigma.entries import CompiledRule, FileEntry, ParsedCorrelation
from watchfloor.detect.sigma.fields import FieldNames
from watchfloor.detect.sigma.files import rule_files
from watchfloor.detect.sigma.logsource import LogSource
from watchfloor.detect.sigma.rules import Rule, RuleProblem


class _File(NamedTuple):
    """A rule file of one of the paths."""

    path: Path
    name: str
    text: bytes
    digest: str


class Loader:
    """Loads rules; `rules`, `correlations` and `problems` grow with each `load`."""

    def __init__(self, names: FieldNames, placeholders: Mapping[str, Sequence[str]]) -> None:
        self._names, self._placeholders = names, placeholders
        self.rules: list[Rule] = []
        self.correlations: list[ParsedCorrelation] = []
        self.problems: list[RuleProblem] = []

    def load(self, paths: Sequence[Path]) -> None:
        """Load every rule of the files, folders and zips; filters apply to the rules that are loaded with them."""
        found = [(path, file) for path in paths for file in rule_files(path)]
        files = [_File(p, f.name, f.text, hashlib.sha256(f.text).hexdigest()) for p, f in found if not f.problem]
        with _collecting_less():
            entries = iter(self._entries(files))
            for _, file in found:
                if file.problem:
                    self._problem(file.name, "", file.problem)
                else:
                    self._take(file.name, next(entries))

    def _problem(self, file: str, title: str, reason: str, *, fatal: bool = True) -> None:
        self.problems.append(RuleProblem(file, title, reason, fatal))

    def _entries(self, files: Sequence[_File]) -> list[FileEntry]:
        """The entry of each file, from the cache where that has it."""
        by_path: dict[Path, list[_File]] = {}
        for file in files:
            by_path.setdefault(file.path, []).append(file)
        cached = {path: cache.read(path) for path, some in by_path.items() if len(some) >= cache.FEWEST}
        entries = {digest: entry for kept in cached.values() for digest, entry in kept.items()}
        fresh = self._compiled(files, entries)
        entries |= fresh
        for path, kept in cached.items():
            wanted = {file.digest for file in by_path[path]}
            if wanted != kept.keys() or not wanted.isdisjoint(fresh):
                cache.write(path, {digest: entries[digest] for digest in sorted(wanted)})
        return [entries[file.digest] for file in files]

    def _compiled(self, files: Sequence[_File], known: Mapping[str, FileEntry]) -> dict[str, FileEntry]:
        """The entries of files that are not known, or known under other filters or placeholders."""
        if not self._placeholders and all(
            (e := known.get(f.digest)) and not e.filters and not e.context for f in files
        ):
            return {}
        from watchfloor.detect.sigma import compiling  # pySigma takes long to import

        given = {file.digest: compiling.documents(file.text) for file in files if file.digest not in known}
        with_filters = [f for f in files if (given[f.digest] if f.digest in given else known[f.digest]).filters]
        filters = [
            each
            for file in with_filters
            for each in compiling.filters_of(file.name, given.get(file.digest) or compiling.documents(file.text))
        ]
        context = ""
        if with_filters or self._placeholders:
            told = ([(file.name, file.digest) for file in with_filters], sorted(self._placeholders.items()))
            context = hashlib.sha256(repr(told).encode("utf-8", "replace")).hexdigest()
        compiler = compiling.Compiler(self._names, self._placeholders, filters, context)
        fresh: dict[str, FileEntry] = {}
        for file in files:
            entry = known.get(file.digest)
            if file.digest not in fresh and (entry is None or entry.context != context):
                fresh[file.digest] = compiler.compiled(given.get(file.digest) or compiling.documents(file.text))
        return fresh

    def _take(self, file: str, entry: FileEntry) -> None:
        self.rules += [self._rule(file, rule) for rule in entry.rules]
        self.correlations += [msgspec.structs.replace(one, file=file) for one in entry.correlations]
        for one in entry.problems:
            self._problem(one.file or file, one.title, one.reason, fatal=one.fatal)

    def _rule(self, file: str, rule: CompiledRule) -> Rule:
        return Rule(
            uid=rule.uid,
            title=rule.title,
            file=file,
            severity=Severity[rule.severity],
            logsource=LogSource(*rule.logsource),
            written=bytes(rule.node),
            names=self._names,
            description=rule.description,
            false_positives=rule.false_positives,
            references=rule.references,
            techniques=rule.techniques,
            tactics=rule.tactics,
            name=rule.name,
            taxonomy=rule.taxonomy,
            digest=rule.digest,
            modified=rule.modified,
            tested=rule.tested,
        )


@contextmanager
def _collecting_less() -> Iterator[None]:
    """Compiling makes many objects that stay, over which Python goes time and again for little garbage: 30 MB of 3,000
    rules. It looks for that each million of objects, so that more rules do not leave more."""
    before = gc.get_threshold()
    gc.set_threshold(1_000_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
