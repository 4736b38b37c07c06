"""The action catalogue holds together: checks are reads, undoes are there, what is reversible can be taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchfloor import content
from watchfloor.core.errors import NotFoundError, WatchfloorError
from watchfloor.core.plan import Call
from watchfloor.integrations.catalogue import Actions, read_actions
from watchfloor.integrations.simulated_company import PRODUCTS

ACTIONS = Actions.shipped()


def test_each_kind_of_product_has_actions_and_every_effect_is_checked() -> None:
    assert {action.kind for action in ACTIONS} == set(PRODUCTS)
    effects = [action for action in ACTIONS if action.effect != "read"]
    assert len(effects) >= 25
    for action in effects:
        arguments = dict.fromkeys(action.parameters, "x")
        check, expect = ACTIONS.check_of(Call(action=action.name, arguments=arguments))
        assert ACTIONS.get(check.action).effect == "read"
        assert expect


def test_an_undo_undone_is_the_action_itself() -> None:
    pairs = 0
    for action in ACTIONS:
        call = Call(action=action.name, arguments={name: name for name in action.parameters})
        undo = ACTIONS.undo_of(call)
        if undo is not None:
            pairs += 1
            assert ACTIONS.undo_of(undo) == call
    assert pairs >= 18


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("effect: read, request: {method: POST, path: /x}", "a read must be a GET"),
        ("effect: reversible, request: {method: POST, path: /x}", "needs `check` and `blast`"),
        ("effect: read, request: {method: GET, path: '/x/{y}'}", "no parameter named y"),
        ("effect: odd, request: {method: GET, path: /x}", "effect"),
    ],
)
def test_a_wrong_action_is_named_with_its_place(tmp_path: Path, fields: str, problem: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(f"actions:\n  a.b: {{title: t, openc2: query, parameters: {{}}, {fields}}}\n")
    with pytest.raises(WatchfloorError, match=problem) as error:
        Actions(read_actions(content.documents(file)))
    assert "a.yaml, a.b" in str(error.value)


def test_an_unknown_action_is_not_found() -> None:
    with pytest.raises(NotFoundError, match=r"identity\.delete_everything"):
        ACTIONS.get("identity.delete_everything")
