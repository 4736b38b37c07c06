"""Asking another product over HTTPS, which may be hostile or broken: no redirects, no proxies of the environment, sizes
and times limited, and no address but on the host that was asked first."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate, parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx2
import orjson

from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.sources.product import Basic, Duo, Headers, JwtBearer, OAuth2, Texts, fill

MOST_BYTES = 64 << 20
SECONDS = 120.0
TRIES = 6
LONGEST_WAIT = 900.0
"""Seconds that a product may have us wait before we come again."""
_ALWAYS = {"accept": "application/json", "user-agent": "watchfloor"}
_NEXT = re.compile(r'<([^<>]*)>[^<]*?;\s*rel="?next"?', re.IGNORECASE)


class Asked(NamedTuple):
    """A request as it will be sent."""

    method: str
    url: httpx2.URL
    headers: Texts = {}
    body: bytes = b""


class Answer(NamedTuple):
    """What came back, with a status below 300."""

    headers: httpx2.Headers
    body: bytes


class StatusError(WatchfloorError):
    """Another status than the one that was hoped for."""

    def __init__(self, status: int, what: str, where: str) -> None:
        self.status = status
        super().__init__(what, where=where)


class Web:
    """Asks one product, signed in."""

    def __init__(
        self,
        auth: Headers | Basic | OAuth2 | JwtBearer | Duo,
        values: Texts,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        verify: ssl.SSLContext | bool = True,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._auth, self._values, self._now = auth, values, now
        self._http = httpx2.AsyncClient(
            follow_redirects=False, trust_env=False, timeout=30.0, transport=transport, verify=verify
        )
        self._token, self._until = "", 0.0

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(self, asked: Asked) -> Answer:
        """The answer, after waits where the product asks for them. Raises WatchfloorError."""
        for attempt in range(TRIES):
            signed = asked._replace(headers={**_ALWAYS, **asked.headers, **await self._sign(asked)})
            status, headers, body = await self._send(signed)
            if 200 <= status < 300:
                return Answer(headers, body)
            if status == 401 and self._token and attempt == 0:
                self._token = ""  # taken back before its time
                continue
            wait = self._wait(status, headers, attempt)
            if wait is None or attempt == TRIES - 1:
                break
            await asyncio.sleep(wait)
        said = " ".join(body[:300].decode("utf-8", "replace").split())
        raise StatusError(status, f"answered {status}: {said}", _where(asked))

    def _wait(self, status: int, headers: httpx2.Headers, attempt: int) -> float | None:
        """Seconds until it may be asked again; None where that would not help."""
        if status not in (429, 503) and not (status == 403 and "retry-after" in headers):
            return None
        wait = 2.0**attempt
        after = headers.get("retry-after", "").strip()
        reset = headers.get("x-rate-limit-reset") or headers.get("x-ratelimit-reset") or ""
        with suppress(ValueError):
            if after:
                wait = float(after) if after.isdigit() else parsedate_to_datetime(after).timestamp() - self._now()
            elif reset.isdigit():
                wait = int(reset) - self._now() if int(reset) > 1_000_000_000 else float(reset)
        return min(max(wait, 1.0), LONGEST_WAIT)

    async def _send(self, asked: Asked) -> tuple[int, httpx2.Headers, bytes]:
        try:
            async with (
                asyncio.timeout(SECONDS),
                self._http.stream(asked.method, asked.url, headers=asked.headers, content=asked.body) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise WatchfloorError(f"answered more than {MOST_BYTES >> 20} MiB", where=_where(asked))
                return response.status_code, response.headers, bytes(body)
        except TimeoutError:
            raise WatchfloorError(f"no whole answer within {SECONDS:.0f} seconds", where=_where(asked)) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise WatchfloorError(f"no answer ({type(error).__name__}: {error})", where=_where(asked)) from None

    async def _sign(self, asked: Asked) -> Texts:
        auth = self._auth
        if isinstance(auth, Headers):
            return {name: str(fill(value, self._values)) for name, value in auth.headers.items()}
        if isinstance(auth, Basic):
            return basic(fill(auth.user, self._values), fill(auth.password, self._values))
        if isinstance(auth, Duo):
            keys = fill(auth.integration_key, self._values), fill(auth.secret_key, self._values)
            return duo(asked, *keys, formatdate(self._now()))
        return {"authorization": f"Bearer {await self.token()}"}

    async def token(self) -> str:
        """An access token that is still good, where one is signed in with. Raises WatchfloorError."""
        assert isinstance(self._auth, OAuth2 | JwtBearer)
        if not self._token or self._now() >= self._until:
            await self._get_token(self._auth)
        return self._token

    async def _get_token(self, auth: OAuth2 | JwtBearer) -> None:
        headers, form = dict(_ALWAYS), dict[str, str]()
        url = httpx2.URL(fill(auth.url, self._values))
        if isinstance(auth, JwtBearer):
            form["grant_type"] = "urn:ietf:params:oauth:grant-type:jwt-bearer"
            form["assertion"] = assertion(auth, self._values, int(self._now()))
        elif auth.user:
            headers |= basic(fill(auth.user, self._values), fill(auth.password, self._values))
        if isinstance(auth, OAuth2) and auth.body:
            headers["content-type"] = "application/json"
            body = orjson.dumps(fill(auth.body, self._values))
        else:
            form |= fill(auth.form, self._values) if isinstance(auth, OAuth2) else {}
            headers["content-type"] = "application/x-www-form-urlencoded"
            body = encoded(form).encode()
        asked = Asked("POST", url, headers, body)
        status, _, answer = await self._send(asked)
        try:
            found = orjson.loads(answer)
            token, seconds = found["access_token"], float(found.get("expires_in") or 300)
        except (ValueError, KeyError, TypeError, AttributeError):
            token = None
        if not 200 <= status < 300 or not isinstance(token, str) or not token.isascii() or not token.isprintable():
            said = _error_of(answer)
            what = f"gave no token, answered {status}{said}"
            raise WatchfloorError(what, where=_where(asked), do="Check the secrets")
        self._token, self._until = token, self._now() + max(30.0, seconds - 60)


def _error_of(answer: bytes) -> str:
    """OAuth's name of an error, and nothing else of an answer in which tokens may stand."""
    try:
        error = orjson.loads(answer)["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f" ({error[:80]})" if isinstance(error, str) and error.isprintable() else ""


def basic(user: str, password: str) -> Texts:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def encoded(parameters: Texts) -> str:
    """A query or form; the names in order, so that it can be signed."""
    return "&".join(f"{quote(name, safe='~')}={quote(parameters[name], safe='~')}" for name in sorted(parameters))


def duo(asked: Asked, integration_key: str, secret_key: str, date: str) -> Texts:
    """https://duo.com/docs/adminapi#authentication"""
    said = (date, asked.method, asked.url.host.lower(), asked.url.path, asked.url.query.decode())
    signature = hmac.new(secret_key.encode(), "\n".join(said).encode(), hashlib.sha1).hexdigest()
    return {"date": date, **basic(integration_key, signature)}


def assertion(auth: JwtBearer, values: Texts, now: int) -> str:
    """https://developers.google.com/identity/protocols/oauth2/service-account"""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    try:
        account: dict[str, Any] = orjson.loads(fill(auth.key, values))
        key = serialization.load_pem_private_key(account["private_key"].encode(), None)
        issuer = account["client_email"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WatchfloorError("the key is no service account's key file", do="Name the JSON file as secret") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise WatchfloorError("the service account's key is no RSA key")
    claims = {"iss": issuer, "scope": auth.scope, "aud": fill(auth.url, values), "iat": now, "exp": now + 3_600}
    claims["sub"] = fill(auth.subject, values)
    said = b".".join(_base64(orjson.dumps(part)) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    return (said + b"." + _base64(key.sign(said, padding.PKCS1v15(), hashes.SHA256()))).decode()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def same_host(url: str, first: httpx2.URL) -> httpx2.URL:
    """An address that an answer named, where it is on the host that was asked. Raises WatchfloorError."""
    try:
        found = first.join(url)
    except (httpx2.InvalidURL, ValueError):
        raise WatchfloorError("named a next address that is none", where=f"https://{first.host}") from None
    if (found.scheme, found.host, found.port) != (first.scheme, first.host, first.port) or found.userinfo:
        raise WatchfloorError(
            f"wants us to ask another host ({found.host[:100]})", where=str(first.copy_with(query=None))
        )
    return found


def link_next(headers: httpx2.Headers) -> str:
    """The address of the next page in Link headers (RFC 8288); empty without."""
    found = _NEXT.search(", ".join(headers.get_list("link")))
    return found[1] if found else ""


def _where(asked: Asked) -> str:
    return f"{asked.method} {asked.url.copy_with(query=None)}"
