"""Verbs whose work comes with a later version. They say so and fail; nothing is pretended."""

from __future__ import annotations

from collections.abc import Callable

import typer

from watchfloor.cli.output import say

LATER = {
    "query": "Turn a request for evidence into a query for a SIEM.",
}
STANDS_IN = "docs/explanation/limits.md"


def register(app: typer.Typer) -> None:
    for name, does in LATER.items():
        app.command(
            name,
            help=f"{does}\n\nComes later: this version has no such command yet. What is missing stands in {STANDS_IN}.",
            rich_help_panel="Comes later",
            context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
        )(_refuse(name))


def _refuse(name: str) -> Callable[[typer.Context], None]:
    def command(_context: typer.Context) -> None:
        say(
            f"watchfloor: `watchfloor {name}` comes with a later version. What is missing stands in {STANDS_IN}",
            "bold red",
        )
        raise typer.Exit(2)

    return command
