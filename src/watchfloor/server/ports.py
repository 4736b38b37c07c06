"""What the server asks of the product. `app` has the real one; tests bring a small one in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from watchfloor.app.closing import ClassRow
from watchfloor.app.context_view import Entities
from watchfloor.app.detections import Detections
from watchfloor.app.mails import CaseMails
from watchfloor.app.regroupings import Regroupings
from watchfloor.app.scorecards import LearningView
from watchfloor.app.similar import SimilarCase
from watchfloor.app.updates import Updates
from watchfloor.app.uploads import Upload
from watchfloor.app.views import CaseView, IntakeView, LedgerState, Reopened, SourceRow
from watchfloor.core.case import Case, Comment
from watchfloor.core.closing import Draw
from watchfloor.core.context import Context
from watchfloor.core.entry import Entry
from watchfloor.core.event import Event
from watchfloor.core.evidence import Evidence
from watchfloor.core.label import Label
from watchfloor.core.noun import Noun
from watchfloor.core.plan import Approval, Outcome
from watchfloor.core.policy import Policy
from watchfloor.core.record import DeadLetter
from watchfloor.core.risk import Risk
from watchfloor.core.verdict import Hypothesis, Verdict
from watchfloor.improve.coverage import Coverage
from watchfloor.store.case_lines import Ask, CasePage, Overview


class Desk(Protocol):
    """One tenant's cases, evidence, plans and ledger. Its methods block; the server calls them from threads.

    Raises NotFoundError for what the tenant has not, RefusedError for what rules forbid (a wrong passphrase too).
    """

    @property
    def tenant(self) -> str: ...

    @property
    def policy(self) -> Policy: ...

    @property
    def context(self) -> Context: ...

    @property
    def updates(self) -> Updates: ...

    @property
    def detections(self) -> Detections: ...

    @property
    def regroupings(self) -> Regroupings: ...

    @property
    def entities(self) -> Entities: ...

    def cases(self, ask: Ask) -> CasePage: ...

    def overview(self) -> Overview: ...

    def case_view(self, case_uid: str) -> CaseView: ...

    def similar(self, case_uid: str) -> list[SimilarCase]: ...

    def mails(self, case_uid: str) -> CaseMails: ...

    def reopened(self, case_uids: Sequence[str]) -> dict[str, Reopened]: ...

    def entity_risks(self, case_uid: str) -> dict[str, Risk]: ...

    def evidence_view(self, evidence_uid: str) -> Evidence: ...

    def event_view(self, event_uid: str) -> Event: ...

    def replay(self, case_uid: str) -> tuple[Verdict, Verdict]: ...

    def approve(self, plan_uid: str, steps: tuple[int, ...], user: str, passphrase: str) -> Approval: ...

    def execute(self, approval_uid: str) -> list[Outcome]: ...

    def undo(self, plan_uid: str, step: int, user: str, passphrase: str) -> list[Outcome]: ...

    def comment(self, case_uid: str, user: str, text: str) -> Comment: ...

    def resolve(self, case_uid: str, hypothesis: Hypothesis, user: str, resolution_code: str) -> Label: ...

    def reopen(self, case_uid: str, user: str) -> Case: ...

    def assign(self, case_uid: str, user: str, assignee: str) -> Case: ...

    def ledger_entries(self, limit: int = 100) -> list[Entry]: ...

    def ledger_state(self) -> LedgerState: ...

    def held_back(self) -> tuple[int, int]: ...

    def closing(self) -> list[ClassRow]: ...

    def reviews(self) -> list[Draw]: ...

    def review(self, case_uid: str) -> Draw | None: ...

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]: ...

    def sources(self) -> list[SourceRow]: ...

    def intake_view(self) -> IntakeView: ...

    def coverage(self) -> Coverage: ...

    def learning(self) -> LearningView: ...

    def upload(self, uploads: Sequence[Upload], user: str) -> Noun:
        """Records in; the report as a noun. Their cases are decided by `triage`."""
        ...

    def uploads(self, limit: int = 20) -> list[Entry]:
        """What came in, the newest first: ledger entries whose bodies are reports."""
        ...

    def triage(self) -> list[str]:
        """Decide what is new; the uids of those cases."""
        ...
