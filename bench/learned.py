"""The learned detectors on groups that were held out, what a value costs, and how large they are.

Each is cross-validated as when it was trained: a group (template, list, scheme, site, sender) is scored by weights that
have not seen it. Then the shipped weights meet what no training has seen: names that a network asked for (zeek-sample).
Cost is CPU time a value that is not remembered, beside one regular expression of twenty words and orjson.loads of the
event, in the same run.

usage: .venv/bin/python bench/learned.py [command_line|domain|url|mail]...     real data: $WATCHFLOOR_DATA
"""

from __future__ import annotations

import gzip
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.train import mail
from tools.train.__main__ import DATA, TASKS
from tools.train.fitting import HeldOut, Sample, figures, held_out, interval, recall, threshold
from watchfloor.content import folder
from watchfloor.core.look_alike import registrable
from watchfloor.detect.learned import Learned, domains
from watchfloor.detect.learned.learned import Judge

RATES = (0.01, 0.001)
WORDS = re.compile(
    r"(?i)-enc|downloadstring|frombase64|invoke-|mimikatz|lsass|/dev/tcp|urlcache|vssadmin|shadow|\.\./|<script|union"
    r"|select|jndi|passwd|verify|urgent|bitcoin|login"
)


def main() -> None:
    names = sys.argv[1:] or sorted(TASKS)
    for name in names:
        task = TASKS[name]
        samples = list(task.samples(DATA))
        held = held_out(samples, task)
        print(f"\n{name}: {len(held.samples):,} values scored")
        shown("groups held out", held)
        limit = threshold(held, task.false_positives)
        by_family(held, limit, f"at the detector's own threshold (FPR {task.false_positives})")
        if task.harder:
            shown("whole families of templates held out", held_out(list(map(family_as_group, samples)), task))
        if name == "mail":
            shown("the text as it is (dates, quotes, footers)", held_out(samples, task._replace(pieces=mail.as_it_is)))
        if name == "domain":
            unseen(samples)
        cost(name, samples)


def shown(what: str, held: HeldOut) -> None:
    told = figures(held)
    print(f"  {what}: {told['good']:,} good, {told['bad']:,} bad, AUC {told['auc']:.4f}")
    for rate in RATES:
        print(f"    recall at FPR {rate}: {spread(told[f'recall_at_{rate}'])}")


def by_family(held: HeldOut, limit: float, what: str) -> None:
    families: dict[tuple[bool, str], list[float]] = {}
    for one, score in zip(held.samples, held.log_odds, strict=True):
        families.setdefault((one.bad, one.family or one.group), []).append(score)
    print(f"  {what}")
    for (bad, family), scores in sorted(families.items(), reverse=True):
        found = spread(recall(np.array(scores), limit))
        print(f"    {'found' if bad else 'alarm'} {found} of {len(scores):>5}  {family}")


def spread(share: Sequence[float]) -> str:
    return f"{share[0]:6.1%} ({share[1]:.1%} to {share[2]:.1%})"


def family_as_group(one: Sample) -> Sample:
    return one._replace(group=one.family) if one.group.startswith("template ") else one


def unseen(samples: list[Sample]) -> None:
    """The shipped weights on names that a real network asked for and no list has."""
    known = {registrable(one.value) for one in samples if not one.bad}
    asked: set[str] = set()
    with gzip.open(DATA / "zeek-sample" / "dns.json.gz") as lines:
        for line in lines:
            host = domains.plain(str(orjson.loads(line).get("query") or ""))
            if host and registrable(host) not in known:
                asked.add(host)
    judge = judge_of("domain")
    alarms = sorted(host for host in asked if judge.judge(host) is not None)
    print(f"  names of zeek-sample that no list has: {spread(interval(len(alarms), len(asked)))} of {len(asked)} alarm")
    print(f"    {', '.join(alarms)}")


def judge_of(name: str) -> Judge:
    return next(judge for judge in Learned.shipped().judges if judge.kind.name == name)


def cost(name: str, samples: list[Sample]) -> None:
    values = [one.value for one in random.Random(1).sample(samples, min(len(samples), 1_000))]
    judge, model = judge_of(name), judge_of(name).model
    events = [orjson.dumps({"process": {"cmd_line": value}, "time": 1, "class_uid": 1007}) for value in values]
    length = sum(map(len, values)) / len(values)
    size = (folder("learned") / f"{name}.json").stat().st_size
    ours, words, parsed = each(judge.judge, values), each(WORDS.search, values), each(orjson.loads, events)
    print(f"  a value of {length:.0f} characters: {ours:.1f} us; the expression {words:.1f}; orjson.loads {parsed:.1f}")
    print(f"  {len(model):,} weights, {size:,} bytes, version {model.version}")


def each(function: Callable[[Any], object], values: Sequence[Any]) -> float:
    """Microseconds of CPU a value, the best of five rounds."""
    best = float("inf")
    for _ in range(5):
        started = time.process_time()
        for value in values:
            function(value)
        best = min(best, time.process_time() - started)
    return best / len(values) * 1e6


if __name__ == "__main__":
    main()
