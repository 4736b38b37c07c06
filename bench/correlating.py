"""Findings to cases: how many a second, and what a run costs when a hundred come onto those that are there.

usage: .venv/bin/python bench/correlating.py [FINDINGS ...]     (default 10000 100000)
Made-up findings of a company over ninety days: a thousand hosts with their users, twenty busy addresses, forty rules by
a long-tailed draw. CPU seconds of one process; the cases of each run are compared with those of all at once.
"""

from __future__ import annotations

import gc
import random
import resource
import sys
import time
from collections.abc import Callable
from functools import partial

from watchfloor.core.case import Case
from watchfloor.core.clock import DAY
from watchfloor.core.context import Context
from watchfloor.core.entity import Entity, Involvement
from watchfloor.core.finding import Detection, Finding, Severity
from watchfloor.core.policy import CorrelationPolicy
from watchfloor.triage.correlation import Correlation, correlate

DAYS, HOSTS, FRESH = 90, 1_000, 100
START = 1_790_000_000_000
TACTICS = ("execution", "discovery", "persistence")


def main() -> None:
    # Bulk work of the product looks for cycles as seldom.
    gc.set_threshold(100_000, 20, 100)
    print(f"{'findings':>9}{'cases':>8}{'all at once':>14}{'a second':>10}{f'{FRESH} more':>10}{'memory MB':>11}")
    for count in [int(text) for text in sys.argv[1:]] or [10_000, 100_000]:
        findings = _findings(count + FRESH)
        live, policy = Correlation(Context(), CorrelationPolicy()), CorrelationPolicy()
        whole, cases = _seconds(partial(live.cases, findings[:count]))
        more, grown = _seconds(partial(live.cases, findings))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        speed = f"{whole:>12.1f} s{count / whole:>10,.0f}{more:>8.2f} s"
        print(f"{count:>9,}{len(cases):>8,}{speed}{memory:>11,}", flush=True)
        if grown != correlate(findings, Context(), policy):
            sys.exit("what came later made other cases than all at once")


def _seconds(work: Callable[[], list[Case]]) -> tuple[float, list[Case]]:
    began = time.process_time()
    done = work()
    return time.process_time() - began, done


def _findings(count: int) -> list[Finding]:
    rng = random.Random(1)
    rules = [
        Detection(uid=f"r{n}", title=f"Rule {n}", family="sigma/windows", source="sysmon", kind="rule")
        for n in range(40)
    ]
    times = sorted(START + rng.randrange(DAYS * DAY) for _ in range(count))
    return [_finding(number, at, rng, rules) for number, at in enumerate(times)]


def _finding(number: int, at: int, rng: random.Random, rules: list[Detection]) -> Finding:
    host, rule = rng.randrange(HOSTS), rules[int(rng.paretovariate(1.0)) % len(rules)]
    involved = (
        Involvement(entity=Entity(type="host", value=f"ws-{host}"), role="target"),
        Involvement(entity=Entity(type="user", value=f"u{host}"), role="actor"),
        Involvement(entity=Entity(type="address", value=f"192.0.2.{rng.randrange(20)}"), role="destination"),
    )
    return Finding(
        tenant="bench",
        uid=f"f-{number:08d}",
        time=at,
        detection=rule,
        severity=Severity(rng.choice((1, 2, 2, 3, 3, 4))),
        layer="endpoint",
        event_uid=f"r-{number:08d}",
        source="bench",
        position=number,
        title=rule.title,
        tactics=(rng.choice(TACTICS),),
        involved=involved,
    )


if __name__ == "__main__":
    main()
