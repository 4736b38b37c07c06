"""NATS JetStream: a stream, read through a durable consumer that asks for batches.

A message is acknowledged after the spool's commit; one that was not is delivered again. While a put waits nothing more
is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator

from watchfloor.ingest.sources.source import Hand, Secret, Source, library, secret
from watchfloor.ingest.sources.tls import Tls

Server = Annotated[str, StringConstraints(pattern=r"^((nats|tls)://)?(\[[0-9a-fA-F:]+\]|[\w.-]+)(:\d{1,5})?$")]
ConsumerName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{0,200}$")]


class Nats(Source):
    """Each message's payload is a record, or holds several. One that is empty is only counted."""

    AFRESH: ClassVar[Mapping[str, Any]] = {"again": True}

    kind: Literal["nats"]
    servers: Annotated[tuple[Server, ...], Field(min_length=1)]
    """Servers of the cluster (nats://host:port)."""
    stream: Annotated[str, StringConstraints(pattern=r"^[^\s.*>/\\]{1,255}$")]
    """The stream; it has to be there."""
    subject: Annotated[str, StringConstraints(pattern=r"^\S{0,1000}$")] = ""
    """A filter on the stream's subjects (`logs.>`); all of them without one."""
    durable: ConsumerName = ""
    """The durable consumer, made where it is not there; `watchfloor-NAME` without one."""
    start: Literal["earliest", "latest"] = "earliest"
    """Where a consumer that is made begins in the stream."""
    tls: Tls | None = None
    """TLS: `{}`, or with `ca`, `certificate` and `key` (PEM files)."""
    user: str = ""
    """Who it is to the servers, with `password`; or one of `token`, `nkey` and `credentials`."""
    password: Secret | None = None
    """The user's password (env:NAME or file:/PATH)."""
    token: Secret | None = None
    """A token (env:NAME or file:/PATH)."""
    nkey: Secret | None = None
    """The seed of an nkey (env:NAME or file:/PATH)."""
    credentials: Secret | None = None
    """A .creds file (file:/PATH), with JWT and seed."""

    @model_validator(mode="after")
    def _one_way(self) -> Nats:
        if bool(self.user) != bool(self.password):
            raise ValueError("user and password go together")
        if sum(map(bool, (self.user, self.token, self.nkey, self.credentials))) > 1:
            raise ValueError("one of user, token, nkey and credentials")
        return self

    def check(self) -> None:
        library("nats", "nats")
        self._access()

    async def run(self, hand: Hand) -> None:
        library("nats", "nats")
        from watchfloor.ingest.sources.nats_consumer import consume

        await consume(self, self._access(), hand)

    def _access(self) -> dict[str, Any]:
        """The client's settings for TLS, and for who it is."""
        found: dict[str, Any] = {"tls": self.tls.context(self.source)} if self.tls else {}
        if self.user and self.password:
            found |= {"user": self.user, "password": secret(self.password)}
        if self.token:
            found["token"] = secret(self.token)
        if self.nkey:
            library("nkeys", "nats")
            found["nkeys_seed_str"] = secret(self.nkey)
        if self.credentials:
            library("nkeys", "nats")
            found["user_credentials"] = library("nats.aio.client", "nats").RawCredentials(secret(self.credentials))
        return found
