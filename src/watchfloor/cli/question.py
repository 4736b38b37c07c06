"""`watchfloor question`: what cases are asked; list the questions, show one, run the tests inside them."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchfloor.cli.named import SHOWN, existing
from watchfloor.cli.options import NONE, OutputFormat, Questions
from watchfloor.cli.output import lines, put, say, wrapped
from watchfloor.core.errors import NotFoundError, WatchfloorError

if TYPE_CHECKING:
    from watchfloor.core.question import Question

app = typer.Typer(help="Questions that cases are asked: list, show, test.", no_args_is_help=True)
ANY = "any"


@app.command("list")
def list_(
    questions: Questions = NONE,
    layer: Annotated[str, typer.Option(help="Only those asked of findings of this layer, such as `cloud`.")] = "",
    format: OutputFormat = "text",
) -> None:
    """The questions with the layers they are asked in, who answers, what they cost and whether an answer is required.

    Example: `watchfloor question list --layer cloud`
    """
    from watchfloor.triage.catalogue import Catalogue

    found = [q for q in Catalogue.shipped(*questions).questions.values() if not layer or layer in _layers(q)]
    if format == "jsonl":
        lines({**_row(q), "title": q.title, "about": q.about, "group": q.group} for q in found)
        return
    for question in found:
        row = _row(question)
        required = "  required" if question.required else ""
        put(f"{row['question']:<34} {', '.join(row['layers']):<28} {row['collector']:<9} {row['cost']:g}{required}")
        put(wrapped(question.title, "    ", "    "))
    say(f"{len(found):,} questions")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The question's id, such as `identity.user_country`.")],
    questions: Questions = NONE,
    format: OutputFormat = "text",
) -> None:
    """One question: of what it is asked, how its answers are read, and what each weighs and why.

    Example: `watchfloor question show identity.user_country`
    """
    from watchfloor.triage.catalogue import Catalogue

    catalogue = Catalogue.shipped(*questions)
    question = catalogue.questions.get(name)
    if question is None:
        near = ", ".join(get_close_matches(name, catalogue.questions, SHOWN))
        meant = f"Did you mean {near}? " if near else ""
        raise NotFoundError(f"there is no question {name!r}", do=f"{meant}`watchfloor question list` names them")
    if format == "jsonl":
        lines([question.to_dict()])
        return
    row = _row(question)
    put(question.title, "bold")
    put(f"{question.id}: asked of {question.about} in {', '.join(row['layers'])}; {_asks(question)}")
    trust = "may speak for and against an attack" if question.trusted else "may only speak for an attack"
    put(f"answered by {question.collector}, as of {question.as_of}, cost {question.cost:g}; its answers {trust}")
    put(f"group {question.group or 'none'}; required: {'yes' if question.required else 'no'}")
    put(f"query {question.query}")
    for option in question.answers:
        weighs = ", ".join(f"{name} {weight:+g}" for name, weight in option.weights.items()) or "weighs nothing"
        put(f"\n  {option.value}: {weighs}", "bold")
        put(wrapped(f"when {option.when}" if option.when else "otherwise", "    ", "    "))
        put(wrapped(option.why, "    ", "    "))
        put(wrapped(f"claim: {option.claim}", "    ", "    "))


@app.command()
def test(
    paths: Annotated[
        list[Path],
        typer.Argument(callback=existing, help="Your own files and folders of questions.", show_default=False),
    ] = NONE,  # noqa: PT028 - a command, no test
) -> None:
    """Run the tests inside questions: those that come with Watchfloor, and your own.

    Example: `watchfloor question test questions/`
    """
    from watchfloor.triage.catalogue import Catalogue

    catalogue = Catalogue.shipped(*paths)
    run = sum(map(len, catalogue.examples.values()))
    failures = catalogue.failures()
    for failure in failures:
        put(failure, "yellow")
    if failures:
        raise WatchfloorError(f"{len(failures):,} of {run:,} tests failed", do="Mend the question or what it expects")
    say(f"{run:,} tests of {len(catalogue.questions):,} questions passed")


def _layers(question: Question) -> tuple[str, ...]:
    from watchfloor.core.event import LAYERS

    return question.asks.layers or LAYERS


def _row(question: Question) -> dict[str, Any]:
    return {
        "question": question.id,
        "layers": list(question.asks.layers) or [ANY],
        "collector": question.collector,
        "cost": question.cost,
        "required": question.required,
    }


def _asks(question: Question) -> str:
    """What else a finding must be or have."""
    asks = {name: value for name, value in question.asks.to_dict().items() if value and name != "layers"}
    return "; ".join(f"{name} {value}" for name, value in asks.items()) or "whatever the finding"
