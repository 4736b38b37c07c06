"""Objects of S3 and of what speaks like it: those that a queue (SQS) tells of, or those that a bucket lists."""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import partial
from typing import Annotated, Any, Literal, Self

import structlog
from pydantic import Field, StringConstraints, field_validator, model_validator

from watchfloor.core.clock import HOUR, to_ms
from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.sources.aws import Aws, Login, OneError, RefusedByAws, asked, boto
from watchfloor.ingest.sources.notices import Place, places_of
from watchfloor.ingest.sources.pieces import LostError, pieces
from watchfloor.ingest.sources.source import Hand, Secret, Source, secret, shown

LATE = HOUR
"""An object that was uploaded in parts shows the time of the first: so far back (ms) a round looks again."""
MOST_FAILED = 1_000
_RECENT = 300_000
_WAIT = 5  # seconds that one question to the queue may last; stopping takes as long
_TRIES = 5
_log = structlog.get_logger(__name__)

Bucket = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]


class S3(Source):
    """With `queue` what its messages name, in `buckets` and nowhere else; without it what `buckets` hold and will hold.

    Without keys boto3's own chain finds the credentials.
    """

    kind: Literal["s3"]
    buckets: Annotated[tuple[Bucket, ...], Field(min_length=1)]
    """The buckets that may be read."""
    queue: str = ""
    """The URL of an SQS queue with notifications."""
    prefix: str = ""
    """Only keys that begin with it."""
    skip: tuple[str, ...] = ()
    """Keys that match one of these patterns (`*` goes over slashes) are not read."""
    form: Literal["", "syslog", "ndjson", "csv", "zeek", "w3c"] = ""
    """The reader of the lines; empty where the content tells."""
    region: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]*$")] = ""
    """Of the bucket and the queue; a queue's URL says it, too."""
    endpoint: str = ""
    """Of what is no AWS: MinIO, Ceph."""
    role: Annotated[str, StringConstraints(pattern=r"^(arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+)?$")] = ""
    """The ARN of a role to take on."""
    external_id: str = ""
    """That the role asks for."""
    access_key: Secret | None = None
    """env:NAME or file:/PATH."""
    secret_key: Secret | None = None
    """env:NAME or file:/PATH."""
    parallel: Annotated[int, Field(ge=1, le=16)] = 4
    """Objects at a time."""
    visibility: Annotated[int, Field(ge=3, le=43_200)] = 300
    """Seconds until a message comes again whose object could not be read; extended while it is read."""
    every: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    """Seconds between two rounds of listing."""

    @field_validator("queue", "endpoint")
    @classmethod
    def _https(cls, url: str) -> str:
        if url and not re.match(r"https://[\w.-]+[:/]?|http://(127\.0\.0\.1|localhost)[:/]", url):
            raise ValueError(f"{url} is no https address")
        return url

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("access_key and secret_key belong together")
        return self

    def check(self) -> None:
        boto("boto3")
        self._login()

    async def run(self, hand: Hand) -> None:
        aws = Aws(self._login(), threads=2 * self.parallel + 2)
        try:
            paths = {"addressing_style": "path"} if self.endpoint else {}
            objects = Objects(aws, aws.client("s3", self.endpoint, s3=paths), hand, self.form)
            if self.queue:
                host = "/".join(self.queue.split("/")[:3])
                await Queue(self, hand, objects, aws, aws.client("sqs", host)).run()
            else:
                await Listing(self, hand, objects).run()
        finally:
            aws.close()

    def wants(self, key: str) -> bool:
        """Whether an object with this key is to be read."""
        return key.startswith(self.prefix) and not any(fnmatchcase(key, pattern) for pattern in self.skip)

    def _login(self) -> Login:
        of_queue = re.search(r"sqs\.([a-z0-9-]+)\.amazonaws", self.queue)
        region = self.region or (of_queue[1] if of_queue else "us-east-1" if self.endpoint else "")
        keys = [secret(each) if each else "" for each in (self.access_key, self.secret_key)]
        return Login(region, keys[0], keys[1], self.role, self.external_id)


class Objects:
    """Reads objects and hands them in."""

    def __init__(self, aws: Aws, client: Any, hand: Hand, form: str) -> None:
        self._aws, self.client, self._hand, self._form = aws, client, hand, form

    async def read(self, place: Place) -> None:
        """Returns when all of it is on the disk. Raises OneError where just this one cannot be read."""
        body = await self._aws.run(partial(_Body, self.client, place))
        found = pieces(str(place), body, self._form)
        try:
            while (piece := await self._aws.run(partial(next, found, None))) is not None:
                await self._hand.put(piece.content, piece.form)
        except LostError as error:
            raise OneError(str(error), where=str(place)) from None
        finally:
            body.let_go()

    async def ask(self, where: str, work: Callable[[], Any]) -> Any:
        """What a client answers. Raises WatchfloorError."""
        return await self._aws.run(partial(asked, where, work))


