"""Write docs/reference from the product itself. `--check` fails when what is there is not what it would write."""

from __future__ import annotations

import re
import sys
import types
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import typer.main
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from watchfloor import content
from watchfloor.cli import app

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
HEADER = "<!-- Written by `make docs` from the code. Do not edit. -->\n\n"


def cli() -> str:
    """Every command with its help and options."""
    return "# Command line\n\n" + "\n".join(_command(typer.main.get_command(app), "watchfloor"))


def _command(command: Any, path: str) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    yield f"## `{path}`\n\n{_plain(command.help or '')}\n"
    arguments = [p for p in command.params if isinstance(p, click.Argument) or p.param_type_name == "argument"]
    options = [p for p in command.params if p not in arguments and p.name != "help"]
    if arguments or options:
        yield "| | |\n| --- | --- |"
        for parameter in arguments:
            yield f"| `{(parameter.name or '').upper()}` | {_plain(getattr(parameter, 'help', '') or '')} |"
        for parameter in options:
            names = ", ".join(f"`{name}`" for name in parameter.opts)
            yield f"| {names} | {_plain(parameter.help or '')} |"
        yield ""
    if hasattr(command, "list_commands"):
        for name in command.list_commands(context):
            if name not in ("install-completion", "show-completion"):
                yield from _command(command.get_command(context, name), f"{path} {name}")


def nouns() -> str:
    """The nouns of `core` with their fields."""
    from watchfloor.core import (
        case,
        context,
        entity,
        entry,
        evidence,
        finding,
        intel,
        label,
        plan,
        policy,
        question,
        record,
        risk,
        rule_set,
        suppression,
        verdict,
    )

    text = [
        "# Nouns\n\nTimes are milliseconds since the Unix epoch, UTC. Nouns are frozen and refuse unknown fields.\n"
    ]
    modules = (record, finding, risk, entity, case, evidence, question, verdict, plan, policy, context, intel, label)
    modules = (*modules, suppression, rule_set, entry)
    for module in modules:
        for name, noun in vars(module).items():
            if isinstance(noun, type) and issubclass(noun, BaseModel) and noun.__module__ == module.__name__:
                text.append(f"## {name}\n\n{_plain(noun.__doc__ or '')}\n\n| field | type | |\n| --- | --- | --- |")
                described = _described(module, name)
                text += [_field(key, field, described.get(key, "")) for key, field in noun.model_fields.items()]
                text.append("")
    return "\n".join(text)


def _described(module: types.ModuleType, noun: str) -> dict[str, str]:
    """The docstrings that stand below fields in the source."""
    import ast

    tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
    body = next(n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == noun)
    found = {}
    for before, after in pairwise(body):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(after, ast.Expr):
            value = after.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[before.target.id] = value.value
    return found


def _field(name: str, field: FieldInfo, words: str) -> str:
    default = "" if field.is_required() or isinstance(field.default, BaseModel) else f" Default `{field.default!r}`."
    if isinstance(field.default, Enum) or len(default) > 60:
        default = ""
    return f"| `{name}` | `{_type(field.annotation)}` | {_plain(words)}{default} |"


def _type(annotation: Any) -> str:
    if typing.get_origin(annotation) is typing.Literal:
        return " \\| ".join(map(repr, typing.get_args(annotation)))
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__name__
    bare = re.sub(r"typing\.Annotated\[(\w+), StringConstraints\(.*?\)\]", r"\1", str(annotation))
    text = re.sub(r"(\w+\.)+", "", bare)
    return re.sub(r", (StringConstraints|Ge|Le|FieldInfo)\([^)]*\)", "", text).replace("|", "\\|")


