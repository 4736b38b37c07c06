"""Over the real data: every event is valid OCSF, nothing is lost, and values stand where they are looked for."""

from __future__ import annotations

import gzip
import itertools
import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from evtx import PyEvtxParser

from watchfloor.core.event import Event
from watchfloor.core.facets import facets
from watchfloor.core.ocsf import CLASSES, NEEDS, OBSERVABLES
from watchfloor.ingest import Normalizer, Unreadable, ingest
from watchfloor.ingest.mappings.convert import CONVERTERS
from watchfloor.ingest.mappings.objects import natural
from watchfloor.ingest.trial import record_of

from .ocsf_schema import Schema
from .own_cases import each_own_case

NORMALIZER = Normalizer.shipped()
FOLDERS = [
    "aws_dataset",
    "evtx-to-mitre",
    "evtx-samples",
    "mordor",
    "mail",
    "zeek-sample",
    "cats",
    "ait-ads",
    "panther-tests",
    "guide",
    "secrl",
    "sigma/regression_data",
]
SAMPLE = 150  # events of one type of one mapping that are validated a folder; validating is slow
MOST = 40_000  # records of one folder


@pytest.fixture(scope="session")
def schema(shared_data: Path) -> Schema:
    return Schema(shared_data / "ocsf-schema")


def every(shared_data: Path, folder: str) -> Iterator[Event | Unreadable]:
    return itertools.islice(ingest([shared_data / folder], "acme", NORMALIZER), MOST)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_event_is_valid_ocsf(folder: str, shared_data: Path, schema: Schema) -> None:
    seen: Counter[tuple[str, int, int]] = Counter()
    wrong: Counter[str] = Counter()
    for event in every(shared_data, folder):
        if isinstance(event, Unreadable):
            continue
        assert "problem" not in event.ocsf.get("unmapped", {}), event.ocsf["unmapped"]
        kind = (event.mapping, event.ocsf["type_uid"], event.ocsf["metadata"].get("event_code", 0))
        seen[kind] += 1
        if seen[kind] <= SAMPLE:
            wrong.update(f"{event.mapping}: {p}" for p in schema.problems(event.ocsf))
    assert seen
    assert wrong == Counter()


@each_own_case
def test_the_mappings_own_records_become_valid_ocsf(
    name: str, shape: str, case: dict[str, Any], schema: Schema
) -> None:
    assert schema.problems(NORMALIZER.event(record_of(case["record"], shape)).ocsf) == []


def test_our_tables_say_what_the_schema_says(schema: Schema) -> None:
    for name, ours in CLASSES.items():
        attributes, category = schema.classes[ours.uid]
        assert ours.category_uid == category, name
        required = {a for a, v in attributes.items() if v.get("requirement") == "required"}
        always = {"activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"}
        assert required - always <= set(ours.required), name
        for caption, number in ours.activities.items():
            if caption != "-":
                assert attributes["activity_id"]["enum"][str(number)]["caption"] == caption, name
    assert {str(number) for _, number in OBSERVABLES.values()} <= schema.observable_types
    assert set(NEEDS) - {"app"} <= set(schema.dictionary)


def test_values_get_the_type_that_the_schema_asks_for(schema: Schema) -> None:
    wholes = {"integer_t", "long_t", "port_t"}
    for name, attribute in schema.dictionary.items():
        kind = attribute.get("type")
        if name in ("port", "pid", "count", "bytes", "ip", "is_mfa", "start_time", "severity_id", "code"):
            made = CONVERTERS[natural(name)]("1.2.3.4" if name == "ip" else "1")
            assert isinstance(made, int if kind in (*wholes, "timestamp_t", "boolean_t") else str), name


def _all_files(shared_data: Path, folder: str) -> list[Path]:
    """Every file; of Zeek's the smaller ones, which have all its record types but two."""
    files = sorted(p for p in (shared_data / folder).rglob("*") if p.is_file())
    if folder == "zeek-sample":
        return [f for f in files if f.suffix == ".gz" and f.stat().st_size < 200_000]
    return files


