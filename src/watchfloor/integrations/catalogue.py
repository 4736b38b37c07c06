"""The action catalogue: what can be done in other products, as content (`content/actions/*.yaml`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from watchfloor import content
from watchfloor.core.entity import EntityType
from watchfloor.core.errors import NotFoundError, WatchfloorError
from watchfloor.core.noun import Noun
from watchfloor.core.plan import Call, Effect

_PLACEHOLDER = re.compile(r"\{(\w+)\}")

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Caution = Literal["critical_asset", "domain_controller", "service_account"]


class Parameter(Noun):
    """One argument of an action. `types` are the entity types it takes; `case` is the case's own id.

    `spelling` is how the other product names the entity: by its plain `value`, or a person by `mail` address.
    """

    types: tuple[EntityType | Literal["case"], ...]
    spelling: Literal["value", "mail"] = "value"


class Request(Noun):
    """The HTTP call. `{parameter}` is URL-quoted in `path` and stands as it is in the values of `body` (JSON)."""

    method: Method
    path: str
    body: dict[str, str] = Field(default_factory=dict)


class Check(Noun):
    """A read action, its arguments by the names of this action's parameters, and what its answer must show."""

    action: str
    arguments: dict[str, str] = Field(default_factory=dict)
    expect: dict[str, str | bool | int]


class Undo(Noun):
    """The action that takes this one back, its arguments by the names of this action's parameters."""

    action: str
    arguments: dict[str, str] = Field(default_factory=dict)


class Blast(Noun):
    """What a step touches: its `{parameters}` in words, and which entities of the case count besides its own."""

    words: str
    counts: tuple[EntityType, ...] = ()
    """Targets of these types anywhere in the case are touched as well (the recipients of a campaign)."""


class Action(Noun):
    """One operation of an integration. `name` is `kind.verb_noun`; `openc2` its verb in OpenC2, for CACAO."""

    name: Annotated[str, Field(pattern=r"^[a-z]+\.[a-z_]+$")]
    title: str
    effect: Effect
    openc2: str
    parameters: dict[str, Parameter]
    request: Request
    check: Check | None = None
    undo: Undo | None = None
    recover: str = ""
    """For an effect without an undo: how the former state comes back."""
    blast: Blast | None = None
    cautions: tuple[Caution, ...] = ()
    """Where one of these holds for what it is aimed at, the effect counts as destructive."""

    @property
    def kind(self) -> str:
        """The kind of product that offers it: `identity`, `edr`, ..."""
        return self.name.partition(".")[0]

    @model_validator(mode="after")
    def _complete(self) -> Action:
        used = set(_PLACEHOLDER.findall(" ".join([self.request.path, self.title, *self.request.body.values()])))
        used |= set(_PLACEHOLDER.findall(self.blast.words)) if self.blast else set()
        for part in (self.check, self.undo):
            used |= set(part.arguments.values()) if part else set()
        if unknown := used - set(self.parameters):
            raise ValueError(f"no parameter named {', '.join(sorted(unknown))}")
        if self.effect == "read":
            if self.request.method != "GET":
                raise ValueError("a read must be a GET")
        elif self.check is None or self.blast is None:
            raise ValueError("an action with an effect needs `check` and `blast`")
        elif self.effect == "reversible" and self.undo is None and not self.recover:
            raise ValueError("a reversible action needs `undo` or `recover`")
        return self


class Actions:
    """All actions by name; every `check` and `undo` in it names an action that is there and fits."""

    def __init__(self, actions: Iterable[Action]) -> None:
        self._by_name: dict[str, Action] = {}
        for action in actions:
            if action.name in self._by_name:
                raise WatchfloorError("this action stands twice in the catalogue", where=action.name)
            self._by_name[action.name] = action
        for action in self:
            self._fits(action)

    @classmethod
    def shipped(cls) -> Actions:
        """The catalogue of `content/actions`."""
        return cls(read_actions(content.documents(content.folder("actions"))))

    def __iter__(self) -> Iterator[Action]:
        return iter(self._by_name.values())

    def get(self, name: str) -> Action:
        """The action of that name. Raises NotFoundError."""
        if name not in self._by_name:
            raise NotFoundError(f"no action named {name!r} in the catalogue")
        return self._by_name[name]

    def check_of(self, call: Call) -> tuple[Call, dict[str, str | bool | int]]:
        """The read that shows whether a call has had its effect, and what it must show."""
        check = self.get(call.action).check
        if check is None:
            raise WatchfloorError("a read has no check", where=call.action)
        return _translated(check, call), dict(check.expect)

    def undo_of(self, call: Call) -> Call | None:
        """The call that takes a call back, if there is one."""
        undo = self.get(call.action).undo
        return None if undo is None else _translated(undo, call)

    def _fits(self, action: Action) -> None:
        for part in (action.check, action.undo):
            if part is None:
                continue
            other = self.get(part.action)
            if set(part.arguments) != set(other.parameters):
                raise WatchfloorError(f"{part.action} takes {sorted(other.parameters)}", where=action.name)
            if part is action.check and other.effect != "read":
                raise WatchfloorError(f"its check {part.action} is not a read", where=action.name)
            if part is action.undo and other.effect == "destructive":
                raise WatchfloorError(f"its undo {part.action} is destructive", where=action.name)


def _translated(part: Check | Undo, call: Call) -> Call:
    arguments = {name: call.arguments[source] for name, source in part.arguments.items()}
    return Call(action=part.action, arguments=arguments)


def read_actions(documents: Iterable[content.Document]) -> Iterator[Action]:
    """Actions of content files: `actions:` maps names to the rest. Raises WatchfloorError with file and action."""
    for where, data in documents:
        entries: dict[str, Any] = data.get("actions") or {}
        for name, fields in entries.items():
            try:
                yield Action.from_dict({"name": name, **fields})
            except WatchfloorError as error:
                raise WatchfloorError(error.what, where=f"{where}, {name}") from None
