"""A mailbox: mails as records, and what employees report as findings; at once where the server has IDLE."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, StringConstraints, model_validator

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.noun import Noun
from watchfloor.ingest.readers.reported import sender
from watchfloor.ingest.sources.imap_wire import HEADERS, Connection, GoneError
from watchfloor.ingest.sources.pieces import Piece, refused_piece
from watchfloor.ingest.sources.product import JwtBearer, OAuth2
from watchfloor.ingest.sources.source import Hand, Https, Secret, Source, secret, shown
from watchfloor.ingest.sources.tls import Tls
from watchfloor.ingest.sources.web import Web

TRIES = 5
"""A message that breaks the connection so often is passed over, with a dead letter."""
_PORTS = {"tls": 993, "starttls": 143, "none": 143}
_LOCAL = ("localhost", "127.0.0.1", "::1")
T = TypeVar("T")


class ClientCredentials(Noun):
    """OAuth 2.0 of an application of its own, as Microsoft 365 has it."""

    kind: Literal["client_credentials"]
    url: Https
    """Where tokens are given out."""
    client: str
    client_secret: Secret
    scope: str = "https://outlook.office365.com/.default"


class ServiceAccount(Noun):
    """A Google service account that may act for the mailbox."""

    kind: Literal["service_account"]
    key: Secret
    """The account's key file, JSON."""
    url: Https = "https://oauth2.googleapis.com/token"
    scope: str = "https://mail.google.com/"


