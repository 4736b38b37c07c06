"""Fact: a statement on an entity with its source, when it holds (valid time) and when it was learned (recorded time).

Facts are never changed. A correction is a new fact that `replaces` the old one; a retraction replaces it by nothing.
So what was known at any time can be read again: `as_known`, `as_true`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, NamedTuple

import msgspec

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.noun import canonical, short_id

BEGINNING = 0
"""Valid from here: as far back as anybody asks; nobody stated a beginning."""
FOREVER = 253_402_300_799_999
"""Valid to here (the end of the year 9999): nobody stated an end."""
MOST_TEXT = 2_000
OWNERS = ("person/", "context/", "import/", "api/")
"""Sources in which the owner speaks, the weightiest first: by hand, in the context folder, in an imported file of that
form, by the API. What they call an entity is how they want it known; a product that says otherwise counts less."""


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """`entity` is a key as its source has it (`user:alice`, `host:4c4c4544`); times in milliseconds, the end excluded.

    A msgspec struct, not a pydantic one: a large company's directory makes a million of them.
    """

    tenant: str
    uid: str
    entity: str
    attribute: str
    value: Any
    source: str
    valid_from: int = BEGINNING
    valid_to: int = FOREVER
    recorded_at: int
    recorded_by: str = "watchfloor"
    replaces: str = ""
    """The uid of the fact that this one takes the place of."""
    retracted: bool = False
    """Whether it only takes back what it replaces, and states nothing."""

    @property
    def kind(self) -> str:
        """`user` of `user:alice`."""
        return self.entity.partition(":")[0]


class Statement(NamedTuple):
    """What a source says, before it is recorded."""

    entity: str
    attribute: str
    value: Any
    valid_from: int | None = None
    valid_to: int | None = None

    @property
    def dated(self) -> bool:
        """Whether the source itself says when it ends, as a lease does: then nothing but the source ends it."""
        return self.valid_to is not None


class Attribute(NamedTuple):
    """What can be stated. `identifies` names the space in which equal values mean the same entity; `firm` ones are
    given once and to nobody else ever (an object id), the others may be given on (a mail address)."""

    of: tuple[str, ...]
    plain: Callable[[Any], Any]
    many: bool = False
    identifies: str = ""
    firm: bool = False


def fact_uid(tenant: str, statement: Statement, source: str, recorded_at: int, *, replaces: str = "") -> str:
    """The uid of a fact: a function of what it says, of who says it, and of when."""
    said = canonical([statement.value, statement.valid_from, statement.valid_to]).decode()
    return short_id(
        "f", tenant, source, statement.entity, statement.attribute, said, str(recorded_at), replaces, digits=24
    )


def as_known(facts: Iterable[Fact], at: int) -> list[Fact]:
    """What was known at a time: recorded by then, and not replaced by then."""
    recorded = [fact for fact in facts if fact.recorded_at <= at]
    gone = {fact.replaces for fact in recorded if fact.replaces}
    return [fact for fact in recorded if not fact.retracted and fact.uid not in gone]


def as_true(facts: Iterable[Fact], at: int) -> list[Fact]:
    """Of known facts, those that hold at a time."""
    return [fact for fact in facts if fact.valid_from <= at < fact.valid_to]


def checked(entity: str, attribute: str, value: Any) -> Any:
    """The value of a statement in its normal spelling; None for what says nothing (blank, a maker's placeholder).

    Raises WatchfloorError for a kind of entity or attribute that does not exist, or a value that cannot be one.
    """
    kind, _, rest = entity.partition(":")
    known = ATTRIBUTES.get(attribute)
    if known is None:
        raise WatchfloorError(f"there is no attribute {attribute!r}", do=f"There are {', '.join(sorted(ATTRIBUTES))}")
    named = bool(rest.strip()) or kind == "company"
    if kind not in known.of or not named or len(entity) > MOST_TEXT or not entity.isprintable():
        raise WatchfloorError(
            f"{entity[:80]!r} cannot have {attribute}", do=f"It is for {', '.join(known.of)}, as {known.of[0]}:NAME"
        )
    try:
        return known.plain(value)
    except (ValueError, TypeError) as error:
        raise WatchfloorError(f"{attribute}: {error}") from None


# Spellings

_BLANK = frozenset(
    {
        "", "-", "--", "n/a", "na", "none", "null", "nil", "unknown", "0", "undefined", "not specified",
        "default string", "to be filled by o.e.m.", "to be filled by oem", "system serial number", "00:00:00:00:00:00",
        "ff:ff:ff:ff:ff:ff", "00000000-0000-0000-0000-000000000000",
        "not available", "not applicable", "o.e.m.", "xxxxxxx", "123456789",
    }
)  # fmt: skip
_HEX = re.compile(r"[0-9a-f]{12}")


def text(value: Any) -> str | None:
    """One line of text, at most MOST_TEXT characters."""
    plain = " ".join(str(value).split())
    if len(plain) > MOST_TEXT:
        raise ValueError(f"longer than {MOST_TEXT:,} characters")
    plain = plain.encode("utf-8", "backslashreplace").decode()
    return plain or None


def identifier(value: Any) -> str | None:
    """Lower case; nothing for what makers write where they know nothing."""
    plain = (text(value) or "").lower()
    return None if plain in _BLANK else plain


def mail_address(value: Any) -> str | None:
    """A mail address or user principal name; `SMTP:` and `mailto:` before it are dropped."""
    plain = (identifier(value) or "").removeprefix("smtp:").removeprefix("mailto:").strip("<>")
    if plain and (plain.count("@") != 1 or plain.startswith("@") or plain.endswith("@") or " " in plain):
        raise ValueError(f"{plain!r} is no mail address")
    return plain or None


def account(value: Any) -> str | None:
    """`domain\\name`: a sAMAccountName with its domain. Without one it is a name, and names alone join nobody."""
    plain = identifier(value)
    if plain is not None and not re.fullmatch(r"[^\\@]+\\[^\\]+", plain):
        raise ValueError(f"{plain!r} is not written DOMAIN\\name")
    return plain


def mac(value: Any) -> str | None:
    """`4c:cc:6a:01:02:03`."""
    plain = re.sub(r"[^0-9a-z]", "", str(value).lower())
    if not plain:
        return None
    if not _HEX.fullmatch(plain):
        raise ValueError(f"{str(value)[:40]!r} is no MAC address")
    spelled = ":".join(plain[i : i + 2] for i in range(0, 12, 2))
    return None if spelled in _BLANK else spelled


def fqdn(value: Any) -> str | None:
    """A full host name: lower case, no dot at its end, with a domain."""
    plain = (identifier(value) or "").rstrip(".")
    if plain and ("." not in plain.strip(".") or " " in plain or is_address(plain)):
        raise ValueError(f"{plain!r} is no full host name")
    return None if plain.startswith("localhost.") else plain or None


def is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def address(value: Any) -> str | None:
    """An IP address or network; nothing for one that many hosts have at once (loopback, link-local, unspecified)."""
    plain = identifier(value)
    if plain is None:
        return None
    if "/" in plain:
        return plain if ipaddress.ip_network(plain, strict=False) else None
    found = ipaddress.ip_address(plain)
    return None if found.is_loopback or found.is_unspecified or found.is_link_local else str(found)


def yes_or_no(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    plain = str(value).strip().lower()
    if plain in ("true", "yes", "y", "1"):
        return True
    if plain in ("false", "no", "n", "0"):
        return False
    if plain in _BLANK:
        return None
    raise ValueError(f"{plain[:40]!r} is neither yes nor no")


def criticality(value: Any) -> str | None:
    plain = (text(value) or "").lower()
    if plain and plain not in CRITICALITY:
        raise ValueError(f"{plain[:40]!r} is none of {', '.join(CRITICALITY)}")
    return plain or None


def day(value: Any) -> str | None:
    """`2026-10-13`."""
    plain = text(value)
    return None if plain is None else date.fromisoformat(plain[:10]).isoformat()


def entity_key(value: Any) -> str:
    plain = text(value) or ""
    if ":" not in plain:
        raise ValueError(f"{plain!r} is no entity such as user:alice")
    return plain


def whole(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("a mapping is expected")
    return value


CRITICALITY = ("low", "medium", "high", "critical")
_BOTH, _USER, _HOST = ("user", "host"), ("user",), ("host",)
ATTRIBUTES: dict[str, Attribute] = {
    # What names an entity. A name or alias is how events may spell it; of these only the owner's words join.
    "name": Attribute(_BOTH, text),
    "alias": Attribute(_BOTH, text, many=True),
    "object_id": Attribute(_USER, identifier, identifies="object id", firm=True),
    "okta_id": Attribute(_USER, text, identifies="Okta id", firm=True),
    "sid": Attribute(_BOTH, identifier, identifies="SID", firm=True),
    "principal": Attribute(_USER, text, many=True, identifies="cloud principal", firm=True),
    "employee_id": Attribute(_USER, identifier, identifies="employee id"),
    "upn": Attribute(_USER, mail_address, identifies="address"),
    "mail": Attribute(_USER, mail_address, identifies="address"),
    "mail_alias": Attribute(_USER, mail_address, many=True, identifies="address"),
    "account": Attribute(_USER, account, many=True, identifies="account"),
    "dn": Attribute(_BOTH, text, identifies="distinguished name"),
    "device_id": Attribute(_HOST, identifier, identifies="device id", firm=True),
    "agent_id": Attribute(_HOST, identifier, identifies="agent id", firm=True),
    "instance_id": Attribute(_HOST, identifier, identifies="instance id", firm=True),
    "serial": Attribute(_HOST, identifier, identifies="serial number", firm=True),
    "mac": Attribute(("host", "interface"), mac, many=True, identifies="MAC address"),
    "fqdn": Attribute(_HOST, fqdn, many=True, identifies="full host name"),
    # Where it is.
    "address": Attribute(("host", "interface"), address, many=True),
    "client_name": Attribute(("interface",), text),
    # What it is.
    "display_name": Attribute(_USER, text),
    "title": Attribute(_USER, text),
    "department": Attribute(_BOTH, text),
    "manager": Attribute(_USER, text),
    "privileged": Attribute(_USER, yes_or_no),
    "service_account": Attribute(_USER, yes_or_no),
    "leaving_on": Attribute(_USER, day),
    "enabled": Attribute(_BOTH, yes_or_no),
    "os": Attribute(_HOST, text),
    "role": Attribute(_HOST, text),
    "owner": Attribute(_HOST, text),
    "criticality": Attribute(_HOST, criticality),
    "tag": Attribute(_HOST, text, many=True),
    "group": Attribute(_BOTH, text, many=True),
    "approved_tool": Attribute(("user", "host", "group"), text, many=True),
    # What a person says of two records.
    "same_as": Attribute(_BOTH, entity_key, many=True),
    "different_from": Attribute(_BOTH, entity_key, many=True),
    # The company itself and announced activity, each whole.
    "company": Attribute(("company",), whole),
    "window": Attribute(("window",), whole),
}