class _Body(io.RawIOBase):
    """An object's bytes. A connection that breaks is made anew where it broke, if the object is still the same."""

    def __init__(self, client: Any, place: Place) -> None:
        """Raises OneError, or WatchfloorError where nothing can be read at all."""
        self._client, self._place = client, place
        self._at = self._broken = 0
        answer = self._get()
        self._etag, self._body = answer["ETag"], answer["Body"]

    def _get(self, **more: Any) -> Any:
        bucket, key = self._place
        return asked(str(self._place), lambda: self._client.get_object(Bucket=bucket, Key=key, **more))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            try:
                data = self._body.read(len(buffer))
            except Exception as error:  # botocore's, urllib3's and the socket's
                self._again(error)
                continue
            self._at, self._broken = self._at + len(data), 0
            buffer[: len(data)] = data
            return len(data)

    def _again(self, error: Exception) -> None:
        self._broken += 1
        if self._broken > _TRIES:
            raise LostError(f"the connection broke after {self._at:,} bytes ({type(error).__name__})") from None
        time.sleep(0.2 * (self._broken - 1) ** 2)
        self.let_go()
        try:
            self._body = self._get(Range=f"bytes={self._at}-", IfMatch=self._etag)["Body"]
        except RefusedByAws as refusal:
            raise LostError(f"cannot be read on ({refusal.what})") from None
        except WatchfloorError:
            return  # the old body says so again, and it is tried once more

    def let_go(self) -> None:
        with suppress(Exception):
            self._body.close()


class Queue:
    """Reads what the messages of a queue name. A message is deleted when all of that is on the disk."""

    def __init__(self, config: S3, hand: Hand, objects: Objects, aws: Aws, client: Any) -> None:
        self._config, self._hand, self._objects, self._aws, self._client = config, hand, objects, aws, client
        self._troubles: dict[str, tuple[str, float]] = {}

    async def run(self) -> None:
        busy: set[asyncio.Task[None]] = set()
        try:
            while True:
                if len(busy) >= self._config.parallel:
                    await asyncio.wait(busy, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in busy if task.done()]:
                    busy.remove(task)
                    task.result()
                if room := self._config.parallel - len(busy):
                    busy |= {asyncio.create_task(self._take(one)) for one in await self._receive(room)}
                    await self._tell()
        finally:
            for task in busy:
                task.cancel()
            await asyncio.gather(*busy, return_exceptions=True)

    async def _receive(self, most: int) -> list[Any]:
        answer = await self._ask(
            "receive_message",
            MaxNumberOfMessages=min(most, 10),
            WaitTimeSeconds=_WAIT,
            VisibilityTimeout=self._config.visibility,
        )
        return list(answer.get("Messages", ()))

    async def _take(self, message: Any) -> None:
        uid, receipt = message["MessageId"], message["ReceiptHandle"]
        holding = asyncio.create_task(self._hold(receipt))
        try:
            for place in self._wanted(message["Body"]):
                await self._objects.read(place)
            holding.cancel()
            await self._ask("delete_message", ReceiptHandle=receipt)
            self._troubles.pop(uid, None)
        except OneError as error:  # it stays in the queue, which knows how often it was tried
            _log.error("a message stays in its queue", source=self._config.source, problem=shown(error))
            self._troubles[uid] = shown(error), time.monotonic()
        finally:
            holding.cancel()

    def _wanted(self, body: str) -> list[Place]:
        found = places_of(body)
        for place in found:
            if place.bucket not in self._config.buckets:
                raise OneError("a message names a bucket that is not among `buckets`", where=str(place)[:200])
        return [place for place in found if self._config.wants(place.key)]

    async def _hold(self, receipt: str) -> None:
        """Keep others from getting a message while it is worked on. Without that it comes again, and counts once."""
        while True:
            await asyncio.sleep(self._config.visibility / 3)
            with suppress(WatchfloorError):
                await self._ask(
                    "change_message_visibility", ReceiptHandle=receipt, VisibilityTimeout=self._config.visibility
                )

    async def _tell(self) -> None:
        over = time.monotonic() - 2 * self._config.visibility - 60
        self._troubles = {uid: said for uid, said in list(self._troubles.items())[-1_000:] if said[1] > over}
        await _tell(self._hand, [said for said, _ in self._troubles.values()])

    async def _ask(self, what: str, **how: Any) -> Any:
        work = partial(getattr(self._client, what), QueueUrl=self._config.queue, **how)
        return await self._objects.ask(self._config.queue, work)