class Imap(Source):
    """Each mail of a folder. A mail from one of `reporters` is their report of what is attached to it."""

    kind: Literal["imap"]
    host: Annotated[str, StringConstraints(pattern=r"^(\[?[0-9a-fA-F:]+\]?|[\w.-]+)$")]
    """The server."""
    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    """993, and 143 with STARTTLS, where none is named."""
    security: Literal["tls", "starttls", "none"] = "tls"
    """`none` only on this machine."""
    tls: Tls | None = None
    """`ca` (a PEM file) where the server's certificate is of an authority of one's own."""
    user: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,320}$")]
    """Who signs in: with OAuth 2.0 the mailbox."""
    password: Secret | None = None
    """env:NAME or file:/PATH."""
    oauth2: Annotated[ClientCredentials | ServiceAccount, Field(discriminator="kind")] | None = None
    """In the place of a password."""
    folder: str = "INBOX"
    """The folder that is read."""
    reporters: tuple[Annotated[str, StringConstraints(pattern=r"^[\w.@+-]+$", to_lower=True)], ...] = ()
    """Domains and addresses whose mails are reports; others' mails are records and no more."""
    move_to: str = ""
    """A folder into which a mail goes when it is on the disk."""
    mark_read: bool = False
    """Mark it as read then."""
    every: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """Seconds between two looks where the server has no IDLE."""
    most_mib: Annotated[int, Field(ge=1, le=64)] = 35
    """A mail (MiB); a longer one becomes a dead letter with its headers."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.password is None) == (self.oauth2 is None):
            raise ValueError("needs password or oauth2, and one of them alone")
        if self.security == "none" and self.host not in _LOCAL:
            raise ValueError("security: none is for this machine alone")
        return self

    def check(self) -> None:
        if self.security != "none":
            self.context()
        if self.password:
            secret(self.password)
        elif self.oauth2:
            secret(self.oauth2.client_secret if isinstance(self.oauth2, ClientCredentials) else self.oauth2.key)

    def context(self) -> ssl.SSLContext:
        """How the server is verified. Raises WatchfloorError."""
        return (self.tls or Tls()).context(self.source)

    async def run(self, hand: Hand) -> None:
        web = _web(self.oauth2, self.user) if self.oauth2 else None
        mailbox = Mailbox(self, hand, web)
        try:
            while True:
                await mailbox.read()
        finally:
            mailbox.close()
            if web:
                await web.close()

    def is_report(self, raw: bytes) -> bool:
        """Whether a mail comes from one whose mails are reports."""
        by = sender(raw)
        return any(by == one or ("@" not in one and by.endswith(("@" + one, "." + one))) for one in self.reporters)


def _web(how: ClientCredentials | ServiceAccount, user: str) -> Web:
    """Who gives out tokens."""
    if isinstance(how, ServiceAccount):
        bearer = JwtBearer(kind="jwt_bearer", key="{key}", url=how.url, scope=how.scope, subject="{user}")
        return Web(bearer, {"key": secret(how.key), "user": user})
    form = {
        "grant_type": "client_credentials",
        "client_id": "{client}",
        "client_secret": "{secret}",
        "scope": "{scope}",
    }
    values = {"client": how.client, "secret": secret(how.client_secret), "scope": how.scope}
    return Web(OAuth2(kind="oauth2", url=how.url, form=form), values)


class Mailbox:
    """Reads one folder, connection after connection."""

    def __init__(self, config: Imap, hand: Hand, web: Web | None) -> None:
        self._config, self._hand, self._web = config, hand, web
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="imap")
        self._connection: Connection | None = None
        self._at: dict[str, int] = {}
        """The folder's `uidvalidity`, the last `uid`, and how often the next one broke the connection (`broken`)."""
        self._trouble = ""

    async def read(self) -> None:
        """What is new, and then what comes; returns when the connection was quiet for so long that it is made anew."""
        connection = await self._connected()
        readonly = not (self._config.move_to or self._config.mark_read)
        validity = await self._do(lambda: connection.select(self._config.folder, readonly=readonly))
        kept = self._hand.checkpoint()
        self._at = dict(kept) if kept.get("uidvalidity") == validity else {"uidvalidity": validity, "uid": 0}
        while True:
            found = await self._do(lambda: connection.uids_after(self._at["uid"]))
            for uid in found:
                await self._take(connection, uid)
            if found:
                continue
            await (self._hand.hindered(self._trouble) if self._trouble else self._hand.working())
            began = time.monotonic()
            if not connection.can_idle:
                await asyncio.sleep(self._config.every)
                continue
            try:
                await self._do(connection.idle)
            except GoneError:
                if time.monotonic() - began < 1:
                    raise
                return
            await asyncio.sleep(max(0.0, 0.2 - (time.monotonic() - began)))  # however much it tells

    async def _take(self, connection: Connection, uid: int) -> None:
        """Hand in one message, put it away, and keep that."""
        gone: GoneError | None = None
        try:
            piece = await self._do(lambda: self._piece(connection, uid))
        except GoneError as error:
            tries = self._at.get("broken", 0) + 1
            if tries < TRIES:
                await self._keep(self._at["uid"], broken=tries)
                raise
            gone, piece = error, refused_piece(self._named(uid), f"cannot be fetched: {shown(error)}", b"")
        if piece is not None:
            await self._hand.put(piece.content, piece.form)
            if gone is None:
                await self._put_away(connection, uid)
        await self._keep(uid)
        if gone is not None:
            raise gone

    def _piece(self, connection: Connection, uid: int) -> Piece | None:
        """A message as the readers take it; None where it is there no more."""
        most = self._config.most_mib << 20
        size = connection.size(uid)
        raw = connection.message(uid, most + 1) if 0 < size <= most else b""
        if size == 0 or raw is None:
            return None
        if size > most or len(raw) > most:
            headers = connection.message(uid, HEADERS, headers_only=True) or b""
            reason = f"a message of {max(size, len(raw)):,} bytes, more than {most:,}: it is still in the mailbox"
            return refused_piece(self._named(uid), reason, headers)
        if not raw:
            return refused_piece(self._named(uid), f"{size:,} bytes were announced and none came", b"")
        return Piece(raw, "reported" if self._config.is_report(raw) else "mail")

    async def _put_away(self, connection: Connection, uid: int) -> None:
        try:
            if self._config.mark_read:
                await self._do(lambda: connection.mark_read(uid))
            if self._config.move_to:
                await self._do(lambda: connection.move(uid, self._config.move_to))
            self._trouble = ""
        except GoneError:
            raise
        except WatchfloorError as error:  # the mail is on the disk; where it lies is the smaller trouble
            self._trouble = shown(error)

    async def _keep(self, uid: int, **more: int) -> None:
        self._at = {"uidvalidity": self._at["uidvalidity"], "uid": uid, **more}
        await self._hand.keep(self._at)

    def _named(self, uid: int) -> str:
        return f"{self._config.folder} of {self._config.user}, UID {uid}"

    async def _connected(self) -> Connection:
        config = self._config
        self._let_go()
        token = await self._web.token() if self._web else ""
        context = None if config.security == "none" else config.context()
        port = config.port or _PORTS[config.security]
        starttls = config.security == "starttls"
        connection = await self._do(lambda: Connection(config.host, port, context, starttls=starttls))
        self._connection = connection
        if self._web:
            await self._do(lambda: connection.login_with_token(config.user, token))
        else:
            assert config.password
            password = secret(config.password)
            await self._do(lambda: connection.login(config.user, password))
        return connection

    async def _do(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Also ends what is waited for in the thread."""
        self._let_go()
        self._thread.shutdown(wait=False, cancel_futures=True)
