"""GUIDE (Microsoft, CDLA-Permissive-2.0): incidents that customers' analysts graded, for organisations and incidents
not seen. Unit: the incident (OrgId, IncidentId). Reads folder/guide/*.csv; other or larger samples may be put there.

Two splits, each in five parts, several times with other parts (fewer times where there is much data):
- organisations held out: none of a test incident's organisation is learnt from;
- incidents held out: other incidents of its organisation are.

What learns here is the product's own learner (improve.learning: fit and score), from a scorecard that knows nothing.
The grades are its hypotheses. Answers are what the rows say, how big and common things are, and what the organisation
had before; classes are title, detector, category and the like, with incidents held out also those within the
organisation.
Nothing is read from IncidentId and AlertId but which rows belong together.

Macro-F1 is pooled over all test incidents, of the grade with the greatest posterior (`argmax`), and of the one with
most posterior / mean posterior ** a, with a chosen among five on the training units, each third judged from the others
(`macro-F1`; for every method alike, so that those which are not made for macro-F1 are not at a loss). Coverage: the
threshold on the greatest posterior is the lowest at which what it lets through of those is right 87 % of the time;
coverage is the share of test incidents above it, printed with how often those were right. Rows of test incidents count
in nothing that is learnt; what came before an incident is counted without grades.
"""

from __future__ import annotations

import calendar
import csv
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import f1_score

from watchfloor.core.clock import DAY, HOUR
from watchfloor.core.scorecard import Scorecard
from watchfloor.core.verdict import HYPOTHESES, Hypothesis
from watchfloor.improve.calibration import measured
from watchfloor.improve.example import Example
from watchfloor.improve.learning import Leave, fit, score

GRADES: dict[str, Hypothesis] = {
    "TruePositive": "malicious",
    "BenignPositive": "benign_true_positive",
    "FalsePositive": "false_positive",
}
NOTHING = Scorecard(name="nothing", priors=dict.fromkeys(HYPOTHESES, 0.0), weights={})
PARTS, INNER, PRECISION, POWERS = 5, 3, 0.87, (0.0, 0.25, 0.5, 0.75, 1.0)
MUCH = 20_000
# Columns in which the commonest value does not stand for "absent".
ALWAYS = ("DetectorId", "AlertTitle", "Category", "EntityType", "EvidenceRole")
SAID = ("SuspicionLevel", "LastVerdict", "Roles", "OSFamily", "AntispamDirection", "ThreatFamily", "ResourceType")
COUNTED = ("AlertTitle", "DetectorId", "Url", "IpAddress", "Sha256", "FileName", "FolderPath", "DeviceName", "DeviceId")
PLACES = (
    "AccountSid",
    "AccountUpn",
    "AccountObjectId",
    "AccountName",
    "NetworkMessageId",
    "ApplicationId",
    "City",
    "State",
)
KEYS = ("Id", "OrgId", "IncidentId", "AlertId", "Timestamp", "IncidentGrade", "Usage")
EVERYWHERE = ("Url", "Sha256", "FileName", "IpAddress", "City")
INSIDE = ("AccountUpn", "AccountSid", "IpAddress", "Url", "DeviceName")
Row = Mapping[str, str]


class Incident(NamedTuple):
    """One incident: its rows in order of time, its first time (ms), and what is there in each column but "absent"."""

    org: str
    uid: str
    time: int
    grade: Hypothesis
    rows: list[Row]
    there: dict[str, list[str]]


class Before(NamedTuple):
    """What came before an incident, without grades: of its organisation's, and of organisations with its titles."""

    same: int
    all: int
    elsewhere: int


