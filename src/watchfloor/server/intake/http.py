"""Requests and answers of the hot routes, with their limits, straight on ASGI: no framework stands in between."""

from __future__ import annotations

import asyncio
import base64
import binascii
import zlib
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import msgspec
from starlette.types import Receive, Scope

MIB = 1 << 20
MOST_PACKED = 32 * MIB
MOST_UNPACKED = 64 * MIB
MOST_HELD = 512 * MIB
"""Bytes of all requests that are under way."""
BODY_SECONDS = 60.0
"""A body that takes longer is given up."""
IN_A_THREAD = 128 * 1024
"""From so many bytes on, work on a body must not hold up other requests."""

JSON = b"application/json"
encode = msgspec.json.Encoder().encode


class Answer(NamedTuple):
    """What goes back."""

    status: int
    body: bytes
    kind: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class RefusedRequestError(Exception):
    """A request that is not taken. Each protocol says it in its own body; `reason` is one of REASONS."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail or REASONS[reason][1]
        self.status = REASONS[reason][0]
        super().__init__(self.detail)


REASONS: dict[str, tuple[int, str]] = {
    "no_token": (401, "a token is required"),
    "bad_token": (401, "the token or signature is not valid"),
    "no_data": (400, "the request has no data"),
    "bad_data": (400, "the data has not the form of this protocol"),
    "bad_encoding": (415, "content-encoding may be gzip, deflate or identity"),
    "bad_packing": (400, "the body cannot be unpacked"),
    "too_large": (413, f"a body may have {MOST_PACKED:,} bytes, and {MOST_UNPACKED:,} unpacked"),
    "too_slow": (408, f"the body did not come within {BODY_SECONDS:.0f} seconds"),
    "no_route": (404, "there is nothing at this address"),
    "bad_method": (405, "this address takes another method"),
    "full": (429, "more waits than may; send again later"),
    "broken": (503, "it could not be stored; send again later"),
}


class Budget:
    """Counts the bytes that requests hold at this moment, all together."""

    def __init__(self, most: int = MOST_HELD) -> None:
        self._most, self.held = most, 0

    def take(self, size: int) -> None:
        """Raises RefusedRequestError when it is too much for now."""
        if self.held + size > self._most:
            raise RefusedRequestError("full", "too many bytes are under way; send again later")
        self.held += size

    def give_back(self, size: int) -> None:
        self.held -= size


class Asked:
    """A request. Its body is read when asked for, once, inside the limits."""

    def __init__(self, scope: Scope, receive: Receive, budget: Budget) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self._query: bytes = scope["query_string"]
        self._receive, self._budget, self._taken = receive, budget, 0

    def query(self, name: str) -> str:
        """A parameter of the query string; empty without one."""
        if not self._query:
            return ""
        found = parse_qs(self._query.decode("latin-1"), keep_blank_values=True, max_num_fields=50).get(name)
        return found[0] if found else ""

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")

    def release(self) -> None:
        """The bytes of the body are let go."""
        self._budget.give_back(self._taken)
        self._taken = 0

    async def packed(self) -> bytes:
        """The body as it came. Raises RefusedRequestError."""
        stated = self.headers.get(b"content-length", b"0")
        if not stated.isdigit() or int(stated) > MOST_PACKED:
            raise RefusedRequestError("too_large")
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._collect()
        except TimeoutError:
            raise RefusedRequestError("too_slow") from None

    async def _collect(self) -> bytes:
        chunks: list[bytes] = []
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                raise RefusedRequestError("no_data", "the sender hung up")
            if chunk := message.get("body", b""):
                self._take(len(chunk))
                chunks.append(chunk)
                if self._taken > MOST_PACKED:
                    raise RefusedRequestError("too_large")
            if not message.get("more_body"):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def body(self) -> bytes:
        """The body, unpacked. Raises RefusedRequestError."""
        return await self.unpack(await self.packed())

    async def unpack(self, packed: bytes) -> bytes:
        """What a body of this request holds. Raises RefusedRequestError."""
        encoding = self.header(b"content-encoding").strip().lower()
        if encoding in ("", "identity"):
            return packed
        if encoding not in _WINDOWS:
            raise RefusedRequestError("bad_encoding")
        if len(packed) < IN_A_THREAD // 16:
            data = _inflated(packed, _WINDOWS[encoding])
        else:
            data = await asyncio.to_thread(_inflated, packed, _WINDOWS[encoding])
        self._take(len(data))
        return data

    def _take(self, size: int) -> None:
        self._budget.take(size)
        self._taken += size

    def credentials(self) -> tuple[str, str]:
        """The scheme (lower case) of the Authorization header and the token in it: of Basic the password, of ApiKey
        what stands behind the id. Raises RefusedRequestError without one."""
        scheme, _, given = self.header(b"authorization").partition(" ")
        given = given.strip()
        if not given:
            raise RefusedRequestError("no_token")
        if scheme.lower() not in ("basic", "apikey"):
            return scheme.lower(), given
        try:
            decoded = base64.b64decode(given, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise RefusedRequestError("bad_token") from None
        return scheme.lower(), decoded.partition(":")[2]


_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def _inflated(packed: bytes, window: int) -> bytes:
    """Unpacked data, several members too; never more of it in memory than may be."""
    pieces: list[bytes] = []
    size = 0
    try:
        while packed:
            inflater = zlib.decompressobj(window)
            piece = inflater.decompress(packed, MOST_UNPACKED - size + 1)
            size += len(piece)
            if size > MOST_UNPACKED or inflater.unconsumed_tail:
                raise RefusedRequestError("too_large")
            if not inflater.eof:
                raise RefusedRequestError("bad_packing", "the packed body is cut off")
            pieces.append(piece)
            packed = inflater.unused_data
    except zlib.error as error:
        raise RefusedRequestError("bad_packing", f"the body cannot be unpacked: {error}") from None
    return b"".join(pieces)


def problem(refused: RefusedRequestError) -> Answer:
    """An error as problem details (RFC 9457), as in the API."""
    body: dict[str, Any] = {"title": refused.reason.replace("_", " "), "status": refused.status}
    return Answer(refused.status, encode({**body, "detail": refused.detail}), b"application/problem+json")
