"""The command line: one thin command a verb. Data goes to stdout, progress and messages to stderr."""

from __future__ import annotations

import sys

import typer

from watchfloor import __version__
from watchfloor.cli import (
    assess,
    case,
    closing,
    context,
    deadletter,
    demo,
    detect,
    improve,
    integration,
    intel,
    lake,
    later,
    ledger,
    mapping,
    pipeline,
    plan,
    policy,
    question,
    serve,
    source,
)
from watchfloor.cli.output import say
from watchfloor.core.errors import WatchfloorError

app = typer.Typer(
    name="watchfloor",
    help="An open AI SOC: every verdict can be checked, nothing runs that was not approved.",
    epilog="Start with `watchfloor demo`, or with your own records: `watchfloor triage PATH`.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"watchfloor {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


demo.register(app)
pipeline.register(app)
serve.register(app)
closing.register(app)
app.add_typer(detect.app, name="detect")
app.add_typer(case.app, name="case")
app.add_typer(plan.app, name="plan")
app.add_typer(improve.app, name="improve")
app.add_typer(integration.app, name="integration")
app.add_typer(policy.app, name="policy")
app.add_typer(mapping.app, name="mapping")
app.add_typer(question.app, name="question")
app.add_typer(source.app, name="source")
app.add_typer(intel.app, name="intel")
app.add_typer(context.app, name="context")
app.add_typer(deadletter.app, name="deadletter")
app.add_typer(lake.app, name="lake")
app.add_typer(ledger.app, name="ledger")
app.add_typer(assess.app, name="assess")
later.register(app)


def main() -> None:
    """Run a command. What a person can act on is one line on stderr and exit code 1; usage errors exit with 2."""
    try:
        app()
    except WatchfloorError as error:
        say(f"watchfloor: {error}", style="bold red")
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        say(f"watchfloor: {error.filename or 'input or output'}: {error.strerror or error}", style="bold red")
        sys.exit(1)
