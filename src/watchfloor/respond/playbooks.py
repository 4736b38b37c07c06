"""Playbooks: reusable templates of plans, as content (`content/playbooks/*.yaml`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from watchfloor import content
from watchfloor.core.case import Case
from watchfloor.core.entity import EntityType, Role
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.event import Layer
from watchfloor.core.finding import Finding
from watchfloor.core.noun import Noun
from watchfloor.core.verdict import Verdict
from watchfloor.integrations.catalogue import Actions

Side = Literal["inside", "outside", "any"]


class Fit(Noun):
    """When a playbook or a step applies: every line that is given must hold; a list holds when one of it does."""

    probability_at_least: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Of malicious."""
    severity_at_least: int = 0
    """OCSF severity_id of the case."""
    layers: tuple[Layer, ...] = ()
    tactics: tuple[str, ...] = ()
    """ATT&CK tactics, `initial-access`."""
    families: tuple[str, ...] = ()
    """Globs on the detections' families."""
    entities: tuple[EntityType, ...] = ()

    def holds(self, case: Case, verdict: Verdict, findings: Sequence[Finding]) -> bool:
        """Whether it applies to this case. Layers, tactics and families must meet in one finding."""
        if verdict.probability < self.probability_at_least or case.severity < self.severity_at_least:
            return False
        return any(self.holds_for(finding) for finding in findings)

    def holds_for(self, finding: Finding) -> bool:
        """Whether layers, tactics, families and entities apply to one finding."""
        types = {involvement.entity.type for involvement in finding.involved}
        return (
            (not self.layers or finding.layer in self.layers)
            and (not self.tactics or bool({tactic(t) for t in finding.tactics} & set(self.tactics)))
            and (not self.families or any(fnmatchcase(finding.detection.family, f) for f in self.families))
            and (not self.entities or bool(types & set(self.entities)))
        )


class Selector(Noun):
    """Which entities of the case a step's parameter is bound to: one step for each that fits."""

    type: EntityType
    roles: tuple[Role, ...]
    side: Side = "any"
    """Whether it is the company's own, by business context."""
    like: str = "*"
    """A glob on its value."""
    layers: tuple[Layer, ...] = ()
    """Only where findings of these layers name it."""
    tactics: tuple[str, ...] = ()
    """Only where findings of these tactics name it."""
    known_bad: bool = False
    """Only when a grounded claim about this very entity speaks for malicious."""


class Step(Noun):
    """One step. `aim` binds the action's parameters to entities; the first is what the step is aimed at.

    `when` says in which cases it is taken; `because` are globs on the questions of which one must support it.
    """

    action: str
    why: str
    aim: dict[str, Selector] = Field(default_factory=dict)
    when: Fit = Fit()
    because: tuple[str, ...] = ("*",)
    most: Annotated[int, Field(gt=0)] = 10
    """No more than this many entities; the rest is left out, and said so."""


class Playbook(Noun):
    """What to do in one kind of incident. It applies when any `when` holds; lower `order` comes first in a plan."""

    name: str
    title: str
    order: int
    when: tuple[Fit, ...]
    steps: tuple[Step, ...]

    def fits(self, case: Case, verdict: Verdict, findings: Sequence[Finding]) -> bool:
        """Whether it applies to this case."""
        return any(fit.holds(case, verdict, findings) for fit in self.when)


def tactic(name: str) -> str:
    """A tactic in the spelling of playbooks: `attack.initial_access` is `initial-access`."""
    return name.lower().removeprefix("attack.").replace("_", "-").replace(" ", "-")


def shipped_playbooks(actions: Actions) -> tuple[Playbook, ...]:
    """The playbooks of `content/playbooks`."""
    return read_playbooks(content.folder("playbooks"), actions)


def read_playbooks(path: Path, actions: Actions) -> tuple[Playbook, ...]:
    """Playbooks of a file or folder, by `order` and name. Raises WatchfloorError that names file and step.

    `tests` inside a file are for the tests only and no part of the playbook.
    """
    found = [_playbook(where, data, actions) for where, data in content.documents(path)]
    return tuple(sorted(found, key=lambda playbook: (playbook.order, playbook.name)))


def _playbook(where: str, data: dict[str, Any], actions: Actions) -> Playbook:
    try:
        playbook = Playbook.from_dict({name: value for name, value in data.items() if name != "tests"})
    except WatchfloorError as error:
        raise WatchfloorError(error.what, where=where) from None
    for number, step in enumerate(playbook.steps, start=1):
        if problem := _misfit(step, actions):
            raise WatchfloorError(problem, where=f"{where}, step {number}")
    return playbook


def _misfit(step: Step, actions: Actions) -> str:
    action = actions.get(step.action)
    if action.effect != "read" and action.check is None:
        return f"{step.action} has no check"
    needed = {name: p.types for name, p in action.parameters.items() if p.types != ("case",)}
    if set(step.aim) != set(needed):
        return f"{step.action} takes {sorted(needed)}, and `aim` binds {sorted(step.aim)}"
    wrong = _wrong_types((name, selector.type, needed[name]) for name, selector in step.aim.items())
    return f"{step.action} takes no {wrong}" if wrong else ""


def _wrong_types(bound: Iterable[tuple[str, str, tuple[str, ...]]]) -> str:
    return ", ".join(f"{kind} as {name}" for name, kind, taken in bound if kind not in taken)
