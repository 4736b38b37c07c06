"""The queue: tabs, filters, order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from watchfloor.app.views import QueueRow
from watchfloor.core.event import Layer
from watchfloor.server.present.words import DISPOSITION, HYPOTHESIS

Tab = Literal["now", "queue", "closed", "all"]
Sort = Literal["pressing", "probability", "severity", "age", "title"]
TABS: dict[Tab, str] = {
    "now": "Needs a person now",
    "queue": "Queue",
    "closed": "Closed by itself",
    "all": "All",
}


class Ask(BaseModel):
    """What a queue page was asked for. `severity` is the least OCSF severity_id."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    tab: Tab = "now"
    text: str = Field("", max_length=200)
    severity: int = Field(0, ge=0, le=6)
    layer: Layer | Literal[""] = ""
    sort: Sort = "pressing"
    reverse: bool = False
    page: int = Field(1, ge=1, le=10_000)


class Line(NamedTuple):
    row: QueueRow
    layers: tuple[Layer, ...]


class Listing(NamedTuple):
    """One page of lines; `counts` are of all cases by tab, `found` of this tab after filters."""

    lines: list[Line]
    counts: dict[Tab, int]
    found: int
    pages: int


PAGE = 100
LayersOf = Callable[[Sequence[str]], Mapping[str, tuple[Layer, ...]]]
"""The layers of each case's findings; asked for no more cases than needed."""


def tab_of(row: QueueRow) -> Tab:
    """The tab where a case stands besides `all`. What a person has resolved stands in `all` alone."""
    case, verdict = row
    if case.status == "resolved":
        return "all"
    if verdict is not None and verdict.disposition == "close":
        return "closed"
    if case.status == "closed":
        return "all"
    return "now" if verdict is not None and verdict.disposition == "escalate" else "queue"


def listing(rows: Sequence[QueueRow], layers_of: LayersOf, ask: Ask) -> Listing:
    """The page that was asked for. `rows` come with the most pressing first."""
    tabs = [tab_of(row) for row in rows]
    counts: dict[Tab, int] = {tab: tabs.count(tab) for tab in TABS}
    counts["all"] = len(rows)
    found = [row for row, tab in zip(rows, tabs, strict=True) if ask.tab in ("all", tab) and _fits(row, ask)]
    if ask.layer:
        layers = layers_of([row.case.uid for row in found])
        found = [row for row in found if ask.layer in layers.get(row.case.uid, ())]
    if ask.sort != "pressing":
        found.sort(key=_ORDER[ask.sort])
    if ask.reverse:
        found.reverse()
    pages = max(-(-len(found) // PAGE), 1)
    first = (min(ask.page, pages) - 1) * PAGE
    shown = found[first : first + PAGE]
    layers = layers_of([row.case.uid for row in shown])
    return Listing([Line(row, layers.get(row.case.uid, ())) for row in shown], counts, len(found), pages)


def _fits(row: QueueRow, ask: Ask) -> bool:
    if row.case.severity < ask.severity:
        return False
    if not ask.text:
        return True
    text = searched(row)
    return all(word in text for word in ask.text.lower().split())


def searched(row: QueueRow) -> str:
    """The words by which a case is found."""
    case, verdict = row
    parts = [case.uid, case.title, case.assignee, case.detection_class, *case.tactics, *case.techniques]
    parts += [involvement.entity.key for involvement in case.involved]
    if verdict is not None:
        parts += [verdict.sentence, HYPOTHESIS[verdict.hypothesis], DISPOSITION[verdict.disposition]]
    return "\n".join(parts).lower()


def _probability(row: QueueRow) -> float:
    return -row.verdict.probability if row.verdict else 0.0


_ORDER: dict[str, Callable[[QueueRow], tuple[float | str, ...]]] = {
    "probability": lambda row: (_probability(row), row.case.uid),
    "severity": lambda row: (-row.case.severity, _probability(row), row.case.uid),
    "age": lambda row: (-row.case.last_time, row.case.uid),
    "title": lambda row: (row.case.title.lower(), row.case.uid),
}
