"""An approval is one person's signature over exactly one plan; whatever differs is refused."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.respond.desk import SECRET, STOLEN_SESSION, make_plan, roles
from tests.respond.given import NOW
from watchfloor.core.clock import HOUR
from watchfloor.core.errors import NotFoundError, RefusedError, WatchfloorError
from watchfloor.core.plan import Approval, Plan
from watchfloor.core.policy import ResponsePolicy
from watchfloor.respond.approvals import approve, refusals
from watchfloor.respond.keys import KeyRing

POLICY = ResponsePolicy()


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    ring = KeyRing(tmp_path / "keys")
    for user in ("ann", "lea", "aud"):
        ring.create(user, SECRET)
    return ring


def signed(plan: Plan, keys: KeyRing, **others: Any) -> Approval:
    given = {"user": "ann", "passphrase": SECRET, "policy": POLICY, "at": NOW, "roles": roles, **others}
    return approve(plan, given.pop("steps", (1, 2)), keys=keys, **given)


def problems(approval: Approval, plan: Plan, keys: KeyRing, at: int = NOW) -> str:
    return "; ".join(refusals(approval, plan, keys=keys, roles=roles, policy=POLICY, at=at))


def test_an_approval_holds_until_it_expires(keys: KeyRing) -> None:
    plan = make_plan()
    approval = signed(plan, keys)
    assert problems(approval, plan, keys) == ""
    assert problems(approval, plan, keys, NOW + 24 * HOUR) == ""
    assert "valid from" in problems(approval, plan, keys, NOW + 24 * HOUR + 1)
    assert "valid from" in problems(approval, plan, keys, NOW - 1)


def test_every_flipped_byte_of_the_plan_is_refused(keys: KeyRing) -> None:
    plan = make_plan()
    approval = signed(plan, keys)
    data = plan.canonical()
    readable = refused = 0
    for position in range(len(data)):
        flipped = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        try:
            other = Plan.from_json(flipped)
        except WatchfloorError:
            continue
        readable += 1
        refused += bool(problems(approval, other, keys))
    assert readable > 1000
    assert refused == readable


def test_every_flipped_byte_of_the_approval_is_refused(keys: KeyRing) -> None:
    plan = make_plan()
    approval = signed(plan, keys)
    data = approval.canonical()
    for position in range(len(data)):
        flipped = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        try:
            other = Approval.from_json(flipped)
        except WatchfloorError:
            continue
        if _same_signature(other, approval):
            continue
        assert problems(other, plan, keys), f"byte {position} of the approval"


def _same_signature(one: Approval, other: Approval) -> bool:
    """Base64 has spare bits at its end: such a text is another spelling of the same bytes."""
    try:
        same = base64.b64decode(one.signature) == base64.b64decode(other.signature)
    except ValueError:
        return False
    return same and one.signed_bytes() == other.signed_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"steps": (1, 2, 3)},
        {"steps": (1,)},
        {"purpose": "undo"},
        {"approver": "lea"},
        {"expires_at": NOW + 23 * HOUR},
        {"tenant": "other"},
        {"plan_uid": "p-other"},
        {"case_uid": "c-other"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_field_breaks_the_signature(keys: KeyRing, change: dict[str, Any]) -> None:
    plan = make_plan()
    assert problems(signed(plan, keys).model_copy(update=change), plan, keys)


def test_an_approval_is_not_good_for_another_plan(keys: KeyRing) -> None:
    plan = make_plan()
    other = make_plan(specs=[{**STOLEN_SESSION[0], "tactics": ["persistence"]}])
    assert "another plan" in problems(signed(plan, keys), other, keys)


def test_roles_are_asked_for_each_step(keys: KeyRing) -> None:
    plan = make_plan(specs=[{"layer": "cloud", "involved": {"access_key:AKIA1": "actor"}, "tactics": ["discovery"]}])
    destructive = next(a.n for a in plan.actions if a.effect == "destructive")
    with pytest.raises(RefusedError, match=f"step {destructive} is destructive and needs lead, which ann is not"):
        signed(plan, keys, steps=(1, destructive))
    assert signed(plan, keys, steps=(1,))
    with pytest.raises(RefusedError, match="which aud is not"):
        signed(plan, keys, user="aud", steps=(1,))


def test_a_person_who_lost_the_role_has_approved_nothing(keys: KeyRing) -> None:
    plan = make_plan()
    approval = signed(plan, keys)
    said = refusals(approval, plan, keys=keys, roles=lambda user: (), policy=POLICY, at=NOW)
    assert "which ann is not" in said[0]


def test_steps_that_are_not_there_are_refused(keys: KeyRing) -> None:
    plan = make_plan()
    with pytest.raises(RefusedError, match="no step 9"):
        signed(plan, keys, steps=(1, 9))
    with pytest.raises(RefusedError, match="names no step"):
        signed(plan, keys, steps=())


def test_what_has_no_undo_cannot_be_approved_for_undo(keys: KeyRing) -> None:
    with pytest.raises(RefusedError, match="step 1 has no undo"):
        signed(make_plan(), keys, steps=(1,), undo=True)


def test_a_key_needs_its_passphrase_and_its_person(keys: KeyRing) -> None:
    plan = make_plan()
    with pytest.raises(RefusedError, match="wrong passphrase"):
        signed(plan, keys, passphrase="guess")
    with pytest.raises(NotFoundError, match="no signing key"):
        signed(plan, keys, user="nobody")


def test_somebody_elses_key_does_not_sign_for_a_person(keys: KeyRing, tmp_path: Path) -> None:
    plan = make_plan()
    thief = KeyRing(tmp_path / "thief")
    thief.create("ann", "thief")
    forged = signed(plan, thief, passphrase="thief")
    assert "not the key of ann" in problems(forged, plan, keys)


def test_a_key_is_never_overwritten_and_its_file_is_sealed(keys: KeyRing, tmp_path: Path) -> None:
    with pytest.raises(WatchfloorError, match="has a key already"):
        keys.create("ann", "another")
    file = tmp_path / "keys" / "ann.json"
    assert file.stat().st_mode & 0o077 == 0
    assert [p.name for p in file.parent.iterdir() if p.name.endswith(".draft")] == []
    keys_of_lea = (tmp_path / "keys" / "lea.json").read_bytes()
    file.write_bytes(keys_of_lea.replace(b'"user":"lea"', b'"user":"ann"'))
    with pytest.raises(RefusedError, match="changed"):
        keys.sign("ann", SECRET, b"x")


@pytest.mark.parametrize("user", ["../ann", "", "Ann", "a/b", "a\x00b", "." * 3])
def test_a_user_name_never_becomes_a_path(keys: KeyRing, user: str) -> None:
    with pytest.raises(WatchfloorError, match="not a user name"):
        keys.create(user, SECRET)
