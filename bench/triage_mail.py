"""Mails: how many unwanted ones are told at 1 % false positives, as they are and with what names their collector gone.

Data: folder/mail/NAME/*.eml. A NAME with `ham` is wanted mail, one with `spam` or `phish` is not; others are passed
over. What is scored is the product's: the learned mail detector, made anew in each fold as `tools.train mail` makes it,
and the posterior of triage over the answers to the questions about mails, by the expert's scorecard and by one that
`watchfloor.improve` learnt in the fold. Beside them naive Bayes on words and the plain baselines.

Protocol. Mails hang together that share a sender's address, a thread (subject, In-Reply-To, References) or a text
(`core.campaign`), and whatever hangs together with one of them; no such group is ever on both sides. In a second split
those of one list, and of one sender's domain that is no free mail, hang together as well. FOLDS folds; of the training
side each score is one that was learned from other groups of it. The threshold is the k-th highest score of its n wanted
mails, k = 1 % of n + 1: one more of their kind passes it with at most 1 % (conformal prediction; mails of one group are
not of a kind, so look at what passed). Told is the recall at that threshold, and how many wanted mails of the test side
pass it.

Leak check: labels dealt anew over whole groups; within each fold then, what learned from such labels must be at chance.

Neutralised: only KEPT headers stay; recipients are renamed; tags that lists put before the subject are cut off. The
product looks at none of the headers that go, except for checks of the sender and for threads.

usage: .venv/bin/python bench/triage_mail.py [FOLDER]        by default $WATCHFLOOR_DATA
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from email.utils import formataddr, getaddresses
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits
from triage_baselines import BASELINES, Alert, Unit, auc, risk_based, share

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.train import mail as training
from tools.train.fitting import Sample, fit
from watchfloor.core.context import Context
from watchfloor.core.event import Event
from watchfloor.core.evidence import Evidence, Lookup
from watchfloor.core.finding import Finding
from watchfloor.core.look_alike import registrable
from watchfloor.core.question import Asked
from watchfloor.core.record import Record
from watchfloor.core.scorecard import Scorecard
from watchfloor.detect import Detector
from watchfloor.detect.learned import mails
from watchfloor.enrich.analysis import mail as analysis
from watchfloor.enrich.analysis.patterns import table
from watchfloor.improve import learning
from watchfloor.improve.example import Example
from watchfloor.ingest import Normalizer
from watchfloor.ingest.readers import read_parcel
from watchfloor.triage.catalogue import Catalogue

FOLDS, INNER, RATE, DEALS = 5, 3, 0.01, 5
FREE_MAIL = frozenset(table("mail_names")["free_mail"])
SPLITS = ("senders, threads and texts", "whole lists and domains, too")
# What the mail of anybody has at any receiver. All else goes, and why:
KEPT = frozenset(
    {"from", "to", "cc", "subject", "reply-to", "mime-version", "content-type", "content-transfer-encoding",
     "content-disposition"}
)  # fmt: skip
GONE = {
    "Received, Return-Path, Delivered-To, X-Original-To, Status, Replied, Forwarded": "the collector's servers",
    "List-*, Precedence, Errors-To, Sender, X-BeenThere, Mailing-List": "lists that the collector was on",
    "X-Spam-*, X-Pyzor, X-Keywords, X-UIDL, all other X-*": "the collector's filters; programs of a year",
    "Date, Message-ID, In-Reply-To, References, User-Agent": "the year, and archives that one can look up",
    "Authentication-Results, Received-SPF, DKIM-Signature": "the receiver's own; there were none before 2004",
}
_TAG = re.compile(r"^((?:\s*(?:re|fwd?|aw)\s*:)*)\s*\[[^\]]{1,40}\]\s*", re.I)
_REPLY = re.compile(r"^\s*(?:(?:re|fwd?|aw|\[[^\]]{1,40}\])\s*:?\s*)+", re.I)
_WORD = re.compile(r"[a-z]{3,24}")


class Mail(NamedTuple):
    """One mail: `unit` for the baselines, `sample` for the learned detector, `example` for triage, `words`."""

    unit: Unit
    sample: Sample
    example: Example
    words: frozenset[str]


Method = Callable[[Sequence[Mail], Sequence[Mail]], Any]
"""Training and test mails -> a score for each test mail, growing with suspicion."""


@threadpool_limits.wrap(limits=1)  # threads gain nothing on arrays so small
def main(folder: Path) -> None:
    raw = list(messages(folder / "mail"))
    kinds = Counter(name for name, _, _ in raw)
    print(f"mail: {len(raw):,} messages ({', '.join(f'{n} {c:,}' for n, c in sorted(kinds.items()))})")
    results: dict[tuple[str, str, str], float] = {}
    groups: list[tuple[str, ...]] = []
    for what, change in (("as they are", bytes), ("neutralised", neutralised)):
        product = Product.shipped()
        read = [(bad, product.event(change(content))) for _, bad, content in raw]
        if not groups:
            originals = [event.original if event else {} for _, event in read]
            groups = [groups_of(originals, wide=wide) for wide in (False, True)]
        # Groups are those of the mails as they are: what hangs together does so with less headers, too.
        known = [(bad, event, group) for (bad, event), group in zip(read, groups[0], strict=True) if event is not None]
        given = product.mails(known)
        print(f"\n{what}: {sum(m.unit.bad for m in given):,} unwanted, {sum(not m.unit.bad for m in given):,} wanted")
        wide = [group for (_, event), group in zip(read, groups[1], strict=True) if event is not None]
        for split, mine in zip(SPLITS, (given, list(map(with_group, given, wide))), strict=True):
            sizes = Counter(m.unit.group for m in mine)
            print(f" by {split}: {len(sizes):,} groups, the largest {max(sizes.values()):,}; {FOLDS} folds")
            print(f"  {'':34}{'recall at 1 %':>24}{'wanted that pass':>24}{'AUC':>8}{'at 1 % of test':>16}")
            for name, method in METHODS.items():
                results[name, what, split] = shown(name, mine, method)
        leak_check(given)
    print("\nrecall as they are against neutralised (in points)")
    for name, split in ((name, split) for split in SPLITS for name in OURS):
        before, after = (results[name, what, split] for what in ("as they are", "neutralised"))
        print(f"  {name:28}{split:30}{100 * before:6.1f} -> {100 * after:5.1f}   gap {100 * (before - after):+.1f}")
    print("\nwhat neutralising takes away, and why")
    for headers, why in GONE.items():
        print(f"  {headers}: {why}")
    print("  addresses of recipients: the collector's; tags of lists before the subject: as for lists")


def shown(name: str, given: Sequence[Mail], method: Method) -> float:
    """One line of the table; the recall."""
    bad = np.array([m.unit.bad for m in given])
    folds = folds_of(given, FOLDS)
    scores, passed = np.zeros(len(given)), np.zeros(len(given), dtype=bool)
    for fold in range(FOLDS):
        train = [m for m, f in zip(given, folds, strict=True) if f != fold]
        test = np.flatnonzero(folds == fold)
        limit = conformal(held_out(method, train), [m.unit.bad for m in train])
        scores[test] = method(train, [given[i] for i in test])
        passed[test] = scores[test] > limit
    found, alarms = int((passed & bad).sum()), int((passed & ~bad).sum())
    spread = conformal(scores, bad)
    print(
        f"  {name:34}{share(found, int(bad.sum())):>24}{share(alarms, int((~bad).sum())):>24}"
        f"{auc(scores, bad):8.3f}{(scores[bad] > spread).mean():16.3f}",
        flush=True,
    )
    return found / int(bad.sum())


def held_out(method: Method, train: Sequence[Mail]) -> Any:
    """The score of each training mail by what was learned from other groups of training."""
    folds, found = folds_of(train, INNER), np.zeros(len(train))
    for fold in range(INNER):
        mine = np.flatnonzero(folds == fold)
        if len(mine):
            found[mine] = method([m for m, f in zip(train, folds, strict=True) if f != fold], [train[i] for i in mine])
    return found


def conformal(scores: Any, bad: Any) -> float:
    """What one more wanted mail passes with a chance of RATE at most; endless where they are too few to say."""
    wanted = sorted((float(s) for s, is_bad in zip(scores, bad, strict=True) if not is_bad), reverse=True)
    allowed = int((len(wanted) + 1) * RATE)
    return wanted[allowed - 1] if allowed else float("inf")


def leak_check(given: Sequence[Mail]) -> None:
    """Labels dealt anew over whole groups, DEALS times: what learns from these must come to chance on such labels."""
    names = sorted({m.unit.group for m in given})
    truth = {m.unit.group: m.unit.bad for m in given}
    found: dict[str, list[float]] = defaultdict(list)
    for deal in range(DEALS):
        order = np.random.default_rng(deal).permutation(len(names))
        dealt = {group: truth[names[i]] for group, i in zip(names, order, strict=True)}
        labelled = [with_label(m, dealt[m.unit.group]) for m in given]
        folds = folds_of(labelled, 2)
        for name in LEARNING:
            # Fold by fold: what one has more of the other has less of, which put together looks like less than chance.
            for fold in range(2):
                test = [m for m, f in zip(labelled, folds, strict=True) if f == fold]
                train = [m for m, f in zip(labelled, folds, strict=True) if f != fold]
                found[name].append(auc(METHODS[name](train, test), [m.unit.bad for m in test]))
    print(f"  leak check, labels shuffled over groups ({DEALS} times), AUC in {2 * DEALS} folds (chance 0.5)")
    for name, told in found.items():
        print(f"    {name:34}mean {np.mean(told):.3f}, from {min(told):.2f} to {max(told):.2f}", flush=True)


def with_label(mail: Mail, bad: bool) -> Mail:
    truth: Any = "malicious" if bad else "false_positive"
    return Mail(
        Unit(**{**mail.unit.__dict__, "bad": bad}),
        mail.sample._replace(bad=bad),
        mail.example.model_copy(update={"truth": truth}),
        mail.words,
    )


def with_group(mail: Mail, group: str) -> Mail:
    return Mail(
        Unit(**{**mail.unit.__dict__, "group": group}),
        mail.sample._replace(group=group),
        mail.example.model_copy(update={"group": group}),
        mail.words,
    )


# Data


def messages(folder: Path) -> Iterator[tuple[str, bool, bytes]]:
    """Folder's name, whether unwanted, bytes."""
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        bad = any(part in place.name.lower() for part in ("spam", "phish"))
        if not bad and "ham" not in place.name.lower():
            print(f"passed over: {place.name} (neither ham nor spam by its name)")
            continue
        for file in sorted(path for path in place.iterdir() if path.is_file()):
            yield place.name, bad, file.read_bytes()


