"""The ensemble on labelled alerts and events that it has not seen, beside the method of the research paper that it
follows: recall at a false-positive rate of 0.05, AUC, calibration, and what each member adds.

usage: .venv/bin/python bench/ensemble.py [cats|panther] [--no-ablation] [--as-it-came]
data: $WATCHFLOOR_DATA, ../shared/data

Thresholds and calibration come from training folds, by examples that were held out there; a test fold is scored once.
`recall` and `FPR` are those at that threshold, with the exact interval (Clopper-Pearson, 95 %). `at .05` is the recall
where the test fold's own FPR is .05: it is read off the test fold and only tells how far the threshold was off.
cats: units are alerts told once an hour (a detection, an hour, a label: its greatest score counts), because one scan
makes thousands. Splits: by set, by unseen rule, by time. A look-up by rule name solves random splits: there is none.
An alert is scored as a case is: what followed within the hour on the same entity counts; with --as-it-came it does not.
panther: weights never saw the rule that is scored. What our own detections say is not unseen: those of the cloud were
written with these events in view. How often they find what nobody looked at was measured on a half of it that was kept
back while they were written: 64 % of the true events.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from triage_baselines import share

from tools.train.ensemble import (
    DATA,
    Example,
    Fit,
    Told,
    detector,
    event_of,
    expert,
    folds,
    lightened,
    panther,
    sequence,
    trained,
)
from watchfloor.content import folder
from watchfloor.core.clock import HOUR
from watchfloor.core.event import get_path
from watchfloor.detect.anomaly import Anomalies
from watchfloor.detect.learned import Learned

FPR = 0.05
MEMBERS: dict[str, tuple[str, ...]] = {
    "rules": ("rule >= ", "more rules"),
    "whether they are tested": ("tested",),
    "vendors' severity": ("vendor >= ",),
    "learned": ("learned",),
    "anomalies": ("anomaly",),
    "what stands around": ("unusual", "tactics", "layers"),
    "how routine here": ("rare",),
}


# The method of the paper: a vote of three members, and a risk that mixes a magnitude with a probability


def vote(strengths: Any, at: float = 0.5) -> Any:
    """Whether most of three members (columns, from 0 to 1) speak."""
    return (np.asarray(strengths) >= at).sum(axis=1) >= 2


def paper_risk(magnitude: Any, p: Any, alpha: float = 0.5, share: float = 0.5) -> Any:
    """alpha x magnitude + beta x p."""
    return alpha * np.asarray(magnitude) + share * np.asarray(p)


class Scores(NamedTuple):
    """Of a test fold: a score that grows with suspicion, and what speaks at the method's own operating point; where
    alerts are counted each by itself, at that which holds for these."""

    score: Any
    speaks: Any
    by_alert: Any = None


Method = Callable[[Sequence[Example], Sequence[Example]], Scores]


def columns(examples: Sequence[Example]) -> Any:
    names = list(expert().weights)
    return np.array([[one.features.get(name, 0.0) for name in names] for one in examples])


def paper(rest: Sequence[Example], held: Sequence[Example]) -> Scores:
    """Three members: the detections' own severity, an isolation forest (rank among what it was fitted on) and a random
    forest. They get the same features as the ensemble."""
    x, test = columns(rest), columns(held)
    y, w = np.array([one.bad for one in rest]), np.array([one.weight for one in rest])
    forest = RandomForestClassifier(100, min_samples_leaf=5, class_weight="balanced", random_state=0, n_jobs=1)
    p = forest.fit(x, y, sample_weight=w).predict_proba(test)[:, 1]
    isolation = IsolationForest(random_state=0).fit(x)
    usual = np.sort(-isolation.score_samples(x))
    odd = np.searchsorted(usual, -isolation.score_samples(test)) / len(usual)
    severity = np.array([severity_of(one) for one in held])
    strengths = np.column_stack([severity >= 0.6, odd >= 0.9, p >= 0.5])
    return Scores(paper_risk(odd, p), vote(strengths))


def severity_of(one: Example) -> float:
    """The worst severity of any rule or alert, from 0 to 1: medium is 0.6."""
    steps = max(sum(one.features.get(f"{kind} >= {s}", 0.0) for s in _STEPS) for kind in ("rule", "vendor"))
    return float(steps + 1) / 5 if steps else 0.0


_STEPS = ("low", "medium", "high", "critical")


def severity_alone(_: Sequence[Example], held: Sequence[Example]) -> Scores:
    """Speaks from high on."""
    score = np.array([severity_of(one) for one in held])
    return Scores(score, score >= 0.8)


def ours(rest: Sequence[Example], held: Sequence[Example]) -> Scores:
    """The ensemble, trained on the rest; its threshold is where of what was held out there one in twenty speaks."""
    found = trained(rest)
    score = found.fit.log_odds([one.features for one in held])
    return Scores(score, score > cut(found.held_out, rest), score > cut(found.held_out, rest, each))


def shipped(_: Sequence[Example], held: Sequence[Example]) -> Scores:
    """The weights as they are shipped, which saw nothing of this data; speaks where it is more likely than not."""
    data = json.loads((folder("ensemble") / "weights.json").read_text())
    score = Fit(data["base_in_context"], data["weights"]).log_odds([one.features for one in held])
    return Scores(score, score > 0)


def cut(score: Any, examples: Sequence[Example], unit: Units | None = None) -> float:
    """The threshold over which one in twenty of the harmless units are."""
    units = (unit or together)(examples, score)
    harmless = np.sort([s for _, s, bad in units if not bad])
    return float(harmless[min(int(np.ceil(len(harmless) * (1 - FPR))), len(harmless) - 1)])


def together(examples: Sequence[Example], score: Any) -> list[tuple[Any, float, bool]]:
    """Units: what is told again within an hour once, with its greatest score."""
    best: dict[Any, float] = {}
    for one, value in zip(examples, score, strict=True):
        key = (one.part, one.group, one.time // HOUR, one.bad)
        best[key] = max(best.get(key, -np.inf), float(value))
    return [(key, value, key[3]) for key, value in best.items()]


# Measuring


class Measured(NamedTuple):
    """What a method came to on all test folds of a split."""

    hits: int
    bad: int
    alarms: int
    harmless: int
    at_rate: float
    auc: float
    p: Any
    y: Any


Units = Callable[[Sequence[Example], Any], list[tuple[Any, float, bool]]]


def each(examples: Sequence[Example], score: Any) -> list[tuple[Any, float, bool]]:
    """Every alert by itself."""
    return [(n, float(value), one.bad) for n, (one, value) in enumerate(zip(examples, score, strict=True))]


def measured(parts: Sequence[tuple[Sequence[Example], Scores]], unit: Units = together) -> Measured:
    hits = bad = alarms = harmless = 0
    recalls, aucs, ps, ys = [], [], [], []
    for held, scores in parts:
        units = unit(held, scores.score)
        speaks = scores.speaks if unit is together or scores.by_alert is None else scores.by_alert
        spoke = {key: value > 0 for key, value, _ in unit(held, np.where(speaks, 1.0, 0.0))}
        s, y = np.array([v for _, v, _ in units]), np.array([b for _, _, b in units])
        spoken = np.array([spoke[key] for key, _, _ in units])
        hits, bad = hits + int(spoken[y].sum()), bad + int(y.sum())
        alarms, harmless = alarms + int(spoken[~y].sum()), harmless + int((~y).sum())
        if y.any() and not y.all():
            aucs.append((roc_auc_score(y, s), int(y.sum())))
            limit = np.sort(s[~y])[min(int(np.ceil((~y).sum() * (1 - FPR))), int((~y).sum()) - 1)]
            recalls.append((float((s[y] > limit).mean()), int(y.sum())))
        ps.append(1 / (1 + np.exp(-np.clip(s, -30, 30))))
        ys.append(y)
    return Measured(hits, bad, alarms, harmless, _mean(recalls), _mean(aucs), np.concatenate(ps), np.concatenate(ys))


def _mean(pairs: Sequence[tuple[float, int]]) -> float:
    """Over folds, each by its attacks."""
    return float(np.average([v for v, _ in pairs], weights=[n for _, n in pairs])) if pairs else float("nan")


def calibration(found: Measured) -> str:
    """Brier score, expected calibration error over ten bins, and the bins: mean p, share of attacks, units."""
    p, y = found.p, found.y
    bins = np.minimum((p * 10).astype(int), 9)
    rows = [(p[bins == n].mean(), y[bins == n].mean(), int((bins == n).sum())) for n in range(10) if (bins == n).any()]
    ece = sum(abs(a - b) * n for a, b, n in rows) / len(p)
    table = "  ".join(f"{a:.2f}:{b:.2f} ({n})" for a, b, n in rows)
    return f"Brier {np.mean((p - y) ** 2):.3f}  ECE {ece:.3f}  said:seen (units)  {table}"


# Data and splits


def cats(data: Path, ahead: int = HOUR) -> Iterator[Example]:
    """The sets of CATS, each in order of time, with what anomaly and learned detectors say on the way."""
    for file in sorted((data / "cats").glob("*.zip")):
        yield from alert_set(file, data, ahead)


def alert_set(file: Path, data: Path, ahead: int = HOUR) -> list[Example]:
    """One set of CATS. The label is taken out of the alert first."""
    with zipfile.ZipFile(file) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".jsonl"))
        rows = [json.loads(line) for line in io.TextIOWrapper(archive.open(name), "utf-8") if line.strip()]
    told = []
    for position, row in enumerate(rows):
        alert = {key: value for key, value in row["full_alert"].items() if key != "metadata"}
        told.append((event_of(alert, name, position), "attack" if row["metadata"]["misuse"] else ""))
    told.sort(key=lambda one: (one[0].time, one[0].position))
    return sequence(signalled(told), file.stem, detector(data), ahead)


def signalled(told: Sequence[tuple[Any, str]]) -> Iterator[Told]:
    clock = max(event.time for event, _ in told)
    anomalies = Anomalies.shipped("bench", lambda: clock)
    for event, attack in told:
        signals = [*anomalies.observe(event), *Learned.shipped().signals(event)]
        anomalies.learn()
        yield event, attack, signals


Split = list[tuple[list[Example], list[Example]]]


def by_set(examples: Sequence[Example]) -> Split:
    parts = sorted({one.part for one in examples})
    return [([o for o in examples if o.part != p], [o for o in examples if o.part == p]) for p in parts]


def by_rule(examples: Sequence[Example]) -> Split:
    return [([examples[i] for i in rest], [examples[i] for i in held]) for rest, held in folds(examples)]


def by_time(examples: Sequence[Example]) -> Split:
    """The first three fifths of each set, then the rest."""
    ends = {p: np.quantile([o.time for o in examples if o.part == p], 0.6) for p in {o.part for o in examples}}
    return [([o for o in examples if o.time <= ends[o.part]], [o for o in examples if o.time > ends[o.part]])]


SPLITS: dict[str, dict[str, Callable[[Sequence[Example]], Split]]] = {
    "cats": {"unseen rule": by_rule, "unseen set": by_set, "later time": by_time},
    "panther": {"unseen rule": by_rule, "unseen log type": by_set},
}
METHODS: dict[str, Method] = {
    "ensemble": ours,
    "ensemble, shipped weights": shipped,
    "paper: vote of three": paper,
    "severity alone": severity_alone,
}


def without(examples: Sequence[Example], features: tuple[str, ...]) -> list[Example]:
    kept = (
        one._replace(features={n: v for n, v in one.features.items() if not n.startswith(features)}) for one in examples
    )
    return list(kept)


def scored(split: Split, method: Method) -> list[tuple[list[Example], Scores]]:
    return [(held, method(rest, held)) for rest, held in split if len({one.bad for one in rest}) == 2]


def run(split: Split, method: Method) -> Measured:
    return measured(scored(split, method))


def show(name: str, found: Measured) -> None:
    print(
        f"  {name:<28} recall {share(found.hits, found.bad):<22} FPR {share(found.alarms, found.harmless):<22}"
        f" at .05 {found.at_rate:.3f}  AUC {found.auc:.3f}"
    )


def report(name: str, examples: Sequence[Example], ablation: bool) -> None:
    bad = sum(one.bad for one in examples)
    silent = sum(not (set(one.features) - {"single"}) for one in examples if one.bad)
    print(f"\n{name}: {len(examples):,} examples, {bad:,} attacks; of {silent:,} attacks no member says anything")
    for title, splitting in SPLITS[name].items():
        split = splitting(examples)
        print(f" by {title}: {len(split)} folds")
        for method, of in METHODS.items():
            if (name, method) == ("panther", "ensemble, shipped weights"):
                continue  # they were trained on it
            parts = scored(split, of)
            found = measured(parts)
            show(method, found)
            if name == "cats":
                show("  every alert by itself", measured(parts, each))
            if of is ours:
                print(f"    {calibration(found)}")
        if ablation:
            whole = run(split, ours)
            for member, features in MEMBERS.items():
                if any(n.startswith(features) for one in examples for n in one.features):
                    less = run([(without(r, features), without(h, features)) for r, h in split], ours)
                    change = less.hits / less.bad - whole.hits / whole.bad
                    rate = less.alarms / less.harmless
                    print(
                        f"    without {member:<20} AUC {less.auc - whole.auc:+.3f}  at .05 "
                        f"{less.at_rate - whole.at_rate:+.3f}  recall {change:+.3f} (FPR {rate:.3f})"
                    )


def missed(examples: Sequence[Example]) -> None:
    """Of panther-tests, by log type: positives on which any member speaks, and negatives on which one does."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for one in examples:
        speaks = bool(set(one.features) - {"single"})
        counts[one.part][2 - 2 * one.bad] += speaks
        counts[one.part][3 - 2 * one.bad] += 1
    for part, (hit, bad, alarm, harmless) in sorted(counts.items()):
        print(
            f"  {part:<22} spoken of: {hit:>3} of {bad:>3} that must alert, {alarm:>3} of {harmless:>3} that must not"
        )