async def _tell(hand: Hand, problems: list[str]) -> None:
    if not problems:
        await hand.working()
    else:
        more = f" (and {len(problems) - 1:,} more)" if len(problems) > 1 else ""
        await hand.hindered(problems[0] + more)


class Listing:
    """Reads what buckets hold, in the order of keys, and after that, round by round, what was stored since."""

    def __init__(self, config: S3, hand: Hand, objects: Objects) -> None:
        self._config, self._hand, self._objects = config, hand, objects
        self._kept: dict[str, dict[str, Any]] = {name: dict(at) for name, at in hand.checkpoint().items()}
        self._recent: dict[bytes, None] = {}

    async def run(self) -> None:
        while True:
            for bucket in self._config.buckets:
                await self._round(bucket)
            said = [f"{key}: {what}" for at in self._kept.values() for key, what in at.get("failed", {}).items()]
            await _tell(self._hand, said)
            await asyncio.sleep(self._config.every)

    async def _round(self, bucket: str) -> None:
        """What is new in a bucket. `after` is how far a round has come that `began` then, and `newest` what it saw; a
        restart goes on with it. `since` is the newest of the last whole one. `failed` is tried again in each round."""
        at = self._kept.setdefault(bucket, {})
        at.setdefault("began", time.time_ns() // 1_000_000)
        await self._read(bucket, list(at.get("failed", {})))
        token = ""
        while True:
            how = {"ContinuationToken": token} if token else {"StartAfter": at.get("after", "")}
            page = partial(self._objects.client.list_objects_v2, Bucket=bucket, Prefix=self._config.prefix, **how)
            answer = await self._objects.ask(f"s3://{bucket}/{self._config.prefix}", page)
            listed = answer.get("Contents", [])
            fresh = [one for one in listed if self._is_fresh(one, at)]
            for start in range(0, len(fresh), self._config.parallel):
                chunk = fresh[start : start + self._config.parallel]
                await self._read(bucket, [one["Key"] for one in chunk])
                self._remember(chunk)
                await self._keep(at, chunk)
            if listed:
                await self._keep(at, listed)
            token = answer.get("NextContinuationToken", "")
            if not token:
                break
        # What came while the round went on may have a key that it had passed: the next one looks from its beginning.
        at["since"] = max(at.get("since", 0), min(at.pop("newest", 0), at.pop("began")))
        at["after"] = ""
        await self._hand.keep(self._kept)

    def _is_fresh(self, one: Any, at: dict[str, Any]) -> bool:
        late = to_ms(one["LastModified"]) >= at.get("since", 0) - LATE
        return late and one["Size"] > 0 and self._config.wants(one["Key"]) and _digest(one) not in self._recent

    async def _read(self, bucket: str, keys: Iterable[str]) -> None:
        at = self._kept[bucket]
        results = await asyncio.gather(*(self._try(Place(bucket, key)) for key in keys))
        failed = at.get("failed", {}) | dict(zip(keys, results, strict=True))
        at["failed"] = {key: problem for key, problem in failed.items() if problem}
        if len(at["failed"]) > MOST_FAILED:
            problem = next(iter(at["failed"].values()))
            raise WatchfloorError(
                f"more than {MOST_FAILED:,} objects cannot be read: {problem}", where=f"s3://{bucket}"
            )

    async def _try(self, place: Place) -> str:
        """Why an object cannot be read; empty where it was, or where it is there no more."""
        try:
            await self._objects.read(place)
        except OneError as error:
            _log.error("an object cannot be read", source=self._config.source, problem=shown(error))
            gone = isinstance(error, RefusedByAws) and error.code in ("NoSuchKey", "404")
            return "" if gone else shown(error)
        return ""

    def _remember(self, chunk: list[Any]) -> None:
        self._recent |= dict.fromkeys(map(_digest, chunk))
        while len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]

    async def _keep(self, at: dict[str, Any], upto: list[Any]) -> None:
        at["after"] = upto[-1]["Key"]
        at["newest"] = max(at.get("newest", 0), *(to_ms(one["LastModified"]) for one in upto))
        await self._hand.keep(self._kept)


def _digest(one: Any) -> bytes:
    return hashlib.sha256(f"{one['Key']}\0{one['ETag']}".encode("utf-8", "surrogatepass")).digest()[:16]
