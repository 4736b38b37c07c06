"""One member of a Kafka consumer group at work. Imported only where such a source runs: its client is an extra."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener  # type: ignore[import-untyped]
from aiokafka.conn import collect_hosts, create_conn  # type: ignore[import-untyped]
from aiokafka.errors import (  # type: ignore[import-untyped]
    CommitFailedError,
    IllegalStateError,
    KafkaConnectionError,
    KafkaError,
    UnsupportedCodecError,
)

from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.readers import framed
from watchfloor.ingest.sources.kafka import Kafka
from watchfloor.ingest.sources.source import Hand

SILENT = 30.0
"""A broker that says nothing for so many seconds is not there: it answers twice a second, with nothing if need be."""
MOST_RECORDS = 20_000
FETCH_BYTES = 16 << 20
REQUEST_SECONDS = 15
REBALANCE_SECONDS, HAND_OVER_SECONDS = 30, 10
SESSION_SECONDS = 10.0
"""A member that the group has not heard of for so long is out of it."""
_NEVER = 2**31 - 1
_log = structlog.get_logger(__name__)
logging.getLogger("aiokafka").setLevel(
    logging.CRITICAL
)  # it writes dozens of lines a second; what matters is in the health


async def consume(config: Kafka, access: Mapping[str, Any], hand: Hand) -> None:
    """Be a member until cancelled. Raises WatchfloorError."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=list(config.brokers),
        group_id=config.group or f"watchfloor-{config.name}",
        client_id="watchfloor",
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # also where the cluster has deleted what came next: never over what is there
        max_poll_records=MOST_RECORDS,
        fetch_max_bytes=FETCH_BYTES,
        request_timeout_ms=REQUEST_SECONDS * 1_000,
        rebalance_timeout_ms=REBALANCE_SECONDS * 1_000,
        session_timeout_ms=round(SESSION_SECONDS * 1_000),
        heartbeat_interval_ms=round(SESSION_SECONDS * 100),
        metadata_max_age_ms=60_000,
        max_poll_interval_ms=_NEVER,  # while the spool is full it stays a member
        **access,
    )
    member = Member(config, consumer, hand)
    try:
        await _start(config, access, consumer)
        await member.subscribe()
        await member.read()
    except UnsupportedCodecError as error:
        do = "Run: make extras, or pip install 'watchfloor[kafka]'"
        raise WatchfloorError(f"the messages are compressed: {error}", where=config.source, do=do) from None
    except KafkaError as error:
        raise WatchfloorError(_text(error), where=_brokers(config)) from None
    finally:
        # In a task of its own: it cancels what it has under way, and that would look as if we had been.
        leaving = asyncio.ensure_future(consumer.stop())
        await asyncio.wait({leaving}, timeout=HAND_OVER_SECONDS)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)


async def _start(config: Kafka, access: Mapping[str, Any], consumer: AIOKafkaConsumer) -> None:
    try:
        await consumer.start()
    except KafkaConnectionError as error:
        # Why none can be reached the client only writes to its log, so the first one is asked again.
        host, port, _ = collect_hosts(list(config.brokers))[0]
        try:
            (await create_conn(host, port, request_timeout_ms=REQUEST_SECONDS * 1_000, **access)).close()
        except (OSError, TimeoutError, KafkaError) as found:
            raise WatchfloorError(_text(found), where=_brokers(config)) from None
        raise WatchfloorError(_text(error), where=_brokers(config)) from None


