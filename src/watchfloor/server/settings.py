"""How the console is served. What changes a decision is policy, not a setting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from watchfloor.core.noun import Noun


class ServerSettings(Noun):
    """Hosts are names without a port, as browsers send them."""

    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    """Names under which the console may be called; any other Host is refused (DNS rebinding)."""
    https: bool = False
    """True when browsers reach it by https: cookies become Secure with the `__Host-` prefix, HSTS is sent."""
    upload_bytes: Annotated[int, Field(gt=0)] = 256 * 1024 * 1024
    """The largest upload that the API takes."""
    stream_seconds: Annotated[float, Field(gt=0)] = 300.0
    """After this a live stream ends and the browser opens another."""

    def under(self, names: Sequence[str], *, https: bool) -> ServerSettings:
        """The same under further names, reached by https or not."""
        return self.model_copy(update={"hosts": (*self.hosts, *names), "https": https})

    @property
    def session_cookie(self) -> str:
        return "__Host-watchfloor" if self.https else "watchfloor"

    @property
    def login_cookie(self) -> str:
        """Binds the login form to the browser that was shown it."""
        return "__Host-watchfloor-login" if self.https else "watchfloor-login"
