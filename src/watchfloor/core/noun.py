"""The base of every noun: frozen, strict, with canonical bytes and a digest.

Canonical bytes are JSON with sorted keys, no white space, UTF-8 and shortest round-trip floats, so that equal nouns
have equal bytes on any machine. A digest is `sha256:` and the lower-case hex SHA-256 of bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Self

import orjson
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from pydantic_core import to_jsonable_python

from watchfloor.core.errors import WatchfloorError

# A tenant's name stands in paths and keys, so it can hold nothing that means anything there.
TENANT_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"
Tenant = Annotated[str, StringConstraints(pattern=TENANT_PATTERN)]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]

_LARGEST = 2**63


def digest_of(data: bytes) -> str:
    """`sha256:<hex>` of bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def canonical(value: Any) -> bytes:
    """Canonical JSON bytes of plain data (dicts, lists, strings, ints, floats, booleans, None)."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def portable(value: Any) -> Any:
    """The same plain data with what JSON cannot carry everywhere (integers over 64 bits, lone surrogates) as text."""
    if isinstance(value, dict):
        return {portable(key): portable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [portable(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return str(value) if isinstance(value, int) and not -_LARGEST <= value < _LARGEST else value


def short_id(prefix: str, *parts: str, digits: int = 16) -> str:
    """A readable id that is a function of its parts: `prefix-` and hex digits.

    32 digits where others may choose the parts: nobody can make two of them alike.
    """
    joined = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    return f"{prefix}-{hashlib.sha256(joined).hexdigest()[:digits]}"


class Noun(BaseModel):
    """A frozen, strictly validated piece of data."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Validate plain data. Raises WatchfloorError that names each wrong field."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise _readable(cls.__name__, error) from None

    @classmethod
    def from_json(cls, data: bytes | str) -> Self:
        """Validate JSON. Raises WatchfloorError that names each wrong field."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise _readable(cls.__name__, error) from None

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other fields. What was cached on this one is not taken along: it may rest on them."""
        if deep:
            return super().model_copy(update=update, deep=deep).model_copy()
        # Half of pydantic's own time: copies are made by the ten thousand.
        cls, held = type(self), self.__dict__
        copied = cls.__new__(cls)
        fields, other = {name: held[name] for name in cls.__pydantic_fields__}, dict(update or {})
        object.__setattr__(copied, "__dict__", fields | other)
        object.__setattr__(copied, "__pydantic_fields_set__", self.__pydantic_fields_set__ | other.keys())
        object.__setattr__(copied, "__pydantic_extra__", None)
        object.__setattr__(copied, "__pydantic_private__", None)
        return copied

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data (strings for enums, lists for tuples)."""
        return self.model_dump(mode="json")

    def canonical(self) -> bytes:
        """The canonical bytes of this noun."""
        return canonical_of(self)

    def digest(self) -> str:
        """The digest of the canonical bytes, reckoned once: a noun is frozen."""
        known = self.__dict__.get("_digest")
        if known is None:
            known = self.__dict__["_digest"] = self._reckoned()
        return str(known)

    def _reckoned(self) -> str:
        return digest_of(self.canonical())


def canonical_of(value: Noun | Mapping[str, Any]) -> bytes:
    """Canonical bytes of a noun, or of a mapping of nouns, sequences of them and plain data."""
    try:
        # Twice as fast as `to_dict` first; what orjson does not write as pydantic does goes the slow way.
        return orjson.dumps(value, default=_fields, option=_AS_PYDANTIC)
    except TypeError:
        return canonical(to_jsonable_python(value))


def _fields(value: Any) -> dict[str, Any]:
    if not isinstance(value, Noun):
        raise TypeError(type(value).__name__)
    fields, held = type(value).__pydantic_fields__, value.__dict__
    # More than its fields are what it has cached on itself.
    return held if len(held) == len(fields) else {name: held[name] for name in fields}


_AS_PYDANTIC = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def _readable(name: str, error: ValidationError) -> WatchfloorError:
    problems = [f"{'.'.join(map(str, e['loc'])) or 'the whole'}: {e['msg']}" for e in error.errors(include_url=False)]
    return WatchfloorError(f"not a valid {name}: " + "; ".join(problems[:8]))
