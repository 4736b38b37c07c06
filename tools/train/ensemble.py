"""Fits the weights of the ensemble: usage: .venv/bin/python -m tools.train.ensemble [--data FOLDER] [--to FILE]

Learned from: AIT-ADS companies fox and santos (CC BY 4.0) and panther-tests (Apache-2.0). Not from `cats`, whose AIT
sets are the third company: bench/ensemble.py scores there what is written here. Weights start as an expert's
(content/ensemble/expert.json) and are drawn back to them where labels say little; none may fall below zero.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import gzip
import json
import os
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
from scipy.optimize import brentq, minimize
from sklearn.metrics import roc_auc_score

from watchfloor.content import folder
from watchfloor.core.clock import HOUR
from watchfloor.core.event import Event
from watchfloor.core.finding import Finding
from watchfloor.core.record import Record
from watchfloor.core.signal import Signal
from watchfloor.detect import Detector
from watchfloor.detect.ensemble import Spoken, Surroundings, members, surroundings
from watchfloor.detect.ensemble.members import Member
from watchfloor.detect.ensemble.surroundings import context_features
from watchfloor.detect.learned import Learned
from watchfloor.ingest import Normalizer

DATA = Path(os.environ.get("WATCHFLOOR_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
COMPANIES = ("fox", "santos")
FOLDS = 5
SINGLE = "single"
CONTEXT = frozenset({"unusual", "tactics", "layers", "rare"})
SHRINK = (1.0, 10.0)
"""How strongly weights are drawn to the expert's: as many examples' worth. Which, cross-validation says."""
KEPT = 0.5
"""The share of an expert's weight that a rule's severity keeps: of rules not our own the labels know a hundred matches,
all in the cloud, and nothing of hosts and networks."""
_A_MINUTE = 5


class Example(NamedTuple):
    """An alert or event that is judged, and of which `attack` it is, none where it is harmless. `group` is held out
    together; `part` is the set it comes from; `weight` is less for what is told again and again; `entities` are those
    of its first finding."""

    features: dict[str, float]
    group: str
    part: str
    time: int
    attack: str = ""
    weight: float = 1.0
    entities: tuple[str, ...] = ()

    @property
    def bad(self) -> bool:
        return bool(self.attack)


class Fit(NamedTuple):
    """Weights by feature, in log-odds, and the base."""

    base: float
    weights: dict[str, float]

    def log_odds(self, rows: Sequence[Mapping[str, float]]) -> Any:
        return np.array([self.base + sum(self.weights.get(n, 0.0) * v for n, v in row.items()) for row in rows])


@cache
def expert() -> Fit:
    """Where the weights start."""
    data = orjson.loads((folder("ensemble") / "expert.json").read_bytes())
    return Fit(data["base"], data["weights"])


@cache
def normalizer() -> Normalizer:
    return Normalizer.shipped()


@cache
def detector(data: Path) -> Detector:
    """Our own detections and the shared Sigma rules."""
    return Detector.load([data / "sigma" / "rules"] if (data / "sigma" / "rules").exists() else [data / "sigma"])


def event_of(data: dict[str, Any], source: str, position: int) -> Event:
    """The event that the product makes of a record."""
    raw = orjson.dumps(data)
    return normalizer().event(
        Record(tenant="bench", source=source, position=position, unit="line", format="json", raw=raw, data=data)
    )


def features(said: Iterable[Member], seen: Surroundings | None) -> dict[str, float]:
    """Features by the name that has a weight: a member without one of its own counts in its family's."""
    found: dict[str, float] = defaultdict(float)
    around = context_features(seen) if seen else []
    for name, value in (*(pair for member in said for pair in member.features), *around):
        found[name if name in expert().weights else name.partition("/")[0]] += value
    return dict(found)


# Fitting


def fitted(examples: Sequence[Example], shrink: float) -> Fit:
    """The weights that make the labels most likely, drawn to the expert's, none below zero. The base is free, and so is
    what single events differ in from recordings (`single`): of these, half are attacks because somebody chose them."""
    start = expert()
    names = [*start.weights, SINGLE]
    counted: dict[tuple[tuple[float, ...], bool], float] = defaultdict(float)
    for one in examples:
        counted[tuple(one.features.get(name, 0.0) for name in names), one.bad] += one.weight
    x = np.array([row for row, _ in counted])
    y = np.array([1.0 if bad else -1.0 for _, bad in counted])
    w = np.array(list(counted.values()))
    prior = np.array([start.weights.get(name, 0.0) for name in names])
    drawn = np.array([0.0 if name == SINGLE else shrink for name in names])

    def loss(both: Any) -> tuple[float, Any]:
        margin = y * (both[0] + x @ both[1:])
        away = both[1:] - prior
        pull = -y * w / (1 + np.exp(np.clip(margin, -500, 500)))
        value = float((w * np.logaddexp(0, -margin)).sum() + (drawn * away) @ away / 2)
        return value, np.concatenate([[pull.sum()], pull @ x + drawn * away])

    least = [KEPT * start.weights.get(name, 0.0) if name.startswith("rule") else 0.0 for name in names]
    bounds = [(None, None), *((None if n == SINGLE else low, None) for n, low in zip(names, least, strict=True))]
    found = minimize(loss, np.concatenate([[start.base], prior]), jac=True, method="L-BFGS-B", bounds=bounds).x
    return Fit(float(found[0]), {name: float(v) for name, v in zip(names, found[1:], strict=True)})


