"""Principals that stand for nobody in particular."""

from __future__ import annotations

# Built-in principals under which everybody's software runs; sharing one says nothing.
_NOBODY = frozenset(
    {
        "system",
        "local service",
        "network service",
        "localservice",
        "networkservice",
        "anonymous logon",
        "anonymous",
        "root",
        "nobody",
        "nt authority",
        "window manager",
        "dwm-1",
        "umfd-0",
        "umfd-1",
        "not registered",
        # The same by number: Unix root, an audit login id that was never set, LocalSystem, Local and Network Service.
        "0",
        "4294967295",
        "s-1-5-18",
        "s-1-5-19",
        "s-1-5-20",
    }
)


def stands_for_nobody(user: str) -> bool:
    """Whether a user is a built-in principal or a machine's own account."""
    return user in _NOBODY or user.endswith("$")
