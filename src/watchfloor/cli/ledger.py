"""`watchfloor ledger`: the signed record, and its proof."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from watchfloor.cli.named import existing, opened
from watchfloor.cli.options import DEFAULT_HOME, HomeDir
from watchfloor.cli.output import out, put, say
from watchfloor.core.errors import WatchfloorError

app = typer.Typer(help="The ledger: list, verify, prove, export.", no_args_is_help=True)


@app.command()
def verify(
    path: Annotated[
        Path | None,
        typer.Argument(
            callback=existing, help="An export's folder or a proof's file; by default the home's own ledger."
        ),
    ] = None,
    key: Annotated[
        str, typer.Option(help="The public key (base64) that you trust, from another source than the export.")
    ] = "",
    kept: Annotated[
        Path | None, typer.Option(callback=existing, dir_okay=False, help="A heads.jsonl that you kept from before.")
    ] = None,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Check every entry, the chain, and every signed tree head; or one proof. Names what is not as it was.

    Example: `watchfloor ledger verify export/ --key BASE64`
    """
    from watchfloor.ledger import verifier

    more = [*(["--key", key] if key else []), *(["--kept", str(kept)] if kept else [])]
    if path is not None:
        code = verifier.main([str(path), *more])
    else:
        import tempfile

        with tempfile.TemporaryDirectory() as folder, opened(home) as product:
            product.desk.export_ledger(Path(folder) / "export")
            code = verifier.main([str(Path(folder) / "export"), "--key", product.parts.ledger_key.public, *more])
    if code == 2:
        raise WatchfloorError("the record could not be checked", do="The line above says why")
    if code:
        raise WatchfloorError("the record is not as it was written", do="The lines above say where")


@app.command()
def export(folder: Annotated[Path, typer.Argument(help="A new folder.")], home: HomeDir = DEFAULT_HOME) -> None:
    """Write the ledger with a stand-alone verifier: anyone can check it, with Python alone.

    Example: `watchfloor ledger export audit-2026-10/`
    """
    with opened(home) as product:
        product.desk.export_ledger(folder)
        key = product.parts.ledger_key.public
        say(f"written to {folder}; check it with: python3 {folder}/verify.py {folder} --key {key}")


@app.command()
def prove(
    seq: Annotated[int, typer.Argument(min=0, help="The entry's number, as `ledger list` prints it.")],
    since: Annotated[
        int, typer.Option(min=0, help="Also prove that the log of so many entries, once signed, is its beginning.")
    ] = 0,
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Prove that one entry is in the signed log (RFC 6962), without showing the others. Checked before it is printed.

    Example: `watchfloor ledger prove 12 > proof.json`, and `watchfloor ledger verify proof.json --key BASE64` checks it
    """
    with opened(home) as product:
        proof = product.desk.prove(seq, since)
        key = product.parts.ledger_key.public
    out.print(proof, end="", markup=False)
    say(f"the proof holds; check it with: verify.py PROOF --key {key}")


@app.command("list")
def list_(limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20, home: HomeDir = DEFAULT_HOME) -> None:
    """The newest entries first.

    Example: `watchfloor ledger list`
    """
    from watchfloor.core.clock import iso

    with opened(home) as product:
        for entry in product.desk.ledger_entries(limit):
            put(f"{entry.seq:>7}  {iso(entry.time)}  {entry.actor:<12} {entry.kind:<20} {entry.subject}")
