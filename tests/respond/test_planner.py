"""Plans are bound to entities and grounded claims, keep to policy, and never carry a record's text anywhere else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.respond.desk import CONTEXT, STOLEN_SESSION
from tests.respond.given import ACTIONS, claim, context_of, lines_of, plan_of
from watchfloor.core.entity import Entity
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.plan import Plan
from watchfloor.core.policy import ApprovalRule, Policy, ResponsePolicy
from watchfloor.integrations.client import fill


def planned(*args: Any, **named: Any) -> Plan:
    plan = plan_of(*args, **{"context": CONTEXT, **named})
    assert plan is not None
    return plan


def with_response(**changes: Any) -> Policy:
    return Policy(response=ResponsePolicy(**changes))


def test_the_same_inputs_give_the_same_bytes() -> None:
    assert planned(STOLEN_SESSION).canonical() == planned(STOLEN_SESSION).canonical()
    assert planned(STOLEN_SESSION).uid != planned(STOLEN_SESSION, probability=0.94).uid


def test_each_step_names_its_entity_claims_undo_and_check() -> None:
    step = planned(STOLEN_SESSION).actions[1]
    assert step.title == "Disable the account of ana"
    assert step.entity == "user:ana"
    assert step.claims == ("claim-f-0-malicious-q",)
    assert step.undo is not None
    assert (step.undo.action, step.undo.arguments) == ("identity.enable_user", {"user": "ana"})
    assert (step.check.action, step.expect) == ("identity.user", {"enabled": False})
    assert (step.touches, step.effect) == (1, "reversible")
    assert step.blast_radius == "1 user: ana can sign in nowhere until enabled again"


def test_steps_are_numbered_and_destructive_ones_come_last() -> None:
    plan = planned(
        [{"layer": "cloud", "involved": {"access_key:AKIA1": "actor"}, "tactics": ["discovery"]}, *STOLEN_SESSION]
    )
    assert [step.n for step in plan.actions] == list(range(1, len(plan.actions) + 1))
    assert plan.actions[-1].call.action == "cloud.delete_access_key"
    assert plan.playbook == "compromised_account + leaked_cloud_key"
    assert sum(step.call.action == "ticketing.create" for step in plan.actions) == 1


def test_no_plan_when_policy_observes_or_the_case_is_closed_or_nothing_fits() -> None:
    assert plan_of(STOLEN_SESSION, context=CONTEXT, policy=Policy(autonomy="observe")) is None
    assert plan_of(STOLEN_SESSION, context=CONTEXT, disposition="close") is None
    assert plan_of(STOLEN_SESSION, context=CONTEXT, probability=0.2) is None


def test_a_claim_that_is_not_grounded_or_speaks_for_benign_supports_nothing() -> None:
    for claims in ([claim("f-0", grounded=False)], [claim("f-0", supports="false_positive")], []):
        assert plan_of(STOLEN_SESSION, context=CONTEXT, claims=claims) is None
    plan = planned(STOLEN_SESSION, claims=[claim("c-1")])
    assert all(step.claims == ("claim-c-1-malicious-q",) for step in plan.actions)


def test_claims_of_another_finding_do_not_support_a_step() -> None:
    other = {"layer": "network", "tactics": ["discovery"], "involved": {"address:198.51.100.77": "source"}}
    plan = plan_of([*STOLEN_SESSION, other], context=CONTEXT, claims=[claim("f-1")])
    assert plan is not None
    assert lines_of(plan) == ["ticketing.create case=c-1"]
    assert any("no grounded claim supports it for user:ana" in line for line in plan.left_out)


@pytest.mark.parametrize("never", ["user:ana", "mailbox:ana@acme.example", "user:ana@acme.example"])
def test_the_never_list_holds_for_every_spelling(never: str) -> None:
    plan = planned(STOLEN_SESSION, policy=with_response(never=(never,)))
    assert "ana" not in " ".join(lines_of(plan))
    assert "identity.disable_user: policy never acts on user:ana" in plan.left_out


def test_a_never_list_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(WatchfloorError, match="not a valid Entity"):
        planned(STOLEN_SESSION, policy=with_response(never=("ana",)))


def test_a_host_on_the_never_list_is_known_by_its_address_too() -> None:
    spec = {"layer": "network", "tactics": ["command-and-control"], "involved": {"address:10.0.0.11": "source"}}
    assert "edr.isolate_host host=ws-1" in lines_of(planned([spec]))
    assert "edr.isolate_host host=ws-1" not in lines_of(
        planned([spec], policy=with_response(never=("address:10.0.0.11",)))
    )


def test_a_step_that_touches_too_many_is_left_out_with_its_number() -> None:
    spec = {
        "layer": "email",
        "tactics": ["initial-access"],
        "involved": {
            "message:m-1": "related",
            **{f"mailbox:u{n}@acme.example": "target" for n in range(30)},
        },
    }
    plan = planned([spec])
    assert "mail.quarantine_message: it touches 31, and policy allows 25" in plan.left_out
    allowed = planned([spec], policy=with_response(most_touched=31))
    step = allowed.actions[0]
    assert (step.touches, step.blast_radius[:30]) == (31, "1 message, 30 mailboxes: messa")


def test_an_effect_without_a_rule_is_not_planned() -> None:
    rules = (ApprovalRule(effect="reversible", approvals=1, roles=("lead",)),)
    spec = {"layer": "cloud", "involved": {"access_key:AKIA1": "actor"}, "tactics": ["discovery"]}
    plan = planned([spec], policy=with_response(rules=rules))
    assert "cloud.delete_access_key: policy allows no destructive step" in plan.left_out


def test_what_the_asset_list_does_not_know_asks_for_a_lead() -> None:
    spec = {"layer": "endpoint", "tactics": ["execution"], "involved": {"host:new-1": "target"}}
    plan = planned([spec], context=context_of("{}"))
    step = next(s for s in plan.actions if s.call.action == "edr.isolate_host")
    assert step.effect == "destructive"
    assert "new-1 is not in the asset list" in step.blast_radius


def test_a_privileged_person_is_named_as_one() -> None:
    context = context_of("identities: [{user: ana, mail: ana@acme.example, privileged: true}]")
    step = planned(STOLEN_SESSION, context=context).actions[0]
    assert step.blast_radius.endswith("(ana is privileged)")
    assert step.effect == "reversible"


@pytest.mark.parametrize("address", ["10.1.2.3", "203.0.113.4", "127.0.0.1", "fe80::1", "not-an-address"])
def test_own_addresses_are_never_blocked(address: str) -> None:
    context = context_of(
        "company: {domains: [acme.example], egress_addresses: [203.0.113.0/28]}\n"
        "identities: [{user: ana, mail: ana@acme.example}]"
    )
    spec = {**STOLEN_SESSION[0], "involved": {"user:ana": "actor", f"address:{address}": "source"}}
    plan = planned([{**spec, "claims": [f"address:{address}"]}], context=context)
    assert not [line for line in lines_of(plan) if line.startswith("network.")]


def test_an_address_about_which_nothing_is_known_or_more_good_than_bad_is_not_blocked() -> None:
    unknown = planned([{**STOLEN_SESSION[0], "claims": []}])
    assert not [line for line in lines_of(unknown) if line.startswith("network.")]
    address = "address:198.51.100.9"
    claims = [claim("f-0"), claim(address, strength=1.0), claim(address, supports="false_positive", strength=3.0)]
    listed = planned(STOLEN_SESSION, claims=claims)
    assert f"network.block_address: what is known about {address} itself speaks for benign" in listed.left_out


def test_an_entity_that_correlation_left_out_of_the_case_is_no_target() -> None:
    plan = planned(STOLEN_SESSION)
    assert "198.51.100.9" in " ".join(lines_of(plan))
    strangers = [{**STOLEN_SESSION[0], "involved": {"user:stranger": "actor"}}]
    assert "stranger" not in " ".join(lines_of(planned(strangers)))


HOSTILE = ["../../admin?x=", 'a"b', "x' OR 1=1", "{user}", "a%2fb", "a#b", "ä ö", "AKIA/../../x", "a;b&c=d"]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_stays_one_quoted_segment(value: str) -> None:
    spec = {"layer": "email", "tactics": [], "involved": {f"message:{value}": "related"}}
    step = planned([spec]).actions[0]
    assert step.call.arguments == {"message": value}
    path, body = fill(ACTIONS.get(step.call.action), step.call.arguments)
    segments = path.split("/")
    assert (segments[:2], segments[3:], body) == (["", "messages"], ["quarantine"], None)
    assert not set(segments[2]) & set("?#/&={}\"' ")


@pytest.mark.parametrize("value", ["..", ".", "a\r\nX-Evil: 1", "a\x00", "x" * 3000])
def test_a_value_that_cannot_be_sent_safely_is_left_out(value: str) -> None:
    spec = {"layer": "email", "tactics": [], "involved": {f"message:{value}": "related"}}
    plan = planned([spec])
    assert lines_of(plan) == ["ticketing.create case=c-1"]
    assert any(line.startswith("mail.quarantine_message: message cannot be sent") for line in plan.left_out)


@settings(max_examples=60, deadline=None)
@given(
    value=st.text(max_size=60), kind=st.sampled_from(["user", "message", "access_key", "address", "mailbox", "host"])
)
def test_no_text_of_a_record_reaches_anything_but_its_own_argument(value: str, kind: str) -> None:
    spec = {"layer": "cloud", "tactics": ["persistence"], "involved": {f"{kind}:{value}": "actor"}}
    plan = plan_of([spec, {**spec, "layer": "email"}, {**spec, "layer": "endpoint"}], context=CONTEXT)
    if plan is None:
        return
    for step in plan.actions:
        assert set(step.call.arguments) == set(ACTIONS.get(step.call.action).parameters)
        entity = Entity.from_key(step.entity) if not step.entity.startswith("case:") else None
        allowed = {"c-1", value, value.lower(), entity.value if entity else "c-1"}
        assert set(step.call.arguments.values()) <= allowed
        try:
            path, _ = fill(ACTIONS.get(step.call.action), step.call.arguments)
        except WatchfloorError:
            pytest.fail("a planned call cannot be sent")
        assert path.count("/") == ACTIONS.get(step.call.action).request.path.count("/")
