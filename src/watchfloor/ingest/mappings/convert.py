"""Converters: how a source value becomes an OCSF value. Each returns None for what it cannot read."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import orjson

from watchfloor.core.clock import DAY, SECOND, parse_iso, to_ms

Converter = Callable[[Any], Any]

# A millisecond time beyond this is no time of a log (year 9999).
_LATEST = 253_402_300_799_999
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - taken from times without a zone
_HASH_KINDS = {"MD5": 1, "SHA1": 2, "SHA256": 3, "SHA512": 4, "IMPHASH": 18}
_HASH_BY_LENGTH = {32: 1, 40: 2, 64: 3, 128: 4}
_STRONGEST_FIRST = (3, 4, 2, 1)
_DIGITS = re.compile(r"-?\d{1,19}")


def text(value: Any) -> str | None:
    """Text; structures become JSON; lone surrogates are replaced so that it can be written anywhere."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        try:
            return orjson.dumps(value, default=str).decode()
        except TypeError:  # whole numbers beyond 64 bits, keys that are no text
            return json.dumps(value, default=str)
    return None if value is None else str(value)


def integer(value: Any) -> int | None:
    """A whole number from an int, a float, decimal or `0x` text; 64 bits signed."""
    if type(value) is str and len(value) < 19 and value.isdecimal():
        return int(value)
    number: int | None = None
    if isinstance(value, bool):
        number = int(value)
    elif isinstance(value, int):
        number = value
    elif isinstance(value, float):
        number = int(value) if abs(value) < 2**63 else None
    elif isinstance(value, str):
        stripped = value.strip()
        if stripped[:2].lower() == "0x" and len(stripped) <= 18:
            try:
                number = int(stripped, 16)
            except ValueError:
                return None
        elif _DIGITS.fullmatch(stripped):
            number = int(stripped)
        elif re.fullmatch(r"-?\d{1,18}\.\d+", stripped):
            number = int(float(stripped))
    return number if number is not None and -(2**63) <= number < 2**63 else None


def port(value: Any) -> int | None:
    number = integer(value)
    return number if number is not None and 0 <= number <= 65535 else None


