"""A durable JetStream consumer at work. Imported only where such a source runs: its client is an extra."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error, NoServersError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError, ServiceUnavailableError

from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.readers import framed
from watchfloor.ingest.sources.nats import Nats
from watchfloor.ingest.sources.source import Hand

MOST_MESSAGES = 500
WAIT_SECONDS = 5.0
CONNECT_SECONDS, CLOSE_SECONDS = 10, 2
ACK_SECONDS = 60.0
PING_SECONDS = 10


async def consume(config: Nats, access: Mapping[str, Any], hand: Hand) -> None:
    """Read until cancelled. Raises WatchfloorError."""
    where = ", ".join(config.servers)
    client = Client()
    said: list[Exception] = []

    async def note(error: Exception) -> None:
        said[:] = [error]

    try:
        await client.connect(
            list(config.servers),
            error_cb=note,
            name=f"watchfloor {config.name}",
            allow_reconnect=False,  # the supervisor starts the source again, and says meanwhile why it does not run
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=CONNECT_SECONDS,
            ping_interval=PING_SECONDS,
            **access,
        )
        await _read(config, client, hand)
    except (Error, OSError, TimeoutError, ValueError) as error:
        reason = said[0] if said and isinstance(error, NoServersError | TimeoutError) else error
        raise WatchfloorError(_text(reason), where=where) from None
    finally:
        with suppress(Error, OSError, TimeoutError):
            await asyncio.wait_for(client.close(), CLOSE_SECONDS)


async def _read(config: Nats, client: Client, hand: Hand) -> None:
    context = client.jetstream(timeout=CONNECT_SECONDS)
    durable = await _consumer(config, context, hand)
    subscription = await context.pull_subscribe_bind(durable, config.stream)
    empty = 0
    while not _cancelled():
        try:
            messages = await subscription.fetch(MOST_MESSAGES, timeout=WAIT_SECONDS)
        except TimeoutError:
            # Whether there was nothing, or nobody to answer, only another question tells.
            pending = (await context.consumer_info(config.stream, durable)).num_pending or 0
        else:
            empty += await _store(client, messages, hand)
            pending = messages[-1].metadata.num_pending
        notes = (f"{pending:,} messages behind" if pending else "", f"{empty:,} empty payloads" if empty else "")
        await hand.working("; ".join(filter(None, notes)))


def _cancelled() -> bool:
    """Whether the task was cancelled: while it sends something the client takes no notice of that."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _store(client: Client, messages: Sequence[Msg], hand: Hand) -> int:
    """Hand in, then acknowledge; how many were empty."""
    payloads = [message.data for message in messages if message.data and not message.data.isspace()]
    for content in framed.join(payloads):
        await hand.put(content, "framed")
    for message in messages:
        await message.ack()
    await client.flush(CONNECT_SECONDS)
    return len(messages) - len(payloads)


async def _consumer(config: Nats, context: JetStreamContext, hand: Hand) -> str:
    """The name of the durable consumer, which is there after it. Raises WatchfloorError."""
    durable = config.durable or f"watchfloor-{config.name.replace('.', '_')}"
    again = bool(hand.checkpoint().get("again"))
    try:
        await context.stream_info(config.stream)
        if again:
            with suppress(NotFoundError):
                await context.delete_consumer(config.stream, durable)
        found = (await context.consumer_info(config.stream, durable)).config
    except ServiceUnavailableError:
        raise WatchfloorError("the server has no JetStream for this account", where=config.source) from None
    except NotFoundError as error:
        if "consumer" not in str(error.description):
            what = f"there is no stream {config.stream}"
            raise WatchfloorError(what, where=config.source, do="Create it, or mend the name") from None
        begin = DeliverPolicy.NEW if config.start == "latest" and not again else DeliverPolicy.ALL
        wanted = ConsumerConfig(
            durable_name=durable,
            deliver_policy=begin,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_SECONDS,
            filter_subject=config.subject or None,
        )
        await context.add_consumer(config.stream, wanted)
    else:
        if (
            found.ack_policy != AckPolicy.EXPLICIT
            or found.deliver_subject
            or (found.filter_subject or "") != config.subject
        ):
            what = (
                f"the consumer {durable} is not one that is pulled, acknowledges each message and filters as configured"
            )
            raise WatchfloorError(what, where=config.source, do="Name another with `durable`, or delete that one")
    if again:
        await hand.keep({})
    return durable


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