def read(folder: Path) -> list[Incident]:
    """All graded incidents of folder/guide/*.csv."""
    rows: list[Row] = []
    for file in sorted((folder / "guide").glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            rows += [row for row in csv.DictReader(lines) if row["IncidentGrade"] in GRADES]
    absent = {c: Counter(r[c] for r in rows).most_common(1)[0][0] for c in rows[0] if c not in (*KEYS, *ALWAYS)}
    held: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        held[row["OrgId"], row["IncidentId"]].append(row)
    found = []
    for (org, uid), mine in sorted(held.items()):
        mine.sort(key=lambda r: (r["Timestamp"], r["Id"], r["EntityType"], r["EvidenceRole"]))
        there = {c: [v for r in mine if (v := r[c]) and v != absent.get(c)] for c in mine[0] if c not in KEYS}
        grade = GRADES[Counter(r["IncidentGrade"] for r in mine).most_common(1)[0][0]]
        first = time.strptime(mine[0]["Timestamp"][:19], "%Y-%m-%dT%H:%M:%S")
        found.append(Incident(org, f"{org}/{uid}", calendar.timegm(first) * 1000, grade, mine, there))
    return found


def history(incidents: Sequence[Incident]) -> dict[str, Before]:
    """What came before each incident. No grade is read."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    size: Counter[str] = Counter()
    orgs: dict[str, set[str]] = defaultdict(set)
    found = {}
    for one in sorted(incidents, key=lambda i: (i.time, i.uid)):
        titles = sorted(set(one.there["AlertTitle"]))
        elsewhere = set().union(*(orgs[t] for t in titles)) - {one.org}
        same = max(seen[one.org][t] for t in titles)
        found[one.uid] = Before(same, size[one.org], len(elsewhere))
        seen[one.org].update(titles)
        size[one.org] += 1
        for title in titles:
            orgs[title].add(one.org)
    return found


def example(one: Incident, before: Before, *, inside: bool) -> Example:
    """An incident as the learner takes it; `inside` with classes within its organisation."""
    answers = {f"{c}.{v}": "yes" for c in ("Category", "EntityType", "EvidenceRole", *SAID) for v in one.there[c]}
    # Numbers in GUIDE are given by how often a value comes, over all of its customers: 0 is the commonest.
    answers |= {f"common.{c}": size(min(ranks) + 1, 3) for c in (*COUNTED, *PLACES) if (ranks := numbers(one.there[c]))}
    answers |= {
        "rows": size(len(one.rows)),
        "alerts": size(len({r["AlertId"] for r in one.rows})),
        "titles": size(len(set(one.there["AlertTitle"]))),
        "hour": str(one.time // HOUR % 24 // 6),
        "weekend": str((one.time // DAY + 3) % 7 >= 5),
        "organisation": size(int(one.org) + 1),
        "before.same": size(before.same + 1),
        "before.all": size(before.all + 1),
        "before.share": "new" if not before.same else str(min(3, 4 * before.same // before.all)),
        "before.elsewhere": size(before.elsewhere + 1),
    }
    return Example(
        uid=one.uid,
        group=one.org,
        time=one.time,
        truth=one.grade,
        answers=answers,
        classes=tuple(dict.fromkeys([*(within(one) if inside else ()), *everywhere(one)])),
    )


def within(one: Incident) -> Iterable[tuple[str, str]]:
    """Classes within the organisation, narrow ones first."""
    day = one.time // DAY
    for column in INSIDE:
        yield from ((f"organisation, {column}", f"{one.org} {v}") for v in one.there[column])
    for name, column, when in (
        ("title, day", "AlertTitle", day),
        ("title, four days", "AlertTitle", day // 4),
        ("title", "AlertTitle", ""),
        ("detector", "DetectorId", ""),
        ("category, day", "Category", day),
        ("category", "Category", ""),
    ):
        yield from ((f"organisation, {name}", f"{one.org} {v} {when}") for v in one.there[column])
    yield ("organisation, day", f"{one.org} {day}")
    yield ("organisation", one.org)


def everywhere(one: Incident) -> Iterable[tuple[str, str]]:
    """Classes over all organisations, narrow ones first."""
    for column in EVERYWHERE:
        yield from ((column, v) for v in one.there[column])
    for name, column in (("title", "AlertTitle"), ("detector", "DetectorId"), ("category", "Category")):
        yield from ((f"{name}, entity", f"{r[column]} {r['EntityType']} {r['EvidenceRole']}") for r in one.rows)
        yield from ((f"{name}, verdict", f"{r[column]} {r['SuspicionLevel']} {r['LastVerdict']}") for r in one.rows)
        yield from ((name, v) for v in one.there[column])
        if name == "detector":
            yield from (("techniques", v) for v in one.there["MitreTechniques"])


def size(count: int, bits: int = 1) -> str:
    """Powers of two, or of eight, so that a few values stand for all."""
    return str((max(count, 1).bit_length() - 1) // bits)


# What is compared: training and test incidents -> posteriors (test, 3)

Units = Any
"""Numbers of incidents, as an array."""
Judge = Callable[[Units, Units], Any]


class Guide:
    """The incidents as each method wants them."""

    def __init__(self, incidents: Sequence[Incident], *, inside: bool) -> None:
        self.incidents, self.inside = incidents, inside
        before = history(incidents)
        self.examples = [example(one, before[one.uid], inside=inside) for one in incidents]
        self.truth = np.array([HYPOTHESES.index(one.grade) for one in incidents])
        self.org = np.unique([one.org for one in incidents], return_inverse=True)[1]
        self.table, self.categorical = table(incidents)
        self.leave: Leave = "example" if inside else "group"

    def learnt(self, train: Units, test: Units) -> Any:
        return self._posteriors([self.examples[n] for n in train], [self.examples[n] for n in test])

    def _posteriors(self, train: Sequence[Example], test: Sequence[Example]) -> Any:
        card = fit(train, NOTHING, leave=self.leave)
        return np.array([[said[name] for name in HYPOTHESES] for said in (score(card, one) for one in test)])

    def boosted(self, train: Units, test: Units, **settings: Any) -> Any:
        model = HistGradientBoostingClassifier(random_state=0, categorical_features=self.categorical, **settings)
        found = np.zeros((len(test), 3))
        model.fit(self.table[train], self.truth[train])
        found[:, model.classes_] = model.predict_proba(self.table[test])
        return found

    def boosted_slower(self, train: Units, test: Units) -> Any:
        return self.boosted(train, test, learning_rate=0.05, max_iter=150, class_weight="balanced")

    def looked_up(self, train: Units, test: Units, column: str) -> Any:
        """Grades of the same value's training incidents, with the base rates worth one label."""
        base = np.bincount(self.truth[train], minlength=3) / len(train)
        counts: dict[str, Any] = defaultdict(base.copy)
        for n in train:
            for value in set(self.incidents[n].there[column]):
                counts[value][self.truth[n]] += 1.0
        found = np.array([sum(counts[v] for v in sorted(set(self.incidents[n].there[column]))) for n in test])
        return found / found.sum(axis=1, keepdims=True)

    def naive_bayes(self, train: Units, test: Units) -> Any:
        """Answers and classes as independent, with one label for what was not seen."""
        base = np.bincount(self.truth[train], minlength=3).astype(float)
        counts: dict[tuple[str, str], Any] = defaultdict(lambda: np.ones(3))
        for n in train:
            for item in items(self.examples[n]):
                counts[item][self.truth[n]] += 1.0
        logs = np.array(
            [
                np.log(base) + sum((np.log(counts[i] / (base + 2.0)) for i in items(self.examples[n])), np.zeros(3))
                for n in test
            ]
        )
        odds = np.exp(logs - logs.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def risky(self, train: Units, test: Units) -> Any:
        """Risk-based alerting: rows, alerts, kinds of entities, evidence called suspicious or malicious, burst of the
        organisation's day. Cut into the three grades at the shares of training: most risk is an attack."""
        day = Counter((one.org, one.time // DAY) for one in self.incidents)
        bad = {"Suspicious", "Malicious", "Incriminated"}
        risk = np.array(
            [
                np.log1p(len(one.rows))
                + np.log1p(len(set(one.there["AlertTitle"])))
                + len(bad & {*one.there["SuspicionLevel"], *one.there["LastVerdict"]})
                + 0.5 * np.log1p(day[one.org, one.time // DAY])
                for one in self.incidents
            ]
        )
        return self._cut(risk, train, test)

    def rare(self, train: Units, test: Units) -> Any:
        """Rarity of the rarest title in its organisation, cut likewise."""
        counts = Counter((one.org, t) for one in self.incidents for t in set(one.there["AlertTitle"]))
        rarity = [max(-np.log(counts[one.org, t]) for t in one.there["AlertTitle"]) for one in self.incidents]
        return self._cut(np.array(rarity), train, test)

    def _cut(self, scores: Any, train: Units, test: Units) -> Any:
        base = np.bincount(self.truth[train], minlength=3) / len(train)
        order = np.sort(scores[train])
        high = order[int(len(order) * (1.0 - base[0]))]
        low = order[int(len(order) * base[2])]
        said = np.where(scores[test] >= high, 0, np.where(scores[test] < low, 2, 1))
        return np.eye(3)[said] * 0.98 + 0.02 / 3


def items(one: Example) -> list[tuple[str, str]]:
    return [*sorted(one.answers.items()), *sorted(set(one.classes))]


def table(incidents: Sequence[Incident]) -> tuple[Any, list[int]]:
    """What gradient boosting gets: each column's first value there is, as a category (the 254 commonest) and, where it
    has many values, as its number; counts of rows, alerts, titles and kinds of entities; time; the organisation's
    number."""
    columns = list(incidents[0].there)
    kinds = sorted({r["EntityType"] for one in incidents for r in one.rows})
    parts: list[Any] = []
    categorical = []
    for column in columns:
        first = [one.there[column][0] if one.there[column] else "" for one in incidents]
        common = Counter(value for value in first if value).most_common(254)
        code = {value: float(n) for n, (value, _) in enumerate(common)}
        categorical.append(len(parts))
        parts.append([code.get(value, 254.0) if value else np.nan for value in first])
        if len(common) > 100:
            parts.append([number(value) for value in first])
    for kind in kinds:
        parts.append([sum(r["EntityType"] == kind for r in one.rows) for one in incidents])
    parts += [
        [len(one.rows) for one in incidents],
        [len({r["AlertId"] for r in one.rows}) for one in incidents],
        [len(set(one.there["AlertTitle"])) for one in incidents],
        [one.time // HOUR % 24 for one in incidents],
        [one.time // DAY % 7 for one in incidents],
        [one.time // DAY for one in incidents],
        [int(one.org) for one in incidents],
    ]
    return np.array(parts, float).T, categorical


def numbers(values: Iterable[str]) -> list[int]:
    return [int(value) for value in values if value.isdigit()]


def number(value: str) -> float:
    try:
        return float(value) if value else -1.0
    except ValueError:
        return -1.0


# Figures


class Figures(NamedTuple):
    argmax: float
    macro_f1: float
    coverage: float
    precision: float
    brier: float
    ece: float
    log_loss: float


def parts_of(guide: Guide, units: Units, count: int, seed: int) -> Any:
    """Which part each of these incidents is in: whole organisations, or incidents by themselves."""
    chance = np.random.default_rng(seed)
    if guide.inside:
        return chance.permutation(len(units)) % count
    orgs = np.unique(guide.org[units])
    place = dict(zip(orgs.tolist(), (chance.permutation(len(orgs)) % count).tolist(), strict=True))
    return np.array([place[org] for org in guide.org[units].tolist()])


def measure(guide: Guide, judge: Judge, seed: int) -> Figures:
    """Every incident tested once."""
    n = len(guide.truth)
    place = parts_of(guide, np.arange(n), PARTS, seed)
    said, posteriors = np.zeros(n, int), np.zeros((n, 3))
    sure = np.zeros(n, bool)
    for part in range(PARTS):
        train, test = np.flatnonzero(place != part), np.flatnonzero(place == part)
        # One part of training alone, of few organisations, would choose by chance.
        inner, aside, truth = parts_of(guide, train, INNER, 1000 + seed), np.zeros((len(train), 3)), guide.truth[train]
        for held in range(INNER):
            aside[inner == held] = judge(train[inner != held], train[inner == held])
        shares = aside.mean(axis=0)
        power = max(POWERS, key=lambda a: (macro(truth, aside / shares**a), -a))
        posteriors[test] = judge(train, test)
        said[test] = (posteriors[test] / shares**power).argmax(axis=1)
        sure[test] = posteriors[test].max(axis=1) >= threshold(aside, truth)
    right = posteriors.argmax(axis=1) == guide.truth
    truths = [HYPOTHESES[k] for k in guide.truth]
    fits = measured([dict(zip(HYPOTHESES, row, strict=True)) for row in posteriors.tolist()], truths)
    return Figures(
        macro(guide.truth, posteriors),
        float(f1_score(guide.truth, said, average="macro")),
        float(sure.mean()),
        float(right[sure].mean()) if sure.any() else float("nan"),
        fits.brier,
        fits.ece,
        float(-np.log(np.maximum(posteriors[np.arange(n), guide.truth], 1e-6)).mean()),
    )


def macro(truth: Any, scores: Any) -> float:
    return float(f1_score(truth, scores.argmax(axis=1), average="macro"))


def threshold(posteriors: Any, truth: Any) -> float:
    """The lowest greatest-posterior from which on what is said is right PRECISION of the time; above 1 with none."""
    sure, right = posteriors.max(axis=1), posteriors.argmax(axis=1) == truth
    order = np.argsort(-sure, kind="stable")
    precise = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # Ties stand or fall together.
    last = np.r_[sure[order][1:] != sure[order][:-1], True]
    good = np.flatnonzero((precise >= PRECISION) & last)
    return float(sure[order][good[-1]]) if len(good) else 1.1


def main(folder: Path) -> None:
    incidents = read(folder)
    grades = Counter(one.grade for one in incidents)
    print(f"{len(incidents):,} incidents of {len({one.org for one in incidents}):,} organisations; {dict(grades)}")
    seeds = range(3 if len(incidents) < MUCH else 1)
    for inside, name in ((False, "organisations held out"), (True, "incidents held out")):
        guide = Guide(incidents, inside=inside)
        print(f"\n{name}, {len(seeds)} times in {PARTS} parts (mean, spread)")
        heads = ("argmax", "macro-F1", "spread", "covered", "right", "Brier", "ECE", "log loss")
        print(f"{'':<36}" + "".join(f"{head:>9}" for head in heads))
        for method, judge in methods(guide).items():
            show(method, [measure(guide, judge, seed) for seed in seeds])
        leak_check(guide)


def methods(guide: Guide) -> dict[str, Judge]:
    """Name -> how it judges."""
    return {
        "learnt (product)": guide.learnt,
        "gradient boosting": guide.boosted,
        "gradient boosting, balanced, slower": guide.boosted_slower,
        "naive Bayes": guide.naive_bayes,
        "rule look-up (title)": lambda a, b: guide.looked_up(a, b, "AlertTitle"),
        "rule look-up (detector)": lambda a, b: guide.looked_up(a, b, "DetectorId"),
        "severity (category)": lambda a, b: guide.looked_up(a, b, "Category"),
        "risk-based alerting": guide.risky,
        "rule rarity": guide.rare,
        "one grade for all": lambda a, b: base_rates(guide, a, b),
    }


def base_rates(guide: Guide, train: Units, test: Units) -> Any:
    return np.tile(np.bincount(guide.truth[train], minlength=3) / len(train), (len(test), 1))


def show(name: str, found: Sequence[Figures]) -> None:
    mean = Figures(*(float(np.mean([one[k] for one in found])) for k in range(len(Figures._fields))))
    spread = float(np.std([one.macro_f1 for one in found]))
    scores = (mean.argmax, mean.macro_f1, spread, mean.coverage, mean.precision, mean.brier, mean.ece, mean.log_loss)
    print(f"{name:<36}" + "".join(f"{value:>9.3f}" for value in scores), flush=True)


def leak_check(guide: Guide) -> None:
    """Grades of all incidents dealt anew: what is learnt must be worth nothing on test incidents, by the dealt ones."""
    truth, held = guide.truth, guide.examples
    guide.truth = np.random.default_rng(7).permutation(truth)
    guide.examples = [
        one.model_copy(update={"truth": HYPOTHESES[k]}) for one, k in zip(held, guide.truth.tolist(), strict=True)
    ]
    chance = max(macro(guide.truth, np.random.default_rng(s).random((len(truth), 3))) for s in range(5))
    found = measure(guide, guide.learnt, 0)
    print(
        f"leak check, grades of all {len(truth):,} incidents dealt anew: argmax {found.argmax:.3f}, macro-F1"
        f" {found.macro_f1:.3f} (best of five random sayings {chance:.3f})"
    )
    guide.truth, guide.examples = truth, held
