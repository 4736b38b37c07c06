"""Kafka, and what speaks as it does (Redpanda, Event Hubs, MSK): topics, read as one member of a consumer group.

The group's offsets are committed after the spool's commit of all records before them, so that a crash reads a little
again and skips nothing. While a put waits nothing more is fetched, and the member keeps its partitions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from watchfloor.core.noun import Noun
from watchfloor.ingest.sources.source import Hand, Secret, Source, library, secret
from watchfloor.ingest.sources.tls import Tls

Host = Annotated[str, StringConstraints(pattern=r"^(\[[0-9a-fA-F:]+\]|[\w.-]+)(:\d{1,5})?$")]
TopicName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]


class Sasl(Noun):
    """Who it is to the brokers. Without TLS a password of PLAIN is on the wire as it is."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
    user: str
    password: Secret


class Kafka(Source):
    """Each message's value is a record, or holds several. One that is empty (a tombstone) is only counted."""

    AFRESH: ClassVar[Mapping[str, Any]] = {"again": True}

    kind: Literal["kafka"]
    brokers: Annotated[tuple[Host, ...], Field(min_length=1)]
    """Some brokers (host:port); they name the others."""
    topics: tuple[TopicName, ...] = ()
    """The topics; or `pattern` instead."""
    pattern: str = ""
    """A regular expression; topics whose names match are read, also those that come later."""
    group: str = ""
    """The consumer group; `watchfloor-NAME` without one. Two installations need two groups."""
    start: Literal["earliest", "latest"] = "earliest"
    """Where a group that is new to the cluster begins. What comes later is read from its beginning, always."""
    tls: Tls | None = None
    """TLS: `{}`, or with `ca`, `certificate` and `key` (PEM files)."""
    sasl: Sasl | None = None
    """`mechanism` (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512), `user`, `password` (env:NAME or file:/PATH)."""

    @field_validator("pattern")
    @classmethod
    def _expression(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None
        return pattern

    @model_validator(mode="after")
    def _either(self) -> Kafka:
        if bool(self.topics) == bool(self.pattern):
            raise ValueError("topics or pattern, one of both")
        return self

    def check(self) -> None:
        library("aiokafka", "kafka")
        self._access()

    async def run(self, hand: Hand) -> None:
        library("aiokafka", "kafka")
        from watchfloor.ingest.sources.kafka_group import consume

        await consume(self, self._access(), hand)

    def _access(self) -> dict[str, Any]:
        """The client's settings for TLS and SASL."""
        name = ("SASL_" if self.sasl else "") + ("SSL" if self.tls else "PLAINTEXT")
        found: dict[str, Any] = {"security_protocol": name}
        if self.tls:
            found["ssl_context"] = self.tls.context(self.source)
        if self.sasl:
            found["sasl_mechanism"] = self.sasl.mechanism
            found["sasl_plain_username"] = self.sasl.user
            found["sasl_plain_password"] = secret(self.sasl.password)
        return found
