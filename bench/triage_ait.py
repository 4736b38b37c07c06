"""Cases of simulated companies (AIT-ADS): what closes, which attack steps stay open, what stands on top.

Protocol. Each company is a home of its own: its alerts (Wazuh, Suricata, AMiner; time, name, host, address, no label)
go through the product's intake, so that its lake holds the company's own past and nothing else. The same alert on the
same host counts once a minute (dirb alone is two thirds of all). The product's correlation makes the cases, its
catalogue asks, its collectors answer from the lake as it was at the time of the case. A case is an attack when the data
set's `event_label` marks any alert in it. (`time_label` marks whatever falls into an attack's hours, and leaves out the
theft over DNS that went on for days: it is used for the windows of reach only, where the peer used it, too.)
One company is held out; the weights of answers, how reliable each detection is, and the threshold are learned from
the others: what scores a training company for the threshold was learned from the rest of them. The threshold is the
greatest under which at most 1 % of the training cases with an attack fall, for ours and every baseline alike.
Beside cases of the product, a peer's unit: alerts of one host in one hour; it is closed when every case in it is.
Reach: the cases of each day (UTC) by the product's order, probability, then risk; a step of a day is reached by a case
that holds an alert of it.
"""

from __future__ import annotations

import csv
import gzip
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from triage_baselines import (
    BASELINES,
    DAY,
    HOUR,
    Alert,
    Method,
    Unit,
    auc,
    held_out,
    risk_based,
    share,
    shuffled,
    threshold,
)

from watchfloor.app.gathering import Asking, Gatherer
from watchfloor.app.risks import with_risk
from watchfloor.app.settings import Settings
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.case import Case
from watchfloor.core.finding import Finding
from watchfloor.core.scorecard import Scorecard
from watchfloor.core.verdict import Answer
from watchfloor.improve.learning import Example, fit, score
from watchfloor.triage.bound import LabelBook
from watchfloor.triage.catalogue import Catalogue
from watchfloor.triage.correlation import correlate
from watchfloor.triage.weighing import weigh

MISSED = 0.01
COLUMNS = ("time", "name", "ip", "host", "short")
OUTSIDE = frozenset({"-", "false_positive"})
TOP = (5, 10, 25)
CHUNK = 64


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
    judged = [one for file in files for one in company(file)]
    describe(judged)
    closing(judged, catalogue)
    reach(judged, catalogue)


# Alerts to cases with answers: the product


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
    cases = correlate(list(findings.values()), parts.context, parts.policy.correlation)
    cases = with_risk(cases, list(findings.values()), parts.context)
    gatherer, asking = Gatherer(parts), Asking(findings, parts.enricher(list(findings.values())), LabelBook(()))
    for start in range(0, len(cases), CHUNK):
        chunk = cases[start : start + CHUNK]
        for case, inputs in zip(chunk, gatherer.inputs(chunk, asking), strict=True):
            mine = tuple(findings[uid] for uid in case.findings)
            steps = {uid: frozenset(labels[uid].steps) for uid in case.findings}
            windows = ((labels[uid].windows, labels[uid].steps, findings[uid].time) for uid in case.findings)
            yield Judged(
                company=name,
                case=case,
                findings=mine,
                example=example(name, case, mine, weigh(inputs).answers, bad=any(steps.values())),
                steps=steps,
                windows=frozenset((time // DAY, w) for some, meant, time in windows if meant for w in some),
            )


def example(name: str, case: Case, findings: Sequence[Finding], answers: Sequence[Answer], *, bad: bool) -> Example:
    """The case as learning takes it."""
    detections = {f.detection.uid: f.detection.family for f in findings}
    return Example(
        uid=f"{name}/{case.uid}",
        group=name,
        time=case.time,
        truth="malicious" if bad else "false_positive",
        answers={a.question: a.value for a in answers if a.counted and a.status == "answered"},
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


def ours(judged: Sequence[Judged], catalogue: Catalogue) -> Method:
    """The product: the expert's scorecard updated on the training companies' cases, its probability of malicious."""
    known, expert = {one.example.uid: one.example for one in judged}, Scorecard.expert(catalogue)

    def method(train: Sequence[Unit], test: Sequence[Unit]) -> Any:
        told = [known[u.uid].model_copy(update={"truth": "malicious" if u.bad else "false_positive"}) for u in train]
        card = fit(told, expert, questions=catalogue.questions)
        return np.array([score(card, known[u.uid], catalogue.questions)["malicious"] for u in test])

    return method


def untaught(judged: Sequence[Judged], catalogue: Catalogue) -> Method:
    """The product before anybody told it anything."""
    known, expert = {one.example.uid: one.example for one in judged}, Scorecard.expert(catalogue)
    return lambda _, test: np.array([score(expert, known[u.uid], catalogue.questions)["malicious"] for u in test])


class Scored(NamedTuple):
    """A method's scores of all units, each as held out, and the threshold that held for it."""

    score: Any
    limit: Any


def scored(method: Method, all_units: Sequence[Unit]) -> Scored:
    found, limits = np.zeros(len(all_units)), np.zeros(len(all_units))
    for name in sorted({unit.group for unit in all_units}):
        mine = [i for i, unit in enumerate(all_units) if unit.group == name]
        train = [unit for unit in all_units if unit.group != name]
        found[mine] = method(train, [all_units[i] for i in mine])
        limits[mine] = threshold(held_out(method, train), [unit.bad for unit in train], MISSED)
    return Scored(found, limits)


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


def closing(judged: Sequence[Judged], catalogue: Catalogue) -> None:
    all_units = units(judged)
    methods = {"ours": ours(judged, catalogue), "ours, untaught": untaught(judged, catalogue), **BASELINES}
    given = {name: scored(method, all_units) for name, method in methods.items()}
    for name in ("all", *by_company(judged)):
        print(
            f"{name}: cases        benign closed          attacks missed         AUC   a host and hour: closed, missed"
        )
        for method, of in given.items():
            mine = [i for i, one in enumerate(judged) if name in ("all", one.company)]
            row(method, [judged[i] for i in mine], of.score[mine], of.limit[mine])
        print()
    steps(judged, given)
    dealt = shuffled(all_units)
    for method in ("ours", "rule look-up", "gradient boosting"):
        values = [auc(*leak) for leak in leaks(methods[method], dealt, all_units)]
        print(f"leak check, training labels dealt anew, {method}: AUC {np.mean(values):.2f} (chance is 0.50)")
    print()


def leaks(method: Method, dealt: Sequence[Unit], true: Sequence[Unit]) -> Iterator[tuple[Any, list[bool]]]:
    for name in sorted({unit.group for unit in true}):
        test = [unit for unit in true if unit.group == name]
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


def reach(judged: Sequence[Judged], catalogue: Catalogue) -> None:
    all_units = units(judged)
    methods = {"ours": ours(judged, catalogue), **{n: m for n, m in BASELINES.items() if n != "close nothing"}}
    print(f"reach: attack steps among the first {', '.join(map(str, TOP))} cases of a company's day")
    for name, method in methods.items():
        given = scored(method, all_units).score
        for what, labels in (("event_label", day_steps), ("time_label", lambda one: one.windows)):
            places = places_of(judged, given, labels)
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
