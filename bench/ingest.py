"""What reading and normalising cost, beside a bare parser on the same bytes in the same run.

Archives are unpacked first, so that only records are measured. CPU time, the best of several rounds, each of which
runs the bare parser and the product one after the other.

usage: .venv/bin/python bench/ingest.py [PART OF A NAME]      real data: $WATCHFLOOR_DATA, default ../shared/data
"""

from __future__ import annotations

import csv
import email
import gc
import gzip
import io
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import orjson
from evtx import PyEvtxParser

from watchfloor.ingest import Normalizer, Unreadable, ingest

ROUNDS = 5
MOST = 12_000_000  # bytes of one set
DATA = Path(os.environ.get("WATCHFLOOR_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


class Set(NamedTuple):
    """Files of one kind, and the bare parser to compare with: its name, and what it does with a file's bytes."""

    name: str
    files: list[Path]
    yardstick: str
    bare: Callable[[bytes], object]


def parse_lines(content: bytes) -> None:
    loads = orjson.loads
    for line in content.split(b"\n"):
        if line:
            loads(line)


def parse_evtx(content: bytes) -> None:
    records = PyEvtxParser(io.BytesIO(content)).records_json()
    while True:
        try:
            next(records)
        except StopIteration:
            return
        except RuntimeError:
            continue


def parse_csv(content: bytes) -> None:
    for _ in csv.reader(io.StringIO(content.decode("utf-8", "replace"))):
        pass


def split_lines(content: bytes) -> None:
    for _ in content.decode("utf-8", "replace").splitlines():
        pass


def unpacked(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every file of a folder of the data, out of its archive."""
    for file in sorted(p for p in (DATA / folder).rglob("*") if p.is_file()):
        if file.suffix.lower() == ".zip":
            with zipfile.ZipFile(file) as archive:
                for name in archive.namelist():
                    yield name, archive.read(name)
        elif file.suffix == ".gz":
            yield file.name.removesuffix(".gz"), gzip.decompress(file.read_bytes())
        else:
            yield str(file.relative_to(DATA)), file.read_bytes()


def whole_lines(content: bytes, most: int) -> bytes:
    return content if len(content) <= most else content[: content.rfind(b"\n", 0, most) + 1]


def full_logs(content: bytes) -> bytes:
    """The log lines that Wazuh's alerts were raised for."""
    alerts = (orjson.loads(line)["full_alert"] for line in content.splitlines())
    logs = (alert.get("full_log", "") for alert in alerts)
    return "".join(f"{log}\n" for log in logs if log[:1].isalpha() and "\n" not in log).encode()


def sets(scratch: Path) -> Iterator[Set]:
    """Every set, its files written into a scratch folder."""

    def kept(name: str, folder: str, wanted: str, change: Callable[[bytes], bytes] = bytes) -> list[Path]:
        files, size = [], 0
        (scratch / name).mkdir()
        for member, content in unpacked(Path(folder)):
            if wanted in member and size < MOST:
                taken = (
                    whole_lines(change(content), MOST - size)
                    if member.endswith((".jsonl", ".json", ".csv"))
                    else content
                )
                size += len(taken)
                files.append(scratch / name / f"{len(files)}-{Path(member).name}")
                files[-1].write_bytes(taken)
        return files

    yield Set("CloudTrail, documents", kept("aws", "aws_dataset", ".json"), "orjson.loads", orjson.loads)
    for name, folder, wanted in (
        ("Windows as JSON lines (mordor)", "mordor", "_20"),
        ("Zeek, JSON lines", "zeek-sample", ".json"),
        ("Wazuh, JSON lines (cats)", "cats", "wazuh"),
        ("Suricata, JSON lines (cats)", "cats", "suricata"),
        ("AMiner, JSON lines (cats)", "cats", "aminer"),
        ("Sigma alerts, JSON lines (cats)", "cats", "sigma"),
        ("15 log types, JSON lines (panther)", "panther-tests", ".jsonl"),
    ):
        yield Set(name, kept(name, folder, wanted), "orjson.loads", parse_lines)
    yield Set("Windows event logs (EVTX)", kept("evtx", "evtx-to-mitre", ".evtx"), "evtx", parse_evtx)
    yield Set("mail", kept("mail", "mail", ".eml"), "email", email.message_from_bytes)
    yield Set("alert lists (CSV)", kept("csv", "ait-ads", ".csv"), "csv.reader", parse_csv)
    logs = kept("syslog", "cats", "wazuh", full_logs)
    logs = [file.rename(file.with_suffix(".log")) for file in logs]
    yield Set("syslog", logs, "splitlines", split_lines)


class Cost(NamedTuple):
    """CPU seconds, and what they were spent on."""

    seconds: float
    records: int
    unread: int


def cost(files: list[Path], normalizer: Normalizer) -> Cost:
    started, records, unread = time.process_time(), 0, 0
    for item in ingest(files, "bench", normalizer):
        records += 1
        unread += isinstance(item, Unreadable)
    return Cost(time.process_time() - started, records, unread)


def bare_cost(files: list[Path], bare: Callable[[bytes], object]) -> float:
    contents = [file.read_bytes() for file in files]
    started = time.process_time()
    for content in contents:
        bare(content)
    return time.process_time() - started


def main() -> None:
    if not DATA.is_dir():
        sys.exit(f"no real data: {DATA} is absent (set WATCHFLOOR_DATA)")
    normalizer = Normalizer.shipped()
    gc.set_threshold(100_000, 20, 100)  # as the pipeline does
    print(f"{'':<36}{'records':>9}{'MB':>7}{'records/s':>11}{'MB/s':>7}{'x bare':>8}  bare parser")
    with tempfile.TemporaryDirectory() as scratch:
        for one in sets(Path(scratch)):
            if len(sys.argv) > 1 and sys.argv[1].lower() not in one.name.lower():
                continue
            rounds = [(bare_cost(one.files, one.bare), cost(one.files, normalizer)) for _ in range(ROUNDS)]
            bare = min(seconds for seconds, _ in rounds)
            best = min(spent for _, spent in rounds)
            size = sum(file.stat().st_size for file in one.files) / 1e6
            speed = f"{best.records / best.seconds:>11,.0f}{size / best.seconds:>7.1f}"
            ratio = f"{best.seconds / bare:>8.1f}"
            print(f"{one.name:<36}{best.records:>9,}{size:>7.1f}{speed}{ratio}  {one.yardstick}")


if __name__ == "__main__":
    main()
