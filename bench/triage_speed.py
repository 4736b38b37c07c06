"""How long a case takes without a language model, 100,000 findings to verdicts, and whether history makes it dearer.

The bundled story's findings with their events are told again and again, each time with other people, hosts and
addresses and at another time; behind them stands a history of invented events of the same people (bench/lake.py). One
process, nothing cached beforehand. What is timed are correlation, questions, look-ups, verdicts, plans and the ledger;
reading and normalising records is not (bench/ingest.py has that).

usage: .venv/bin/python bench/triage.py speed, or .venv/bin/python bench/triage_speed.py [--findings N] [--events N ...]
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import lake as lake_bench

from watchfloor.app.gathering import Asking, Gatherer
from watchfloor.app.pipeline import few_collections
from watchfloor.app.progress import silent
from watchfloor.app.settings import Settings
from watchfloor.app.story import Story
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.clock import DAY
from watchfloor.core.event import Event
from watchfloor.core.finding import Finding
from watchfloor.core.noun import short_id
from watchfloor.enrich import Events
from watchfloor.triage.bound import LabelBook
from watchfloor.triage.correlation import correlate
from watchfloor.triage.decide import decide, prepare
from watchfloor.triage.investigator import Investigator

FINDINGS, EVENTS = 100_000, (100_000, 1_000_000, 10_000_000)
SAMPLE, SEED = 200, 20261127
PEOPLE, HOSTS, ADDRESSES = 8_000, 5_000, 50_000
RENAMED = {"user": ("user", PEOPLE), "host": ("host", HOSTS), "address": ("10.0.", ADDRESSES)}
END = lake_bench.START + lake_bench.DAYS * DAY
SHORTEST = 4


class Template:
    """The story's findings and the events that they stand on, as text in which names can be replaced."""

    def __init__(self, folder: Path) -> None:
        story = Story.bundled()
        self.settings = story.settings()
        with Watchfloor.open(folder / "template", self.settings) as product:
            product.pipeline.ingest([story.records])
            tenant, lake = product.parts.tenant, product.parts.lake
            self.findings = [f for f in product.pipeline.findings() if f.correlated is None]
            self.events = lake.events(tenant, {f.event_uid for f in self.findings})
        self.findings = [f for f in self.findings if f.event_uid in self.events]
        self.first = min(f.time for f in self.findings)
        self.span = max(f.time for f in self.findings) - self.first
        self.names = sorted(
            {(i.entity.type, i.entity.value) for f in self.findings for i in f.involved if i.entity.type in RENAMED},
            key=lambda name: (-len(name[1]), name),
        )
        self.names = [name for name in self.names if len(name[1]) >= SHORTEST]
        self.pattern = re.compile("|".join(re.escape(value) for _, value in self.names), re.IGNORECASE)

    def told_again(self, number: int, at: int) -> tuple[list[Finding], list[Event]]:
        """Findings and events with other names, beginning at `at` (ms)."""
        rng = random.Random(SEED + number)
        new = {value.lower(): RENAMED[kind][0] + str(rng.randrange(RENAMED[kind][1])) for kind, value in self.names}
        shift = at - self.first

        def renamed(value: Any) -> Any:
            """The same data with other names in its texts."""
            if isinstance(value, str):
                return self.pattern.sub(lambda found: new[found[0].lower()], value)
            if isinstance(value, dict):
                return {key: renamed(item) for key, item in value.items()}
            return [renamed(item) for item in value] if isinstance(value, list) else value

        uids = {uid: short_id("r", uid, str(number), digits=32) for uid in self.events}
        events = [
            Event(
                tenant=event.tenant,
                uid=uids[uid],
                time=event.time + shift,
                layer=event.layer,
                mapping=event.mapping,
                ocsf=renamed(event.ocsf) | {"time": event.time + shift},
                original=renamed(event.original),
                source=event.source,
                position=event.position,
                unit=event.unit,
                logsource=event.logsource,
            )
            for uid, event in self.events.items()
        ]
        findings = []
        for finding in self.findings:
            data = finding.to_dict()
            for involved in data["involved"]:
                involved["entity"]["value"] = renamed(involved["entity"]["value"])
            data |= {
                "title": renamed(finding.title),
                "uid": short_id("f", finding.uid, str(number)),
                "time": finding.time + shift,
                "event_uid": uids[finding.event_uid],
                "standing_event": "",
            }
            findings.append(Finding.from_dict(data))
        return findings, events


