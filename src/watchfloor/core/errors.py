"""One error type for people: what happened, where, and what to do about it."""

from __future__ import annotations


class WatchfloorError(Exception):
    """Something a person can act on.

    `what` happened, `where` (a file with its position, a URL, a noun's uid) and what to `do`. Shown as one line.
    """

    def __init__(self, what: str, *, where: str = "", do: str = "") -> None:
        self.what, self.where, self.do = what, where, do
        super().__init__(str(self))

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}" if self.where else self.what
        return f"{line}. {self.do}" if self.do else line


class NotFoundError(WatchfloorError):
    """A tenant has no such thing."""


class RefusedError(WatchfloorError):
    """A rule of the product forbids it: an approval that does not fit, a policy, a missing right."""
