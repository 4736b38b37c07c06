"""Every `watchfloor` command line in the documentation and in `--help` is one that the command line takes; those that
end by themselves are run, page by page, in a folder that holds what the pages speak of."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer.main
import yaml
from typer.testing import CliRunner

from tests.improve.given import company, questions_of
from tests.records import trails
from watchfloor.app.improving import learn
from watchfloor.app.story import Story
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.cli import app
from watchfloor.cli.later import LATER

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PAGES += [page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent.name != "reference"]
COMMAND = re.compile(r"(\S*/)?(watchfloor|python3|make)(\s|$)")
ENDLESS = {("demo",), ("serve",), ("integration", "simulate")}
PASSWORD = "correct horse battery"


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def lines(page: Path) -> list[str]:
    """The command lines of code blocks that are no other language's."""
    # Every block in turn, whatever its language: the end of one must not be taken for the beginning of the next.
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    mine = [block for language, block in blocks if language in ("", "sh", "console")]
    return [line for block in mine for line in block.splitlines() if COMMAND.match(line)]


def spans(page: Path) -> list[str]:
    """Command lines in running text."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`(watchfloor [^`]+)`", prose)


def words(line: str) -> tuple[list[str], str]:
    """The arguments of a `watchfloor` line and the file that its output goes to; none for another program."""
    parts = shlex.split(line, comments=True)
    if not parts or Path(parts[0]).name != "watchfloor":
        return [], ""
    target = parts[parts.index(">") + 1] if ">" in parts else ""
    return parts[1 : parts.index(">") if target else None], target


def command_of(arguments: list[str]) -> tuple[Any, tuple[str, ...], list[str]]:
    """The command that some arguments name, its path, and what is left for it. Fails where there is none."""
    command, path, rest = typer.main.get_command(app), (), list(arguments)
    while hasattr(command, "list_commands"):
        assert rest, f"{' '.join(path)} is no command by itself"
        name, command, rest = command.resolve_command(command.context_class(command), rest)
        path = (*path, name)
    return command, path, rest


def commands(command: Any) -> Iterator[Any]:
    if hasattr(command, "list_commands"):
        for name in command.list_commands(click.Context(command)):
            yield from commands(command.get_command(click.Context(command), name))
    else:
        yield command


def filled(arguments: list[str], folder: Path) -> list[str]:
    """Arguments with what stands for the reader's own things replaced by what the folder holds."""
    case, key = (folder / "case").read_text(), (folder / "key").read_text()
    own = {"CASE": case, "HOME": "home", "DIR": "sigma/rules", "PATH": "logs", "NAME": "zoe", "BASE64": key}
    own |= {"VERSION": (folder / "version").read_text()}
    own |= {"UID": (folder / "letter").read_text(), "THE-OWNERS-KEY": key, "heads.jsonl": "audit-2026-10/heads.jsonl"}
    return [own.get(word, word.replace("~", str(folder))) for word in arguments]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records, rules, context and intelligence under the names that the pages use, and a home with one case."""
    folder = tmp_path_factory.mktemp("reader")
    story = Story.bundled().folder
    for name in ("context", "intel"):
        shutil.copytree(story / name, folder / name)
    for name in ("logs", "records", "sigma/rules", "company"):
        (folder / name).mkdir(parents=True)
    (folder / "logs" / "trail.json").write_text(json.dumps({"Records": trails(2)}))
    (folder / "records" / "trail.json").write_text(json.dumps({"Records": trails(1)}))
    technique = {"type": "attack-pattern", "id": "attack-pattern--1", "name": "Disable or Modify Cloud Logs"}
    technique |= {"external_references": [{"source_name": "mitre-attack", "external_id": "T1562.008"}]}
    (folder / "enterprise-attack.json").write_text(json.dumps({"type": "bundle", "objects": [technique]}))
    rules = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/how-to/write-a-detection.md").read_text(), re.DOTALL)
    for n, rule in enumerate(rules):
        (folder / "sigma" / "rules" / f"rule{n}.yml").write_text(rule)
    (mapping,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/how-to/write-a-mapping.md").read_text(), re.DOTALL)
    (folder / "door_system.yaml").write_text(mapping)
    (question,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/how-to/write-a-question.md").read_text(), re.DOTALL)
    (folder / "questions").mkdir()
    (folder / "questions" / "old_system.yaml").write_text(question)
    (folder / "door.jsonl").write_text(json.dumps(yaml.safe_load(mapping)["tests"][0]["record"]))
    with Watchfloor.open(folder / "home") as product:
        for user in ("lena", "ana"):
            product.add_user(user, PASSWORD, ("lead",))
        assert product.desk.ledger_state().head  # signs what stands there: two entries
        product.pipeline.ingest([folder / "logs"])
        (folder / "half.json").write_text('{"eventName":')
        product.pipeline.ingest([folder / "half.json"])
        (letter,) = product.dead_letters.find(limit=None)
        (folder / "letter").write_text(letter.uid)
        (case,) = product.pipeline.triage()
        (folder / "case").write_text(case)
        (folder / "key").write_text(product.parts.ledger_key.public)
        product.desk.export_ledger(folder / "audit-2026-09")
        (folder / "acme.jsonl").touch()
        judged = company(1, 30, group="others", asked=questions_of(trusted=True)[:2])
        (folder / "others.jsonl").write_bytes(b"".join(one.canonical() + b"\n" for one in judged))
        (folder / "version").write_text(learn(product.parts, judged).uid)
    shutil.copytree(folder / "home", folder / "demo-home")
    return folder


@pytest.fixture
def reader(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own, as a reader of one page has it, and the environment that asks no questions."""
    folder = tmp_path / "reader"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"  # compiling all rules anew is no page's point
    for name, value in (
        ("XDG_CACHE_HOME", str(caches)),
        ("HOME", str(folder)),
        ("WATCHFLOOR_HOME", "home"),
        ("WATCHFLOOR_USER", "ana"),
        ("WATCHFLOOR_PASSPHRASE", PASSWORD),
    ):
        monkeypatch.setenv(name, value)
    return folder


