"""A record that needs no more than itself to become a case."""

from __future__ import annotations

from typing import Any

TRAIL: dict[str, Any] = {
    "eventVersion": "1.08",
    "eventTime": "2026-10-13T07:01:02Z",
    "eventSource": "cloudtrail.amazonaws.com",
    "eventName": "StopLogging",
    "awsRegion": "eu-central-1",
    "sourceIPAddress": "203.0.113.9",
    "userAgent": "aws-cli/2.15",
    "userIdentity": {"type": "IAMUser", "userName": "mallory", "accountId": "111122223333"},
    "requestParameters": {"name": "main"},
    "eventID": "0a",
    "eventType": "AwsApiCall",
}


def trails(count: int, **changes: Any) -> list[dict[str, Any]]:
    """CloudTrail records of a trail that is stopped, each with an id of its own."""
    return [TRAIL | changes | {"eventID": f"{n:04d}"} for n in range(count)]
