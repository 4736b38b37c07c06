"""Plan, approval and outcome: what is to be done, a person's signature over exactly that, and what it did."""

from __future__ import annotations

from typing import Literal

from watchfloor.core.noun import Digest, Noun, Tenant, canonical

Effect = Literal["read", "reversible", "destructive"]


class Call(Noun):
    """One operation of an integration with exact arguments: `identity.disable_user` and `{"user": "alice"}`."""

    action: str
    arguments: dict[str, str]


class PlannedAction(Noun):
    """One step of a plan, bound to an entity of the case and to the claims it rests on."""

    n: int
    title: str
    call: Call
    entity: str
    claims: tuple[str, ...]
    effect: Effect
    blast_radius: str
    """Who and what it touches, in words with a number: `1 user, 2 sessions`."""
    touches: int
    undo: Call | None
    check: Call
    """The read whose answer shows that the state changed."""
    expect: dict[str, str | bool | int]
    """What the check must show for the step to have succeeded."""


class Plan(Noun):
    """Ordered actions with exact arguments. An approval signs its digest; another byte is another plan."""

    tenant: Tenant
    uid: str
    case_uid: str
    time: int
    verdict_digest: Digest
    policy_digest: Digest
    playbook: str
    playbook_digest: Digest
    title: str
    actions: tuple[PlannedAction, ...]
    left_out: tuple[str, ...] = ()
    """Steps that the playbook has and this plan has not, each with the reason (`isolate host: no host in the case`)."""


class Approval(Noun):
    """An Ed25519 signature over `signed_bytes`: this plan's digest, these steps, this person, this time."""

    tenant: Tenant
    uid: str
    plan_uid: str
    case_uid: str
    time: int
    plan_digest: Digest
    steps: tuple[int, ...]
    approver: str
    expires_at: int
    purpose: Literal["execute", "undo"] = "execute"
    public_key: str
    """Raw public key, base64."""
    signature: str
    """Base64."""

    def signed_bytes(self) -> bytes:
        """What the signature covers: everything but the signature itself."""
        fields = self.to_dict()
        del fields["signature"]
        return b"watchfloor-approval-v1\n" + canonical(fields)


class Outcome(Noun):
    """What one action did, and the check that it did."""

    tenant: Tenant
    uid: str
    plan_uid: str
    case_uid: str
    approval_uid: str
    time: int
    n: int
    call: Call
    status: Literal["succeeded", "already_so", "no_effect", "failed", "refused", "undone"]
    """`already_so`: the check showed the wanted state before the step, so nothing was called and nothing can be undone.
    `no_effect`: the call was accepted and the state did not change, which is an error."""
    sentence: str
    before: str = ""
    """Canonical JSON of the check's answer before the action."""
    after: str = ""
    response_status: int = 0