def _lines(shared_data: Path, folder: str) -> int:
    count = 0
    for file in _all_files(shared_data, folder):
        name = file.name.lower()
        if name.endswith(".json.gz"):
            with gzip.open(file) as lines:
                count += sum(1 for line in lines if line.strip())
        elif name.endswith(".zip"):
            with zipfile.ZipFile(file) as archive:
                for member in archive.namelist():
                    count += sum(1 for line in archive.read(member).split(b"\n") if line.strip())
        elif name.endswith(".jsonl"):
            count += sum(1 for line in file.open("rb") if line.strip())
    return count


def _records(shared_data: Path, folder: str) -> int:
    files = (shared_data / folder).rglob("*.json")
    return sum(len(json.loads(f.read_bytes())["Records"]) for f in files)


def _evtx(shared_data: Path, folder: str) -> int:
    """Records and errors, as the library itself counts them."""
    count = 0
    for file in (shared_data / folder).rglob("*.evtx"):
        found = PyEvtxParser(str(file)).records_json()
        while True:
            try:
                next(found)
            except StopIteration:
                break
            except RuntimeError:
                pass
            count += 1
    return count


def _mails(shared_data: Path, folder: str) -> int:
    return len(list((shared_data / folder).rglob("*.eml")))


COUNTED = {
    "aws_dataset": _records,
    "evtx-to-mitre": _evtx,
    "evtx-samples": _evtx,
    "mordor": _lines,
    "mail": _mails,
    "zeek-sample": _lines,
    "cats": _lines,
    "panther-tests": _lines,
}


@pytest.mark.parametrize("folder", COUNTED)
def test_records_read_are_events_plus_dead_letters(folder: str, shared_data: Path) -> None:
    total = dead = 0
    uids = set()
    files = _all_files(shared_data, folder)
    wanted = {str(f) for f in files}
    for item in ingest([shared_data / folder] if folder != "zeek-sample" else files, "acme", NORMALIZER):
        assert item.source.partition("!")[0] in wanted
        total += 1
        if isinstance(item, Unreadable):
            dead += 1
        else:
            uids.add(item.uid)
    assert total == COUNTED[folder](shared_data, folder)
    assert len(uids) == total - dead


def test_broken_event_logs_keep_what_can_be_read(shared_data: Path) -> None:
    found = list(ingest([shared_data / "evtx-samples" / "sample_with_a_bad_chunk_magic.evtx"], "acme", NORMALIZER))
    events = [e for e in found if isinstance(e, Event)]
    broken = [u for u in found if isinstance(u, Unreadable)]
    assert (len(events), len(broken)) == (270, 2)
    assert all("chunk" in u.reason and u.where for u in broken)


def test_three_ways_to_ship_a_windows_event_give_the_same_original(shared_data: Path) -> None:
    wanted = {"EventID", "Channel", "Provider_Name", "Computer"}
    for folder in ("evtx-to-mitre", "mordor"):
        for event in itertools.islice(every(shared_data, folder), 3000):
            if isinstance(event, Event) and event.logsource.get("product") == "windows":
                assert wanted - {"Channel", "Provider_Name"} <= event.original.keys()
                assert isinstance(event.original["EventID"], int)
                assert not any(isinstance(v, dict) for v in event.original.values())


# folder -> facet -> the least share of events of these classes that has it
FACETS = {
    ("aws_dataset", 6003): {"user": 0.99, "operation": 1.0, "service": 1.0, "account": 0.95, "region": 1.0},
    ("mordor", 1007): {"host": 1.0, "process": 0.95},
    ("evtx-to-mitre", 1007): {"host": 1.0, "process": 1.0, "user": 0.9, "parent_process": 0.4},
    ("zeek-sample", 4003): {"src_ip": 1.0, "dst_ip": 1.0, "domain": 0.99},
    ("mail", 4009): {"sender": 0.97, "recipient": 0.8, "message": 0.9},
    ("cats", 2004): {"signature": 1.0, "host": 0.85},
}


@pytest.mark.parametrize(("folder", "class_uid"), FACETS)
def test_facets_are_filled_where_records_have_them(folder: str, class_uid: int, shared_data: Path) -> None:
    found: Counter[str] = Counter()
    total = 0
    for event in itertools.islice(every(shared_data, folder), 30_000):
        if isinstance(event, Event) and event.ocsf["class_uid"] == class_uid:
            total += 1
            found.update(name for name, value in facets(event).items() if value is not None)
    assert total
    short = {k: found[k] / total for k, least in FACETS[folder, class_uid].items() if found[k] / total < least}
    assert short == {}