def real(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if abs(number) < 1e308 else None


def boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    lowered = str(value).strip().lower()
    if lowered in ("true", "yes", "1", "t", "%%1842"):
        return True
    return False if lowered in ("false", "no", "0", "f", "%%1843") else None


def time_ms(value: Any) -> int | None:
    """Milliseconds from ISO 8601, `2020-09-21 18:58:30`, epoch seconds, milliseconds, micro- or nanoseconds."""
    if type(value) is str and value[10:11] == "T" and value[-1:] == "Z":
        try:
            since = datetime.fromisoformat(value[:-1]) - _EPOCH
        except (TypeError, ValueError):  # no time, or one with another zone before the `Z`: read as any text below
            pass
        else:  # without a zone this is three times as fast as `parse_iso`
            return _in_range(since.days * DAY + since.seconds * SECOND + (since.microseconds + 500) // 1000)
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return _epoch(float(value)) if isinstance(value, float) else _epoch_whole(value)
    if not isinstance(value, str):
        return None
    stripped = value.strip()
    if not stripped:
        return None
    try:
        if stripped[4:5] == "-":
            return _in_range(parse_iso(stripped.removesuffix(" UTC")))
        return _epoch(float(stripped))
    except (ValueError, OverflowError):
        return _other_time(stripped)


def _epoch_whole(value: int) -> int | None:
    if value > 10**17:
        value //= 10**6
    elif value > 10**14:
        value //= 1000
    elif value < 10**11:
        value *= 1000
    return _in_range(value)


def _epoch(value: float) -> int | None:
    if not 0 <= value < 1e19:
        return None
    return _epoch_whole(int(value)) if value >= 10**11 else _in_range(round(value * 1000))


def _in_range(ms: int) -> int | None:
    return ms if 0 <= ms <= _LATEST else None


_OTHER_FORMATS = (
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %H:%M:%S",
    "%d/%b/%Y:%H:%M:%S %z",
    "%m/%d/%Y-%H:%M:%S.%f",
    "%b %d %Y %H:%M:%S",
    "%d-%b-%Y %H:%M:%S",
    "%a %b %d %H:%M:%S %Y",
)


def _other_time(value: str) -> int | None:
    for form in _OTHER_FORMATS:
        try:
            when = datetime.strptime(value, form)  # noqa: DTZ007 - naive times are taken as UTC below
        except ValueError:
            continue
        return _in_range(to_ms(when if when.tzinfo else when.replace(tzinfo=UTC)))
    # More than six digits of a second with a zone, as some products write.
    trimmed = re.sub(r"(\.\d{6})\d+", r"\1", value)
    if trimmed != value:
        return time_ms(trimmed)
    return None


@lru_cache(maxsize=65_536)
def _address(value: str) -> str | None:
    stripped = value.strip().strip("[]")
    try:
        found = ipaddress.ip_address(stripped.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def address(value: Any) -> str | None:
    """An IP address in its normal spelling (`::ffff:1.2.3.4` as `1.2.3.4`), without a port; None for anything else."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    found = _address(value)
    if found is None and value.count(":") == 1:
        return _address(value.partition(":")[0])
    if found is None and value.startswith("[") and "]:" in value:
        return _address(value[1:].partition("]")[0])
    return found


def not_address(value: Any) -> str | None:
    """Text that is no IP address: a host or service named where an address was expected."""
    return text(value) if address(value) is None else None


def mailbox(value: Any) -> str | None:
    """The bare mail address of `Name <a@b>`; None without an `@`."""
    found = text(value)
    if found is None:
        return None
    if "<" in found and ">" in found:
        found = found.rpartition("<")[2].partition(">")[0]
    found = found.strip().strip("\"'")
    return found if "@" in found and " " not in found else None


def basename(value: Any) -> str | None:
    """The last part of a Windows or POSIX path."""
    found = text(value)
    return (found.rstrip("\\/").replace("\\", "/").rpartition("/")[2] or None) if found else None


def folder(value: Any) -> str | None:
    found = text(value)
    if not found:
        return None
    cut = max(found.rfind("\\"), found.rfind("/"))
    return found[:cut] or None if cut > 0 else None


def hashes(value: Any) -> list[dict[str, Any]] | None:
    """Fingerprints of `SHA256=..,MD5=..` (Sysmon) or of bare hex digests, the strongest first."""
    found: dict[int, str] = {}
    items = value if isinstance(value, list) else str(value).replace(";", ",").split(",")
    for item in items:
        name, _, digest = str(item).strip().rpartition("=")
        kind = _HASH_KINDS.get(name.upper()) if name else _HASH_BY_LENGTH.get(len(digest))
        if kind and digest.strip("0") and re.fullmatch(r"[0-9A-Fa-f]{32,128}", digest):
            found.setdefault(kind, digest.lower())
    ordered = sorted(found, key=lambda k: _STRONGEST_FIRST.index(k) if k in _STRONGEST_FIRST else 9)
    return [{"algorithm_id": k, "value": found[k]} for k in ordered] or None


def domain_part(value: Any) -> str | None:
    """`CORP` of `CORP\\alice`, `b.org` of `a@b.org`."""
    found = text(value) or ""
    if "\\" in found:
        return found.partition("\\")[0] or None
    return found.partition("@")[2] or None


def user_part(value: Any) -> str | None:
    """`alice` of `CORP\\alice`; other spellings as they are."""
    found = text(value)
    return found.rpartition("\\")[2] or None if found else None


def url_object(value: Any) -> dict[str, Any] | None:
    """An OCSF url of URL text."""
    found = text(value)
    if not found:
        return None
    url: dict[str, Any] = {"url_string": found}
    try:
        parts = urlsplit(found)
        if parts.hostname:
            url["hostname"] = parts.hostname
        if parts.scheme:
            url["scheme"] = parts.scheme
        if parts.port is not None:
            url["port"] = parts.port
    except ValueError:
        return url
    if parts.path:
        url["path"] = parts.path
    if parts.query:
        url["query_string"] = parts.query
    return url


def json_of(value: Any) -> Any:
    """Data of JSON text; data as it is; text that is no JSON as text."""
    if isinstance(value, str) and value[:1] in "{[":
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def decimal_pid(value: Any) -> int | None:
    """A process id, which Windows writes as `0x3e4` in some events; beyond 32 bits it is none."""
    number = integer(value)
    return number if number is not None and 0 <= number < 2**32 else None


def resource(value: Any) -> dict[str, Any] | None:
    """An OCSF resource of an identifier (the first of a list of them)."""
    found = json_of(value)
    name = text(found[0]) if isinstance(found, list) and found else text(found)
    return {"uid": name, "name": name} if name else None


def dns_answers(value: Any) -> list[dict[str, Any]] | None:
    """Answers of Sysmon's `type: 5 a.example;::ffff:1.2.3.4;` or of a list of names and addresses."""
    items = value if isinstance(value, list) else str(value).split(";")
    names = (str(item).strip() for item in items[:200])
    return [{"rdata": n.rpartition(" ")[2]} for n in names if n and n != "-"] or None


def doubled_json(value: Any) -> Any:
    """JSON that an export has quoted once more: `"[{""Name"":""x""}]"`."""
    if isinstance(value, str) and value.startswith('"') and value.endswith('"') and len(value) > 1:
        return json_of(value[1:-1].replace('""', '"'))
    return json_of(value)


def md5(value: Any) -> dict[str, Any] | None:
    """A fingerprint object of an MD5 digest (JA3)."""
    found = hashes([value])
    return found[0] if found else None


CONVERTERS: dict[str, Converter] = {
    "text": text,
    "int": integer,
    "port": port,
    "float": real,
    "bool": boolean,
    "time": time_ms,
    "ip": address,
    "not_ip": not_address,
    "mail": mailbox,
    "basename": basename,
    "folder": folder,
    "hashes": hashes,
    "domain_part": domain_part,
    "user_part": user_part,
    "url": url_object,
    "json": json_of,
    "list": listed,
    "texts": lambda v: [t for t in map(text, listed(v)) if t is not None],
    "mails": lambda v: [m for m in map(mailbox, listed(v)) if m] or None,
    "urls": lambda v: [u for u in map(url_object, listed(v)) if u] or None,
    "ips": lambda v: [a for a in map(address, listed(v)) if a] or None,
    "words": lambda v: [w for w in re.split(r"[,\s]+", str(v)) if w],
    "lines": lambda v: [w.strip() for w in re.split(r"[\r\n\t]+", str(v)) if w.strip()],
    "lower": lambda v: str(v).lower(),
    "upper": lambda v: str(v).upper(),
    "strip": lambda v: str(v).strip() or None,
    "strip_braces": lambda v: str(v).strip("{}"),
    "pid": decimal_pid,
    "raw": lambda v: v,
    "resource": resource,
    "doubled_json": doubled_json,
    "md5": md5,
    "angle": lambda v: str(v).strip("<>") or None,
    "answers": dns_answers,
    "failed": lambda _: "Failure",
    "changed": lambda _: "Update",
    "seconds": lambda v: None if (n := real(v)) is None or abs(n) > 1e15 else round(n * 1000),
    "first_word": lambda v: str(v).strip().partition(" ")[0] or None,
    "host_of_arn": lambda v: str(v).rpartition(":")[2].rpartition("/")[2] or None,
    "service_name": lambda v: str(v).removesuffix(".amazonaws.com"),
    "not_self": lambda v: None if str(v) in ("S-1-0-0", "S-1-5-18", "NULL SID") else v,
}

# Converters whose result is text or None.
TEXTS = frozenset(
    [
        "text",
        "ip",
        "not_ip",
        "mail",
        "basename",
        "folder",
        "domain_part",
        "user_part",
        "lower",
        "upper",
        "strip",
        "strip_braces",
        "angle",
        "failed",
        "changed",
        "first_word",
        "host_of_arn",
        "service_name",
    ]
)