@contextmanager
def told(folder: Path, template: Template, times: int, history: int = 0) -> Iterator[Watchfloor]:
    """A product with so many tellings taken in, behind them a history of invented events; nothing decided yet."""
    settings: Settings = template.settings
    with Watchfloor.open(folder, settings) as product:
        parts = product.parts
        if history:
            lake_bench.T = parts.tenant
            lake_bench.fill(parts.lake, history)
        for number in range(times):
            findings, events = template.told_again(number, END + number * (template.span // 4))
            parts.lake.write(parts.tenant, events)
            parts.documents.put(parts.tenant, *findings)
        parts.lake.compact(parts.tenant)
        yield product


def alone(product: Watchfloor, sample: int = SAMPLE) -> tuple[list[float], list[float], Counter[str]]:
    """CPU and wall ms of cases that are asked about and decided one by one, and how many questions that took."""
    parts = product.parts
    findings = product.pipeline.findings()
    cases = correlate(findings, parts.context, parts.policy.correlation)
    chosen = random.Random(SEED).sample(cases, min(sample, len(cases)))
    events = Events(parts.lake)
    known = {f.uid: f for f in findings}
    asking = Asking(known, parts.enricher(findings, events), LabelBook(parts.labels()), events)
    gatherer = Gatherer(parts)
    cpu, wall = [], []
    counts: Counter[str] = Counter()
    with few_collections():  # as every run of the product has it
        for case in chosen:
            began = time.process_time(), time.perf_counter()
            ((inputs, investigation, answers),) = gatherer.inputs([case], asking)
            verdict = decide(inputs, prepare(inputs, investigation, answers))
            cpu.append((time.process_time() - began[0]) * 1_000)
            wall.append((time.perf_counter() - began[1]) * 1_000)
            counts.update(asked=len(inputs.asked), left=len(inputs.not_asked), evidence=len(inputs.evidence))
            counts[verdict.disposition] += 1
    return cpu, wall, counts


@contextmanager
def asking_everything() -> Iterator[None]:
    """The baseline: nothing is ever settled, so every question that fits is asked."""
    settled = Investigator.settled
    Investigator.settled = property(lambda _: False)  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        Investigator.settled = settled  # type: ignore[method-assign]


def row(name: str, cpu: Sequence[float], wall: Sequence[float], more: str = "") -> None:
    p95 = (sorted(one)[int(len(one) * 0.95)] for one in (cpu, wall))
    c95, w95 = p95
    print(
        f"{name:<34} {statistics.median(cpu):8.1f} {c95:8.1f} {statistics.median(wall):8.1f} {w95:8.1f}  {more}",
        flush=True,
    )


def each_case(folder: Path, template: Template, sizes: Sequence[int]) -> None:
    """Cases one by one, with growing history; the ratio to the smallest; and, at the smallest, asking everything."""
    print(f"{'ms a case, decided alone':<34} {'CPU med':>8} {'p95':>8} {'wall med':>8} {'p95':>8}")
    first = 0.0
    for size in sizes:
        with told(folder / f"history-{size}", template, 1, size) as product:
            cpu, wall, counts = alone(product)
            first = first or statistics.median(cpu)
            saved = f"{counts['asked']:,} questions asked, {counts['left']:,} not needed"
            ratio = f"x{statistics.median(cpu) / first:.2f} of the smallest"
            row(f"history of {size:,} events", cpu, wall, f"{ratio}; {saved}")
            if size == sizes[0]:
                with asking_everything():
                    cpu, wall, counts = alone(product)
                row("... asking everything", cpu, wall, f"{counts['asked']:,} questions")
                began = time.process_time()
                findings = product.pipeline.findings()
                cases = correlate(findings, product.parts.context, product.parts.policy.correlation)
                sorted(cases, key=lambda case: -case.severity)
                each = (time.process_time() - began) * 1_000 / len(cases)
                print(f"{'... severity alone (cases, no verdict)':<34} {each:8.1f} a case on average")


def many(folder: Path, template: Template, findings: int) -> None:
    """So many findings to cases and verdicts in one run."""
    times = -(-findings // len(template.findings))
    with told(folder / "many", template, times) as product:
        count = product.pipeline.count()
        began = time.process_time(), time.perf_counter()
        last = [0.0]

        def report(what: str, done: int, of: int | None) -> None:
            if time.perf_counter() - last[0] > 30:
                last[0] = time.perf_counter()
                print(f"  {what}: {done:,} of {of or 0:,}", file=sys.stderr, flush=True)

        decided = product.pipeline.triage(report if sys.stderr.isatty() else silent)
        cpu, wall = time.process_time() - began[0], time.perf_counter() - began[1]
    print(
        f"\n{count:,} findings to {len(decided):,} cases with verdicts: {cpu:.0f} s of CPU, {wall:.0f} s in all; "
        f"{cpu / len(decided) * 1_000:.1f} ms of CPU a case"
    )


def main(_: Path, findings: int = FINDINGS, sizes: Sequence[int] = EVENTS) -> None:
    """Everything is invented: the data folder is not read."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        template = Template(place)
        each_case(place, template, sizes)
        many(place, template, findings)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--findings", type=int, default=FINDINGS)
    parser.add_argument("--events", type=int, nargs="*", default=EVENTS)
    asked = parser.parse_args()
    main(Path(), asked.findings, asked.events)
