"""One connection to an IMAP server, which may be hostile: no answer is read further than it may go, nothing waits for
ever. Runs in threads."""

from __future__ import annotations

import imaplib
import re
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from watchfloor.core.errors import WatchfloorError

SECONDS = 60.0
IDLE_SECONDS = 25 * 60.0
"""So long one IDLE lasts, at most; then the connection is made anew. Servers may end it after half an hour."""
HEADERS = 65_536
_WINDOW = 50_000  # UIDs asked for at a time: imaplib takes no line of more than a million bytes
_NUMBER = re.compile(rb"\d{1,10}")
_SIZE = re.compile(rb"RFC822\.SIZE (\d{1,20})")
_SLACK = 4 << 20  # what an answer may have besides what was asked for


class GoneError(WatchfloorError):
    """The connection is of no use any more; a new one may be."""


class _Bounded(imaplib.IMAP4):
    """imaplib's client keeps all that a server says, and reads as much as it announces: here only so much."""

    left = _SLACK

    def read(self, size: int) -> bytes:
        self._spend(size)
        return super().read(size)

    def readline(self) -> bytes:
        line = super().readline()
        self._spend(len(line))
        return line

    def _spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise self.abort("the server says far more than it was asked for")


class _BoundedTls(_Bounded, imaplib.IMAP4_SSL):
    """The same over TLS from the beginning."""


