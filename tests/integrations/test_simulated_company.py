"""The simulated company answers every action of the catalogue, keeps its state and honours idempotency keys."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from watchfloor.core.context import Context
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.plan import Call
from watchfloor.integrations import read_connections, write_connections
from watchfloor.integrations.catalogue import Action, Actions
from watchfloor.integrations.client import Client
from watchfloor.integrations.simulated_company import SimulatedCompany
from watchfloor.integrations.simulated_state import KINDS

ACTIONS = Actions.shipped()
CONTEXT = Context.from_dict({"identities": [{"user": "ana", "mail": "ana@acme.example"}], "assets": [{"host": "ws-1"}]})
CHANGES = [action for action in ACTIONS if action.effect != "read"]


@pytest.mark.parametrize("action", CHANGES, ids=[action.name for action in CHANGES])
def test_every_action_has_the_effect_that_its_check_expects(tmp_path: Path, action: Action) -> None:
    with SimulatedCompany(tmp_path, Context(), knows_any=frozenset(KINDS)) as company:
        client = Client(ACTIONS, company.connections())
        call = Call(action=action.name, arguments=dict.fromkeys(action.parameters, "a/b:c@d ?x"))
        check, expect = ACTIONS.check_of(call)
        client.perform(call, key="k")
        body = client.perform(check).body
        assert {name: body[name] for name in expect} == expect


def test_a_retried_call_has_one_effect_and_its_key_is_good_for_no_other(tmp_path: Path) -> None:
    with SimulatedCompany(tmp_path, CONTEXT) as company:
        client = Client(ACTIONS, company.connections())
        disable = Call(action="identity.disable_user", arguments={"user": "ana"})
        assert client.perform(disable, key="k") == client.perform(disable, key="k")
        assert [entry["effect"] for entry in company.state.log()] == [True, False]
        with pytest.raises(WatchfloorError, match="422"):
            client.perform(Call(action="identity.enable_user", arguments={"user": "ana"}), key="k")


def test_state_token_and_keys_survive_a_restart(tmp_path: Path) -> None:
    isolate = Call(action="edr.isolate_host", arguments={"host": "ws-1"})
    with SimulatedCompany(tmp_path, CONTEXT) as first:
        Client(ACTIONS, first.connections()).perform(isolate, key="k")
        token = first.token_file.read_text()
    with SimulatedCompany(tmp_path, CONTEXT) as second:
        assert second.token_file.read_text() == token
        assert second.state.thing("hosts", "ws-1") == {"isolated": True}
        Client(ACTIONS, second.connections()).perform(isolate, key="k")
        assert [entry["effect"] for entry in second.state.log()] == [True, False]


def test_nothing_is_answered_without_the_token(tmp_path: Path) -> None:
    with SimulatedCompany(tmp_path, CONTEXT) as company:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            answer = httpx2.get(f"{company.url}/state", headers=headers, trust_env=False)
            assert answer.status_code == 401
        good = {"Authorization": f"Bearer {company.token_file.read_text()}"}
        assert httpx2.get(f"{company.url}/state", headers=good, trust_env=False).json()["users"]["ana"]["enabled"]
        assert company.token_file.stat().st_mode & 0o077 == 0


def test_what_the_company_has_not_is_unknown_and_the_seed_adds_to_it(tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text("users: {ana: {active_sessions: 3}}\ntrails: {main: {}}\n")
    with SimulatedCompany(tmp_path / "company", CONTEXT, seed=seed) as company:
        client = Client(ACTIONS, company.connections())
        with pytest.raises(WatchfloorError, match="404"):
            client.perform(Call(action="identity.user", arguments={"user": "bob"}))
        assert company.state.thing("users", "ana")["active_sessions"] == 3
        assert client.perform(Call(action="cloud.trail", arguments={"trail": "main"})).body == {"logging": False}


def test_mailbox_rules_are_set_aside_and_put_back(tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text("mailboxes: {ana@acme.example: {active_rules: 2}}\n")
    with SimulatedCompany(tmp_path / "company", CONTEXT, seed=seed) as company:
        client = Client(ACTIONS, company.connections())
        box = {"mailbox": "ana@acme.example"}
        client.perform(Call(action="mail.remove_inbox_rules", arguments=box))
        assert company.state.thing("mailboxes", "ana@acme.example") == {"active_rules": 0, "disabled_rules": 2}
        client.perform(Call(action="mail.restore_inbox_rules", arguments=box))
        assert company.state.thing("mailboxes", "ana@acme.example") == {"active_rules": 2, "disabled_rules": 0}


def test_wrong_seeds_and_kinds_are_named(tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text("gadgets: {}\n")
    with pytest.raises(WatchfloorError, match=r"seed\.yaml: no such kind: gadgets"):
        SimulatedCompany(tmp_path / "company", CONTEXT, seed=seed)
    with pytest.raises(WatchfloorError, match="no such kind: message"):
        SimulatedCompany(tmp_path / "company", CONTEXT, knows_any=frozenset({"message"}))


def test_faults_fail_lose_and_swallow_calls(tmp_path: Path) -> None:
    with SimulatedCompany(tmp_path, CONTEXT) as company:
        faults = company.state.faults
        faults.fail_next, faults.slow_seconds = 1, 0.05
        change = ("users", ("ana",), ("POST", "/disable"))
        assert company.state.call(*change, "a").status == 503
        faults.no_effect_next = 1
        assert company.state.call(*change, "b").status == 202
        assert company.state.thing("users", "ana")["enabled"] is True
        faults.lose_next = 1
        assert company.state.call(*change, "c").status == 504
        assert company.state.thing("users", "ana")["enabled"] is False
        slow = Client(ACTIONS, [c.model_copy(update={"timeout": 0.01}) for c in company.connections()])
        with pytest.raises(WatchfloorError, match="no answer"):
            slow.perform(Call(action="identity.user", arguments={"user": "ana"}))


def test_its_connections_are_read_back_wherever_the_folder_was_named_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with SimulatedCompany(Path("company"), Context()) as company:
        file = write_connections(Path("company") / "connections.yaml", company.connections())
        monkeypatch.chdir("/")
        read = read_connections(tmp_path / file)
        assert [connection.name for connection in read] == [connection.name for connection in company.connections()]
        assert {connection.token() for connection in read} == {(tmp_path / "company" / "token").read_text().strip()}
