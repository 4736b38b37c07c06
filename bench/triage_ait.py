"""Cases of simulated companies (AIT-ADS): what closes, which attack steps stay open, what stands on top.

Protocol. Each company is a home of its own: its alerts (Wazuh, Suricata, AMiner; time, name, host, address, no label)
go through the product's intake, so that its lake holds the company's own past and nothing else. The same alert on the
same host counts once a minute (dirb alone is two thirds of all). The product's correlation makes the cases, its
catalogue asks, its collectors answer from the lake as it was at the time of the case. A case is an attack when the data
set's `event_label` marks any alert in it. (`time_label` marks whatever falls into an attack's hours, and leaves out the
theft over DNS that went on for days: it is used for the windows of reach only, where the peer used it, too.)
One company is held out; the weights of answers, how reliable each detection is, and the threshold are learned from
the others: what scores training companies for the threshold was learned from the other half of them. The threshold is
where the smoothed lower tail of the training cases with an attack holds 1 %, for ours and every baseline alike: of
fewer than a hundred the lowest one is no such place, and would decide alone (shown beside, "lowest attack").
"With gates" is what the product closes: what stands near an escalated case stays open, and what is critical.
Beside cases of the product, a peer's unit: alerts of one host in one hour; it is closed when every case in it is.
Reach: the cases of each day (UTC) by the product's order, probability, then risk; a step of a day is reached by a case
that holds an alert of it.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import inspect
import os
import pickle
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import log
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm, rankdata
from triage_baselines import (
    BASELINES,
    DAY,
    HOUR,
    Alert,
    Method,
    Unit,
    auc,
    gradient_boosting,
    risk_based,
    share,
    shuffled,
    threshold,
)

import watchfloor
from watchfloor.app.parts import Parts
from watchfloor.app.risks import with_risk
from watchfloor.app.settings import Settings
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.case import Case
from watchfloor.core.evidence import Evidence
from watchfloor.core.facets import facets
from watchfloor.core.finding import Finding
from watchfloor.core.policy import TriagePolicy
from watchfloor.core.scorecard import PRIOR_SHARES, Scorecard, malice
from watchfloor.core.verdict import Answer
from watchfloor.enrich import Enricher, Events, Past, collectors_for
from watchfloor.improve.learning import Example, fit, score
from watchfloor.triage.case_facts import case_evidence
from watchfloor.triage.catalogue import Catalogue
from watchfloor.triage.correlation import correlate
from watchfloor.triage.neighbours import Neighbours

MISSED = 0.01
COLUMNS = ("time", "name", "ip", "host", "short")
OUTSIDE = frozenset({"-", "false_positive"})
TOP = (5, 10, 25)
DEALS = {"ours, from a blank card": 8, "gradient boosting": 8}
BLANK = Scorecard(name="blank", priors={name: log(part) for name, part in PRIOR_SHARES.items()}, weights={})
"""What a leak is looked for with: the expert's weights know attacks whatever the labels say."""
CHUNK = 64
CACHE = "WATCHFLOOR_BENCH_CACHE"
"""A folder of one's own where cases and answers are kept from run to run, unless something that makes them changes."""


class Told(NamedTuple):
    """An alert as it is told once a minute: its row, and the labels of all that it stands for."""

    row: dict[str, str]
    steps: set[str]
    windows: set[str]


class Judged(NamedTuple):
    """A case with what the product found out, and the labels of its alerts, which nothing here but the score reads."""

    company: str
    case: Case
    findings: tuple[Finding, ...]
    example: Example
    steps: Mapping[str, frozenset[str]]
    """Of each finding (uid): the attack steps of the alerts that it stands for."""
    windows: frozenset[tuple[int, str]]
    """(day, `time_label`) of its findings that are part of an attack."""

    @property
    def all_steps(self) -> frozenset[str]:
        return frozenset().union(*self.steps.values())

    @property
    def bad(self) -> bool:
        return any(self.steps.values())


def main(folder: Path) -> None:
    files = sorted((folder / "ait-ads").glob("*_alerts.csv.gz"))
    if len(files) < 3:
        sys.exit(f"{folder / 'ait-ads'}: three companies or more are needed (*_alerts.csv.gz), there are {len(files)}")
    catalogue = Catalogue.shipped()
    judged = [one for file in files for one in kept(file)]
    describe(judged)
    reach(judged, closing(judged, catalogue))


# Alerts to cases with answers: the product


