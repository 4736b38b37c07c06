"""`watchfloor serve`, `user`, `doctor`: run the console, who may use it, and whether all is well."""

from __future__ import annotations

import errno
import signal
import socket
import sys
import webbrowser
from contextlib import suppress
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from watchfloor.cli.named import opened
from watchfloor.cli.options import DEFAULT_HOME, NONE, HomeDir, Rules
from watchfloor.cli.output import put, say
from watchfloor.core.errors import WatchfloorError

if TYPE_CHECKING:
    from watchfloor.app.watchfloor import Watchfloor
    from watchfloor.server.settings import ServerSettings

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
    port: Annotated[int, typer.Option(help="The port; the next free one where it is taken.")] = 8450,
    browser: Annotated[bool, typer.Option(help="Open a browser where there is one.")] = False,
    listen: Annotated[
        str, typer.Option(help="The IP address to listen on. Beyond this machine put TLS before it.")
    ] = "127.0.0.1",
    host: Annotated[
        list[str], typer.Option(help="A further name under which it may be called. May be given again.")
    ] = [],  # noqa: B006
    https: Annotated[
        bool, typer.Option("--https", help="Browsers reach it by https: a proxy with TLS stands before it.")
    ] = False,
) -> None:
    """The console, the API and live intake, on this machine's own address.

    Example: `watchfloor serve --port 8450`
    """
    from watchfloor.server.settings import ServerSettings

    with opened(home) as product:
        if not product.parts.accounts.list(product.parts.tenant):
            raise WatchfloorError(
                "nobody can log in yet", where=str(home), do=f"Run: watchfloor user NAME --role lead --home {home}"
            )
        served = ServerSettings().under([name.lower() for name in host], https=https)
        serve_console(product, port, browser, listen=listen, settings=served)


def serve_console(
    product: Watchfloor, port: int, browser: bool, *, listen: str = "127.0.0.1", settings: ServerSettings | None = None
) -> None:
    """Serve console, API and live intake until Ctrl-C; the address goes to stderr."""
    from watchfloor.server import ConsoleServer, ServerSettings, create_app
    from watchfloor.server.intake import Door, Intake

    listening = _listen(listen, port)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    say(f"console: {url}   (Ctrl-C ends it)", style="bold")
    if browser and sys.stderr.isatty():
        webbrowser.open(url)
    settings = settings or ServerSettings()
    parts = product.parts
    app = create_app(product.desk, parts.accounts, settings)
    # A supervisor's SIGTERM ends it as Ctrl-C does: work under way is finished, and nothing is left half done.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):  # as daemons do: load the rules again
        signal.signal(signal.SIGHUP, lambda *_: product.rulebook.ask("SIGHUP"))
    with (
        suppress(KeyboardInterrupt),
        product.rulebook.running(),
        product.intake.running() as spool,
        product.supervisor.running(spool),
    ):
        door = Door(spool, product.live_sources, parts.tenant, parts.clock)
        ConsoleServer(app, Intake(app, door, settings.hosts)).run(sockets=[listening])


def _listen(address: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    except ValueError:
        raise WatchfloorError(f"{address} is no IP address", do="Name one with --listen, e.g. 0.0.0.0") from None
    for candidate in range(port, port + MOST_PORTS) if port else (0,):
        try:
            return socket.create_server((address, candidate), family=family)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise WatchfloorError(
                    f"{address} is not an address of this machine", do="Name one of its own"
                ) from None
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
