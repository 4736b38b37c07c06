"""Secrets in files of a home: made at first use, readable by their owner only."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from watchfloor.core.errors import RefusedError, WatchfloorError


def secret_in(path: Path, make: Callable[[], bytes], what: str = "a key") -> bytes:
    """The secret of a file (base64 in it), made where there is none yet; processes that start at once agree on one.

    Raises RefusedError when others may read it, WatchfloorError when it is damaged.
    """
    if not path.exists():
        _write(path, make())
    if path.stat().st_mode & 0o077:
        raise RefusedError("other users may read this key", where=str(path), do=f"Run: chmod 600 {path}")
    try:
        return base64.b64decode(path.read_text(), validate=True)
    except ValueError:
        raise WatchfloorError(f"not {what}", where=str(path), do="Restore it from a backup") from None


def _write(path: Path, secret: bytes) -> None:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(base64.b64encode(secret))
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link fails where the name is taken: the first one wins, and no half-written key is ever seen.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
