"""Traits of a call of a cloud's or service's API: AWS CloudTrail, Azure, Entra ID, Microsoft 365.

Answer: `{"operation", "service", "categories": [names], "shown": [{"category", "path", "value"}], "succeeded":
bool, "error": text, "agent": "console" | "cli" | "sdk" | "terraform" | "offensive" | "other" | "", "root":
bool, "mfa": bool | null, "read_only": bool, "traits": [names]}`. Categories: privilege_change, persistence, exposure,
foreign_trust, logging_off, secrets_read, recon, destructive, mail_rule, exfiltration. `shown` are the request's own
parameters that make it so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from watchfloor.core.event import Event
from watchfloor.core.facets import facets
from watchfloor.core.text import clipped, whole
from watchfloor.enrich.analysis.cloud_operations import agent_of, category_of, parameters
from watchfloor.enrich.analysis.patterns import text_at

_MOST_SHOWN = 8
_MOST_PARAMETERS = 400
_READ = re.compile(r"(?:Describe|List|Get|Head|Lookup|BatchGet|Search|Select|Query|Scan)[A-Z]|.*/read$", re.IGNORECASE)


def traits_of(event: Event) -> dict[str, Any] | None:
    """The traits of an API call, or None for an event that names no operation."""
    found = facets(event)
    operation = found["operation"] or text_at(event.original, "eventName", "Operation", "operationName")
    return _traits(event, found, whole(operation)) if operation else None


def _traits(event: Event, found: Mapping[str, Any], operation: str) -> dict[str, Any]:
    raw = event.original
    shown = list(_shown(operation, raw))
    category = category_of(operation)
    categories = sorted({*([category] if category else []), *(one["category"] for one in shown)})
    error = found["error"] or text_at(raw, "errorCode")
    failed = bool(error) or found["status_id"] == 2
    agent = agent_of(whole(found["user_agent"] or text_at(raw, "userAgent", "UserAgent")))
    root = text_at(raw, "userIdentity.type") == "Root"
    mfa = text_at(raw, "userIdentity.sessionContext.attributes.mfaAuthenticated", "additionalEventData.MFAUsed").lower()
    told = {
        "denied": failed
        and re.search("denied|unauthorized|forbidden|not authorized", error, re.IGNORECASE) is not None,
        "root_account": root,
        "offensive_tool": agent == "offensive",
        "risky_parameters": bool(shown),
    }
    return {
        "operation": clipped(operation, 200),
        "service": clipped(whole(found["service"] or text_at(raw, "eventSource", "Workload")), 120),
        "categories": categories,
        "shown": shown[:_MOST_SHOWN],
        "succeeded": not failed,
        "error": clipped(whole(error), 120),
        "agent": agent,
        "root": root,
        "mfa": {"true": True, "yes": True, "false": False, "no": False}.get(mfa),
        "read_only": _READ.match(operation) is not None,
        "traits": sorted({*categories, *(name for name, held in told.items() if held)}),
    }


def _shown(operation: str, raw: dict[str, Any]) -> Iterator[dict[str, str]]:
    given = list(_parameters(raw))
    for rule in parameters():
        if not rule.operation.fullmatch(operation):
            continue
        for path, value in given:
            if rule.path.search(path) and rule.value.search(value):
                yield {"category": rule.category, "path": clipped(path, 120), "value": clipped(value, 200)}


def _parameters(raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The request's parameters as (dotted path, text), bounded."""
    roots = [
        (name, raw[name])
        for name in ("requestParameters", "Parameters", "ModifiedProperties", "properties")
        if name in raw
    ]
    todo: list[tuple[str, Any]] = list(reversed(roots))
    given = 0
    while todo and given < _MOST_PARAMETERS:
        path, value = todo.pop()
        if isinstance(value, dict):
            if isinstance(value.get("Name"), str) and ("Value" in value or "NewValue" in value):
                todo.append((f"{path}.{value['Name']}", value.get("Value", value.get("NewValue"))))
                continue
            todo.extend((f"{path}.{key}", item) for key, item in reversed(value.items()))
        elif isinstance(value, list):
            todo.extend((f"{path}.{index}", item) for index, item in reversed(list(enumerate(value))))
        elif value is not None:
            given += 1
            yield whole(path), whole("true" if value is True else "false" if value is False else str(value))