# panther-tests: pairs of a true and a false event of one rule, and labels that contradict each other

_OPERATIONS = (
    "eventName",
    "protoPayload.methodName",
    "operationName",
    "data.type",
    "events.0.name",
    "eventType",
    "action",
    "event_type",
    "name",
)
_OF_CLUSTERS = ("verb", "objectRef.resource", "objectRef.subresource")


def operation(event: dict[str, Any]) -> str:
    """What an event says was done; nothing where it says so at none of the places looked at."""
    for paths in (_OF_CLUSTERS, *((path,) for path in _OPERATIONS)):
        if isinstance(get_path(event, paths[0]), str):
            return " ".join(str(get_path(event, path) or "") for path in paths).strip()
    return ""


class Labelled(NamedTuple):
    """A test event: the rule whose it is, what was done in it, whether it must alert, and its score."""

    rule: str
    operation: str
    bad: bool
    score: float


def pairwise(events: Sequence[Labelled]) -> tuple[float, int]:
    """How often a rule's true event stands above a false one of the same rule, ties half: the mean over rules that have
    both, and how many these are."""
    by_rule: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for one in events:
        by_rule[one.rule][one.bad].append(one.score)
    won = [
        np.mean([(b > g) + (b == g) / 2 for b in bad for g in good]) for good, bad in by_rule.values() if good and bad
    ]
    return float(np.mean(won)), len(won)


