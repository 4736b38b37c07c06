"""Case: findings that belong together (OCSF Incident Finding)."""

from __future__ import annotations

from typing import Literal

from watchfloor.core.entity import Involvement
from watchfloor.core.finding import Severity
from watchfloor.core.noun import Noun, Tenant, short_id
from watchfloor.core.risk import Risk

# OCSF incident status_id: 1 new, 2 in progress, 3 on hold, 4 resolved, 5 closed.
CaseStatus = Literal["new", "in_progress", "on_hold", "resolved", "closed"]


Because = Literal["entity", "thread", "kill_chain", "campaign", "person"]
"""What ties findings: something shared, one thread of activity, a later step by the same actor, texts of one making, or
a person's word."""


class Link(Noun):
    """Why a finding stands in this case: what it shares with another one. First-class, so that it can be undone.

    The links of a case are a tree: without one of them, it is two.
    """

    finding: str
    other: str
    because: Because
    shared: str
    strength: float
    sentence: str

    @property
    def uid(self) -> str:
        """The name by which it is undone."""
        return short_id("link", self.finding, self.other)


class Relation(Noun):
    """Why another case is shown beside one and not merged with it: the strongest tie between them."""

    case: str
    because: Because
    shared: str
    strength: float
    sentence: str


class Case(Noun):
    """Findings that belong together. `findings` are uids in order of time."""

    tenant: Tenant
    uid: str
    time: int
    last_time: int
    title: str
    status: CaseStatus = "new"
    severity: Severity
    findings: tuple[str, ...]
    involved: tuple[Involvement, ...]
    links: tuple[Link, ...] = ()
    related: tuple[str, ...] = ()
    """Uids of cases near this one, in order."""
    relations: tuple[Relation, ...] = ()
    """Why each of `related` is, the strongest first."""
    tactics: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    detection_class: str
    """The class (family x source) under whose bound it may be closed: that of its most telling finding."""
    assignee: str = ""
    risk: Risk | None = None
    """What its most telling finding and all that stands around it come to. It orders what people look at; no verdict
    reads it."""

    merged_into: str = ""
    """The case that took this one in; what was said and decided here stays here."""
    was: CaseStatus = "new"
    """Its status before another case took it in."""

    @property
    def case_uid(self) -> str:
        return self.uid


class Comment(Noun):
    """A person's words on a case."""

    tenant: Tenant
    uid: str
    case_uid: str
    time: int
    author: str
    text: str
