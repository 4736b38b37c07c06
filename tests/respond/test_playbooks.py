"""Each shipped playbook does what the tests inside it say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.respond.given import ACTIONS, PLAYBOOKS, lines_of, plan_of, playbook_tests, sorted_line
from watchfloor.core.context import Context
from watchfloor.core.errors import WatchfloorError
from watchfloor.respond.playbooks import read_playbooks

TESTS = playbook_tests()


@pytest.mark.parametrize(("name", "test"), TESTS, ids=[f"{n}: {t['name']}" for n, t in TESTS])
def test_a_shipped_playbook_does_what_its_own_tests_say(name: str, test: dict[str, Any]) -> None:
    only = tuple(p for p in PLAYBOOKS if p.name == name)
    plan = plan_of(
        test["findings"],
        probability=test["probability"],
        context=Context.from_dict(test["context"]),
        playbooks=only,
    )
    assert plan is not None
    assert lines_of(plan) == [sorted_line(line) for line in test["steps"]]
    assert sorted({line.partition(":")[0] for line in plan.left_out}) == sorted(test["left_out"])
    assert plan.playbook == name


def test_the_four_playbooks_are_there_in_order_and_each_has_tests() -> None:
    names = [playbook.name for playbook in PLAYBOOKS]
    assert names == ["phishing", "compromised_account", "malware_on_host", "leaked_cloud_key"]
    assert {name for name, _ in TESTS} == set(names)


def test_a_step_that_does_not_fit_its_action_is_named_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(
        "name: x\ntitle: x\norder: 1\nwhen: [{}]\n"
        "steps: [{action: identity.disable_user, why: x, aim: {user: {type: file, roles: [related]}}}]\n"
    )
    with pytest.raises(WatchfloorError, match=r"wrong\.yaml, step 1: identity\.disable_user takes no file as user"):
        read_playbooks(file, ACTIONS)
