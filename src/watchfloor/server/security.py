"""What keeps a browser honest: response headers, the origin of a request, tokens against cross-site requests."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# No inline script or style anywhere: what a record brings along cannot run even if it were not escaped.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
# `same-origin`, not `no-referrer`: with the latter browsers send `Origin: null` on our own forms.
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
STATIC = "/static/"


class SecurityHeaders:
    """Puts the headers on every response; pages and answers are not kept in any cache."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._headers = {**HEADERS, **({"strict-transport-security": "max-age=31536000"} if https else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        caching = "no-cache" if scope["path"].startswith(STATIC) else "no-store"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                headers["cache-control"] = caching
            await send(message)

        await self._app(scope, receive, send_with_headers)


def form_token(secret: str) -> str:
    """The token that forms carry: a function of the cookie's secret, which another site can neither read nor guess."""
    return hmac.new(secret.encode(), b"watchfloor-form-v1", hashlib.sha256).hexdigest()


def token_fits(secret: str, token: object) -> bool:
    return (
        bool(secret)
        and isinstance(token, str)
        and hmac.compare_digest(form_token(secret).encode(), token.encode("utf-8", "replace"))
    )


def from_own_origin(request: Request, *, https: bool) -> bool:
    """False when the browser says that another site sent the request.

    Browsers state `Origin` on every unsafe request; `Sec-Fetch-Site` as well. A client that states neither is no
    browser, and is held by its token alone.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    parts = urlsplit(origin)
    schemes = {"https"} if https else {"http", "https"}
    return parts.scheme in schemes and parts.netloc.lower() == request.headers.get("host", "").lower()


def own_path(path: str) -> str:
    """A path of this site to go to after login; `/` for anything that could lead elsewhere."""
    parts = urlsplit(path)
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc and not parts.scheme
    return path if plain and path.isprintable() and "\\" not in path else "/"
