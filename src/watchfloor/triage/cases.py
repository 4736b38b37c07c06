"""Cases from joined groups: title, severity, class, entities, links."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from watchfloor.core.attack import in_order
from watchfloor.core.case import Case, Link
from watchfloor.core.entity import Involvement, Role
from watchfloor.core.finding import Finding
from watchfloor.core.noun import short_id
from watchfloor.triage.groups import Group, Row
from watchfloor.triage.ties import Tie

# In a case, an entity keeps the most active part that it plays in any finding.
_ROLE_ORDER: tuple[Role, ...] = ("actor", "target", "source", "destination", "related")
_REPEATED = 1.5


class Join(NamedTuple):
    """Two groups and what ties them."""

    earlier: Group
    later: Group
    tie: Tie


def build_case(groups: Sequence[Group], joins: Sequence[Join], repeats: Callable[[str], int]) -> Case:
    """One case. `repeats` tells how often a detection found something around it: the rarer, the more telling."""
    rows = sorted((r for g in groups for r in g.rows), key=lambda r: (r.finding.time, r.finding.uid))
    findings = [row.finding for row in rows]
    first = findings[0]
    telling_row = min(rows, key=lambda row: _telling(row.finding, repeats))
    telling = telling_row.finding
    involved = _involved(rows)
    links = (*_joined(joins), *(link for group in groups for link in _repeated(group)))
    return Case(
        tenant=first.tenant,
        uid=short_id("case", first.tenant, first.uid),
        time=first.time,
        last_time=max(f.until for f in findings),
        title=_title(telling_row, rows, involved),
        severity=telling.severity,
        findings=tuple(f.uid for f in findings),
        involved=involved,
        links=tuple(sorted(links, key=lambda link: (link.finding, link.other))),
        tactics=in_order(t for f in findings for t in f.tactics),
        techniques=tuple(sorted({t for f in findings for t in f.techniques})),
        detection_class=telling.detection.klass,
    )


def _telling(finding: Finding, repeats: Callable[[str], int]) -> tuple[int, int, int, str]:
    """Sorts the most severe first, then the rarest, then the earliest."""
    return (-finding.severity, repeats(finding.detection.uid), finding.time, finding.uid)


def _joined(joins: Sequence[Join]) -> Iterator[Link]:
    for join in joins:
        one, other = join.later.first, join.earlier.first
        yield Link(
            finding=one.uid,
            other=other.uid,
            because=join.tie.because,
            shared=join.tie.shared,
            strength=join.tie.strength,
            sentence=f"“{one.title}” joins “{other.title}”: {join.tie.sentence}.",
        )


def _repeated(group: Group) -> Iterator[Link]:
    first = group.first
    for row in group.rows[1:]:
        yield Link(
            finding=row.finding.uid,
            other=first.uid,
            because="entity",
            shared=group.anchor,
            strength=_REPEATED,
            sentence=f"The same detection again on {group.anchor}.",
        )


def _involved(rows: Sequence[Row]) -> tuple[Involvement, ...]:
    best: dict[str, Involvement] = {}
    for row in rows:
        for key, item in zip(row.roles, row.involved, strict=True):
            have = best.get(key)
            if have is None or _ROLE_ORDER.index(item.role) < _ROLE_ORDER.index(have.role):
                best[key] = item
    return tuple(sorted(best.values(), key=lambda i: (_ROLE_ORDER.index(i.role), i.entity.key)))


def _title(telling: Row, rows: Sequence[Row], involved: Sequence[Involvement]) -> str:
    """`Encoded PowerShell and 4 more on ws-17 (alice)`."""
    others = len({row.finding.detection.uid for row in rows}) - 1
    times = f", {len(rows)} times" if len(rows) > 1 else ""
    more = f" and {others} more" if others else times
    return f"{telling.finding.title}{more}{_place(telling, rows, involved)}"


def _place(telling: Row, rows: Sequence[Row], involved: Sequence[Involvement]) -> str:
    """Where and who: the telling finding's own host and user, else the case's. What ties nothing is no place."""
    shared = {key for row in rows for key in row.shared}
    placed = [i for i in involved if i.entity.key not in shared]
    mine = [i for i in placed if i.entity.key in telling.roles]
    host = _value(mine, "host") or _value(placed, "host")
    user = _value(mine, "user") or _value(placed, "user")
    if host and user:
        return f" on {host} ({user})"
    if host:
        return f" on {host}"
    if user:
        return f" by {user}"
    other = next((i.entity.value for i in mine if i.role in ("source", "target", "destination")), "")
    return f" at {other}" if other else ""


def _value(involved: Sequence[Involvement], kind: str) -> str:
    return next((i.entity.value for i in involved if i.entity.type == kind), "")
