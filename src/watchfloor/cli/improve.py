"""`watchfloor improve`: learn from confirmed verdicts, prove that it helped; decide with it once a person signs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from watchfloor.cli.named import existing, find_user, opened
from watchfloor.cli.options import DEFAULT_HOME, HomeDir, OutputFormat
from watchfloor.cli.output import lines, progress, put, say
from watchfloor.cli.plan import Passphrase, User
from watchfloor.core.clock import iso

if TYPE_CHECKING:
    from watchfloor.app.improving import Tried
    from watchfloor.core.policy import Policy
    from watchfloor.core.scorecard import Scorecard
    from watchfloor.improve.calibration import Calibration
    from watchfloor.improve.training import Figures, Training

app = typer.Typer(help="Learn from confirmed verdicts, prove that it helped, and apply it.", no_args_is_help=True)

Version = Annotated[str, typer.Argument(help="A training's uid, as `improve history` lists it, or its file.")]
_SHOWN = 20
_BAR = 30


@app.command()
def export(
    home: HomeDir = DEFAULT_HOME,
    group: Annotated[str, typer.Option(help="The company's name; by default the tenant.")] = "",
) -> None:
    """Judged cases as JSON lines on stdout: answers, classes, outcome, group, time. No text, no entity, no person.

    Example: `watchfloor improve export > acme.jsonl`
    """
    from watchfloor.app.improving import examples

    with opened(home) as product:
        count = lines(one.to_dict() for one in examples(product.parts, group))
    say(f"{count} judged cases")


@app.command()
def train(
    exports: Annotated[list[Path], typer.Argument(callback=existing, help="Files of `improve export`.")],
    home: HomeDir = DEFAULT_HOME,
    out: Annotated[Path | None, typer.Option(help="Write the version with its evidence into this file, too.")] = None,
    format: OutputFormat = "text",
) -> None:
    """A new version of the scorecard in use, with held-out figures and why each weight moved. It decides nothing yet.

    Example: `watchfloor improve train acme.jsonl others.jsonl`
    """
    from watchfloor.app.improving import learn, read_examples

    with opened(home) as product:
        training = learn(product.parts, read_examples(exports))
    if out is not None:
        out.write_bytes(training.canonical())
    if format == "jsonl":
        lines([training.to_dict()])
    else:
        _put_training(training)
    say(f"To decide with it: watchfloor improve apply {training.uid} --user LEAD")


@app.command()
def show(version: Version, home: HomeDir = DEFAULT_HOME) -> None:
    """A trained version: figures, calibration and weights that moved.

    Example: `watchfloor improve show scorecard-0123456789abcdef`
    """
    from watchfloor.app.improving import find_training

    with opened(home) as product:
        _put_training(find_training(product.parts, version))


@app.command()
def backtest(
    version: Annotated[str, typer.Option("--scorecard", help="A training's uid or file.")],
    home: HomeDir = DEFAULT_HOME,
    format: OutputFormat = "text",
) -> None:
    """Decide all recorded decisions again with a trained scorecard. Nothing is written.

    Example: `watchfloor improve backtest --scorecard scorecard-0123456789abcdef`
    """
    from watchfloor.app.improving import find_training

    with opened(home) as product:
        card = find_training(product.parts, version).scorecard
    _put_tried(_try_out(home, scorecard=card), format)


@app.command()
def whatif(
    policy: Annotated[str, typer.Option(help="A shipped policy's name, or a YAML file; by default the home's.")] = "",
    set_: Annotated[list[str] | None, typer.Option("--set", help="A figure: `triage.escalate_at=0.6`.")] = None,
    home: HomeDir = DEFAULT_HOME,
    format: OutputFormat = "text",
) -> None:
    """Decide all recorded decisions again with another policy. Nothing is written.

    Example: `watchfloor improve whatif --set triage.escalate_at=0.6`
    """
    from watchfloor.app.improving import changed_policy
    from watchfloor.app.settings import read_policy

    if not policy and not set_:
        raise typer.BadParameter("say what would be different: --policy or --set")
    with opened(home) as product:
        changed = changed_policy(read_policy(policy) if policy else product.parts.policy, set_ or ())
    _put_tried(_try_out(home, policy=changed), format)


@app.command()
def apply(version: Version, user: User, passphrase: Passphrase, home: HomeDir = DEFAULT_HOME) -> None:
    """Sign a trained scorecard, so that it decides from now on, and decide open cases anew. A lead's to do.

    Example: `watchfloor improve apply scorecard-0123456789abcdef --user lena`
    """
    from watchfloor.app.improving import find_training

    with opened(home) as product:
        training = find_training(product.parts, version)
        signed = product.parts.scorecards.apply(training, find_user(product, user), passphrase)
        put(f"{signed.scorecard} decides from now on, after {signed.before}")
        _decide_anew(product.pipeline.triage())


@app.command()
def undo(user: User, passphrase: Passphrase, home: HomeDir = DEFAULT_HOME) -> None:
    """Sign the scorecard before the one in use back into use. A lead's to do.

    Example: `watchfloor improve undo --user lena`
    """
    with opened(home) as product:
        signed = product.parts.scorecards.undo(find_user(product, user), passphrase)
        put(f"{signed.scorecard} decides again, after {signed.before}")
        _decide_anew(product.pipeline.triage())


@app.command()
def history(home: HomeDir = DEFAULT_HOME, format: OutputFormat = "text") -> None:
    """Who applied which scorecard when, the newest first, and what was trained.

    Example: `watchfloor improve history`
    """
    with opened(home) as product:
        cards = product.parts.scorecards
        applied, trainings = cards.history(), cards.trainings()
    if format == "jsonl":
        lines(one.to_dict() for one in (*applied, *trainings))
        return
    for one in applied:
        word = "applied" if one.purpose == "apply" else "undid"
        put(f"{iso(one.time)}  {one.by} {word} {one.training}: {one.before} -> {one.scorecard}")
    if not applied:
        put("The expert's scorecard decides; none was applied.")
    for training in trainings:
        better = "better" if training.better else "not better"
        put(f"trained: {training.uid}  {training.examples} cases, {better} than before on held-out cases")


def _decide_anew(cases: list[str]) -> None:
    put(f"{len(cases)} cases decided anew")


def _try_out(home: Path, scorecard: Scorecard | None = None, policy: Policy | None = None) -> Tried:
    from watchfloor.app.improving import try_out

    with opened(home) as product, progress() as report:
        return try_out(product.parts, scorecard, policy, report)


def _put_tried(found: Tried, format: str) -> None:
    if format == "jsonl":
        counts = {name: value for name, value in found._asdict().items() if name != "flips"}
        lines([counts, *(flip._asdict() | {"missed": flip.missed} for flip in found.flips)])
        return
    put(f"{found.cases} recorded decisions, decided again; nothing was written")
    for name in found.before:
        put(f"  {name:<9} {found.before[name]:>7,} -> {found.after[name]:>7,}")
    put(f"  attacks, by people's word, that would close: {found.missed_before} -> {found.missed_after}")
    if found.left_out:
        put(f"  {found.left_out} are left out: what they rested on is not kept any more")
    for flip in found.flips[:_SHOWN]:
        truth = f", a person said {flip.truth.replace('_', ' ')}" if flip.truth else ""
        put(
            f"  {flip.case_uid}  {flip.before} -> {flip.after}  "
            f"{flip.probability_before:.1%} -> {flip.probability_after:.1%}{truth}  {flip.title}",
            "bold red" if flip.missed else "",
        )
    if len(found.flips) > _SHOWN:
        put(f"  and {len(found.flips) - _SHOWN} more: --format jsonl")


def _put_training(training: Training) -> None:
    groups = ", ".join(f"{name} {count:,}" for name, count in list(training.groups.items())[:8])
    put(f"{training.uid}: scorecard {training.scorecard_digest}")
    put(f"learnt from {training.examples:,} judged cases ({groups}), data {training.data}")
    put(f"held out: {training.held_out}; {training.tested:,} cases tested")
    put(f"{'':<14}{'macro-F1':>9} {'log loss':>9} {'Brier':>7} {'ECE':>7}")
    for name, one in {"learnt": training.learnt, **training.plain}.items():
        put(_figures(name, one))
    if not training.better:
        put("It is NOT better than the scorecard that it started from, on held-out cases.", "bold red")
    put("said -> was (attacks among held-out cases, learnt):")
    for line in _reliability(training.learnt.calibration):
        put(line)
    put(f"{len(training.changes):,} weights moved; most:")
    for change in training.changes[:_SHOWN]:
        before, after = (one.get("malicious", 0.0) for one in (change.before, change.after))
        put(
            f"  {change.what} {change.value}: malicious {before:+.2f} -> {after:+.2f}"
            f"  ({change.labels} labels, {change.attacks} attacks)"
        )


def _figures(name: str, one: Figures) -> str:
    shown = {"start": "scorecard before"}.get(name, name)
    fit = one.calibration
    return f"{shown:<16}{one.macro_f1:>7.3f} {one.log_loss:>9.3f} {fit.brier:>7.4f} {fit.ece:>7.4f}"


def _reliability(found: Calibration) -> Iterable[str]:
    """The reliability plot in letters: a bar is the share of attacks, `|` what was said."""
    for one in found.bins:
        bar = list("█" * round(one.attacks * _BAR) + " " * (_BAR - round(one.attacks * _BAR)))
        bar[min(round(one.probability * _BAR), _BAR - 1)] = "|"
        yield f"  {one.probability:>6.1%} -> {one.attacks:>6.1%} {''.join(bar)} {one.cases:,} cases"
