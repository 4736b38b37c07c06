"""CATS: does the risk of an alert put attacks first, in labelled alert sets of products and sites that it never saw?

Each set's alerts go through the product: mapping, detections, anomalies, learned detectors, and what stands around an
alert up to an hour after it (a case is weighed anew as findings come). The score is the risk's log-odds, by weights set
by hand before any label was seen (no training at all), by weights that are shipped (learned from other data), and by
weights trained on the other sets of this folder. The unit is the alert; its label is taken out before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ensemble import alert_set, severity_of
from triage_baselines import BASELINES, Alert, Unit, auc, risk_based, shuffled

from tools.train.ensemble import Example, Fit, expert, lightened, trained
from watchfloor.content import folder
from watchfloor.core.clock import HOUR


class Set(NamedTuple):
    """One alert set: what the product makes of its alerts, and the same as units for the baselines."""

    name: str
    examples: list[Example]
    units: list[Unit]


def main(data: Path) -> None:
    sets = [one for one in (read(file, data) for file in sorted((data / "cats").glob("*.zip"))) if one]
    if len(sets) < 2:
        print("  at least two sets with attacks and harmless alerts are needed")
        return
    for one in sets:
        bad = sum(unit.bad for unit in one.units)
        print(f"  {one.name}: {len(one.units):,} alerts, {bad:,} of attacks, {len({u.rules for u in one.units})} rules")
    names = [one.name for one in sets]
    print("  " + "AUROC".ljust(40) + "".join(f"{name[:16]:>17}" for name in names) + f"{'mean':>9}{'least':>9}")
    show("ours, no training at all", [by(expert(), one) for one in sets])
    show("ours, shipped weights", [by(shipped(), one) for one in sets])
    show("ours, trained on the other sets", [by(fit_of(rest(sets, one)), one) for one in sets])
    show("  of it: nothing followed yet", [by(expert(), read_again(one, data)) for one in sets], "(no training)")
    for name, method in BASELINES.items():
        scores = [auc(method([u for o in sets if o is not one for u in o.units], one.units), bads(one)) for one in sets]
        show(name, scores)
    show("leak check: labels dealt anew", [by(fit_of(dealt(rest(sets, one))), relabelled(one)) for one in sets])


def show(title: str, scores: Sequence[float], note: str = "") -> None:
    figures = "".join(f"{score:17.3f}" for score in scores)
    print(f"  {title:<40}{figures}{np.mean(scores):9.3f}{min(scores):9.3f} {note}", flush=True)


def rest(sets: Sequence[Set], held: Set) -> list[Example]:
    return [example for one in sets if one is not held for example in one.examples]


def fit_of(examples: Sequence[Example]) -> Fit:
    return trained(lightened(list(examples))).fit


def shipped() -> Fit:
    """Learned from two companies of AIT-ADS and from panther-tests."""
    found = json.loads((folder("ensemble") / "weights.json").read_text())
    return Fit(found["base_in_context"], found["weights"])


def by(fit: Fit, one: Set) -> float:
    return auc(fit.log_odds([example.features for example in one.examples]), bads(one))


def bads(one: Set) -> list[bool]:
    return [unit.bad for unit in one.units]


def dealt(examples: Sequence[Example]) -> list[Example]:
    units = [Unit(str(i), e.part, e.time, e.bad, ()) for i, e in enumerate(examples)]
    labels = (unit.bad for unit in shuffled(units))
    return [e._replace(attack="attack" if bad else "") for e, bad in zip(examples, labels, strict=True)]


def relabelled(one: Set) -> Set:
    """Its labels dealt anew, too: whatever was learned, nothing but chance can be right."""
    return one._replace(units=shuffled(one.units, seed=1))


def read(file: Path, data: Path, ahead: int = HOUR) -> Set | None:
    """A set; None where all of its alerts are of one kind."""
    examples = alert_set(file, data, ahead)
    if len({one.bad for one in examples}) < 2:
        return None
    risks = risk_based([Alert(one.time, one.group, severity_of(one), one.entities) for one in examples])
    units = [
        Unit(str(n), one.part, one.time, one.bad, (one.group,), severity_of(one), float(risk), one.features)
        for n, (one, risk) in enumerate(zip(examples, risks, strict=True))
    ]
    return Set(file.stem, examples, units)


def read_again(one: Set, data: Path) -> Set:
    """The same with what came until each alert only, as it stood when it came."""
    found = read(data / "cats" / f"{one.name}.zip", data, ahead=0)
    return found or one
