"""`watchfloor detect lint|test`: rules checked before they are used. Both fail a build."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from watchfloor.cli.named import existing, is_home, opened
from watchfloor.cli.options import DEFAULT_HOME, HomeDir, OutputFormat
from watchfloor.cli.output import lines, progress, put, say
from watchfloor.core.errors import WatchfloorError

if TYPE_CHECKING:
    from watchfloor.app.rule_checks import TestResult
    from watchfloor.detect.engineering.lint import Linted

SHOWN = 5
"""Lines of one check on a terminal; `--all` shows every one."""

RulePaths = Annotated[
    list[Path], typer.Argument(callback=existing, help="Rules: files, folders, zips or checkouts.", show_default=False)
]
Shipped = Annotated[bool, typer.Option(help="Correlations may refer to the detections that come with Watchfloor.")]


def lint(
    paths: RulePaths,
    lake: Annotated[
        bool, typer.Option("--lake", help="Doubt fields that no event of the log source in the home's lake has.")
    ] = False,
    home: HomeDir = DEFAULT_HOME,
    attack: Annotated[
        Path | None,
        typer.Option(
            "--attack", callback=existing, dir_okay=False, help="MITRE's enterprise-attack.json: all techniques."
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail, too.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="Every line; by default the first few of each check.")] = False,
    shipped: Shipped = True,
    format: OutputFormat = "text",
) -> None:
    """All that is wrong with rules, or could be better: file, line, column, what it is and what to do.

    What placeholders stand for is what the home's context says. Errors fail (exit code 1): a rule that does not load, a
    modifier or selection that is not there, an id given twice.

    Example: `watchfloor detect lint sigma/rules`
    """
    from watchfloor.app.coverage import read_techniques
    from watchfloor.app.rule_checks import sample
    from watchfloor.detect.engineering.lint import lint as lint_rules

    check = partial(lint_rules, paths, techniques=read_techniques(attack) if attack else {}, shipped=shipped)
    if lake or is_home(home):
        with opened(home) as product:
            company = product.parts.context.company
            found = check(sample=partial(sample, product.parts), company=company) if lake else check(company=company)
    else:
        found = check()
    if format == "jsonl":
        lines(one.as_dict() for one in found.problems)
    else:
        _put_problems(found, all_)
    warnings = len(found.problems) - found.errors
    said = f"{found.errors:,} errors, {warnings:,} warnings in {found.rules:,} rules of {found.files:,} files"
    if found.errors or (strict and warnings):
        raise WatchfloorError(said, do="Each line says where and what to do")
    say(said)


def _put_problems(found: Linted, every: bool) -> None:
    counts = Counter(one.check for one in found.problems)
    shown: Counter[str] = Counter()
    for one in sorted(found.problems, key=lambda p: p.level):
        shown[one.check] += 1
        if every or one.level == "error" or shown[one.check] <= SHOWN:
            put(f"{one.place}: {one.level} {one.check}: {one.what}. {one.do}", "red" if one.level == "error" else "")
    hidden = {check: count - SHOWN for check, count in counts.most_common() if shown[check] and count > SHOWN}
    errors = {one.check for one in found.problems if one.level == "error"}
    if not every:
        for check, count in hidden.items():
            if check not in errors:
                say(f"... and {count:,} more of {check}; --all shows them")


def trial(paths: RulePaths, shipped: Shipped = True, format: OutputFormat = "text") -> None:
    """Run the tests of rules: `tests:` inside them, and recordings that `regression_tests_path` or an `info.yml` names.

    Of a test that fails it says why: which selections hold for the event, and what the others lack.

    Example: `watchfloor detect test sigma/rules`
    """
    from watchfloor.app.rule_checks import run_tests

    counts: Counter[str] = Counter()
    with progress() as report:
        results = []
        for one in run_tests(paths, shipped=shipped, report=report):
            counts[one.state] += 1
            results.append(one)
    if format == "jsonl":
        lines(one.as_dict() for one in results)
    else:
        _put_results(results)
    said = f"{counts['passed']:,} tests passed, {counts['failed']:,} failed, {counts['skipped']:,} skipped"
    if counts["failed"]:
        raise WatchfloorError(said, do="Mend the rule or what its test expects")
    if not counts["passed"]:
        raise WatchfloorError("no test was run", do="Give rules with `tests:`; see docs/how-to/write-a-detection.md")
    say(said)


def _put_results(results: list[TestResult]) -> None:
    skipped = [one for one in results if one.state == "skipped"]
    for one in skipped[:SHOWN]:
        put(f"{one.place}: skipped: {one.title or one.rule}, {one.test}: {one.why[0]}", "dim")
    if len(skipped) > SHOWN:
        say(f"... and {len(skipped) - SHOWN:,} more skipped; --format jsonl lists all")
    for one in results:
        if one.state == "failed":
            put(f"{one.place}: failed: {one.title or one.rule}, {one.test}", "red")
            for line in one.why:
                put(f"    {line}")
