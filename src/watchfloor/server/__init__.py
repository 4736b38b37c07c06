"""The HTTP API and the console: pages that work without JavaScript, made live by server-sent events."""

from watchfloor.server.application import create_app
from watchfloor.server.serving import ConsoleServer
from watchfloor.server.settings import ServerSettings

__all__ = ["ConsoleServer", "ServerSettings", "create_app"]
