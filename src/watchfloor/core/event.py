"""Event: a record normalised to an OCSF class, with its original fields kept reachable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

OCSF_VERSION = "1.9.0-dev"

Layer = Literal["endpoint", "network", "identity", "cloud", "email", "threat_intelligence"]
LAYERS: tuple[Layer, ...] = ("endpoint", "network", "identity", "cloud", "email", "threat_intelligence")


class Event(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One OCSF event.

    `uid` is the record's id (also `ocsf.metadata.uid`); `ocsf` is a valid OCSF event; `original` the vendor's own
    fields as parsed; `source`, `position` say where it was read; `mapping` names the mapping that took it (`base`
    when none did); `layer` is the part of the stack it comes from; `logsource` is Sigma's product / category / service.
    """

    tenant: str
    uid: str
    time: int
    layer: Layer
    mapping: str
    ocsf: dict[str, Any]
    original: dict[str, Any]
    source: str
    position: int
    unit: str
    logsource: dict[str, str]

    def get(self, path: str) -> Any:
        """The value at a dotted OCSF path, or None. A list on the way is entered at its first item."""
        return get_path(self.ocsf, path)


def get_path(data: Any, path: str) -> Any:
    """The value at a dotted path in plain data, or None; numeric parts index lists, other parts enter item 0."""
    return walked(data, path.split("."))


def walked(data: Any, parts: Iterable[str]) -> Any:
    """The value at a path that is split already; see `get_path`."""
    value = data
    for part in parts:
        if isinstance(value, list):
            if part.isdigit():
                value = value[int(part)] if int(part) < len(value) else None
                continue
            value = value[0] if value else None
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value
