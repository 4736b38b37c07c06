"""The people's half: look, approve, execute, undo, comment, decide. Every act is written to the ledger."""

from __future__ import annotations

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchfloor.app.once import once
from watchfloor.app.views import VERDICTS, CaseView, IntakeView, LedgerState, QueueRow, Reopened, SourceRow
from watchfloor.core.case import Case, Comment
from watchfloor.core.closing import Draw
from watchfloor.core.context import Context
from watchfloor.core.entry import Entry
from watchfloor.core.errors import RefusedError, WatchfloorError
from watchfloor.core.event import Event
from watchfloor.core.evidence import Evidence
from watchfloor.core.finding import Finding
from watchfloor.core.label import Label
from watchfloor.core.noun import short_id
from watchfloor.core.plan import Approval, Outcome, Plan
from watchfloor.core.policy import Policy
from watchfloor.core.record import DeadLetter
from watchfloor.core.risk import Risk
from watchfloor.core.verdict import Disposition, Hypothesis, Verdict
from watchfloor.store.case_lines import Ask, CaseLines, CasePage, Overview
from watchfloor.store.documents import Document

if TYPE_CHECKING:
    from watchfloor.app.closing import ClassRow, Closing
    from watchfloor.app.context_view import Entities
    from watchfloor.app.detections import Detections
    from watchfloor.app.mails import CaseMails
    from watchfloor.app.pipeline import IngestReport
    from watchfloor.app.regroupings import Regroupings
    from watchfloor.app.scorecards import LearningView
    from watchfloor.app.similar import SimilarCase
    from watchfloor.app.uploads import Upload
    from watchfloor.app.watchfloor import Watchfloor
    from watchfloor.improve.coverage import Coverage

MAX_COMMENT = 10_000
COVERAGE_SECONDS = 300.0


