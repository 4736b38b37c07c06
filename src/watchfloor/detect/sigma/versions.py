"""Which text of a rule is in use: a digest of what it says, whatever its layout, and the day that it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from watchfloor.core.noun import digest_of

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


def digest_of_rule(data: Mapping[str, Any]) -> str:
    """`sha256:<hex>` of a rule's document. Comments, order of keys and quotes do not count."""
    try:
        return digest_of(orjson.dumps(data, default=str, option=_OPTIONS))
    except TypeError:  # integers over 64 bits, lone surrogates
        return digest_of(repr(data).encode("utf-8", "backslashreplace"))


def modified_of(data: Mapping[str, Any]) -> str:
    """The day of its last change as the rule says, `2026-04-28`; empty where it says none."""
    return str(data.get("modified") or data.get("date") or "")[:32].replace("/", "-")