def settings() -> str:
    """The files watchfloor.yaml and sources.yaml, and the policies."""
    from watchfloor.app.settings import Settings, read_policy
    from watchfloor.ingest.sources import KINDS

    described = _described(sys.modules[Settings.__module__], "Settings")
    rows = [_field(key, field, described.get(key, "")) for key, field in Settings.model_fields.items()]
    text = ["# Settings and policies\n\n## `watchfloor.yaml`\n\n" + _plain(Settings.__doc__ or "") + "\n"]
    text += ["| key | type | |\n| --- | --- | --- |", *rows]
    text.append("\n## `sources.yaml`\n\nA list under `sources:`; each entry has a `name` and a `kind`.")
    for kind, noun in KINDS.items():
        described = _described(sys.modules[noun.__module__], noun.__name__)
        text.append(f"\n### `kind: {kind}`\n\n{_plain(noun.__doc__ or '')}\n\n| key | type | |\n| --- | --- | --- |")
        own = ((key, field) for key, field in noun.model_fields.items() if key not in ("name", "kind"))
        text += [_field(key, field, described.get(key, "")) for key, field in own]
    text.append("\n## Shipped policies\n")
    for file in sorted(content.folder("policies").glob("*.yaml")):
        policy = read_policy(file.stem)
        triage = policy.triage
        text.append(
            f"- `{file.stem}`: autonomy `{policy.autonomy}`, escalates from {triage.escalate_at:.0%}, "
            f"thinks of closing up to {triage.close_below:.0%}, misses at most {triage.max_missed_share:.1%} "
            f"at {triage.confidence:.0%} confidence"
        )
    return "\n".join(text) + "\n"


def catalogue() -> str:
    """What ships as content: mappings, detections, questions, playbooks, actions."""
    from watchfloor.detect import Detector
    from watchfloor.ingest import Normalizer
    from watchfloor.ingest.sources.product import product_of, shipped
    from watchfloor.integrations import Actions
    from watchfloor.respond.playbooks import shipped_playbooks
    from watchfloor.triage.catalogue import Catalogue

    actions = Actions.shipped()
    text = ["# Shipped content\n\n## Mappings\n"]
    text += sorted({f"- `{mapping.name}`" for mapping in Normalizer.shipped().mappings})
    text.append("\n## Pollers\n")
    text += [f"- `{name}`: {_plain(product_of(name).title)}" for name in shipped()]
    text.append("\n## Detections\n\n| title | level | techniques |\n| --- | --- | --- |")
    for rule in sorted(Detector.load().rules, key=lambda rule: rule.title):
        text.append(f"| {_plain(rule.title)} | {rule.severity.name} | {', '.join(rule.techniques)} |")
    text.append("\n## Questions\n\n| question | | about | collector | required |\n| --- | --- | --- | --- | --- |")
    for question in Catalogue.shipped().questions.values():
        required = "yes" if question.required else ""
        cells = (f"`{question.id}`", _plain(question.title), question.about, question.collector, required)
        text.append(f"| {' | '.join(cells)} |")
    text.append("\n## Playbooks\n")
    for playbook in shipped_playbooks(actions):
        steps = ", ".join(f"`{step.action}`" for step in playbook.steps)
        text.append(f"- `{playbook.name}`: {_plain(playbook.title)} ({steps})")
    text.append("\n## Actions\n\n| action | effect | |\n| --- | --- | --- |")
    text += [f"| `{action.name}` | {action.effect} | {_plain(action.title)} |" for action in actions]
    return "\n".join(text) + "\n"


def resolutions() -> str:
    """The resolution codes, and what each is called elsewhere."""
    from watchfloor.triage.resolutions import SYSTEMS, hypothesis_of, shipped

    page = ["# Resolution codes\n"]
    page.append(
        "How a case ended. The part before the dot says which hypothesis a code stands for. Beside each stands the "
        "close code of other systems that it comes nearest to; these have fewer words, and several codes share one.\n"
    )
    systems = " | ".join(SYSTEMS.values())
    page.append(f"| code | means | hypothesis | {systems} |\n| --- | --- | --- |{' --- |' * len(SYSTEMS)}")
    for code in shipped().values():
        hypothesis = (hypothesis_of(code.code) or "undetermined").replace("_", " ")
        names = " | ".join(code.elsewhere[system] for system in SYSTEMS)
        page.append(f"| `{code.code}` | **{code.title}.** {_plain(code.meaning)} | {hypothesis} | {names} |")
    return "\n".join(page) + "\n"


def _plain(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text.strip()).replace("|", "\\|")


PAGES: dict[str, Callable[[], str]] = {
    "command-line.md": cli,
    "nouns.md": nouns,
    "settings.md": settings,
    "content.md": catalogue,
    "resolution-codes.md": resolutions,
}


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    stale = []
    for name, page in PAGES.items():
        file, text = FOLDER / name, HEADER + page().rstrip() + "\n"
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                file.write_text(text, encoding="utf-8")
    if stale and "--check" in sys.argv:
        print(f"docs/reference is stale: {', '.join(stale)}. Run: make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