class Desk:
    """What a person does with cases, for the console, the API and the command line alike."""

    def __init__(self, product: Watchfloor) -> None:
        self._product, parts = product, product.parts
        self._parts = parts
        self._lines = CaseLines(parts.documents.database)
        self._covering = threading.Lock()
        self._covered: tuple[float, Coverage | None] = (0.0, None)
        self.tenant = parts.tenant
        self.updates = parts.updates

    @once
    def detections(self) -> Detections:
        from watchfloor.app.detections import Detections

        return Detections(self._parts, self._product.pipeline)

    @once
    def entities(self) -> Entities:
        from watchfloor.app.context_view import Entities

        return Entities(self._parts)

    @once
    def regroupings(self) -> Regroupings:
        from watchfloor.app.regroupings import Regroupings

        return Regroupings(self._parts, self._product.pipeline)

    @once
    def _closing(self) -> Closing:
        from watchfloor.app.closing import Closing

        return Closing(self._parts)

    @property
    def policy(self) -> Policy:
        return self._parts.policy

    @property
    def context(self) -> Context:
        return self._parts.context

    # Looking

    def cases(self, ask: Ask) -> CasePage:
        """The lines of a list of cases: filtered, sorted and paged."""
        return self._lines.page(self.tenant, ask)

    def overview(self) -> Overview:
        """Figures over all cases."""
        return self._lines.overview(self.tenant)

    def queue(
        self, status: str | None = None, disposition: Disposition | None = None, limit: int | None = 100
    ) -> list[QueueRow]:
        """Whole cases with their verdicts, the most pressing first: who decides, then probability, then severity."""
        documents, tenant = self._parts.documents, self.tenant
        uids = self._lines.uids(tenant, status=status, disposition=disposition, limit=limit)
        verdicts = documents.latest_each(tenant, Verdict, uids)
        return [QueueRow(case, verdicts.get(case.uid)) for case in documents.get_many(tenant, Case, uids)]

    def count(self, disposition: Disposition | None = None) -> int:
        """How many cases `queue` has without a limit."""
        return self._lines.count(self.tenant, disposition=disposition)

    def case_view(self, case_uid: str) -> CaseView:
        """All that a case page shows. Raises NotFoundError."""
        documents, tenant = self._parts.documents, self.tenant
        case = documents.get(tenant, Case, case_uid)
        plan = documents.latest(tenant, Plan, case_uid)
        return CaseView(
            case=case,
            findings=documents.get_many(tenant, Finding, case.findings),
            verdict=documents.latest(tenant, Verdict, case_uid),
            plan=plan,
            approvals=documents.find(tenant, Approval, case_uid=case_uid, newest_first=False),
            outcomes=documents.find(tenant, Outcome, case_uid=case_uid, newest_first=False),
            comments=documents.find(tenant, Comment, case_uid=case_uid, newest_first=False),
            label=self._label(case_uid),
            entries=self._parts.ledger.of_subject(tenant, case_uid),
        )

    def similar(self, case_uid: str) -> list[SimilarCase]:
        """The nearest earlier cases and how they ended, as is known now."""
        from watchfloor.app.similar import similar_cases

        return similar_cases(self._parts, case_uid)

    def reopened(self, case_uids: Sequence[str]) -> dict[str, Reopened]:
        """Of these cases, those whose verdict took another one's place because a fact changed, and why."""
        newest = self._parts.ledger.newest_each(self.tenant, case_uids, VERDICTS)
        return {uid: why for uid, entry in newest.items() if (why := Reopened.of(entry))}

    def entity_risks(self, case_uid: str) -> dict[str, Risk]:
        """Of the first entities of a case, by key, the greatest first: the risk over all their cases, then."""
        from watchfloor.app.risks import entity_risks

        return entity_risks(self._parts, self._lines, case_uid)

    def mails(self, case_uid: str) -> CaseMails:
        """The campaigns of a case's mails, and drafts of what to answer who reported them."""
        from watchfloor.app.mails import case_mails

        case = self._parts.documents.get(self.tenant, Case, case_uid)
        verdict = self._parts.documents.latest(self.tenant, Verdict, case_uid)
        return case_mails(self._parts, case, verdict, self._label(case_uid))

    def evidence_view(self, evidence_uid: str) -> Evidence:
        """Evidence, its content hashed anew. Raises NotFoundError, or an error when a byte differs."""
        return self._parts.evidence.get(self.tenant, evidence_uid)

    def event_view(self, event_uid: str) -> Event:
        return self._parts.lake.event(self.tenant, event_uid)

    def held_back(self) -> tuple[int, int]:
        """Findings that make no case because somebody holds them back; of them, vendors' alerts of level high."""
        return self.detections.suppressions.total()

    def closing(self) -> list[ClassRow]:
        """Each class of cases: whether it closes by itself, and if not, why and what it needs; the open ones first."""
        return self._closing.rows()

    def review(self, case_uid: str) -> Draw | None:
        """The draw of a closed case that waits for a person's review: who judges it does not see the verdict first."""
        return self._closing.review_of(case_uid)

    def draw_problems(self) -> list[str]:
        """What does not hold of the draws of reviews when they are drawn again from the ledger."""
        return self._closing.draw_problems()

    def reviews(self) -> list[Draw]:
        """Closed cases that chance drew for a person and nobody has judged, the most urgent first."""
        return self._closing.reviews()

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        return self._product.dead_letters.find(limit=limit)

    def ledger_entries(self, limit: int = 100) -> list[Entry]:
        """The newest entries first."""
        return self._parts.ledger.latest(self.tenant, limit)

    def ledger_state(self) -> LedgerState:
        """The whole record, exported and read just now by the stand-alone verifier."""
        from watchfloor.ledger import verifier

        with tempfile.TemporaryDirectory() as scratch:
            folder = self.export_ledger(Path(scratch) / "export")
            report = verifier.verify(folder, self._parts.ledger_key.public)
        head = self._parts.ledger.head(self.tenant, self._parts.clock())
        return LedgerState(report.entries, head, [str(problem) for problem in report.problems])

    def prove(self, seq: int, since: int = 0) -> str:
        """The checked proof, as JSON, that entry `seq` is in the signed log, and that it began as it was at `since`."""
        return self._parts.ledger.prove(self.tenant, seq, self._parts.clock(), since)

    def export_ledger(self, folder: Path) -> Path:
        """The signed record with its stand-alone verifier, in a new folder."""
        self._parts.ledger.head(self.tenant, self._parts.clock())
        return self._parts.ledger.export(self.tenant, folder)

    def plan(self, plan_uid: str) -> Plan:
        return self._parts.documents.get(self.tenant, Plan, plan_uid)

    def sources(self) -> list[SourceRow]:
        """What has come from where, the newest first."""
        letters = self._parts.documents.find(self.tenant, DeadLetter, limit=None)
        dead = Counter(letter.source for letter in letters if letter.status == "dead")
        live = self._product.intake.live_rows()
        rows = {
            source: SourceRow(source, mappings, events, dead.pop(source, 0), last, live.pop(source, None))
            for source, mappings, events, last in self._parts.lake.sources(self.tenant)
        }
        rows |= {source: SourceRow(source, (), 0, dead[source], None, live.get(source)) for source in {**dead, **live}}
        return sorted(rows.values(), key=lambda row: (-(row.last_time or 0), row.source))

    def intake_view(self) -> IntakeView:
        """How live intake stands at this moment."""
        waiting = self._product.intake.waiting
        collected, troubles = self._product.supervisor.look()
        feeds = tuple(self._parts.intel_store.feeds(self.tenant))
        return IntakeView(*(waiting or (0, 0)), (*self._product.intake.troubles, *troubles), tuple(collected), feeds)

    def coverage(self) -> Coverage:
        """What can be seen, no older than a few minutes; in a large lake older, for it takes a look at all events."""
        from watchfloor.app.coverage import coverage_of

        with self._covering:
            until, coverage = self._covered
            began = time.monotonic()
            if coverage is None or began > until:
                coverage = coverage_of(self._parts)
                took = time.monotonic() - began
                self._covered = (began + max(COVERAGE_SECONDS, 20 * took), coverage)
            return coverage

    def learning(self) -> LearningView:
        """What was learnt from people's verdicts, how good it is, and who had it decide."""
        return self._parts.scorecards.view()

    def replay(self, case_uid: str) -> tuple[Verdict, Verdict]:
        """The stored verdict and the one decided again from its recorded inputs: their bytes must be equal."""
        from watchfloor.app.decisions import replay

        return replay(self._parts, case_uid)

    # Bringing in

    def upload(self, uploads: Sequence[Upload], user: str) -> IngestReport:
        """Records in from files that a person handed over. Content that is here already counts once.

        Cases are decided by `triage` after it.
        """
        from watchfloor.app.uploads import named

        kept = [row.source for row in self.sources()]
        return self._product.pipeline.ingest([u.path for u in uploads], names=named(uploads, kept), by=user)

    def uploads(self, limit: int = 20) -> list[Entry]:
        """The ledger's entries of the newest ingests, the newest first. Their bodies are reports."""
        from watchfloor.app.pipeline import INGESTED

        return self._parts.ledger.of_subject(self.tenant, INGESTED, newest=limit)

    def triage(self) -> list[str]:
        """Decide every case whose inputs changed; the uids of those."""
        return self._product.pipeline.triage()

    # Acting

    def approve(self, plan_uid: str, steps: tuple[int, ...], user: str, passphrase: str) -> Approval:
        """Sign the exact plan. Raises RefusedError when policy or roles forbid it, or the passphrase is wrong."""
        return self._sign(plan_uid, steps, user, passphrase)

    def execute(self, approval_uid: str) -> list[Outcome]:
        """Run what was approved, and nothing else. Returns when each step has its outcome."""
        parts = self._parts
        approval = parts.documents.get(self.tenant, Approval, approval_uid)
        outcomes = parts.executor.execute(self.tenant, approval_uid)
        parts.updates.publish(self.tenant, "case", approval.case_uid)
        return outcomes

    def undo(self, plan_uid: str, step: int, user: str, passphrase: str) -> list[Outcome]:
        """Sign and run the undo of one executed step."""
        approval = self._sign(plan_uid, (step,), user, passphrase, undo=True)
        return self.execute(approval.uid)

    def _sign(
        self, plan_uid: str, steps: tuple[int, ...], user: str, passphrase: str, *, undo: bool = False
    ) -> Approval:
        parts = self._parts
        plan = parts.documents.get(self.tenant, Plan, plan_uid)
        newest = parts.documents.latest(self.tenant, Plan, plan.case_uid)
        if not undo and newest is not None and newest.uid != plan_uid:
            raise RefusedError("this plan was replaced by a newer one", where=plan_uid, do="Open the case again")
        approval = parts.approve(plan, steps, user, passphrase, undo=undo)
        parts.documents.put(self.tenant, approval)
        self._log("plan.approved", plan.case_uid, user, approval.to_dict())
        return approval

    # Deciding

    def comment(self, case_uid: str, user: str, text: str) -> Comment:
        self._parts.documents.get(self.tenant, Case, case_uid)
        text = text.strip()
        if not text or len(text) > MAX_COMMENT:
            raise WatchfloorError(f"a comment has 1 to {MAX_COMMENT:,} characters")
        at = self._parts.clock()
        comment = Comment(
            tenant=self.tenant,
            uid=short_id("comment", case_uid, user, str(at), text),
            case_uid=case_uid,
            time=at,
            author=user,
            text=text,
        )
        self._parts.documents.put(self.tenant, comment)
        self._log("case.commented", case_uid, user, comment.to_dict())
        return comment

    def resolve(self, case_uid: str, hypothesis: Hypothesis, user: str, resolution_code: str) -> Label:
        """A person's verdict. It closes the case, and labels its class for the bound under which others may close."""
        with self._parts.together():
            label = self._resolved(case_uid, hypothesis, user, resolution_code)
        self._tell(case_uid)
        return label

    def _resolved(self, case_uid: str, hypothesis: Hypothesis, user: str, resolution_code: str) -> Label:
        documents = self._parts.documents
        case = documents.get(self.tenant, Case, case_uid)
        verdict = documents.latest(self.tenant, Verdict, case_uid)
        draw = self._closing.draw_of(case_uid)
        at = self._parts.clock()
        label = Label(
            tenant=self.tenant,
            uid=short_id("label", case_uid, user, str(at)),
            time=at,
            detection_class=case.detection_class,
            detection=documents.get(self.tenant, Finding, case.findings[0]).detection.uid,
            verdict=hypothesis,
            would_close=verdict is not None and verdict.wants_to_close,
            closed=(verdict is not None and verdict.disposition == "close") or (draw is not None and draw.closed),
            by=user,
            case_uid=case_uid,
        )
        documents.put(self.tenant, label, case.model_copy(update={"status": "resolved"}))
        self._enter("case.resolved", case_uid, user, label.to_dict() | {"resolution_code": resolution_code})
        return label

    def reopen(self, case_uid: str, user: str) -> Case:
        """Open the case again. The verdict that a person gave on it is withdrawn and counts for no bound."""
        label = self._label(case_uid)
        withdrawn = [label.model_copy(update={"status": "withdrawn"})] if label else []
        return self._change(case_uid, user, "case.reopened", {"status": "in_progress"}, *withdrawn)

    def _label(self, case_uid: str) -> Label | None:
        """The verdict of a person that stands on a case."""
        label = self._parts.documents.latest(self.tenant, Label, case_uid)
        return label if label is not None and label.status == "given" else None

    def assign(self, case_uid: str, user: str, assignee: str) -> Case:
        return self._change(case_uid, user, "case.assigned", {"assignee": assignee})

    def _change(self, case_uid: str, user: str, kind: str, update: dict[str, Any], *beside: Document) -> Case:
        with self._parts.together():  # triage writes cases too, perhaps just now
            case = self._parts.documents.get(self.tenant, Case, case_uid).model_copy(update=update)
            self._parts.documents.put(self.tenant, case, *beside)
            self._enter(kind, case_uid, user, update)
        self._tell(case_uid)
        return case

    def _log(self, kind: str, case_uid: str, actor: str, body: dict[str, Any]) -> None:
        self._enter(kind, case_uid, actor, body)
        self._tell(case_uid)

    def _enter(self, kind: str, case_uid: str, actor: str, body: dict[str, Any]) -> None:
        parts = self._parts
        parts.ledger.append(self.tenant, kind=kind, subject=case_uid, actor=actor, body=body, time=parts.clock())

    def _tell(self, case_uid: str) -> None:
        """After the commit: who is told reads at once."""
        self._parts.updates.publish(self.tenant, "case", case_uid)