def kept(file: Path) -> list[Judged]:
    """The cases of one company, from the cache if there is one and it has them."""
    if not os.environ.get(CACHE):
        return company(file)
    place = Path(os.environ[CACHE]) / f"{file.name}.{digest(file)}.pickle"
    if not place.exists():
        place.write_bytes(pickle.dumps(company(file)))
    found: list[Judged] = pickle.loads(place.read_bytes())
    return found


def digest(file: Path) -> str:
    """Of the alerts, and of all code and content that makes cases and answers of them."""
    package = Path(watchfloor.__file__).parent
    files = sorted(one for one in package.rglob("*") if one.suffix in (".py", ".yaml") and "improve" not in one.parts)
    here = "".join(inspect.getsource(one) for one in (Judged, once_a_minute, answered, answers_of, example))
    parts = (file.read_bytes(), here.encode(), *(one.read_bytes() for one in files))
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def company(file: Path) -> list[Judged]:
    """The cases of one company, with what the product answers about each."""
    name = file.name.removesuffix("_alerts.csv.gz")
    told = list(once_a_minute(file))
    with tempfile.TemporaryDirectory(prefix="watchfloor-ait-") as made:
        alerts = Path(made) / "alerts.csv"
        with alerts.open("w", newline="") as out:
            table = csv.writer(out)
            table.writerow(COLUMNS)
            table.writerows([one.row[column] for column in COLUMNS] for one in told)
        with Watchfloor.open(Path(made) / "home", Settings(tenant="company")) as product:
            product.pipeline.ingest([alerts])
            return list(answered(product, name, told))


