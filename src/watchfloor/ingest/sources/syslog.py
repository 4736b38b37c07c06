"""Syslog over UDP (RFC 5426), TCP (RFC 6587) and TLS (RFC 5425).

None of the three tells its sender that a message was stored: what is in a socket when the server goes away is lost. TCP
and TLS stop reading while nothing can be stored, so that senders keep what they have; UDP has no way to say so.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.sources.framing import Frames, as_lines
from watchfloor.ingest.sources.source import Hand, Source

MOST_CONNECTIONS = 1_000
HANDSHAKE_SECONDS = 15
_CHUNK = 256 * 1024
_DATAGRAM = 65_536
_RECEIVE_BUFFER = 16 << 20
_MOST_DATAGRAMS = 4_000


class Syslog(Source):
    """Listens on an address of this machine. TLS needs `certificate` and `key` (PEM); with `client_ca` senders must
    show a certificate that it signed."""

    kind: Literal["syslog"]
    transport: Literal["udp", "tcp", "tls"]
    """How it comes."""
    port: Annotated[int, Field(ge=0, le=65_535)]
    """The port on which it is listened for."""
    listen: str = "127.0.0.1"
    """The address of this machine; 0.0.0.0 for all."""
    certificate: Path | None = None
    """What this side shows with tls (PEM)."""
    key: Path | None = None
    """The certificate's key (PEM)."""
    client_ca: Path | None = None
    """Whose certificates senders must show (PEM); without it anybody may send."""

    @model_validator(mode="after")
    def _fits(self) -> Syslog:
        ip_address(self.listen)
        if (self.transport == "tls") != bool(self.certificate and self.key):
            raise ValueError("certificate and key go with transport tls, both")
        if self.client_ca and self.transport != "tls":
            raise ValueError("client_ca goes with transport tls")
        return self

    def check(self) -> None:
        self._tls()

    async def run(self, hand: Hand) -> None:
        if self.transport == "udp":
            await self._datagrams(hand)
        else:
            await self._connections(hand)

    async def _datagrams(self, hand: Hand) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(_family(self.listen), socket.SOCK_DGRAM) as receiver:
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            receiver.setblocking(False)
            receiver.bind((self.listen, self.port))
            await hand.working()
            while True:
                await self._hand_in(hand, [await loop.sock_recv(receiver, _DATAGRAM), *_more(receiver)])

    async def _connections(self, hand: Hand) -> None:
        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        open_: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            open_.add(task)
            try:
                if len(open_) <= MOST_CONNECTIONS:
                    await self._one(hand, reader)
            except OSError:  # the sender went away, or its TLS broke
                pass
            except Exception as error:  # ours: the source is started again, and says why
                if not broken.done():
                    broken.set_exception(error)
            finally:
                open_.discard(task)
                writer.close()

        tls = self._tls()
        handshake = HANDSHAKE_SECONDS if tls else None
        server = await asyncio.start_server(
            connected, self.listen, self.port, limit=_CHUNK, ssl=tls, ssl_handshake_timeout=handshake
        )
        try:
            await hand.working()
            await broken
        finally:
            server.close()
            for task in tuple(open_):
                task.cancel()
            await asyncio.gather(*open_, return_exceptions=True)

    async def _one(self, hand: Hand, reader: asyncio.StreamReader) -> None:
        frames = Frames()
        while chunk := await reader.read(_CHUNK):
            await self._hand_in(hand, frames.feed(chunk))
        await self._hand_in(hand, [frames.rest()])

    async def _hand_in(self, hand: Hand, messages: list[bytes]) -> None:
        if content := as_lines([message for each in messages if (message := each.rstrip(b"\r\n\0"))]):
            await hand.put(content, "syslog")

    def _tls(self) -> ssl.SSLContext | None:
        if self.certificate is None:
            return None
        try:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(self.certificate, self.key)
            if self.client_ca:
                context.load_verify_locations(self.client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ssl.SSLError) as error:
            raise WatchfloorError(
                f"certificate, key or client_ca cannot be used: {error}", where=self.source, do="Name PEM files"
            ) from None
        return context


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET


def _more(receiver: socket.socket) -> list[bytes]:
    """What else has come already."""
    found: list[bytes] = []
    try:
        while len(found) < _MOST_DATAGRAMS:
            found.append(receiver.recv(_DATAGRAM))
    except BlockingIOError:
        pass
    return found