def test_there_are_examples_to_check() -> None:
    assert sum(bool(words(line)[0]) for page in PAGES for line in lines(page)) >= 15
    assert sum(len(spans(page)) for page in PAGES) >= 6


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_line_of_a_page_is_one_that_is_taken(page: Path, reader: Path) -> None:
    """Options, choices and paths are checked as they are when it is run; a folder that a page makes is made."""
    for line in [*lines(page), *spans(page)]:
        if (arguments := words(line)[0]) and not {"...", "…"} & set(arguments):
            command, path, rest = command_of(filled(arguments, reader))
            if rest or path in ENDLESS:
                command.make_context(" ".join(path), rest)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_what_ends_by_itself_works_as_written(page: Path, reader: Path) -> None:
    for line in lines(page):
        arguments, target = words(line)
        if arguments and command_of(arguments)[1] not in ENDLESS:
            done = CliRunner().invoke(app, filled(arguments, reader))
            assert done.exit_code == 0, (line, done.stderr, done.exception)
            if target:
                (reader / target).write_text(done.stdout)
        elif line.startswith("python3 ") and "verify.py" in line:
            command = [sys.executable, "-I", "-S", *filled(shlex.split(line)[1:], reader)]
            verified = subprocess.run(command, capture_output=True, text=True, check=False, cwd=reader)
            assert verified.returncode == 0, (line, verified.stdout, verified.stderr)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_make_target_of_a_page_is_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    said = {parts[1] for line in lines(page) if (parts := line.split())[0] == "make" and len(parts) > 1}
    assert {word for word in said if word != "#"} <= targets


@pytest.mark.parametrize("command", list(commands(typer.main.get_command(app))), ids=lambda command: command.name)
def test_the_example_of_every_command_is_one_that_is_taken(command: Any, reader: Path) -> None:
    examples = re.findall(r"`(watchfloor [^`]+)`", command.help or "")
    assert examples or command.name in LATER
    for folder in ("export", "company"):
        (reader / folder).mkdir(exist_ok=True)
    (reader / "proof.json").touch()
    for example in examples:
        found, path, rest = command_of(filled(words(example)[0], reader))
        found.make_context(" ".join(path), rest)
