"""Sigma rules over Windows events: a naive walk, the plain path and the native one, in one run, on the same events.

A is every distinct Windows event of the real data, B is varied so that hardly a value comes twice (bench/detect_data).
Each measurement is a process of its own. Rates are of CPU time, JSON parsing included, on one core; only `2 cores` is
wall time. `cold` is a first half of the events in a new process, `unseen` the other half after that, `again` the first
half once more. Every path's matches are compared with the naive walk's, event by event, on a sample; and with each
other on all events. WATCHFLOOR_ZIRCOLITE and WATCHFLOOR_RSIGMA name a command of these peers that takes `{rules}` and
`{events}` (`zircolite.py --events {events} --ruleset {rules} --jsonl`): they are timed in the same run.

usage: .venv/bin/python bench/detect.py [DATA] [RULES...] [--events 20000] [--sample 200]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WINDOWS = {"product": "windows"}
REPEATED = 3


def loaded(rules: list[Path]) -> tuple[Any, list[Any]]:
    """An engine of the Windows rules, and its rules."""
    from watchfloor.detect.sigma.engine import Engine
    from watchfloor.detect.sigma.fields import FieldNames
    from watchfloor.detect.sigma.loader import Loader
    from watchfloor.detect.sigma.logsource import LogSources

    loader = Loader(FieldNames.shipped(), {})
    loader.load(rules)
    kept = {rule.uid: rule for rule in reversed(loader.rules) if rule.logsource.product == "windows"}
    return Engine(list(reversed(kept.values())), LogSources.shipped()), loader.problems


def compile_(rules: list[Path]) -> dict[str, Any]:
    begun = time.process_time()
    import watchfloor.detect  # noqa: F401

    before = time.process_time()
    engine, problems = loaded(rules)
    return {
        "seconds": time.process_time() - before,
        "imports": before - begun,
        "rules": len(engine.rules),
        "not_loaded": sum(problem.fatal for problem in problems),
        "path": engine.path_name,
    }


def halves(file: Path) -> tuple[bytes, bytes]:
    """The lines of a file in two, every other line: recordings stand together, and halves should be alike."""
    lines = file.read_bytes().splitlines(keepends=True)
    return b"".join(lines[::2]), b"".join(lines[1::2])


def batches(data: bytes) -> Iterator[bytes]:
    from io import BytesIO

    from watchfloor.detect.sigma import parallel

    return parallel.batches(BytesIO(data))


def run(rules: list[Path], events: Path) -> dict[str, Any]:
    """Rates of the path that WATCHFLOOR_ENGINE names, peak memory, and what matched by line of each half."""
    engine, _ = loaded(rules)
    base = peak()
    first, second = halves(events)
    found: dict[str, Any] = {"path": engine.path_name}
    matched: list[dict[str, list[str]]] = []
    for name, data in (("cold", first), ("unseen", second), ("again", first)):
        before = time.process_time()
        results = [engine.scan(batch, WINDOWS) for batch in batches(data)]
        found[name] = data.count(b"\n") / (time.process_time() - before)
        at = 0
        matched.append({})
        for batch, some in zip(batches(data), results, strict=True):
            for one in some:
                matched[-1][str(at + one.line)] = sorted(engine.rules[n].uid for n in one.rules)
            at += batch.count(b"\n")
    found["memory"], found["memory_before"] = peak(), base
    found["input"] = events.stat().st_size / 1e6
    found["matched"] = matched[:2]
    found["same_again"] = matched[0] == matched[2]
    found["costly"] = [(o.cost.nanoseconds / 1e6, o.cost.evaluated, o.rule.title) for o in engine.costs()[:5]]
    return found


def two_cores(rules: list[Path], events: Path) -> dict[str, Any]:
    """Wall seconds of one and of two processes for the events several times over, once all have begun and seen them."""
    from watchfloor.detect.sigma import parallel

    engine, _ = loaded(rules)
    data = events.read_bytes()
    once = list(batches(data))
    times = []
    for processes in (1, 2):
        given = enumerate(batch for _ in range(2 + REPEATED) for batch in once)
        began = 0.0
        for number, _ in parallel.scanned(engine, given, WINDOWS, processes=processes):
            if number == 2 * len(once) - 1:
                began = time.perf_counter()
        times.append(time.perf_counter() - began)
    return {"events": REPEATED * data.count(b"\n"), "seconds": times}


def naive(rules: list[Path], events: Path, sample: int) -> dict[str, Any]:
    """The naive walk over every so many lines of each half; what matched by line."""
    import orjson

    from bench.detect_naive import Naive
    from watchfloor.detect.sigma.plain import Line

    walk = Naive(rules, {rule.uid for rule in loaded(rules)[0].rules})
    matched: list[dict[str, list[str]]] = []
    spent, count = 0.0, 0
    for half in halves(events):
        lines = half.splitlines()
        asked = range(0, len(lines), max(1, 2 * len(lines) // sample))
        matched.append({})
        for at in asked:
            before = time.process_time()
            found = walk.matches(Line(orjson.loads(lines[at]), {}, WINDOWS))
            spent += time.process_time() - before
            count += 1
            matched[-1][str(at)] = sorted(found)
    return {"rate": count / spent, "matched": matched}


def growth(rules: list[Path], events: Path) -> dict[str, Any]:
    """Microseconds an event, on unseen events, with 300 of the rules and with all."""
    from watchfloor.detect.sigma.engine import Engine
    from watchfloor.detect.sigma.logsource import LogSources

    engine, _ = loaded(rules)
    first, second = halves(events)
    found = {}
    for some in (random.Random(4).sample(engine.rules, min(300, len(engine.rules))), engine.rules):
        one = Engine(some, LogSources.shipped())
        for batch in batches(first):
            one.scan(batch, WINDOWS)
        before = time.process_time()
        for batch in batches(second):
            one.scan(batch, WINDOWS)
        found[str(len(some))] = 1e6 * (time.process_time() - before) / second.count(b"\n")
    return found


def peak() -> float:
    """MB, the most that this process had (getrusage would count its parent's)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e3


def child(what: str, rules: list[Path], *more: Any, **environment: str) -> dict[str, Any]:
    """One measurement, in a process of its own."""
    command = [sys.executable, __file__, "--child", what, *map(str, more), "--rules", *map(str, rules)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{what} failed ({done.returncode}): {done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def act(given: list[str]) -> None:
    at = given.index("--rules")
    what, more, rules = given[0], given[1:at], list(map(Path, given[at + 1 :]))
    events = [Path(more[0])] if more else []
    answer = {
        "compile": lambda: compile_(rules),
        "run": lambda: run(rules, *events),
        "two": lambda: two_cores(rules, *events),
        "naive": lambda: naive(rules, *events, int(more[1])),
        "growth": lambda: growth(rules, *events),
    }[what]()
    print(json.dumps(answer))


def peers(rules: list[Path], events: Path, count: int) -> None:
    for name in ("WATCHFLOOR_ZIRCOLITE", "WATCHFLOOR_RSIGMA"):
        if name in os.environ:
            words = {"rules": str(rules[0]), "events": str(events)}
            command = [part.format(**words) for part in shlex.split(os.environ[name])]
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(command, capture_output=True, check=False)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            peer = name.removeprefix("WATCHFLOOR_").lower()
            print(f"    {peer:<8}{count / spent:>12,.0f} events/s (exit {done.returncode})")


def compare(of_walk: dict[str, Any], of_paths: list[dict[str, Any]]) -> None:
    """Matches event by event, of each path with the walk and of the paths with each other."""
    for one in of_paths:
        wrong = [
            (half, line)
            for half, asked in enumerate(of_walk["matched"])
            for line, uids in asked.items()
            if one["matched"][half].get(line, []) != uids
        ]
        asked_of = sum(map(len, of_walk["matched"]))
        print(f"    {one['path']}: matches of {asked_of} events compared with the walk's: {len(wrong)} differ")
        if not one["same_again"]:
            print("    and what matched before does not match again")
    if len(of_paths) == 2:
        print(f"    both paths match the same on all events: {of_paths[0]['matched'] == of_paths[1]['matched']}")


def measure(name: str, file: Path, rules: list[Path], paths: list[str], sample: int) -> None:
    count = file.read_bytes().count(b"\n")
    print(f"{name}: {count:,} events of {file.stat().st_size / count:,.0f} bytes")
    walk = child("naive", rules, file, sample)
    print(f"    {'':<8}{'cold':>12}{'unseen':>12}{'again':>12}   events/s; x the walk; MB")
    print(f"    {'walk':<8}{walk['rate']:>12,.0f}")
    results = []
    for path in paths:
        one = child("run", rules, file, WATCHFLOOR_ENGINE=path)
        results.append(one)
        rates = "".join(f"{one[kind]:>12,.0f}" for kind in ("cold", "unseen", "again"))
        times = ", ".join(f"{one[kind] / walk['rate']:.0f}x" for kind in ("cold", "unseen", "again"))
        memory = f"{one['memory']:.0f}, {one['memory_before']:.0f} before events, which are {one['input'] * 2:.0f} here"
        print(f"    {path:<8}{rates}   {times}; {memory}")
    compare(walk, results)
    for path in paths:
        two = child("two", rules, file, WATCHFLOOR_ENGINE=path)
        one_core, two_cores_ = (two["events"] / seconds for seconds in two["seconds"])
        print(f"    {path}: again, in wall time, 1 core {one_core:,.0f}, 2 cores {two_cores_:,.0f} events/s")
        grown = child("growth", rules, file, WATCHFLOOR_ENGINE=path)
        told = ", ".join(f"{number} rules {cost:.1f} us" for number, cost in grown.items())
        print(f"    {path}: an unseen event with {told}")
    for milliseconds, evaluated, title in results[0]["costly"]:
        print(f"    costs most ({paths[0]}): {milliseconds:,.0f} ms in {evaluated:,} evaluations, {title}")
    peers(rules, file, count)


def main() -> None:
    data = Path(os.environ.get("WATCHFLOOR_DATA", ROOT.parent / "shared" / "data"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=data)
    parser.add_argument("rules", type=Path, nargs="*", help="default: the Windows rules of DATA/sigma")
    parser.add_argument("--events", type=int, default=20_000, help="of B")
    parser.add_argument("--sample", type=int, default=200, help="events that the naive walk is asked about")
    given = parser.parse_args()
    sigma = given.data / "sigma"
    rules = given.rules or [
        sigma / "rules" / "windows",
        sigma / "rules-emerging-threats",
        sigma / "rules-threat-hunting",
    ]

    from bench.detect_data import events_a, events_b

    with tempfile.TemporaryDirectory() as scratch:
        folder = {"XDG_CACHE_HOME": scratch}
        cold = child("compile", rules, **folder, WATCHFLOOR_ENGINE="plain")
        cached = child("compile", rules, **folder, WATCHFLOOR_ENGINE="plain")
        paths = ["plain"]
        if child("compile", rules, **folder, WATCHFLOOR_ENGINE="")["path"] == "native":
            paths.append("native")
        told = f"{cold['rules']:,} Windows rules ({cold['not_loaded']} not loaded)"
        seconds = f"cold {cold['seconds']:.2f} s, cached {cached['seconds']:.2f} s of CPU"
        print(f"compile {told}: {seconds}, and {cached['imports']:.2f} s for the product's imports")
        os.environ.update(folder)
        a = events_a(given.data)
        files = {"A": Path(scratch) / "a.jsonl", "B": Path(scratch) / "b.jsonl"}
        files["A"].write_bytes(b"\n".join(a) + b"\n")
        files["B"].write_bytes(b"\n".join(events_b(a, given.events)) + b"\n")
        for name, file in files.items():
            measure(name, file, rules, paths, given.sample)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        act(sys.argv[2:])
    else:
        sys.path.insert(0, str(ROOT))
        main()
