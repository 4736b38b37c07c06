"""Sources that the product itself listens to or asks: how each one does, and how far it has read."""

from __future__ import annotations

from typing import Any, Literal

from watchfloor.core.noun import Noun, Tenant


class SourceHealth(Noun):
    """How a source does, as the server that runs it last said."""

    tenant: Tenant
    uid: str
    """The source, as records name it (`syslog/firewalls`)."""
    time: int
    """Since when (ms)."""
    status: Literal["starting", "working", "failing", "stopped"]
    problem: str = ""
    """Why it fails; it is tried again."""
    note: str = ""
    """What else is worth knowing, such as how much waits."""


class Checkpoint(Noun):
    """How far a source has read. All that it covers is on the disk."""

    tenant: Tenant
    uid: str
    """The source, as records name it."""
    time: int
    """When it was kept (ms)."""
    data: dict[str, Any] = {}
