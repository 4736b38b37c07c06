"""Messages that say an object was stored in S3: its own notifications, through SNS or EventBridge or neither, those of
CloudTrail, and those of CrowdStrike's Falcon Data Replicator.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import orjson

from watchfloor.ingest.sources.aws import OneError

_DEEPEST = 3
_MOST = 1_000


class Place(NamedTuple):
    """An object."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def places_of(body: str, depth: int = 0) -> list[Place]:
    """The objects that a message says were stored; none where it tells of something else, or is S3's test message.

    Raises OneError for what is no such message.
    """
    try:
        said = orjson.loads(body)
        found = _places(said, depth) if isinstance(said, dict) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        found = None
    if found is None or len(found) > _MOST:
        raise OneError("a message of the queue is no notification of S3", where=" ".join(body[:100].split()))
    for bucket, key in found:
        if not isinstance(bucket, str) or not isinstance(key, str) or not key:
            raise OneError("a notification names no object", where=" ".join(body[:100].split()))
    return found


def _places(said: dict[str, Any], depth: int) -> list[Place] | None:
    if said.get("Event") == "s3:TestEvent":
        return []
    if "TopicArn" in said and depth < _DEEPEST:
        return places_of(said["Message"], depth + 1)
    if "Records" in said:
        return [found for record in said["Records"] for found in _of_record(record)]
    if said.get("source") == "aws.s3":
        detail = said["detail"]
        # Here, and only here, the key stands as it is.
        return [Place(detail["bucket"]["name"], detail["object"]["key"])] if _stored(said["detail-type"]) else []
    if "s3Bucket" in said:
        return [Place(said["s3Bucket"], key) for key in said["s3ObjectKey"]]
    if "bucket" in said and "files" in said:
        return [Place(said["bucket"], file["path"]) for file in said["files"]]
    return None


def _of_record(record: dict[str, Any]) -> list[Place]:
    if not _stored(record["eventName"]):
        return []
    return [Place(record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"], errors="strict"))]


def _stored(event: str) -> bool:
    """`ObjectCreated:Put`, with MinIO `s3:ObjectCreated:Put`, with EventBridge `Object Created`."""
    return event.removeprefix("s3:").replace(" ", "").startswith("ObjectCreated")
