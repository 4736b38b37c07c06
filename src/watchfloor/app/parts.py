"""Parts: everything a running product is made of, built from a home and its settings, each when first needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING

import sqlalchemy as sa

from watchfloor.app.intel import TenantIntel
from watchfloor.app.settings import Settings, read_policy
from watchfloor.app.updates import Updates
from watchfloor.core.case import Case
from watchfloor.core.context import Context
from watchfloor.core.errors import NotFoundError
from watchfloor.core.label import Label, standing
from watchfloor.core.plan import Approval, Plan
from watchfloor.core.policy import Policy
from watchfloor.core.regrouping import counted_once
from watchfloor.core.suppression import Suppression
from watchfloor.ledger.ledger import Ledger
from watchfloor.ledger.signing import SigningKey
from watchfloor.store.accounts import Accounts
from watchfloor.store.database import Database
from watchfloor.store.documents import Documents
from watchfloor.store.evidence import EvidenceStore
from watchfloor.store.facts import FactStore
from watchfloor.store.home import Home
from watchfloor.store.intel import IntelStore
from watchfloor.store.usual import UsualStore

if TYPE_CHECKING:
    from watchfloor.app.context import ContextBook
    from watchfloor.app.scorecards import Scorecards
    from watchfloor.core.finding import Finding
    from watchfloor.core.scorecard import Scorecard
    from watchfloor.detect import Detector
    from watchfloor.enrich import Enricher, Events
    from watchfloor.ingest import Normalizer
    from watchfloor.integrations import Actions, Connection
    from watchfloor.respond.executor import Executor
    from watchfloor.respond.keys import KeyRing
    from watchfloor.respond.playbooks import Playbook
    from watchfloor.store.lake import Lake
    from watchfloor.store.lake_values import LakeValues
    from watchfloor.triage.catalogue import Catalogue

Clock = Callable[[], int]


def now() -> int:
    """Milliseconds since the epoch. The rim's clock; nothing in the core reads it."""
    return time.time_ns() // 1_000_000


