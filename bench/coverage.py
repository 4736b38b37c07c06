"""Of records of 15 products: how many events keep actor, action, time and source address where the record has them,
by the products' own mappings and by usual names alone, as for a product that no mapping knows.

usage: .venv/bin/python bench/coverage.py      real data: $WATCHFLOOR_DATA, default ../shared/data
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from watchfloor.core.event import Event
from watchfloor.core.record import Record
from watchfloor.ingest import Normalizer
from watchfloor.ingest.mappings.convert import address, time_ms
from watchfloor.ingest.mappings.values import getter

DATA = Path(os.environ.get("WATCHFLOOR_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
FACTS = ("actor", "action", "time", "source")

# Where the products' documentation puts them. Any one of an actor's names will do.
STANDS: dict[str, dict[str, str]] = {
    "AWS.CloudTrail": {
        "actor": "userIdentity.userName userIdentity.sessionContext.sessionIssuer.userName userIdentity.arn"
        " userIdentity.principalId userIdentity.invokedBy userIdentity.onBehalfOf.userId",
        "action": "eventName",
        "time": "eventTime",
        "source": "sourceIPAddress",
    },
    "Azure.MonitorActivity": {
        "actor": "identity.claims.name identity.authorization.evidence.principalId caller",
        "action": "operationName",
        "time": "time",
        "source": "callerIpAddress",
    },
    "Azure.Audit": {
        "actor": "properties.initiatedBy.user.userPrincipalName properties.userPrincipalName"
        " properties.initiatedBy.user.id properties.initiatedBy.app.displayName",
        "action": "operationName",
        "time": "time",
        "source": "callerIpAddress properties.ipAddress properties.initiatedBy.user.ipAddress",
    },
    "GCP.AuditLog": {
        "actor": "protoPayload.authenticationInfo.principalEmail protoPayload.authenticationInfo.principalSubject",
        "action": "protoPayload.methodName",
        "time": "timestamp receiveTimestamp receivetimestamp",
        "source": "protoPayload.requestMetadata.callerIp protoPayload.requestMetadata.callerIP",
    },
    "Amazon.EKS.Audit": {
        "actor": "user.username",
        "action": "verb",
        "time": "requestReceivedTimestamp stageTimestamp",
        "source": "sourceIPs.0",
    },
    "GSuite.ActivityEvent": {
        "actor": "actor.email actor.profileId",
        "action": "name",
        "time": "id.time",
        "source": "ipAddress",
    },
    "GitHub.Audit": {
        "actor": "actor user",
        "action": "action",
        "time": "created_at at_sign_timestamp",
        "source": "actor_ip",
    },
    "Okta.SystemLog": {
        "actor": "actor.alternateId actor.displayName actor.id",
        "action": "eventType eventtype",
        "time": "published",
        "source": "client.ipAddress",
    },
    "Auth0.Events": {
        "actor": "data.user_name data.user_id data.details.request.auth.user.email",
        "action": "data.type data.description",
        "time": "data.date",
        "source": "data.ip",
    },
    "Slack.AuditLogs": {
        "actor": "actor.user.email actor.user.name actor.user.id",
        "action": "action",
        "time": "date_create",
        "source": "context.ip_address",
    },
    "AWS.VPCFlow": {"actor": "", "action": "action", "time": "start", "source": "srcAddr"},
    "Box.Event": {
        "actor": "created_by.login created_by.name created_by.id",
        "action": "event_type",
        "time": "created_at",
        "source": "ip_address",
    },
    "OneLogin.Events": {
        "actor": "actor_user_name actor_user_id user_name user_id",
        "action": "event_type_id",
        "time": "created_at",
        "source": "ipaddr",
    },
    "Duo.Authentication": {
        "actor": "user.name",
        "action": "event_type",
        "time": "isotimestamp timestamp",
        "source": "access_device.ip",
    },
    "AWS.GuardDuty": {
        "actor": "resource.accessKeyDetails.userName",
        "action": "type",
        "time": "service.eventLastSeen service.eventFirstSeen updatedAt createdAt",
        "source": "service.action.awsApiCallAction.remoteIpDetails.ipAddressV4",
    },
}


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def stated(kind: str, fact: str, raw: dict[str, Any]) -> list[Any]:
    """What a record says of a fact, in the form that an event has it."""
    values = [getter(path)(raw) for path in STANDS[kind][fact].split()]
    read = {"source": address, "time": time_ms}.get(fact, lambda value: None if isinstance(value, dict) else value)
    return [made for value in values if value is not None and (made := read(value)) is not None]


# Where an event has it: not its raw data, nor what was left unmapped.
PLACES = {
    "actor": ("actor", "user", "evidences"),
    "action": ("api", "activity_name", "metadata", "finding_info", "unmapped"),
    "time": ("time",),
    "source": ("src_endpoint", "evidences", "observables"),
}


def kept(fact: str, wanted: list[Any], event: Event) -> bool:
    there = [event.ocsf.get(place) for place in PLACES[fact]]
    if fact == "time":
        return event.time in wanted
    found = {str(value).lower() for value in leaves(there) if value is not None}
    names = {str(value).lower() for value in wanted}
    # A role's name is the end of its ARN, an event's the first word of its code.
    return bool(found & (names | {name.rpartition("/")[2] for name in names}))


def share(normalizer: Normalizer, samples: list[dict[str, Any]]) -> tuple[Counter[str], Counter[str], list[str]]:
    """How often each fact was there, how often the event has it, and where it has not."""
    there: Counter[str] = Counter()
    has: Counter[str] = Counter()
    lost: list[str] = []
    for number, sample in enumerate(samples):
        raw, kind = sample["event"], sample["log_type"]
        if not isinstance(raw, dict):
            continue
        record = Record(
            tenant="t", source="s", position=number, unit="line", format="json", raw=orjson.dumps(raw), data=raw
        )
        event = normalizer.event(record)
        for fact in FACTS:
            if wanted := stated(kind, fact, raw):
                there[fact] += 1
                has[fact] += kept(fact, wanted, event)
                if not kept(fact, wanted, event):
                    lost.append(f"{kind}, {fact}: {wanted[0]!r} ({event.mapping}, {event.ocsf['class_name']})")
    return there, has, lost


def samples() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / "panther-tests" / "tests.jsonl").open(encoding="utf-8")]


def main() -> None:
    if not DATA.is_dir():
        sys.exit(f"no real data: {DATA} is absent (set WATCHFLOOR_DATA)")
    shipped, found = Normalizer.shipped(), samples()
    print(f"{'':<24}" + "".join(f"{fact:>16}" for fact in FACTS))
    for name, normalizer in (("shipped mappings", shipped), ("usual names alone", shipped.only("base"))):
        there, has, lost = share(normalizer, found)
        cells = (f"{has[f]}/{there[f]} {has[f] / there[f]:.1%}" for f in FACTS)
        print(f"{name:<24}" + "".join(f"{cell:>16}" for cell in cells))
        if "-v" in sys.argv:
            for text, count in Counter(lost).most_common(40):
                print(f"    {count:>4} {text}"[:200])


if __name__ == "__main__":
    main()
