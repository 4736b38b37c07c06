"""The guard at the door of every store: a tenant's name is well formed, and a noun is that tenant's own."""

from __future__ import annotations

import re
from typing import Any

from watchfloor.core.errors import RefusedError
from watchfloor.core.noun import TENANT_PATTERN

_PATTERN = re.compile(TENANT_PATTERN)


def checked(tenant: str) -> str:
    """The tenant's name as it is. Raises RefusedError when it is not one: names stand in paths and keys."""
    if not isinstance(tenant, str) or not _PATTERN.fullmatch(tenant):
        raise RefusedError(
            f"not a tenant's name: {tenant!r}", do="Use lower-case letters, digits and hyphens, 63 at most"
        )
    return tenant


def own(tenant: str, noun: Any) -> None:
    """Raises RefusedError when a noun belongs to another tenant, or to none."""
    if (theirs := getattr(noun, "tenant", None)) != tenant:
        raise RefusedError(
            f"tenant {tenant} cannot keep a {type(noun).__name__} of tenant {theirs}",
            where=str(getattr(noun, "uid", "")),
        )
