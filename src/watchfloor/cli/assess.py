"""`watchfloor assess`: what this installation covers, from its own data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from watchfloor.cli.options import DEFAULT_HOME, HomeDir
from watchfloor.cli.output import out, put, say

if TYPE_CHECKING:
    from watchfloor.improve.coverage import Coverage, LayerLine

app = typer.Typer(help="What this installation covers, from its own data.", no_args_is_help=True)
CoverageFormat = Literal["text", "json", "navigator"]
_SHOWN = 15


@app.callback()
def _assess() -> None:
    """What this installation covers, from its own data."""


@app.command()
def coverage(
    home: HomeDir = DEFAULT_HOME,
    attack: Annotated[
        Path | None,
        typer.Option(
            "--attack",
            exists=True,
            dir_okay=False,
            help="MITRE's enterprise-attack.json: lists what nothing names, too.",
        ),
    ] = None,
    format: Annotated[
        CoverageFormat, typer.Option(help="`text`, `json`, or `navigator`: a layer for the ATT&CK Navigator.")
    ] = "text",
) -> None:
    """Which of the six layers and which ATT&CK techniques the records that arrive and the detections in use can see.

    Example: `watchfloor assess coverage --format navigator > layer.json`; `watchfloor detect coverage` is the same.
    """
    import orjson

    from watchfloor.app.coverage import coverage_of, read_techniques
    from watchfloor.app.watchfloor import Watchfloor
    from watchfloor.improve.coverage import navigator_layer

    with Watchfloor.open(home) as product:
        found = coverage_of(product.parts, read_techniques(attack) if attack else None)
        if format == "text":
            _print(found)
        elif format == "json":
            out.print_json(found.canonical().decode())
        else:
            out.print_json(orjson.dumps(navigator_layer(found, f"Watchfloor {product.parts.tenant}")).decode())


def _print(found: Coverage) -> None:
    blind = found.blind()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("layer", "events", "detections", "sources"):
        table.add_column(name, justify="right" if name in ("events", "detections") else "left", overflow="fold")
    for line in found.layers:
        table.add_row(
            Text(line.layer, "bold red" if line.layer in blind else "green"),
            f"{sum(s.events for s in line.sources):,}",
            f"{line.detections:,}",
            _sources(line),
        )
    out.print(table)
    if blind:
        out.print(f"\nblind in: {', '.join(blind)}", style="bold red")
    covered = found.covered
    out.print(f"\n{found.can_fire:,} of {found.detections:,} detections can fire on what arrives", style="bold")
    out.print(f"{len(covered):,} of {len(found.techniques):,} ATT&CK techniques that are listed have one that can fire")
    out.print(f"{found.indicators:,} indicators are matched against every layer")
    if found.wants:
        out.print("\nconnect these, and more can fire:", style="bold")
        for wants, count in list(found.wants.items())[:_SHOWN]:
            put(f"  {count:>5,}  {wants}")
        if len(found.wants) > _SHOWN:
            say(f"... and {len(found.wants) - _SHOWN} more log sources; --format json lists all")
    unseen = [line for line in found.techniques if not line.can_fire]
    if unseen:
        out.print(f"\n{len(unseen):,} techniques that nothing can see:", style="bold")
        for blank in unseen[:_SHOWN]:
            waits = f"{blank.waiting} detections wait for {', '.join(blank.wants[:2])}"
            put(f"  {blank.technique:<10} {blank.name[:40]}  {waits if blank.waiting else 'no detection'}")
        if len(unseen) > _SHOWN:
            say(f"... and {len(unseen) - _SHOWN} more techniques; --format json lists all")


def _sources(line: LayerLine) -> str:
    if not line.sources:
        return f"nothing arrives; known: {', '.join(line.could_connect[:8]) or 'no mapping'}"
    return ", ".join(f"{s.mapping} (silent)" if s.mapping in line.silent else s.mapping for s in line.sources)
