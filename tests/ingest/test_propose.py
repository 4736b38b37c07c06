"""A mapping started from samples loads, passes its own test, takes all samples and keeps what they say."""

from __future__ import annotations

import itertools
from pathlib import Path

import orjson
import pytest
import yaml

from watchfloor.content import Document
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.record import Record
from watchfloor.ingest import Normalizer, records
from watchfloor.ingest.mappings import Mapping, load
from watchfloor.ingest.propose import propose
from watchfloor.ingest.trial import record_of, trials

ALWAYS = {"product": "Door", "eventType": "badge_login"}
DOOR = [
    {
        "at": f"2026-10-13T07:01:0{n}Z",
        **ALWAYS,
        "userName": user,
        "remote": {"addr": f"198.51.100.{n}"},
        "result": result,
    }
    for n, user, result in [(2, "alice", "denied"), (9, "bob", "ok")]
]


def test_a_mapping_is_started_from_samples(tmp_path: Path) -> None:
    file = tmp_path / "door.yaml"
    file.write_text(propose([record_of(data) for data in DOOR], "door"))
    (mapping,) = load(file)
    assert mapping.when["product"] == "Door"
    normalizer = Normalizer.shipped(file)
    assert [trial.failures for trial in trials(mapping, normalizer)] == [()]
    events = [normalizer.event(record_of(data)) for data in DOOR]
    assert {event.mapping for event in events} == {"door"}
    assert [event.get("user.name") for event in events] == ["alice", "bob"]
    assert [event.get("status") for event in events] == ["Failure", "Success"]
    assert [event.get("src_endpoint.ip") for event in events] == ["198.51.100.2", "198.51.100.9"]
    assert events[0].time == 1791874862000
    assert normalizer.event(record_of({**DOOR[0], "product": "Window"})).mapping == "base"


def test_samples_of_several_shapes_or_none_are_refused() -> None:
    with pytest.raises(WatchfloorError, match="no record"):
        propose([], "x")
    with pytest.raises(WatchfloorError, match="several shapes"):
        propose([record_of(DOOR[0]), record_of({"message": "x"}, "syslog")], "x")


REAL = {
    "aws_dataset": None,
    "zeek-sample/dns.json.gz": None,
    "zeek-sample/notice.json.gz": None,
    "cats/ait_wazuh.zip": None,
    "cats/apt29_userbehavior_suricata.zip": None,
    "mordor/datasets/compound/GoldenSAMLADFSMailAccess/AADAuditEvents.Zip": None,
    "evtx-to-mitre": None,
    "ait-ads/fox_alerts.csv.gz": None,
    **{f"panther-tests:{name}": name for name in ("Okta.SystemLog", "GitHub.Audit", "GCP.AuditLog", "AWS.VPCFlow")},
}


@pytest.mark.parametrize("place", REAL)
def test_real_formats_give_mappings_that_load_and_pass_their_own_test(place: str, shared_data: Path) -> None:
    found = (r for r in records([shared_data / place.partition(":")[0]], "acme") if isinstance(r, Record))
    if REAL[place]:
        found = (r for r in found if r.data["log_type"] == REAL[place])
    samples = list(itertools.islice(found, 5))
    mapping = Mapping(Document("proposed", yaml.safe_load(propose(samples, "proposed")))).checked()
    base = Normalizer.shipped().base
    normalizer = Normalizer([mapping], base)
    assert [trial.failures for trial in trials(mapping, normalizer)] == [()]
    assert {normalizer.event(sample).mapping for sample in samples} == {"proposed"}
    assert normalizer.event(samples[0]).time or REAL[place] == "AWS.VPCFlow"  # its samples have none
    assert orjson.dumps(normalizer.event(samples[0]).ocsf)