class Parts:
    """What pipeline and desk share: one tenant's view of one home.

    What takes long to load is imported and built when first asked for, so that a command pays for what it uses.
    """

    def __init__(self, home: Home, settings: Settings, connections: Sequence[Connection], clock: Clock = now) -> None:
        self.home, self.settings, self.clock = home, settings, clock
        self.tenant = settings.tenant
        self.updates = Updates()
        self.connections = tuple(connections)
        self._database = Database.open(home.database)
        self.documents = Documents(self._database)
        self.evidence = EvidenceStore(home.evidence, self.documents)
        self.ledger_key = SigningKey.open(home.keys)
        self.ledger = Ledger(self._database, self.ledger_key)
        self.accounts = Accounts(self._database)
        self.intel_store = IntelStore(self._database)
        self.usual = UsualStore(self._database)
        self.facts = FactStore(self._database)
        self._executor: Executor | None = None

    def close(self) -> None:
        if self._executor is not None:
            self._executor.close()
        self.evidence.close()
        self._database.close()

    def together(self) -> AbstractContextManager[sa.Connection]:
        """A block of writes that commit together or not at all."""
        return self._database.write()

    # What decisions rest on

    @cached_property
    def policy(self) -> Policy:
        return read_policy(self.settings.policy)

    @cached_property
    def context_book(self) -> ContextBook:
        from watchfloor.app.context import ContextBook

        return ContextBook(self)

    @cached_property
    def context(self) -> Context:
        """What is known and true now; `context.at(time)` is what is known now and was true at another time."""
        return self.context_book.now()

    @property
    def context_digest(self) -> str:
        """Another one where the context is, at any time."""
        return f"{self.context.digest()} {self.context_book.mark}"

    def refresh_context(self) -> None:
        """See facts that came since, here or in another process."""
        if self.context_book.changed():
            self.__dict__["context"] = self.context_book.now()

    @cached_property
    def intel(self) -> TenantIntel:
        from watchfloor.ingest.intel import load_intel

        files = load_intel(self.settings.intel)
        return TenantIntel(files, self.intel_store, self.tenant, self.policy.intel.lookback_days)

    @cached_property
    def _owner_labels(self) -> tuple[Label, ...]:
        from watchfloor.ingest.labels import load_labels

        return load_labels(self.settings.labels, self.tenant) if self.settings.labels else ()

    def labels(self) -> tuple[Label, ...]:
        """The labels of the owner's file and those that people gave on cases since, as far as they stand."""
        given = self.documents.find(self.tenant, Label, limit=None, newest_first=False)
        here = self.documents.known(self.tenant, Case, [label.case_uid for label in given])
        cases = self.documents.get_many(self.tenant, Case, sorted(here))
        merged = {case.uid: case.merged_into for case in cases if case.merged_into}
        return counted_once(standing((*self._owner_labels, *given)), merged)

    # The five steps

    @cached_property
    def normalizer(self) -> Normalizer:
        from watchfloor.ingest import Normalizer

        return Normalizer.shipped(*self.settings.mappings)

    @cached_property
    def detector(self) -> Detector:
        from watchfloor.detect import Detector

        settings, company = self.settings, self.context.company
        return Detector.load(settings.rules, shipped=settings.shipped_rules, intel=self.intel, company=company)

    def use(self, detector: Detector) -> None:
        """Have another detector from now on: between two batches only (`Keeper.between_batches`)."""
        self.__dict__["detector"] = detector

    @cached_property
    def lake(self) -> Lake:
        from watchfloor.store.lake import Lake

        return Lake(self.home.lake)

    @cached_property
    def lake_values(self) -> LakeValues:
        from watchfloor.store.lake_values import LakeValues

        return LakeValues(self.lake)

    @cached_property
    def catalogue(self) -> Catalogue:
        from watchfloor.triage.catalogue import Catalogue

        return Catalogue.shipped(*self.settings.questions)

    @cached_property
    def scorecards(self) -> Scorecards:
        from watchfloor.app.scorecards import Scorecards

        return Scorecards(self)

    @property
    def scorecard(self) -> Scorecard:
        """The expert's, or the one that a person applied last (`Scorecards.renew` looks)."""
        return self.scorecards.current()

    def enricher(self, findings: Sequence[Finding], events: Events) -> Enricher:
        """A fresh enricher: it remembers answers for one run, so that no fact is older than the run.

        `findings` are all that may be asked about as what was found before, `events` those of the run.
        """
        from watchfloor.enrich import Enricher, Past, collectors_for

        self.intel.refresh()
        self.refresh_context()
        reader = self.lake.reader(self.tenant)
        past = Past(findings, self.context, self.labels(), self._cases, self._suppressions)
        collectors = collectors_for(events, reader, self.context, self.intel, past)
        return Enricher(collectors, self.evidence, self.clock)

    def _cases(self, uids: Iterable[str]) -> dict[str, Case]:
        known = sorted(self.documents.known(self.tenant, Case, list(uids)))
        return {case.uid: case for case in self.documents.get_many(self.tenant, Case, known)}

    def _suppressions(self) -> list[Suppression]:
        return self.documents.find(self.tenant, Suppression, limit=None)

    @cached_property
    def actions(self) -> Actions:
        from watchfloor.integrations import Actions

        return Actions.shipped()

    @cached_property
    def playbooks(self) -> tuple[Playbook, ...]:
        from watchfloor.respond.playbooks import shipped_playbooks

        return shipped_playbooks(self.actions)

    # Acting

    @cached_property
    def keys(self) -> KeyRing:
        from watchfloor.respond.keys import KeyRing

        return KeyRing(self.home.keys / self.tenant)

    def roles(self, tenant: str) -> Callable[[str], Iterable[str]]:
        """Who has which roles now; nobody unknown has any."""

        def of(user: str) -> Iterable[str]:
            try:
                return self.accounts.get(tenant, user).roles
            except NotFoundError:
                return ()

        return of

    def approve(
        self, plan: Plan, steps: tuple[int, ...], user: str, passphrase: str, *, undo: bool = False
    ) -> Approval:
        """A person's signature over these steps of this plan. Raises RefusedError where it would not hold."""
        from watchfloor.respond.approvals import approve

        return approve(
            plan,
            steps,
            user=user,
            passphrase=passphrase,
            keys=self.keys,
            roles=self.roles(self.tenant),
            policy=self.policy.response,
            at=self.clock(),
            undo=undo,
        )

    @property
    def executor(self) -> Executor:
        """The durable executor, started when first needed; it goes on with what an earlier process left undone."""
        if self._executor is None:
            from watchfloor.integrations import Client
            from watchfloor.respond.executor import Executor

            self._executor = Executor(
                self.home.work,
                documents=self.documents,
                append=self.ledger.append,
                caller=Client(self.actions, self.connections),
                actions=self.actions,
                keys=self.keys,
                roles=self.roles,
                policy=self.policy,
                clock=self.clock,
            ).start()
        return self._executor