class Member(ConsumerRebalanceListener):  # type: ignore[misc]  # the client has no types
    """Reads the partitions that the group gives it."""

    def __init__(self, config: Kafka, consumer: AIOKafkaConsumer, hand: Hand) -> None:
        self._config, self._consumer, self._hand = config, consumer, hand
        self._turn = asyncio.Lock()
        """Held from when messages came until their offsets are committed."""
        self._places: dict[Any, int] = {}
        self._failed: Exception | None = None
        self._quiet_since = time.monotonic()
        self._empty = self._gone = 0
        self._absent: Sequence[str] = ()

    async def subscribe(self) -> None:
        """Raises WatchfloorError when the cluster has none of the topics."""
        config = self._config
        if config.pattern:
            self._consumer.subscribe(pattern=config.pattern, listener=self)
            return
        there = await self._answered(self._consumer.topics())
        self._absent = [topic for topic in config.topics if topic not in there]
        if len(self._absent) == len(config.topics):
            what = f"the cluster shows no topic {', '.join(self._absent)}"
            raise WatchfloorError(what, where=config.source, do="Create it, or let this user read it")
        self._consumer.subscribe(topics=list(config.topics), listener=self)

    async def read(self) -> None:
        """Hand in what comes. Raises WatchfloorError and KafkaError."""
        while True:
            batches = await self._consumer.getmany(timeout_ms=1_000)
            async with self._turn:
                if self._failed is not None:
                    raise self._failed
                await self._keep_places()
                if batches:
                    await self._store(batches)
                    self._quiet_since = time.monotonic()
                else:
                    await self._look_for_life()
            if batches or self._consumer.assignment():
                await self._hand.working(await self._note())

    async def on_partitions_revoked(self, _: Iterable[Any]) -> None:
        """What is under way is committed first, so that the next one does not read it again."""
        with suppress(TimeoutError):  # the spool may be full for longer than the group waits
            async with asyncio.timeout(HAND_OVER_SECONDS), self._turn:
                pass

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        partitions = list(assigned)
        self._consumer.pause(*partitions)
        try:
            await self._place(partitions)
        except Exception as error:  # the client would only write it to its log, and read from elsewhere
            self._failed = error
        self._consumer.resume(*partitions)

    async def _place(self, partitions: list[Any]) -> None:
        """Where to begin, if it is not simply where the group was."""
        if not partitions:
            return
        kept = self._hand.checkpoint()
        oldest = await self._answered(self._consumer.beginning_offsets(partitions))
        places: dict[Any, int] = {}
        if kept.get("again"):
            places = oldest
        else:
            committed = {one: await self._answered(self._consumer.committed(one)) for one in partitions}
            self._gone += sum(max(0, oldest[one] - at) for one, at in committed.items() if at is not None)
            new = [partition for partition, at in committed.items() if at is None]
            if new and self._config.start == "latest" and not kept:
                places = await self._answered(self._consumer.end_offsets(new))
        for partition, offset in places.items():
            self._consumer.seek(partition, offset)
        self._places |= places

    async def _keep_places(self) -> None:
        """Before anything is read from there: what comes after it may not be skipped after a crash."""
        if self._places:
            await self._commit(self._places)
            self._places = {}
            await self._hand.keep({"begun": True})

    async def _store(self, batches: Mapping[Any, Sequence[Any]]) -> None:
        """A put for each partition, which one commit of the spool carries; then the offsets."""
        async with asyncio.TaskGroup() as group:
            for batch in batches.values():
                group.create_task(self._put(batch))
        await self._commit({partition: batch[-1].offset + 1 for partition, batch in batches.items()})

    async def _put(self, batch: Sequence[Any]) -> None:
        values = [message.value for message in batch if message.value and not message.value.isspace()]
        self._empty += len(batch) - len(values)
        for content in framed.join(values):
            await self._hand.put(content, "framed")

    async def _commit(self, offsets: Mapping[Any, int]) -> None:
        ours = self._consumer.assignment()
        held = {partition: offset for partition, offset in offsets.items() if partition in ours}
        try:
            if held:
                await self._answered(self._consumer.commit(held))
        except (CommitFailedError, IllegalStateError):
            # Another member has the partition now, and reads this again.
            _log.warning("offsets were not committed: the group has changed", source=self._config.source)

    async def _look_for_life(self) -> None:
        """The client goes on asking a broker that is gone, for ever, and only its log says so."""
        if time.monotonic() - self._quiet_since < SILENT:
            return
        partitions = self._consumer.assignment()
        if not partitions:
            await self._answered(self._consumer.topics())
            await self._hand.working("the group has given it no partition")
        for partition in partitions:
            heard = self._consumer.last_poll_timestamp(partition) or 0
            if time.time() - heard / 1_000 > SILENT:
                what = f"nothing has been heard of {partition.topic}/{partition.partition} for {SILENT:.0f} seconds"
                raise WatchfloorError(what, where=_brokers(self._config))

    async def _answered(self, call: Awaitable[Any]) -> Any:
        """The client asks a cluster that is gone for ever, in whatever it was about to do."""
        try:
            async with asyncio.timeout(SILENT):
                return await call
        except TimeoutError:
            what = f"no broker has answered for {SILENT:.0f} seconds"
            raise WatchfloorError(what, where=_brokers(self._config)) from None

    async def _note(self) -> str:
        behind = 0
        for partition in self._consumer.assignment():
            with suppress(IllegalStateError, AssertionError):  # the group changes meanwhile
                if newest := self._consumer.highwater(partition):
                    behind += max(0, newest - await self._answered(self._consumer.position(partition)))
        notes = (
            f"{behind:,} messages behind" if behind else "",
            f"{self._empty:,} empty values" if self._empty else "",
            f"{self._gone:,} messages were deleted before they could be read" if self._gone else "",
            f"the cluster shows no topic {', '.join(self._absent)}" if self._absent else "",
        )
        return "; ".join(filter(None, notes))


def _brokers(config: Kafka) -> str:
    return ", ".join(config.brokers)


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
