"""What a call to AWS hands out, read from the policies in its request. Rules name these fields `derived.NAME`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from watchfloor.core.event import get_path
from watchfloor.detect.sigma.seen import Seen

# Keys of a condition that keep everybody else out (AWS "Global condition context keys", and KMS' own).
_RESTRICTING = frozenset(
    [
        "aws:sourcearn",
        "aws:sourceaccount",
        "aws:sourceowner",
        "aws:sourceorgid",
        "aws:sourceorgpaths",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:sourceip",
        "aws:vpcsourceip",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:userid",
        "aws:username",
        "kms:calleraccount",
    ]
)
_EVERYWHERE = frozenset({"*", "0.0.0.0/0", "::/0"})
# Where a request names accounts outside of a policy: sharing of disks, images, databases, functions, warehouses; whose
# key an object is encrypted with.
_NAMING = frozenset(
    {
        "userId",
        "valuesToAdd",
        "accountWithRestoreAccess",
        "principal",
        "consumerIdentifier",
        "accountIds",
        "x-amz-server-side-encryption-aws-kms-key-id",
    }
)
_REMOVING = frozenset({"remove", "valuesToRemove"})
_ACCOUNT = re.compile(r"(?:arn:aws[a-z-]{0,12}:[a-z0-9-]{0,32}:[a-z0-9-]{0,32}:)?([0-9]{12})(?::.{0,600})?", re.ASCII)
_LONGEST_POLICY = 200_000
_DEEPEST = 12


def policy_for_everyone(event: Seen) -> bool | None:
    """A policy of the request allows anybody something, and no condition narrows whom."""
    allowed = [s for s in _statements(_request(event)) if _allows(s)]
    return any("*" in _principals(s) and not _narrowed(s) for s in allowed) if allowed else None


def policy_allows_everything(event: Seen) -> bool | None:
    """A policy of the request allows every action, or everything of identity management, on everything."""
    allowed = [s for s in _statements(_request(event)) if _allows(s)]
    return any(_broad(s) for s in allowed) if allowed else None


def account_foreign(event: Seen) -> bool | None:
    """The request hands something to an account other than the one that it was made in."""
    request = _request(event)
    named = {account for s in _statements(request) if _allows(s) for account in _accounts(_principals(s))}
    named.update(_accounts(_named(request, 0)))
    own = {_own(event, "recipientAccountId", "cloud.account.uid"), _own(event, "userIdentity.accountId", "")}
    return bool(named - own) if named and any(own) else None


def _own(event: Seen, path: str, other: str) -> str:
    value = get_path(event.original, path) or (get_path(event.ocsf, other) if other else None)
    return str(value or "")


def _request(event: Seen) -> Any:
    """The request's parameters; of CloudTrail that came as OCSF its text is read."""
    request = event.original.get("requestParameters")
    return _parsed(get_path(event.ocsf, "api.request.data")) if request is None else request


def _parsed(text: Any) -> Any:
    """A JSON object in a text; anything else as it is."""
    if isinstance(text, str) and text.lstrip()[:1] == "{" and len(text) <= _LONGEST_POLICY:
        try:
            return orjson.loads(text)
        except ValueError:
            return None
    return text


def _statements(value: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """The statements of every policy in a request, be it an object or a text."""
    if depth > _DEEPEST:
        return
    value = _parsed(value)
    if isinstance(value, list):
        for item in value:
            yield from _statements(item, depth + 1)
    elif isinstance(value, dict):
        found = value.get("Statement")
        yield from (s for s in (found if isinstance(found, list) else [found]) if isinstance(s, dict))
        for key, item in value.items():
            if key != "Statement":
                yield from _statements(item, depth + 1)


def _allows(statement: dict[str, Any]) -> bool:
    return str(statement.get("Effect", "")).lower() == "allow"


def _texts(value: Any) -> list[str]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]


def _principals(statement: dict[str, Any]) -> list[str]:
    """Accounts, roles and users of a statement; services and identity providers are not among them."""
    principal = statement.get("Principal")
    return _texts(principal.get("AWS") if isinstance(principal, dict) else principal)


def _narrowed(statement: dict[str, Any]) -> bool:
    """A condition of the statement lets only some in."""
    condition = statement.get("Condition")
    for tests in condition.values() if isinstance(condition, dict) else ():
        for key, value in tests.items() if isinstance(tests, dict) else ():
            if str(key).lower() in _RESTRICTING and not _EVERYWHERE.intersection(_texts(value)):
                return True
    return False


def _broad(statement: dict[str, Any]) -> bool:
    actions = {text.lower() for text in _texts(statement.get("Action"))}
    return (
        bool(actions & {"*", "*:*", "iam:*"}) and "*" in _texts(statement.get("Resource")) and not _narrowed(statement)
    )


def _accounts(texts: list[str]) -> set[str]:
    return {found[1] for text in texts if (found := _ACCOUNT.fullmatch(text[:700]))}


def _named(value: Any, depth: int) -> list[str]:
    """What a request names outside of policies, where it adds somebody."""
    if depth > _DEEPEST:
        return []
    if isinstance(value, list):
        return [text for item in value for text in _named(item, depth + 1)]
    if not isinstance(value, dict):
        return []
    found: list[str] = []
    for key, item in value.items():
        if key in _REMOVING:
            continue
        found += _texts(item) if key in _NAMING else _named(item, depth + 1)
    return found
