"""A small desk in memory, made of real nouns: what the server needs of the product, without the product."""

from __future__ import annotations

import base64
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.server.given import NOW, TENANT, Given, given
from watchfloor.app.closing import ClassRow
from watchfloor.app.mails import CaseMails
from watchfloor.app.scorecards import LearningView
from watchfloor.app.similar import SimilarCase
from watchfloor.app.updates import Updates
from watchfloor.app.uploads import Upload, named
from watchfloor.app.views import CaseView, IntakeView, LedgerState, Reopened, SourceRow
from watchfloor.core.case import Case, Comment
from watchfloor.core.clock import DAY
from watchfloor.core.closing import Draw
from watchfloor.core.context import Context
from watchfloor.core.entry import ZERO, Entry, TreeHead
from watchfloor.core.errors import NotFoundError, RefusedError
from watchfloor.core.event import Event
from watchfloor.core.evidence import Evidence
from watchfloor.core.label import Label
from watchfloor.core.noun import Noun, canonical, digest_of, short_id
from watchfloor.core.plan import Approval, Outcome, PlannedAction
from watchfloor.core.policy import Policy
from watchfloor.core.record import DeadLetter
from watchfloor.core.regrouping import Regrouping
from watchfloor.core.risk import Risk
from watchfloor.core.verdict import Hypothesis, Verdict
from watchfloor.detect.ensemble import entity_risk
from watchfloor.improve.coverage import Coverage, SeenSource, UsedDetection, assess_coverage
from watchfloor.store.case_lines import Ask, CaseLines, CasePage, Overview
from watchfloor.store.database import Database
from watchfloor.store.documents import Documents
from watchfloor.triage.bound import LabelBook, reasons


class Received(Noun):
    records: int
    events: int
    new_events: int
    base_events: int
    dead_letters: int
    findings: int
    mappings: dict[str, int]
    dead: tuple[str, ...]
    paths: tuple[str, ...]


class NothingSaid:
    """Nobody has said anything on which findings belong together."""

    def of_case(self, case_uid: str) -> list[Regrouping]:
        return []


