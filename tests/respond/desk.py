"""A small response desk for tests: the real store and ledger, keys of three people, and the simulated company."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.respond.given import ACTIONS, NOW, plan_of
from watchfloor.core.context import Context
from watchfloor.core.entry import Entry
from watchfloor.core.plan import Approval, Outcome, Plan
from watchfloor.core.policy import Policy
from watchfloor.integrations.client import Client
from watchfloor.integrations.connection import Connection
from watchfloor.integrations.simulated_company import SimulatedCompany
from watchfloor.ledger.ledger import Ledger
from watchfloor.ledger.signing import SigningKey
from watchfloor.respond.approvals import approve
from watchfloor.respond.executor import Executor
from watchfloor.respond.keys import KeyRing
from watchfloor.store.database import Database
from watchfloor.store.documents import Documents

ROLES = {"ann": ("analyst",), "lea": ("lead",), "lou": ("lead",), "aud": ("auditor",)}
SECRET = "correct horse battery"
CONTEXT = Context.from_dict(
    {
        "company": {"domains": ["acme.example"], "mail_domains": ["acme.example"]},
        "identities": [{"user": "ana", "mail": "ana@acme.example"}],
        "assets": [{"host": "ws-1", "addresses": ["10.0.0.11"]}],
    }
)
STOLEN_SESSION: list[dict[str, Any]] = [
    {
        "layer": "identity",
        "tactics": ["initial-access"],
        "involved": {"user:ana": "actor", "address:198.51.100.9": "source"},
        "claims": ["address:198.51.100.9"],
    }
]
"""Five steps: end sessions, disable, new password, block the address, ticket."""


def roles(user: str) -> Iterable[str]:
    return ROLES.get(user, ())


def make_plan(**others: Any) -> Plan:
    plan = plan_of(others.pop("specs", STOLEN_SESSION), context=CONTEXT, **others)
    assert plan is not None
    return plan


class Desk:
    """One home. `clock` stands still unless a test moves it."""

    def __init__(self, home: Path, connections: tuple[Connection, ...], policy: Policy | None = None) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home, self.connections = home, connections
        self.now, self.policy = NOW, policy or Policy()
        self.database = Database.open(home / "watchfloor.db")
        self.documents = Documents(self.database)
        self.ledger = Ledger(self.database, SigningKey.open(home))
        self.keys = KeyRing(home / "keys")
        self.client = Client(ACTIONS, connections)
        self.executor = Executor(
            home / "work.db",
            documents=self.documents,
            append=self.ledger.append,
            caller=self.client,
            actions=ACTIONS,
            keys=self.keys,
            roles=lambda tenant: roles,
            policy=self.policy,
            clock=lambda: self.now,
        )

    def with_policy(self, policy: Policy) -> Desk:
        """This desk, started anew under another policy."""
        self.close()
        self.__init__(self.home, self.connections, policy)  # type: ignore[misc]
        self.executor.start()
        return self

    def approve(self, plan: Plan, steps: tuple[int, ...], user: str = "ann", *, undo: bool = False) -> Approval:
        if not self.keys.has(user):
            self.keys.create(user, SECRET)
        approval = approve(
            plan,
            steps,
            user=user,
            passphrase=SECRET,
            keys=self.keys,
            roles=roles,
            policy=self.policy.response,
            at=self.now,
            undo=undo,
        )
        self.documents.put(plan.tenant, plan, approval)
        return approval

    def run(self, plan: Plan, steps: tuple[int, ...], user: str = "ann", *, undo: bool = False) -> list[Outcome]:
        """Approve and carry out, a moment after whatever was before."""
        self.now += 1000
        return self.executor.execute(plan.tenant, self.approve(plan, steps, user, undo=undo).uid)

    def entries(self) -> list[Entry]:
        return self.ledger.latest("acme")[::-1]

    def close(self) -> None:
        self.executor.close()
        self.client.close()
        self.database.close()


def effects(company: SimulatedCompany) -> list[str]:
    """Every call that changed something, in order."""
    return [f"{entry['kind']}{entry['call']}" for entry in company.state.log() if entry["effect"]]


def seconds() -> float:
    return time.perf_counter()