def once_a_minute(file: Path) -> Iterator[Told]:
    kept: dict[tuple[str, str, int], Told] = {}
    with gzip.open(file, "rt", newline="") as lines:
        for row in csv.DictReader(lines):
            key = (row["name"], row["host"], int(float(row["time"])) // 60)
            one = kept.setdefault(key, Told(row, set(), set()))
            one.steps.update({row["event_label"]} - OUTSIDE)
            one.windows.update({row["time_label"]} - OUTSIDE)
    yield from kept.values()


def answered(product: Watchfloor, name: str, told: Sequence[Told]) -> Iterator[Judged]:
    parts, findings = product.parts, {one.uid: one for one in product.pipeline.findings()}
    labels = {uid: told[one.position] for uid, one in findings.items()}
    everything = list(findings.values())
    cases = with_risk(correlate(everything, parts.context, parts.policy.correlation), everything, parts.context)
    past = Past(everything, parts.context)
    collectors = collectors_for(Events(parts.lake), parts.lake.reader(parts.tenant), parts.context, parts.intel, past)
    enricher = Enricher(collectors, Forgotten(), parts.clock, deadline_seconds=3_600)
    for start in range(0, len(cases), CHUNK):
        chunk = cases[start : start + CHUNK]
        mine = [tuple(findings[uid] for uid in case.findings) for case in chunk]
        for case, some, answers in zip(chunk, mine, answers_of(parts, chunk, mine, enricher), strict=True):
            steps = {uid: frozenset(labels[uid].steps) for uid in case.findings}
            windows = ((labels[uid].windows, labels[uid].steps, findings[uid].time) for uid in case.findings)
            yield Judged(
                company=name,
                case=case,
                findings=some,
                example=example(name, case, some, answers, bad=any(steps.values())),
                steps=steps,
                windows=frozenset((time // DAY, w) for seen, meant, time in windows if meant for w in seen),
            )


class Forgotten:
    """Evidence is not kept: thousands of files would be most of the time, and no score reads them."""

    def put(self, tenant: str, *evidence: Evidence) -> None: ...


def answers_of(
    parts: Parts, cases: Sequence[Case], findings: Sequence[Sequence[Finding]], enricher: Enricher
) -> Iterator[dict[str, str]]:
    """Of each case: question -> the value that counts, which is that of the most suspicious subject."""
    catalogue, events = parts.catalogue, {f.event_uid for some in findings for f in some}
    known = {uid: facets(event) for uid, event in parts.lake.events(parts.tenant, events).items()}
    asked = [catalogue.ask(c, some, known, parts.context) for c, some in zip(cases, findings, strict=True)]
    looks = [[one.lookup for one in group] for group in asked]
    facts: dict[str, Evidence] = {}
    for case, some, group in zip(cases, findings, looks, strict=True):
        facts |= case_evidence(group, case, some)
    found = enricher.collect([look for group in looks for look in group if look.uid not in facts]) | facts
    for group in asked:
        best: dict[str, Answer] = {}
        for answer in (catalogue.read(one, found[one.lookup.uid]) for one in group):
            held = best.get(answer.question)
            if answer.status == "answered" and (held is None or malice(answer.weights) > malice(held.weights)):
                best[answer.question] = answer
        yield {question: answer.value for question, answer in best.items()}


def example(name: str, case: Case, findings: Sequence[Finding], answers: dict[str, str], *, bad: bool) -> Example:
    """The case as learning takes it."""
    detections = {f.detection.uid: f.detection.family for f in findings}
    return Example(
        uid=f"{name}/{case.uid}",
        group=name,
        time=case.time,
        truth="malicious" if bad else "false_positive",
        answers=answers,
        classes=(
            *(("detection", uid) for uid in sorted(detections)),
            *(("family", family) for family in sorted(set(detections.values()))),
        ),
    )


# Cases as units: ours and the baselines


def units(judged: Sequence[Judged]) -> list[Unit]:
    """A case as a unit; what gradient boosting gets knows no label."""
    risks: dict[str, float] = {}
    for name in {one.company for one in judged}:
        findings = sorted((f for j in judged if j.company == name for f in j.findings), key=lambda f: (f.time, f.uid))
        given = risk_based([Alert(f.time, f.detection.uid, f.severity / 5) for f in findings])
        risks |= {f"{name}/{f.uid}": float(risk) for f, risk in zip(findings, given, strict=True)}
    return [unit(one, max(risks[f"{one.company}/{f.uid}"] for f in one.findings)) for one in judged]


def unit(one: Judged, risk: float) -> Unit:
    case, findings = one.case, one.findings
    detections = Counter(f.detection.uid for f in findings)
    return Unit(
        uid=one.example.uid,
        group=one.company,
        time=case.time,
        bad=one.bad,
        rules=tuple(f.detection.uid for f in findings),
        severity=case.severity / 5,
        risk=risk,
        features={
            "findings": len(findings),
            "detections": len(detections),
            "families": len({f.detection.family for f in findings}),
            "hours": (case.last_time - case.time) / HOUR,
            "most of one": max(detections.values()),
            "hour of day": case.time % DAY / HOUR,
            "entities": len(case.involved),
        },
    )


def taught(judged: Sequence[Judged], catalogue: Catalogue, start: Scorecard) -> Method:
    """The product: a scorecard updated on the training companies' cases, its probability of malicious."""
    known = {one.example.uid: one.example for one in judged}

    def method(train: Sequence[Unit], test: Sequence[Unit]) -> Any:
        told = [known[u.uid].model_copy(update={"truth": "malicious" if u.bad else "false_positive"}) for u in train]
        card = fit(telling(told), start, questions=catalogue.questions)
        return np.array([score(card, known[u.uid], catalogue.questions)["malicious"] for u in test])

    return method


def telling(examples: Sequence[Example]) -> list[Example]:
    """Without questions that every example answers alike: they teach nothing and cost most of the time."""
    values: dict[str, set[str | None]] = defaultdict(set)
    for name in {question for one in examples for question in one.answers}:
        values[name].update(one.answers.get(name) for one in examples)
    return [
        one.model_copy(update={"answers": {q: v for q, v in one.answers.items() if len(values[q]) > 1}})
        for one in examples
    ]


def untaught(judged: Sequence[Judged], catalogue: Catalogue) -> Method:
    """The product before anybody told it anything."""
    known, expert = {one.example.uid: one.example for one in judged}, Scorecard.expert(catalogue)
    return lambda _, test: np.array([score(expert, known[u.uid], catalogue.questions)["malicious"] for u in test])


class Scored(NamedTuple):
    """A method's scores of all units, each as held out, and the threshold that held for it."""

    score: Any
    limit: Any
    lowest: Any
    """The threshold under which no training attack falls, as long as they are fewer than a hundred."""


def scored(method: Method, all_units: Sequence[Unit]) -> Scored:
    found, limits, lowest = (np.zeros(len(all_units)) for _ in range(3))
    for name in sorted({unit.group for unit in all_units}):
        mine = [i for i, unit in enumerate(all_units) if unit.group == name]
        train = [unit for unit in all_units if unit.group != name]
        found[mine] = method(train, [all_units[i] for i in mine])
        of_train, bad = crossed(method, train), [unit.bad for unit in train]
        limits[mine], lowest[mine] = smoothed(of_train, bad, MISSED), threshold(of_train, bad, MISSED)
    return Scored(found, limits, lowest)


def smoothed(scores: Any, bad: Sequence[bool], most_missed: float) -> float:
    """The score under which this share of attacks falls by a kernel estimate (Gaussian, Silverman's width) of where
    they stand among all units, as normal scores: whatever scale a method has, it is treated alike."""
    attacks = norm.ppf((rankdata(scores) - 0.5) / len(scores))[np.array(bad)]
    if len(attacks) < 2:
        return threshold(scores, bad, most_missed)
    spreads = (attacks.std(ddof=1), np.subtract(*np.percentile(attacks, [75, 25])) / 1.34)
    width = 0.9 * min((one for one in spreads if one > 0), default=1e-9) * len(attacks) ** -0.2
    reach = 10 * width
    place = brentq(
        lambda at: norm.cdf((at - attacks) / width).mean() - most_missed, attacks.min() - reach, attacks.max() + reach
    )
    return float(np.quantile(scores, norm.cdf(place)))


def gated(judged: Sequence[Judged], of: Scored) -> Scored:
    """The same with the product's gates: what they hold open is under no threshold."""
    policy, limits = TriagePolicy(), of.limit.copy()
    for name in by_company(judged):
        near, mine = Neighbours(), [i for i, one in enumerate(judged) if one.company == name]
        for i in mine:
            if of.score[i] >= policy.escalate_at:
                near.add(judged[i].case)
        for i in mine:
            if near.near(judged[i].case) or judged[i].case.severity >= policy.never_close_severity:
                limits[i] = -np.inf
    return of._replace(limit=limits)


def crossed(method: Method, train: Sequence[Unit]) -> Any:
    """The score of each training unit by what was learned from the other half of the training companies."""
    found, names = np.zeros(len(train)), sorted({unit.group for unit in train})
    for half in (names[::2], names[1::2]):
        mine = [i for i, unit in enumerate(train) if unit.group in half]
        found[mine] = method([unit for unit in train if unit.group not in half], [train[i] for i in mine])
    return found


# What is printed


def describe(judged: Sequence[Judged]) -> None:
    print("company              days  alerts*  cases  a day  with an attack   findings a case: median, 90 %, most; one")
    for name, mine in by_company(judged).items():
        sizes = sorted(len(one.findings) for one in mine)
        days = (max(o.case.last_time for o in mine) - min(o.case.time for o in mine)) / DAY
        print(
            f"{name:20} {days:4.1f} {sum(sizes):8,} {len(mine):6} {len(mine) / days:6.0f} {sum(o.bad for o in mine):15}"
            f" {median(sizes):17.0f} {sizes[int(0.9 * len(sizes))]:5} {sizes[-1]:5} {sizes.count(1):4}"
        )
    print("* told once a minute for each alert and host\n")


def closing(judged: Sequence[Judged], catalogue: Catalogue) -> dict[str, Scored]:
    all_units = units(judged)
    expert = Scorecard.expert(catalogue)
    methods = {"ours": taught(judged, catalogue, expert), "ours, untaught": untaught(judged, catalogue), **BASELINES}
    given = {name: scored(method, all_units) for name, method in methods.items()}
    ours = given["ours"]
    shown = {
        "ours": ours,
        "ours, with gates": gated(judged, ours),
        "ours, lowest attack": ours._replace(limit=ours.lowest),
    }
    shown |= given
    for name in ("all", *by_company(judged)):
        print(
            f"{name}: cases        benign closed          attacks missed         AUC   a host and hour: closed, missed"
        )
        for method, of in shown.items():
            mine = [i for i, one in enumerate(judged) if name in ("all", one.company)]
            row(method, [judged[i] for i in mine], of.score[mine], of.limit[mine])
        print()
    steps(judged, given)
    blank = {"ours, from a blank card": taught(judged, catalogue, BLANK), "gradient boosting": gradient_boosting}
    for name, method in blank.items():
        values = [auc(*leak) for seed in range(DEALS[name]) for leak in leaks(method, shuffled(all_units, seed))]
        print(
            f"leak check, labels dealt anew, {name}: mean AUC {np.mean(values):.2f}, of {len(values)} from "
            f"{min(values):.2f} to {max(values):.2f} (chance is 0.50)"
        )
    print()
    return given


def leaks(method: Method, dealt: Sequence[Unit]) -> Iterator[tuple[Any, list[bool]]]:
    """Against the dealt labels, which nothing can know. (Against the true ones a large case stands high whatever was
    learned: the most suspicious of many answers counts.)"""
    for name in sorted({unit.group for unit in dealt}):
        test = [unit for unit in dealt if unit.group == name]
        yield method([unit for unit in dealt if unit.group != name], test), [unit.bad for unit in test]


def row(method: str, judged: Sequence[Judged], scores: Any, limits: Any) -> None:
    closed = [bool(s < limit) for s, limit in zip(scores, limits, strict=True)]
    good = [c for c, one in zip(closed, judged, strict=True) if not one.bad]
    bad = [c for c, one in zip(closed, judged, strict=True) if one.bad]
    open_hours: set[tuple[str, str, int]] = set()
    hours: dict[tuple[str, str, int], bool] = defaultdict(bool)
    for one, is_closed in zip(judged, closed, strict=True):
        for finding in one.findings:
            place = (one.company, host_of(finding), finding.time // HOUR)
            hours[place] |= bool(one.steps[finding.uid])
            open_hours |= set() if is_closed else {place}
    harmless, attacks = [h for h, is_bad in hours.items() if not is_bad], [h for h, is_bad in hours.items() if is_bad]
    print(
        f"  {method:20} {share(sum(good), len(good)):>22} {share(sum(bad), len(bad)):>22}"
        f" {auc(scores, [one.bad for one in judged]):5.2f}"
        f"   {share(sum(h not in open_hours for h in harmless), len(harmless))}"
        f" {share(sum(h not in open_hours for h in attacks), len(attacks))}"
    )


def steps(judged: Sequence[Judged], given: Mapping[str, Scored]) -> None:
    """Each attack step of each company: of how many cases with it, how many stayed open, by method."""
    names = [name for name in given if name != "close nothing"]
    print("cases with an attack step that stayed open (a step is lost where none did)")
    print(f"  {'':44}" + "".join(f"{name[:11]:>12}" for name in names))
    lost: Counter[str] = Counter()
    for company_name in by_company(judged):
        mine = [i for i, one in enumerate(judged) if one.company == company_name]
        for step in sorted({s for i in mine for s in judged[i].all_steps}):
            with_it = [i for i in mine if step in judged[i].all_steps]
            open_ones = {n: sum(bool(given[n].score[i] >= given[n].limit[i]) for i in with_it) for n in names}
            lost.update(n for n in names if not open_ones[n])
            shown = (f"{open_ones[n]}/{len(with_it)}" + ("" if open_ones[n] else " LOST") for n in names)
            print(f"  {company_name:20} {step:23}" + "".join(f"{text:>12}" for text in shown))
    print(f"  {'steps lost':44}" + "".join(f"{lost[name]:12}" for name in names) + "\n")


def reach(judged: Sequence[Judged], given: Mapping[str, Scored]) -> None:
    print(f"reach: attack steps among the first {', '.join(map(str, TOP))} cases of a company's day")
    for name in (name for name in given if name != "close nothing"):
        for what, labels in (("event_label", day_steps), ("time_label", lambda one: one.windows)):
            places = places_of(judged, given[name].score, labels)
            hits = [sum(place <= top for place in places.values()) for top in TOP]
            late = [f"{c} {step} at {place}" for (c, _, step), place in places.items() if place > 10]
            missed = f"; beyond 10: {', '.join(late)}" if late and name == "ours" else ""
            print(f"  {name:20} {what:12} {'/'.join(map(str, hits))} of {len(places)}{missed}")


def day_steps(one: Judged) -> frozenset[tuple[int, str]]:
    return frozenset((f.time // DAY, step) for f in one.findings for step in one.steps[f.uid])


def places_of(
    judged: Sequence[Judged], given: Any, labels: Callable[[Judged], frozenset[tuple[int, str]]]
) -> dict[tuple[str, int, str], int]:
    """(company, day, step) -> the place of the first case that shows it. A case of two days stands in both."""
    days: dict[tuple[str, int], list[int]] = defaultdict(list)
    for i, one in enumerate(judged):
        for day in {f.time // DAY for f in one.findings}:
            days[one.company, day].append(i)
    places: dict[tuple[str, int, str], int] = {}
    for (name, day), some in sorted(days.items()):
        some.sort(key=lambda i: (-given[i], -(judged[i].case.risk.log_odds if judged[i].case.risk else 0.0), i))
        for place, i in enumerate(some, 1):
            for of_day, step in labels(judged[i]):
                if of_day == day:
                    places.setdefault((name, day, step), place)
    return places


def by_company(judged: Sequence[Judged]) -> dict[str, list[Judged]]:
    found: dict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        found[one.company].append(one)
    return found


def host_of(finding: Finding) -> str:
    return next((i.entity.value for i in finding.involved if i.entity.type == "host"), "")
