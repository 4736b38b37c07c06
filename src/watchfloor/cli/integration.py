"""`watchfloor integration`: actions of other products, and a company to try them on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from watchfloor.cli.options import ContextDir
from watchfloor.cli.output import put, say

app = typer.Typer(help="Integrations: what they can do, and a company to try them on.", no_args_is_help=True)


@app.command()
def actions() -> None:
    """Every action that a plan may hold, with its effect and undo.

    Example: `watchfloor integration actions`
    """
    from watchfloor.integrations import Actions

    for action in Actions.shipped():
        undo = f", undone by {action.undo.action}" if action.undo else ""
        put(f"{action.name:<32} {action.effect:<12} {action.title}{undo}")


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(help="Where its state and its token are kept.")],
    context: ContextDir = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 8765,
) -> None:
    """Run the simulated company (identity, EDR, mail, cloud, firewall, tickets) to try plans on.

    Writes `connections.yaml` into the folder, to be named in a home's `watchfloor.yaml`.

    Example: `watchfloor integration simulate company/ --context context/`
    """
    import threading

    from watchfloor.core.context import Context
    from watchfloor.ingest.context import load_context
    from watchfloor.integrations import write_connections
    from watchfloor.integrations.simulated_company import SimulatedCompany

    known = load_context(context) if context else Context()
    with SimulatedCompany(folder, known, port=port) as company:
        file = write_connections(folder / "connections.yaml", company.connections())
        say(f"simulated company at {company.url}, connections in {file}; Ctrl-C ends it")
        threading.Event().wait()