def conflicts(events: Sequence[Labelled]) -> list[bool]:
    """Of each event whether it is harmless to its own rule, and its operation is that of another rule's true event."""
    true: dict[str, set[str]] = defaultdict(set)
    for one in events:
        if one.bad and one.operation:
            true[one.operation].add(one.rule)
    return [not one.bad and bool(true[one.operation] - {one.rule}) for one in events]


def recall_at(events: Sequence[Labelled]) -> float:
    """The recall where one in twenty of the harmless speaks, read off these events."""
    harmless = sorted((one.score for one in events if not one.bad), reverse=True)
    limit = harmless[int(len(harmless) * FPR)]
    return float(np.mean([one.score > limit for one in events if one.bad]))


def ceiling(events: Sequence[Labelled]) -> float:
    """The recall at that rate of one who knows all labels, but of each event only what was done in it."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for one in events:
        counts[one.operation][one.bad] += 1
    left, found = FPR * sum(good for good, _ in counts.values()), 0.0
    for good, bad in sorted(counts.values(), key=lambda c: c[0] / max(c[1], 1e-9)):
        part = 1.0 if good <= left else left / good
        left, found = left - part * good, found + part * bad
    return found / max(sum(bad for _, bad in counts.values()), 1)


def contradictions(data: Path, examples: Sequence[Example]) -> None:
    """Prints pairs and conflicts by scores of weights that have not seen the rule."""
    with (data / "panther-tests" / "tests.jsonl").open(encoding="utf-8") as lines:
        done = [operation(json.loads(line)["event"]) for line in lines]
    parts = scored(by_rule(examples), ours)
    events = [
        Labelled(one.group, done[one.time // HOUR], one.bad, float(score))
        for held, scores in parts
        for one, score in zip(held, scores.score, strict=True)
    ]
    mean, rules = pairwise(events)
    contested = conflicts(events)
    kept = [one for one, no in zip(events, contested, strict=True) if not no]
    harmless = sum(not one.bad for one in events)
    print(f" true above false of the same rule: {mean:.3f} of pairs, mean over {rules} rules (ties half)")
    print(f" {sum(contested)} of {harmless} harmless events do what is a true event of another rule")
    for title, some in (("with these", events), ("without these", kept)):
        print(
            f"  {title:<14} at .05 {recall_at(some):.3f}  AUC {_auc(some):.3f}"
            f"  ceiling by operation alone, labels known: {ceiling(some):.3f}"
        )


def _auc(events: Sequence[Labelled]) -> float:
    return float(roc_auc_score([one.bad for one in events], [one.score for one in events]))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="bench/ensemble.py", description=__doc__)
    parser.add_argument("sets", nargs="*", choices=["cats", "panther", []], default=[])
    parser.add_argument("--no-ablation", action="store_true")
    parser.add_argument("--as-it-came", action="store_true")
    asked = parser.parse_args(arguments)
    for name in asked.sets or ("cats", "panther"):
        ahead = 0 if asked.as_it_came else HOUR
        examples = list(cats(DATA, ahead)) if name == "cats" else list(panther(DATA))
        report(name, lightened(examples), not asked.no_ablation)
        if name == "panther":
            missed(examples)
            contradictions(DATA, lightened(examples))


if __name__ == "__main__":
    main()
