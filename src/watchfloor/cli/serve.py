"""`watchfloor serve`, `user`, `doctor`: run the console, who may use it, and whether all is well."""

from __future__ import annotations

import socket
import sys
import webbrowser
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from watchfloor.cli.named import opened
from watchfloor.cli.options import DEFAULT_HOME, NONE, HomeDir, Rules
from watchfloor.cli.output import put, say
from watchfloor.core.errors import WatchfloorError

if TYPE_CHECKING:
    from watchfloor.app.watchfloor import Watchfloor

MOST_PORTS = 20


class RoleName(Enum):
    """Typer takes a list of choices only as an enum."""

    analyst = "analyst"
    lead = "lead"
    auditor = "auditor"
    admin = "admin"


def register(app: typer.Typer) -> None:
    app.command("serve")(serve)
    app.command("user")(user)
    app.command("doctor")(doctor)


def serve(
    home: HomeDir = DEFAULT_HOME,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8450,
    browser: Annotated[bool, typer.Option(help="Open a browser where there is one.")] = False,
) -> None:
    """The console and the API, on this machine's own address.

    Example: `watchfloor serve --port 8450`
    """
    with opened(home) as product:
        if not product.parts.accounts.list(product.parts.tenant):
            raise WatchfloorError(
                "nobody can log in yet", where=str(home), do=f"Run: watchfloor user NAME --role lead --home {home}"
            )
        serve_console(product, port, browser)


def serve_console(product: Watchfloor, port: int, browser: bool) -> None:
    """Serve until Ctrl-C; the address goes to stderr."""
    from watchfloor.server import ConsoleServer, create_app

    listening = _listen(port)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    say(f"console: {url}   (Ctrl-C ends it)", style="bold")
    if browser and sys.stderr.isatty():
        webbrowser.open(url)
    ConsoleServer(create_app(product.desk, product.parts.accounts)).run(sockets=[listening])


def _listen(port: int) -> socket.socket:
    for candidate in range(port, port + MOST_PORTS) if port else (0,):
        try:
            return socket.create_server(("127.0.0.1", candidate))
        except OSError:
            continue
    raise WatchfloorError(f"ports {port} to {port + MOST_PORTS - 1} are taken", do="Name another with --port")


def user(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and . _ @ -")],
    role: Annotated[list[RoleName], typer.Option(help="May be given again.")],
    password: Annotated[
        str,
        typer.Option(
            prompt=True,
            hide_input=True,
            confirmation_prompt=True,
            envvar="WATCHFLOOR_PASSPHRASE",
            help="Also unlocks the signing key.",
        ),
    ],
    home: HomeDir = DEFAULT_HOME,
) -> None:
    """Add somebody who may log in, with a signing key of their own.

    Example: `watchfloor user ana --role analyst`
    """
    from watchfloor.app.watchfloor import Watchfloor

    with Watchfloor.open(home) as product:
        product.add_user(name, password, tuple(r.value for r in role))
        say(f"{name} may log in as {', '.join(r.value for r in role)}")


def doctor(
    home: HomeDir = DEFAULT_HOME,
    rules: Rules = NONE,
) -> None:
    """What works, what does not, and how to mend it. Fails when something does not work.

    Example: `watchfloor doctor --rules sigma/rules`
    """
    from watchfloor.cli.doctor import checks

    broken = 0
    for check in checks(Path(home), rules):
        broken += not check.works
        mark = "works    " if check.works else "does not "
        put(f"{mark} {check.name}: {check.sentence}", "" if check.works else "yellow")
    if broken:
        raise WatchfloorError(f"{broken} things do not work", do="Each line above says how to mend it")