def neutralised(raw: bytes) -> bytes:
    head, gap, body = raw.partition(b"\r\n\r\n" if b"\r\n\r\n" in raw[:65_536] else b"\n\n")
    lines: list[bytes] = []
    for line in head.splitlines():
        if line[:1] in b" \t" and lines:
            lines[-1] += b"\n" + line
        else:
            lines.append(line)
    kept = []
    for line in lines:
        name, colon, value = line.partition(b":")
        header = name.decode("latin-1").strip().lower()
        if not colon or header not in KEPT:
            continue
        text = " ".join(value.decode("latin-1").split())
        if header in ("to", "cc"):
            text = ", ".join(renamed(text, head.decode("latin-1")))
        elif header == "subject":
            text = _TAG.sub(r"\1 ", text).strip()
        kept.append(f"{name.decode('latin-1').strip()}: {text}".encode("latin-1"))
    return b"\n".join(kept) + (gap or b"\n\n") + body


def renamed(text: str, head: str) -> Iterator[str]:
    """Each recipient under another address; one who is the sender stays so."""
    sender = re.search(r"^from:(.*)$", head, re.I | re.M)
    own = {address.lower() for _, address in getaddresses([sender[1] if sender else ""])}
    for number, (_, address) in enumerate(getaddresses([text])):
        yield formataddr(("", address if address.lower() in own else f"person{number}@receiver.example"))


