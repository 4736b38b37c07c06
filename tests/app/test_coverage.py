"""`watchfloor assess coverage`: what can be seen, from the installation's own records and detections."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from watchfloor.app.coverage import coverage_of, read_techniques
from watchfloor.app.settings import Settings
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.cli import app
from watchfloor.core.errors import WatchfloorError
from watchfloor.improve.coverage import Coverage

TRAIL = {
    "eventVersion": "1.08",
    "eventTime": "2026-10-13T07:01:02Z",
    "eventSource": "ec2.amazonaws.com",
    "eventName": "StopInstances",
    "awsRegion": "eu-central-1",
    "sourceIPAddress": "203.0.113.7",
    "userIdentity": {"type": "IAMUser", "userName": "bob"},
    "eventID": "e-1",
}
RULE = """
title: Registry rule
id: 11111111-1111-4111-8111-111111111111
tags: [attack.persistence, attack.t1547.001]
logsource: {product: windows, category: registry_set}
detection: {selection: {TargetObject|contains: Run}, condition: selection}
level: medium
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "trail.jsonl").write_text(json.dumps(TRAIL) + "\n")
    (tmp_path / "rule.yml").write_text(RULE)
    home = tmp_path / "home"
    with Watchfloor.open(home, Settings(tenant="acme", rules=(tmp_path / "rule.yml",))) as product:
        product.pipeline.ingest([tmp_path / "trail.jsonl"])
    return home


def assessed(home: Path, *options: str) -> str:
    done = CliRunner().invoke(app, ["assess", "coverage", "--home", str(home), *options])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_only_what_arrives_is_covered(home: Path) -> None:
    with Watchfloor.open(home) as product:
        found = coverage_of(product.parts)
        detector = product.parts.detector
        cloudtrail = {r.uid for r in detector.rules if r.logsource.service == "cloudtrail"}
        cloudtrail |= {c.uid for c in detector.correlations if cloudtrail & set(c.rules)}
        cloudtrail -= detector.silent
    assert {line.layer for line in found.layers if line.sources} == {"cloud"}
    assert found.can_fire == len(cloudtrail) > 10
    assert set(found.blind()) == {"endpoint", "network", "identity", "email", "threat_intelligence"}
    assert found.wants["windows / registry_set"] >= 1
    by_technique = {line.technique: line for line in found.techniques}
    assert by_technique["T1136.003"].can_fire > 0
    assert by_technique["T1547.001"].can_fire == 0
    assert "windows / registry_set" in by_technique["T1547.001"].wants


def test_the_answer_as_json_is_the_noun(home: Path) -> None:
    found = Coverage.from_json(assessed(home, "--format", "json"))
    assert [line.layer for line in found.layers if line.covered] == ["cloud"]
    assert "aws_cloudtrail" not in {line.layer: line for line in found.layers}["cloud"].could_connect


def test_the_navigator_layer_scores_what_can_fire(home: Path) -> None:
    layer = json.loads(assessed(home, "--format", "navigator"))
    assert (layer["domain"], layer["versions"]["layer"]) == ("enterprise-attack", "4.5")
    scores = {t["techniqueID"]: t["score"] for t in layer["techniques"]}
    assert scores["T1136.003"] > 0 == scores["T1547.001"]
    assert layer["gradient"]["maxValue"] == max(scores.values())


def test_attack_lists_what_no_detection_names(home: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "attack.json"
    pattern = {
        "type": "attack-pattern",
        "name": "Nobody looks",
        "external_references": [{"source_name": "mitre-attack", "external_id": "T9999"}],
        "kill_chain_phases": [{"kill_chain_name": "mitre-attack", "phase_name": "impact"}],
    }
    revoked = pattern | {"revoked": True, "external_references": [{"source_name": "mitre-attack", "external_id": "T1"}]}
    bundle.write_text(json.dumps({"type": "bundle", "objects": [pattern, revoked]}))
    found = Coverage.from_json(assessed(home, "--format", "json", "--attack", str(bundle)))
    by_technique = {line.technique: line for line in found.techniques}
    assert by_technique["T9999"].tactics == ("impact",)
    assert (by_technique["T9999"].can_fire, by_technique["T9999"].waiting) == (0, 0)
    assert "T1" not in by_technique
    text = assessed(home, "--attack", str(bundle))
    assert "blind in: endpoint" in text


@pytest.mark.parametrize("content", ["", "{", "a,b\n1,2\n", '{"objects": 3}', '{"objects": [3]}'])
def test_a_file_without_techniques_is_an_error(content: str, tmp_path: Path) -> None:
    file = tmp_path / "attack.json"
    file.write_text(content)
    with pytest.raises(WatchfloorError, match="no ATT&CK technique"):
        read_techniques(file)


def test_an_empty_home_covers_nothing_and_says_so(tmp_path: Path) -> None:
    assert "0 of " in assessed(tmp_path / "new")


def test_the_story_covers_all_six_layers(decided: Watchfloor) -> None:
    assert coverage_of(decided.parts).blind() == ()
