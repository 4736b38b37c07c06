"""`watchfloor policy`: the one object with every threshold."""

from __future__ import annotations

from typing import Annotated

import typer

from watchfloor.cli.output import out, put, say

app = typer.Typer(help="Policies: list, show.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """The policies that come with Watchfloor.

    Example: `watchfloor policy list`
    """
    from watchfloor import content

    for document in content.documents(content.folder("policies")):
        put(f"{document.data.get('name')}: {document.data.get('autonomy', 'close')}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A shipped policy's name, or a YAML file.")] = "default",
) -> None:
    """Every threshold of a policy as JSON; its digest, which verdicts name, goes to stderr.

    Example: `watchfloor policy show cautious`
    """
    from watchfloor.app.settings import read_policy

    policy = read_policy(name)
    out.print_json(policy.canonical().decode())
    say(f"digest {policy.digest()}")
