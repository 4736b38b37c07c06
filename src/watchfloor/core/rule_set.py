"""Which rules are in use, in which versions, from where; and what changed between two sets of them."""

from __future__ import annotations

from typing import Literal

from watchfloor.core.noun import Noun, Tenant


class RulePlace(Noun):
    """A place that rules come from. Of a git checkout the commit that its HEAD names, the branch, and whether its rule
    files are other than those that git last took (None where that cannot be told)."""

    path: str
    kind: Literal["shipped", "file", "folder", "zip", "git", "absent"]
    commit: str = ""
    branch: str = ""
    dirty: bool | None = None

    @property
    def words(self) -> str:
        if self.kind != "git":
            return f"{self.kind} {self.path}" if self.path else "shipped with Watchfloor"
        dirty = ", with changes" if self.dirty else "" if self.dirty is False else ", changes unknown"
        return (
            f"git {self.path} at {self.commit[:12] or 'no commit'}{f' ({self.branch})' if self.branch else ''}{dirty}"
        )


class RuleInUse(Noun):
    """One rule of a set; `version` is the digest of what it says, `modified` the day that it names."""

    uid: str
    title: str
    version: str
    modified: str
    level: str
    file: str


class RuleSet(Noun):
    """The set in use since `time` (ms), and the last one that was refused, if that came later."""

    tenant: Tenant
    uid: Literal["rules"] = "rules"
    time: int
    by: str
    rules: tuple[RuleInUse, ...]
    places: tuple[RulePlace, ...]
    problems: tuple[str, ...]
    """Rules of the set that do not load, and why."""
    refused: tuple[str, ...] = ()
    """What is wrong with a newer set that was not taken; empty when there is none."""
    refused_at: int = 0
    answered: int = 0
    """The time (ms) of the last request to load again that was answered."""


class ReloadWanted(Noun):
    """Somebody wants the rules loaded again by the process that serves."""

    tenant: Tenant
    uid: Literal["reload"] = "reload"
    time: int
    by: str


class RuleVersion(Noun):
    """One version of a rule, written down when it came into use. `status` is the rule's uid."""

    tenant: Tenant
    uid: str
    time: int
    status: str
    title: str
    version: str
    modified: str
    level: str
    file: str
    by: str
    place: str


class RuleChange(Noun):
    """What one set has that another has not, by uid."""

    added: tuple[RuleInUse, ...]
    changed: tuple[RuleInUse, ...]
    removed: tuple[RuleInUse, ...]

    @property
    def empty(self) -> bool:
        return not (self.added or self.changed or self.removed)

    @property
    def words(self) -> str:
        return f"{len(self.added):,} added, {len(self.changed):,} changed, {len(self.removed):,} removed"


def change(before: tuple[RuleInUse, ...], now: tuple[RuleInUse, ...]) -> RuleChange:
    """What became of the rules between two sets."""
    old, new = {one.uid: one for one in before}, {one.uid: one for one in now}
    return RuleChange(
        added=tuple(one for uid, one in new.items() if uid not in old),
        changed=tuple(one for uid, one in new.items() if uid in old and old[uid].version != one.version),
        removed=tuple(one for uid, one in old.items() if uid not in new),
    )
