"""Suppression: findings that somebody answers for not looking at, for a time. They are kept and marked."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from watchfloor.core.finding import Finding, Severity
from watchfloor.core.noun import Noun, Tenant

Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class FieldCondition(Noun):
    """A field of the finding's event, as Sigma rules name it, and its text without regard to case; `*` is any text."""

    field: Said
    value: Said

    def holds(self, texts: tuple[str, ...]) -> bool:
        pattern = self.value.lower().replace("[", "[[]").replace("?", "[?]")
        return any(fnmatchcase(text.lower(), pattern) for text in texts)


class Suppression(Noun):
    """What is held back: findings of one detection or of a family, of an entity, a source, with fields of their event.

    It counts for findings that come while it is in force. `owner` answers for it. What is graver than `up_to` comes
    through, and so does an alert that a product raises above it later.
    """

    tenant: Tenant
    uid: str
    time: int
    """When it was made (ms)."""
    until: int
    owner: Said
    reason: Said
    made_by: str
    detection: str = ""
    family: str = ""
    source: str = ""
    """The product whose records the detection reads, `windows/sysmon`."""
    entity: str = ""
    """`user:alice`: an entity that the finding involves."""
    where: tuple[FieldCondition, ...] = ()
    up_to: Severity = Severity.high
    status: Literal["made", "lifted"] = "made"
    lifted_by: str = ""
    lifted_at: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _narrow(self) -> Suppression:
        if not (self.detection or self.family):
            raise ValueError("it names a detection or a family: what holds back everything hides an attack")
        return self

    def in_force(self, now: int) -> bool:
        return self.status == "made" and self.time <= now < self.until

    def means(self, finding: Finding) -> bool:
        """Whether it means a finding, fields of the event and the time aside."""
        of = finding.detection
        return (
            finding.severity <= self.up_to
            and self.detection in ("", of.uid)
            and self.family in ("", of.family)
            and self.source in ("", of.source)
            and (not self.entity or any(one.entity.key == self.entity for one in finding.involved))
        )

    @property
    def scope(self) -> str:
        """With what it holds findings of its detection or family back, for people; empty for all of them."""
        parts = [f"of {self.source}"] if self.source else []
        parts += [f"with {self.entity}"] if self.entity else []
        parts += [f"where {one.field} is {one.value}" for one in self.where]
        return " ".join(parts)

    @property
    def words(self) -> str:
        """What it holds back, for people."""
        return f"{self.detection or f'family {self.family}'} {self.scope}".rstrip()


class Suppressed(Noun):
    """The mark on a finding that is held back: `uid` is the finding's, `status` the suppression's."""

    tenant: Tenant
    uid: str
    time: int
    status: str
    severity: Severity
    loud: bool
    """Whether it is a product's own alert of level high or above: those are never held back silently."""
    detection: str
