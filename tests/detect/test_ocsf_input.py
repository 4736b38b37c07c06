"""Events that come as OCSF are found by the rules that are meant for them, and by no others."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from watchfloor.core.record import Record
from watchfloor.detect import Detector
from watchfloor.ingest import Normalizer

NORMALIZER = Normalizer.shipped()
RULE = """title: {title}
id: {id}
logsource: {logsource}
detection:
  selection: {selection}
  condition: selection
level: high
"""
LAKE = {
    "class_uid": 6003,
    "category_uid": 6,
    "activity_id": 1,
    "severity_id": 1,
    "time": 1791874862345,
    "metadata": {"version": "1.1.0", "product": {"name": "CloudTrail", "vendor_name": "AWS"}},
    "api": {"operation": "CreateAccessKey", "service": {"name": "iam.amazonaws.com"}},
    "actor": {"user": {"name": "eve", "type": "IAMUser"}},
    "src_endpoint": {"ip": "203.0.113.5"},
    "cloud": {"provider": "AWS", "region": "eu-west-1"},
}
STARTED = {
    "class_uid": 1007,
    "category_uid": 1,
    "activity_id": 1,
    "severity_id": 1,
    "time": 1791874862345,
    "metadata": {"version": "1.1.0", "product": {"name": "Agent"}},
    "device": {"hostname": "ws1", "type_id": 2, "os": {"name": "Windows", "type_id": 100}},
    "actor": {"process": {"pid": 4, "file": {"name": "cmd.exe", "path": "C:\\cmd.exe", "type_id": 1}}},
    "process": {"pid": 5, "cmd_line": "whoami /all", "file": {"name": "w.exe", "path": "C:\\w.exe", "type_id": 1}},
}
LINUX = STARTED | {"device": {"hostname": "ws1", "type_id": 2, "os": {"name": "Linux", "type_id": 200}}}


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    folder = tmp_path_factory.mktemp("rules")
    rules = {
        "trail": (
            "{product: aws, service: cloudtrail}",
            "{eventSource: iam.amazonaws.com, eventName: CreateAccessKey}",
        ),
        "windows": ("{product: windows, category: process_creation}", "{CommandLine|contains: whoami}"),
        "okta": ("{product: okta, service: okta}", "{eventType: CreateAccessKey}"),
    }
    for number, (name, (source, selection)) in enumerate(rules.items()):
        uid = f"00000000-0000-4000-8000-00000000000{number}"
        text = RULE.format(title=name, id=uid, logsource=source, selection=selection)
        (folder / f"{name}.yml").write_text(text)
    return Detector.load([folder], shipped=False)


def found(detector: Detector, data: dict[str, Any]) -> list[str]:
    raw = orjson.dumps(data)
    record = Record(tenant="t", source="s", position=0, unit="line", format="json", raw=raw, data=data)
    return [finding.title for finding in detector.findings(NORMALIZER.event(record))]


def test_rules_find_what_is_meant_for_them(detector: Detector) -> None:
    assert found(detector, LAKE) == ["trail"]
    assert found(detector, STARTED) == ["windows"]
    assert found(detector, LINUX) == []


def test_a_product_that_is_not_certain_is_none(detector: Detector) -> None:
    other = LAKE | {"metadata": {"version": "1.1.0", "product": {"name": "CloudTrail"}}}
    assert found(detector, other) == []


def test_alerts_of_two_products_in_ocsf_are_of_two_kinds(detector: Detector) -> None:
    info = {"uid": "7", "title": "Odd", "analytic": {"name": "r", "uid": "r1", "type_id": 1}}
    head = {"class_uid": 2004, "category_uid": 2, "activity_id": 1, "severity_id": 4, "time": 1791874862345}
    seen = []
    for name in ("Guard One", "Guard Two"):
        data = {**head, "finding_info": info, "metadata": {"version": "1.1.0", "product": {"name": name}}}
        record = Record(tenant="t", source="s", position=0, unit="line", format="json", raw=b"", data=data)
        (finding,) = detector.findings(NORMALIZER.event(record))
        seen.append((finding.detection.uid, finding.alert))
    assert seen == [("ocsf/guard-one/r1", "ocsf/guard-one/7"), ("ocsf/guard-two/r1", "ocsf/guard-two/7")]