def folds(examples: Sequence[Example]) -> Iterator[tuple[list[int], list[int]]]:
    """Indices to learn from and to hold out, whole groups, those with most weight dealt out first."""
    sizes: Counter[str] = Counter()
    for one in examples:
        sizes[one.group] += one.weight  # type: ignore[assignment]
    filled = [0.0] * FOLDS
    of: dict[str, int] = {}
    for group, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        of[group] = min(range(FOLDS), key=lambda n: filled[n])
        filled[of[group]] += size
    for n in range(FOLDS):
        held = [i for i, one in enumerate(examples) if of[one.group] == n]
        rest = [i for i, one in enumerate(examples) if of[one.group] != n]
        if held and rest:
            yield rest, held


def held_out(examples: Sequence[Example], shrink: float) -> Any:
    """Log-odds of each example by weights that have not seen its group."""
    z = np.zeros(len(examples))
    for rest, held in folds(examples):
        fit = fitted([examples[i] for i in rest], shrink)
        z[held] = fit.log_odds([examples[i].features for i in held])
    return z


def platt(z: Any, examples: Sequence[Example]) -> tuple[float, float]:
    """Slope (above zero) and shift that calibrate log-odds on labels."""
    y = np.array([1.0 if one.bad else -1.0 for one in examples])
    w = np.array([one.weight for one in examples])

    def loss(both: Any) -> float:
        return float((w * np.logaddexp(0, -y * (both[0] * z + both[1]))).sum())

    slope, shift = minimize(loss, [1.0, 0.0], method="L-BFGS-B", bounds=[(0.05, 5.0), (None, None)]).x
    return float(slope), float(shift)


def base_alone(fit: Fit, examples: Sequence[Example]) -> float:
    """The base for an event without what stands around it: recordings then come to their share of attacks."""
    some = [one for one in examples if SINGLE not in one.features]
    w = np.array([one.weight for one in some])
    own = [{n: v for n, v in one.features.items() if n not in CONTEXT} for one in some]
    z = fit.log_odds(own) - fit.base
    wanted = float(np.average([one.bad for one in some], weights=w))
    return float(brentq(lambda base: np.average(1 / (1 + np.exp(-(base + z))), weights=w) - wanted, -30, 30))


class Trained(NamedTuple):
    """Calibrated weights, what was chosen for them, and the calibrated log-odds of what was held out."""

    fit: Fit
    shrink: float
    held_out: Any


def trained(examples: Sequence[Example]) -> Trained:
    """Choose the shrinkage by what is held out, fit on all, and put the calibration into base and weights."""
    y = np.array([one.bad for one in examples])
    w = np.array([one.weight for one in examples])
    tried = []
    for shrink in SHRINK:
        z = held_out(examples, shrink)
        slope, shift = platt(z, examples)
        z = slope * z + shift
        tried.append((float((w * np.logaddexp(0, np.where(y, -z, z))).sum()), shrink, slope, shift, z))
    _, shrink, slope, shift, z = min(tried, key=lambda one: one[:2])
    fit = fitted(examples, shrink)
    scaled = {name: slope * weight for name, weight in fit.weights.items()}
    return Trained(Fit(slope * fit.base + shift, scaled), shrink, z)


# Examples