class Connection:
    """Signed in to one folder. Every call raises WatchfloorError when the server refuses it or is gone."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, *, starttls: bool) -> None:
        """Without a context it is not encrypted."""
        self._where = f"{host}:{port}"
        self._can: frozenset[bytes] = frozenset()
        with self._asking("connecting"):
            if context is None or starttls:
                self._imap: _Bounded = _Bounded(host, port, timeout=SECONDS)
            else:
                self._imap = _BoundedTls(host, port, ssl_context=context, timeout=SECONDS)
            keep = ((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60))
            for level, option, value in keep:  # firewalls forget connections on which nothing moves
                self._imap.sock.setsockopt(level, option, value)
            if context is not None and starttls:
                self._imap.starttls(context)

    def login(self, user: str, password: str) -> None:
        with self._asking("signing in"):
            if (user + password).isascii():
                self._imap.login(user, password)
            else:  # LOGIN has no other letters
                self._imap.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
            self._ask_what_it_can()

    def login_with_token(self, user: str, token: str) -> None:
        """XOAUTH2, as Google and Microsoft have it. What a refusal says comes as a challenge, answered with nothing."""
        said = [f"user={user}\x01auth=Bearer {token}\x01\x01".encode()]
        with self._asking("signing in with a token"):
            self._imap.authenticate("XOAUTH2", lambda _: said.pop() if said else b"")
            self._ask_what_it_can()

    def _ask_what_it_can(self) -> None:
        """More, often, than before somebody signed in."""
        said = b" ".join(part for part in self._ok(self._imap.capability()) if part)
        self._can = frozenset(said.upper().split())

    def select(self, folder: str, *, readonly: bool) -> int:
        """Open a folder; its UIDVALIDITY."""
        with self._asking(f"opening the folder {folder!r}"):
            self._ok(self._imap.select(quoted(folder), readonly=readonly))
            found = self._imap.response("UIDVALIDITY")[1][0] or b""
            return int(found) if _NUMBER.fullmatch(found) else 0

    def uids_after(self, last: int) -> list[int]:
        """The UIDs of what came after one, in their order; of many the first."""
        newest = max(self._search("UID *"), default=0)
        for start in range(last + 1, newest + 1, _WINDOW):
            if found := self._search(f"UID {start}:{start + _WINDOW - 1}"):
                return sorted(uid for uid in found if uid > last)
        return []

    def _search(self, what: str) -> list[int]:
        with self._asking("searching"):
            return [
                int(one) for part in self._ok(self._imap.uid("SEARCH", what)) for one in _NUMBER.findall(part or b"")
            ]

    def size(self, uid: int) -> int:
        """How long a message is, as the server says; 0 where it is there no more."""
        with self._asking("asking for a message's size"):
            found = self._ok(self._imap.uid("FETCH", str(uid), "(RFC822.SIZE)"))
            size = _SIZE.search(b" ".join(one[0] if isinstance(one, tuple) else one or b"" for one in found))
            return int(size[1]) if size else 0

    def message(self, uid: int, most: int, *, headers_only: bool = False) -> bytes | None:
        """A message's bytes, no more than `most` of them; None where it is there no more. It is not marked as read."""
        part = "HEADER" if headers_only else ""
        with self._asking("fetching a message", most):
            found = self._ok(self._imap.uid("FETCH", str(uid), f"(BODY.PEEK[{part}]<0.{most}>)"))
            return next((bytes(one[1]) for one in found if isinstance(one, tuple)), None)

    def mark_read(self, uid: int) -> None:
        with self._asking("marking a message as read"):
            self._ok(self._imap.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Seen)"))

    def move(self, uid: int, folder: str) -> None:
        """Into another folder. Where the server has no MOVE it is copied and marked as deleted, and removed where that
        can be done to it alone."""
        with self._asking(f"moving a message to {folder!r}"):
            if b"MOVE" in self._can:
                self._ok(self._imap.uid("MOVE", str(uid), quoted(folder)))
                return
            self._ok(self._imap.uid("COPY", str(uid), quoted(folder)))
            self._ok(self._imap.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Deleted)"))
            if b"UIDPLUS" in self._can:
                self._ok(self._imap.uid("EXPUNGE", str(uid)))

    @property
    def can_idle(self) -> bool:
        return b"IDLE" in self._can

    def idle(self) -> None:
        """Wait until the server tells of something (RFC 2177). Raises GoneError when that has taken too long: a
        connection is of no use after a read that timed out."""
        with self._asking("waiting"):
            end = time.monotonic() + IDLE_SECONDS
            self._imap.send(b"W1 IDLE\r\n")
            if not self._line().startswith(b"+"):
                raise self._imap.abort("IDLE was announced and is refused")
            self._imap.sock.settimeout(IDLE_SECONDS)
            while b" EXISTS" not in self._line():
                self._imap.sock.settimeout(max(0.1, end - time.monotonic()))
            self._imap.sock.settimeout(SECONDS)
            self._imap.send(b"DONE\r\n")
            while not self._line().startswith(b"W1 "):
                pass

    def close(self) -> None:
        """Also ends what another thread waits for."""
        with suppress(Exception):
            self._imap.sock.shutdown(socket.SHUT_RDWR)
        with suppress(Exception):
            self._imap.shutdown()

    def _line(self) -> bytes:
        line = self._imap.readline()
        if not line:
            raise self._imap.abort("the server closed the connection")
        return line

    def _ok(self, answer: tuple[str, list[Any]]) -> list[Any]:
        status, data = answer
        if status != "OK":
            said = b" ".join(part for part in data if isinstance(part, bytes))
            raise self._imap.error(said.decode("utf-8", "replace")[:300])
        return data

    @contextmanager
    def _asking(self, doing: str, most: int = 0) -> Iterator[None]:
        try:
            if hasattr(self, "_imap"):
                self._imap.left = most + _SLACK
            yield
        except imaplib.IMAP4.abort as error:
            raise GoneError(f"{doing}: {_said(error)}", where=self._where) from None
        except imaplib.IMAP4.error as error:
            raise WatchfloorError(f"{doing}: refused ({_said(error)})", where=self._where) from None
        except (OSError, EOFError, ValueError, IndexError, TypeError, AttributeError) as error:
            raise GoneError(f"{doing}: {type(error).__name__}: {_said(error)}", where=self._where) from None


def _said(error: Exception) -> str:
    text = error.args[0] if isinstance(error, imaplib.IMAP4.error) and error.args else str(error)
    return " ".join((text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)).split())[:300]


def quoted(folder: str) -> str:
    """A folder's name as a command has it. Raises WatchfloorError for what cannot stand there."""
    if not folder.isprintable():
        raise WatchfloorError(f"no folder can be called {folder!r}")
    return '"' + _utf7(folder).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _utf7(name: str) -> str:
    """IMAP's own form of UTF-7 (RFC 3501, 5.1.3)."""
    return re.sub(r"[^\x20-\x7e]+", lambda found: _coded(found[0]), name.replace("&", "&-"))


def _coded(text: str) -> str:
    return "&" + b64encode(text.encode("utf-16-be")).rstrip(b"=").decode().replace("/", ",") + "-"
