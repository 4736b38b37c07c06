"""Verbs whose work comes with a later version. They say so and fail; nothing is pretended."""

from __future__ import annotations

import typer

from watchfloor.core.errors import WatchfloorError

LATER = {
    "query": "Turn a request for evidence into a query for a SIEM.",
    "improve": "Learn from confirmed verdicts, and prove that it helped.",
}


def register(app: typer.Typer) -> None:
    for name, does in LATER.items():
        app.command(
            name,
            help=f"{does}\n\nComes later: this version has no such command yet.",
            context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
        )(_refuse(name))


def _refuse(name: str):  # type: ignore[no-untyped-def]
    def command(_context: typer.Context) -> None:
        raise WatchfloorError(
            f"`watchfloor {name}` comes with a later version", do="See `watchfloor --help` for what works"
        )

    return command
