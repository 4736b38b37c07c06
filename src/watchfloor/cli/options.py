"""Options that several commands share, each spelled once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from watchfloor.cli.named import existing

Format = Literal["text", "jsonl"]

NONE: list[Path] = []
"""The default of options that may be given again; never added to."""


def _tenant(name: str) -> str:
    from watchfloor.store.tenancy import checked

    return checked(name)


Paths = Annotated[
    list[Path], typer.Argument(callback=existing, help="Files and folders, any mix; the content tells their kind.")
]
Rules = Annotated[
    list[Path],
    typer.Option("--rules", callback=existing, help="Sigma rules: a file, folder or zip. May be given again."),
]
Mappings = Annotated[
    list[Path],
    typer.Option("--mappings", callback=existing, help="Your own mappings: a YAML file or folder. May be given again."),
]
Questions = Annotated[
    list[Path],
    typer.Option(
        "--questions", callback=existing, help="Your own questions: a YAML file or folder. May be given again."
    ),
]
ContextDir = Annotated[
    Path | None,
    typer.Option(
        "--context", callback=existing, file_okay=False, help="Business context: assets, identities, windows."
    ),
]
IntelPaths = Annotated[
    list[Path],
    typer.Option("--intel", callback=existing, help="Threat intelligence: STIX, TAXII, MISP, OpenIOC, lists, KEV."),
]
LabelsFile = Annotated[
    Path | None,
    typer.Option("--labels", callback=existing, dir_okay=False, help="Verdicts confirmed before (CSV or JSON lines)."),
]
PolicyName = Annotated[str, typer.Option("--policy", help="A shipped policy's name, or a YAML file.")]

TenantName = Annotated[
    str, typer.Option("--tenant", callback=_tenant, envvar="WATCHFLOOR_TENANT", help="Whose data this is.")
]
OutputFormat = Annotated[Format, typer.Option("--format", help="`text` for people, `jsonl` for programs.")]
HomeDir = Annotated[
    Path,
    typer.Option("--home", envvar="WATCHFLOOR_HOME", help="Where cases, evidence, events and the ledger are kept."),
]


def _default_home() -> Path:
    """`$XDG_DATA_HOME/watchfloor`, by default `~/.local/share/watchfloor`."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "watchfloor"


DEFAULT_HOME = _default_home()