def groups_of(originals: Sequence[dict[str, Any]], *, wide: bool) -> list[str]:
    """What hangs together (union-find over all that two mails can share); `wide`: by list and by domain, too."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for number, mail in enumerate(originals):
        subject = _REPLY.sub("", str(mail.get("subject") or "")).strip().lower()
        ids = (mail.get("in_reply_to"), *(mail.get("references") or ()), mail.get("message_id"))
        domain = registrable(str(mail.get("from") or "").rpartition("@")[2])
        shared = (
            *([f"list {mail['list_id']}"] if wide and mail.get("list_id") else []),
            *([f"domain {domain}"] if wide and domain and domain not in FREE_MAIL else []),
            f"sender {str(mail.get('from') or number).lower()}",
            *([f"subject {subject}"] if len(subject) > 3 else []),
            *(f"id {one}" for one in ids if one),
            *(f"text {one}" for one in mail.get("campaign") or ()),
        )
        for one in shared:
            parent[root(one)] = root(f"mail {number}")
    return [root(f"mail {number}") for number in range(len(originals))]


def folds_of(given: Sequence[Mail], count: int) -> Any:
    """Groups to folds: the greatest first, each to the fold that has least of its class."""
    sizes = Counter((m.unit.bad, m.unit.group) for m in given)
    load: Counter[tuple[bool, int]] = Counter()
    fold: dict[str, int] = {}
    for (bad, group), size in sorted(sizes.items(), key=lambda one: (-one[1], one[0][1])):
        mine = fold.setdefault(group, min(range(count), key=lambda n: (load[bad, n], n)))
        load[bad, mine] += size
    return np.array([fold[m.unit.group] for m in given])


class Product(NamedTuple):
    """The parts of the product that a mail goes through."""

    normalizer: Normalizer
    detector: Detector
    catalogue: Catalogue

    @classmethod
    def shipped(cls) -> Product:
        return cls(Normalizer.shipped(), Detector.load(), CATALOGUE)

    def event(self, raw: bytes) -> Event | None:
        """None for what is no mail, or says nothing that could be judged."""
        record = next(iter(read_parcel("bench", "mail", raw, form="mail")))
        event = self.normalizer.event(record) if isinstance(record, Record) else None
        return event if isinstance(event, Event) and "email" in event.ocsf else None

    def mails(self, known: Sequence[tuple[bool, Event, str]]) -> list[Mail]:
        """Whether each is unwanted, what the product made of it, its group."""
        # The shipped learned detectors have seen these very mails with their labels: they may not speak here.
        findings = [
            [f for f in self.detector.findings(event) if f.detection.kind != "learned"] for _, event, _ in known
        ]
        alerts = sorted(
            (Alert(f.time, f.detection.uid, f.severity / 6, (str(event.get("email.from")),)), number)
            for number, ((_, event, _), some) in enumerate(zip(known, findings, strict=True))
            for f in some
        )
        risks: dict[int, float] = defaultdict(float)
        if alerts:
            told = risk_based([alert for alert, _ in alerts])
            for (_, number), risk in zip(alerts, told, strict=True):
                risks[number] = max(risks[number], float(risk))
        return [self._mail(n, one, findings[n], risks[n]) for n, one in enumerate(known)]

    def _mail(self, number: int, one: tuple[bool, Event, str], findings: Sequence[Finding], risk: float) -> Mail:
        bad, event, group = one
        traits = analysis.traits_of(event, Context()) or {}
        text = mails.text_of(event) or mails.formed("(nothing)", event.original)
        rules = tuple(f.detection.uid for f in findings)
        marks = [
            *(f"form: {mark}" for mark in mails.form_of(event.original)),
            *(f"trait: {t}" for t in traits["traits"]),
        ]
        unit = Unit(
            uid=f"{number:06d}",
            group=group,
            time=event.time,
            bad=bad,
            rules=rules,
            severity=max((f.severity for f in findings), default=0) / 6,
            risk=risk,
            features=Marks(dict.fromkeys(marks, 1.0)),
        )
        classes = [*sorted({("detection", f.detection.uid) for f in findings}), ("source", "mail")]
        example = Example(
            uid=unit.uid,
            group=group,
            time=event.time,
            truth="malicious" if bad else "false_positive",
            answers=self._answers(traits),
            classes=tuple(classes),
        )
        words = frozenset(
            _WORD.findall(f"{event.get('email.subject')} {event.original.get('body', '')}".lower())[:1_500]
        )
        return Mail(unit, Sample(text, bad, group), example, words)

    def _answers(self, traits: dict[str, Any]) -> dict[str, str]:
        """Each question about the mail itself, as the catalogue reads its answer. Histories are of nobody here."""
        found = {}
        for question in self.catalogue.questions.values():
            if question.collector != "traits" or question.query.get("of") != "mail" or question.asks.detections:
                continue
            lookup = Lookup(tenant="bench", collector="traits", query={"of": "mail"}, as_of=0)
            evidence = Evidence.of(lookup, traits, at=0, source="bench", reliability="B")
            answer = self.catalogue.read(Asked(question=question.id, about="mail", lookup=lookup), evidence)
            if answer.status == "answered":
                found[question.id] = answer.value
        return found


class Marks(dict[str, float]):
    """Features that a mail has or has not: gradient boosting gets 0, not nothing, for one that it has not."""

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ARG002 (what is absent is 0)
        return super().get(name, 0.0)


# Methods

CATALOGUE = Catalogue.shipped()
_TEMPLATES = tuple(training.of_templates())


def learned_detector(train: Sequence[Mail], test: Sequence[Mail]) -> Any:
    """Fitted as `tools.train mail` does: these mails and the shipped templates of fraud and of office mail."""
    samples = [*(m.sample for m in train), *_TEMPLATES]
    fitted = fit(samples, [pieces(one.value) for one in samples], training.TASK)
    return fitted.log_odds(pieces(m.sample.value) for m in test)


def pieces(value: str) -> list[str]:
    found = _PIECES.get(value)
    if found is None:
        found = _PIECES[value] = mails.pieces(value)
    return found


_PIECES: dict[str, list[str]] = {}


def posterior(train: Sequence[Mail], test: Sequence[Mail], *, learnt: bool) -> Any:
    start = Scorecard.expert(CATALOGUE)
    card = start
    if learnt and train:
        card = learning.fit([m.example for m in train], start, questions=CATALOGUE.questions, leave="group")
    return np.array([log_odds(card, m.example) for m in test])


def log_odds(card: Scorecard, example: Example) -> float:
    malicious = min(max(learning.score(card, example, CATALOGUE.questions)["malicious"], 1e-9), 1 - 1e-9)
    return float(np.log(malicious / (1 - malicious)))


def naive_bayes(train: Sequence[Mail], test: Sequence[Mail]) -> Any:
    """Words there or not (Sahami et al. 1998); those that fewer than 3 mails have are left out."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    total = [0, 0]
    for m in train:
        total[m.unit.bad] += 1
        for word in m.words:
            counts[word][m.unit.bad] += 1
    weight = {
        word: np.log((bad + 1) / (total[1] + 2)) - np.log((good + 1) / (total[0] + 2))
        for word, (good, bad) in counts.items()
        if good + bad >= 3
    }
    return np.array([sum(weight.get(word, 0.0) for word in m.words) for m in test])


def plain(baseline: Callable[[Sequence[Unit], Sequence[Unit]], Any]) -> Method:
    return lambda train, test: baseline([m.unit for m in train], [m.unit for m in test])


OURS = ("learned mail detector", "triage, expert's scorecard", "triage, learnt scorecard")
LEARNING = ("learned mail detector", "triage, learnt scorecard", "naive Bayes on words", "gradient boosting")
METHODS: dict[str, Method] = {
    "learned mail detector": learned_detector,
    "triage, expert's scorecard": partial(posterior, learnt=False),
    "naive Bayes on words": naive_bayes,
    **{name: plain(baseline) for name, baseline in BASELINES.items()},
    "triage, learnt scorecard": partial(posterior, learnt=True),  # what takes longest comes last
}


if __name__ == "__main__":
    default = os.environ.get("WATCHFLOOR_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
    main(Path(sys.argv[1] if len(sys.argv) > 1 else default))