class SmallDesk:
    """Behaves like the product's desk for one story. `seconds` is how long each step of an execution takes."""

    tenant = TENANT

    def __init__(
        self, story: Given | None = None, *, passphrases: dict[str, str] | None = None, seconds: float = 0
    ) -> None:
        self.story = story or given()
        self.policy, self.updates = Policy(), Updates()
        self.context: Context = self.story.context
        self.all_cases = {case.uid: case for case in self.story.cases}
        self.keys = {user: Ed25519PrivateKey.generate() for user in passphrases or {}}
        self.passphrases, self.seconds = passphrases or {}, seconds
        self.approvals: list[Approval] = []
        self.outcomes: list[Outcome] = []
        self.comments: list[Comment] = []
        self.labels: dict[str, Label] = {}
        self.draws: list[Draw] = []
        self.alike: list[SimilarCase] = []
        self.mailed = CaseMails((), ())
        self.regroupings = NothingSaid()
        self.learnt = LearningView("sha256:" + "0" * 64, [], [])
        self.entries: list[Entry] = []
        self.letters: list[DeadLetter] = []
        self.state: dict[str, bool | int] = {"found": True, "sessions": 3, "enabled": True, "rules": 1}
        self.tampered: set[str] = set()
        self.received: list[tuple[str, bytes]] = []
        self.ingested: list[Entry] = []
        self.triages = 0
        self._folder = tempfile.TemporaryDirectory(prefix="small-desk-")
        self._documents = Documents(Database.open(Path(self._folder.name) / "watchfloor.db"))
        self._log("verdict.decided", self.story.plan.case_uid, "watchfloor", {"disposition": "escalate"})

    def cases(self, ask: Ask) -> CasePage:
        return self._lines().page(TENANT, ask)

    def overview(self) -> Overview:
        return self._lines().overview(TENANT)

    def _lines(self) -> CaseLines:
        """The product's own lists, over this desk's nouns as they are now."""
        self._documents.put(
            TENANT, *self.story.findings.values(), *self.all_cases.values(), *self.story.verdicts.values()
        )
        return CaseLines(self._documents.database)

    def case_view(self, case_uid: str) -> CaseView:
        case = self._case(case_uid)
        mine = case_uid == self.story.plan.case_uid
        return CaseView(
            case=case,
            findings=[self.story.findings[uid] for uid in case.findings],
            verdict=self.story.verdicts.get(case_uid),
            plan=self.story.plan if mine else None,
            approvals=self.approvals if mine else [],
            outcomes=self.outcomes if mine else [],
            comments=[c for c in self.comments if c.case_uid == case_uid],
            label=self.labels.get(case_uid),
            entries=[e for e in self.entries if e.subject == case_uid],
        )

    def entity_risks(self, case_uid: str) -> dict[str, Risk]:
        mine = [self.story.findings[uid] for uid in self._case(case_uid).findings]
        keys = {i.entity.key for i in self._case(case_uid).involved}
        found = {k: entity_risk([f for f in mine if k in {i.entity.key for i in f.involved}], 0) for k in sorted(keys)}
        return {key: risk for key, risk in found.items() if risk is not None}

    def evidence_view(self, evidence_uid: str) -> Evidence:
        evidence = self.story.evidence.get(evidence_uid)
        if evidence is None:
            raise NotFoundError(f"no evidence {evidence_uid}")
        return (
            evidence.model_copy(update={"content": evidence.content + " "})
            if evidence_uid in self.tampered
            else evidence
        )

    def event_view(self, event_uid: str) -> Event:
        if event_uid not in self.story.events:
            raise NotFoundError(f"no event {event_uid}")
        return self.story.events[event_uid]

    def replay(self, case_uid: str) -> tuple[Verdict, Verdict]:
        verdict = self.story.verdicts[self._case(case_uid).uid]
        return verdict, Verdict.from_dict(verdict.to_dict())

    def approve(self, plan_uid: str, steps: tuple[int, ...], user: str, passphrase: str) -> Approval:
        return self._sign(plan_uid, steps, user, passphrase, "execute")

    def execute(self, approval_uid: str) -> list[Outcome]:
        approval = next(a for a in self.approvals if a.uid == approval_uid)
        done = []
        for action in self.story.plan.actions:
            if action.n in approval.steps:
                time.sleep(self.seconds)
                done.append(self._run(action, approval))
                self.updates.publish(TENANT, "case", approval.case_uid)
        return done

    def undo(self, plan_uid: str, step: int, user: str, passphrase: str) -> list[Outcome]:
        return self.execute(self._sign(plan_uid, (step,), user, passphrase, "undo").uid)

    def _sign(self, plan_uid: str, steps: tuple[int, ...], user: str, passphrase: str, purpose: str) -> Approval:
        if self.passphrases.get(user) != passphrase:
            raise RefusedError("the passphrase does not open this key", do="Type it again")
        key, plan = self.keys[user], self.story.plan
        fields = {
            "tenant": TENANT,
            "uid": short_id("a", plan_uid, user, str(len(self.approvals))),
            "plan_uid": plan_uid,
            "case_uid": plan.case_uid,
            "time": NOW,
            "plan_digest": plan.digest(),
            "steps": steps,
            "approver": user,
            "expires_at": NOW + DAY,
            "purpose": purpose,
            "public_key": base64.b64encode(key.public_key().public_bytes_raw()).decode(),
            "signature": "",
        }
        unsigned = Approval.from_dict(fields)
        signature = base64.b64encode(key.sign(unsigned.signed_bytes())).decode()
        approval = unsigned.model_copy(update={"signature": signature})
        self.approvals.append(approval)
        self._log("plan.approved", plan.case_uid, user, approval.to_dict())
        return approval

    def _run(self, action: PlannedAction, approval: Approval) -> Outcome:
        before = dict(self.state)
        wanted = dict.fromkeys(action.expect, True) if approval.purpose == "undo" else dict(action.expect)
        self.state.update(wanted)  # type: ignore[arg-type]
        keys = list(action.expect)
        undone = approval.purpose == "undo"
        outcome = Outcome(
            tenant=TENANT,
            uid=short_id("o", approval.uid, str(action.n)),
            plan_uid=approval.plan_uid,
            case_uid=approval.case_uid,
            approval_uid=approval.uid,
            time=NOW + len(self.outcomes),
            n=action.n,
            call=action.undo or action.call if undone else action.call,
            status="undone" if undone else "succeeded",
            sentence="The check shows it.",
            before=canonical({k: before[k] for k in keys}).decode(),
            after=canonical({k: self.state[k] for k in keys}).decode(),
            response_status=200,
        )
        self.outcomes.append(outcome)
        self._log("action.executed", approval.case_uid, "watchfloor", outcome.to_dict())
        return outcome

    def comment(self, case_uid: str, user: str, text: str) -> Comment:
        uid = short_id("m", case_uid, str(len(self.comments)))
        comment = Comment(tenant=TENANT, uid=uid, case_uid=self._case(case_uid).uid, time=NOW, author=user, text=text)
        self.comments.append(comment)
        self._log("case.commented", case_uid, user, comment.to_dict())
        return comment

    def resolve(self, case_uid: str, hypothesis: Hypothesis, user: str, resolution_code: str) -> Label:
        case = self._case(case_uid)
        label = Label(
            tenant=TENANT,
            uid=short_id("label", case_uid),
            time=NOW,
            detection_class=case.detection_class,
            detection="rule-0",
            verdict=hypothesis,
            would_close=False,
            by=user,
            case_uid=case_uid,
        )
        self.labels[case_uid] = label
        self._change(case_uid, user, "case.resolved", status="resolved")
        return label

    def reopen(self, case_uid: str, user: str) -> Case:
        return self._change(case_uid, user, "case.reopened", status="in_progress")

    def assign(self, case_uid: str, user: str, assignee: str) -> Case:
        return self._change(case_uid, user, "case.assigned", assignee=assignee)

    def _change(self, case_uid: str, user: str, kind: str, **update: str) -> Case:
        self.all_cases[case_uid] = self._case(case_uid).model_copy(update=update)
        self._log(kind, case_uid, user, dict(update))
        return self.all_cases[case_uid]

    def ledger_entries(self, limit: int = 100) -> list[Entry]:
        return self.entries[::-1][:limit]

    def ledger_state(self) -> LedgerState:
        head = TreeHead(tenant=TENANT, size=len(self.entries), time=NOW, root=ZERO, public_key="a2V5", signature="c2ln")
        return LedgerState(len(self.entries), head, [])

    def closing(self) -> list[ClassRow]:
        standing = LabelBook(self.labels.values(), self.draws).standing(TENANT, self.story.cases[0].detection_class)
        why = reasons(standing, self.policy)
        limit = self.policy.triage.max_missed_share
        return [ClassRow(standing.record.detection_class, standing, not why, why, limit, 1.0)]

    def reviews(self) -> list[Draw]:
        return [draw for draw in self.draws if draw.closed and draw.case_uid not in self.labels]

    def review(self, case_uid: str) -> Draw | None:
        return next((draw for draw in self.reviews() if draw.case_uid == case_uid), None)

    def similar(self, case_uid: str) -> list[SimilarCase]:
        self._case(case_uid)
        return self.alike

    def mails(self, case_uid: str) -> CaseMails:
        return self.mailed

    def reopened(self, case_uids: Sequence[str]) -> dict[str, Reopened]:
        return {e.subject: why for e in self.entries if e.subject in case_uids and (why := Reopened.of(e)) is not None}

    def held_back(self) -> tuple[int, int]:
        return 3, 1

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        return self.letters[:limit]

    def sources(self) -> list[SourceRow]:
        events = list(self.story.events.values())
        return [SourceRow(events[0].source, ("entra_signin",), len(events), len(self.letters), events[-1].time)]

    def learning(self) -> LearningView:
        return self.learnt

    def coverage(self) -> Coverage:
        waits = {"uid": "r-2", "title": "t", "wants": "windows process_creation", "reads": ()}
        fires = {"uid": "r-1", "title": "t", "wants": "okta", "reads": (("entra_signin", "identity"),)}
        named = {"techniques": ("T1078", "T1059.001"), "tactics": ("initial-access", "execution")}
        return assess_coverage(
            [SeenSource(mapping="entra_signin", layer="identity", events=7, last_time=self.story.plan.time)],
            [UsedDetection.from_dict(fires | named), UsedDetection.from_dict(waits | named)],
            {"cloud": {"aws_cloudtrail"}},
            indicators=3,
        )

    def intake_view(self) -> IntakeView:
        return IntakeView(0, 0, ())

    def upload(self, uploads: Sequence[Upload], user: str) -> Received:
        """One line a record; those that are no JSON are dead."""
        names = named(uploads, [source for source, _ in self.received])
        new = [(names[u.path], u.path.read_bytes()) for u in uploads]
        lines = [line for _, content in new for line in content.splitlines()]
        dead = [line for line in lines if not line.startswith(b"{")]
        report = Received(
            records=len(lines),
            events=len(lines) - len(dead),
            new_events=sum(content.count(b"{") for source, content in new if (source, content) not in self.received),
            base_events=0,
            dead_letters=len(dead),
            findings=0,
            mappings={},
            dead=tuple(f"not JSON: {line.decode()}" for line in dead),
            paths=tuple(source for source, _ in new),
        )
        self.received += new
        self._log("ingest", "records", user, report.to_dict())
        self.ingested.append(self.entries[-1])
        self.updates.publish(TENANT, "ingest", "records")
        return report

    def uploads(self, limit: int = 20) -> list[Entry]:
        return self.ingested[::-1][:limit]

    def triage(self) -> list[str]:
        self.triages += 1
        return []

    def _case(self, case_uid: str) -> Case:
        if case_uid not in self.all_cases:
            raise NotFoundError(f"no case {case_uid}")
        return self.all_cases[case_uid]

    def _log(self, kind: str, subject: str, actor: str, body: dict[str, object]) -> None:
        text = canonical(body).decode()
        previous = self.entries[-1].digest() if self.entries else ZERO
        entry = Entry(
            tenant=TENANT,
            seq=len(self.entries),
            time=NOW,
            kind=kind,
            subject=subject,
            actor=actor,
            body=text,
            body_digest=digest_of(text.encode()),
            previous=previous,
        )
        self.entries.append(entry)
        self.updates.publish(TENANT, "case", subject)