def lightened(examples: list[Example]) -> list[Example]:
    """What is told again within an hour counts once. What one attack sets off for hours counts as the square root of
    these: else a leak of three days outweighs all other attacks."""
    told = Counter((one.part, one.group, one.attack, one.time // HOUR) for one in examples)
    hours = Counter(key[:3] for key in told)
    found = []
    for one in examples:
        key = (one.part, one.group, one.attack)
        weight = 1 / told[*key, one.time // HOUR] * (hours[key] ** -0.5 if one.bad else 1.0)
        found.append(one._replace(weight=weight))
    return found


Told = tuple[Event, str, list[Signal]]


def sequence(told: Iterable[Told], part: str, found_by: Detector, ahead: int = HOUR) -> list[Example]:
    """Examples of a recording: what speaks of each event, with what stands around it up to `ahead` (ms) after it. The
    group is the detection."""
    findings: list[Finding] = []
    rows: list[tuple[Finding, str, list[Member]]] = []
    tested = tested_rules(found_by)
    for event, attack, signals in told:
        raised, _ = found_by.examine(event, signals)
        if raised:
            findings += raised
            rows.append((raised[0], attack, said(raised, signals, tested)))
    around = surroundings(findings, ahead=ahead)
    return [
        Example(
            features(says, around[first.uid]),
            first.detection.uid,
            part,
            first.time,
            attack,
            entities=tuple(dict.fromkeys(i.entity.key for i in first.involved)),
        )
        for first, attack, says in rows
    ]


def tested_rules(found_by: Detector) -> frozenset[str]:
    """The uids of rules that bring true and near-miss events."""
    return frozenset(rule.uid for rule in found_by.rules if rule.tested)


def said(findings: Iterable[Finding], signals: Sequence[Signal], tested: Container[str]) -> list[Member]:
    """What the members say of an event with these findings."""
    spoken = (Spoken.of(f.detection, f.title, f.severity, f.detection.uid in tested) for f in findings)
    return members([one for one in spoken if one], signals)


def companies(data: Path) -> Iterator[Example]:
    """AIT-ADS: alerts of whole companies, at most five a minute of one kind on one host."""
    for company in COMPANIES:
        kept: Counter[tuple[str, str, int]] = Counter()
        told: list[Told] = []
        with gzip.open(data / "ait-ads" / f"{company}_alerts.csv.gz", "rt", encoding="utf-8") as lines:
            for position, row in enumerate(csv.DictReader(lines)):
                label = row.pop("event_label")
                del row["time_label"]
                kind = (row["short"], row["host"], int(row["time"]) // 60)
                kept[kind] += 1
                if kept[kind] <= _A_MINUTE:
                    event = event_of(dict(row), f"{company}.csv", position)
                    told.append((event, "" if label == "-" else label, []))
        yield from sequence(told, company, detector(data))


def panther(data: Path) -> Iterator[Example]:
    """panther-tests: single events, each with whether its rule must alert. The group is the rule."""
    found_by = detector(data)
    tested = tested_rules(found_by)
    with (data / "panther-tests" / "tests.jsonl").open(encoding="utf-8") as lines:
        for position, line in enumerate(lines):
            row = json.loads(line)
            event = event_of(row["event"], "tests.jsonl", position)
            yield Example(
                features(said(found_by.findings(event), Learned.shipped().signals(event), tested), None)
                | {SINGLE: 1.0},
                f"{row['log_type']} {row['rule_id']}",
                row["log_type"],
                position * HOUR,
                row["rule_id"] if row["expected_alert"] else "",
            )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="tools.train.ensemble", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--to", type=Path, default=folder("ensemble") / "weights.json")
    parser.add_argument("--date", default=datetime.datetime.now(datetime.UTC).date().isoformat())
    asked = parser.parse_args(arguments)
    examples = lightened([*companies(asked.data), *panther(asked.data)])
    found = trained(examples)
    y, w = np.array([one.bad for one in examples]), np.array([one.weight for one in examples])
    p = 1 / (1 + np.exp(-found.held_out))
    artifact = {
        "version": asked.date,
        "base": round(base_alone(found.fit, examples), 4),
        "base_in_context": round(found.fit.base, 4),
        "weights": {n: round(weight, 4) + 0.0 for n, weight in found.fit.weights.items() if n != SINGLE},
        "trained_on": {
            "sets": sorted({one.part for one in examples}),
            "examples": len(examples),
            "bad": int(y.sum()),
            "groups": len({one.group for one in examples}),
            "licences": {"ait-ads": "CC BY 4.0", "panther-tests": "Apache-2.0"},
        },
        "held_out": {
            "by": "detection or rule",
            "shrink": found.shrink,
            "auc": round(float(roc_auc_score(y, p, sample_weight=w)), 4),
            "brier": round(float(np.average((p - y) ** 2, weights=w)), 4),
            "base_rate": round(float(np.average(y, weights=w)), 4),
        },
    }
    asked.to.write_bytes(orjson.dumps(artifact, option=orjson.OPT_INDENT_2) + b"\n")
    print(orjson.dumps(artifact, option=orjson.OPT_INDENT_2).decode())


if __name__ == "__main__":
    main()
