"""What rules see of an event, so that a line of JSON can be asked about as well as an Event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Seen(Protocol):
    """The vendor's own fields, the OCSF event, and Sigma's log source; see Event."""

    @property
    def original(self) -> dict[str, Any]: ...
    @property
    def ocsf(self) -> dict[str, Any]: ...
    @property
    def logsource(self) -> Mapping[str, str]: ...
