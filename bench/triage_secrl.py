"""Alerts of several incidents, mixed, back into their incidents; and the paths of evidence within their cases.

Reads FOLDER/secrl: `alerts.jsonl` (Sentinel alerts with the incident each belongs to), `incident_N.graphml` (which node
of a question is which alert or entity) and `incident_N_questions_*.json`. Alerts go the product's own way: the Sentinel
mapping makes events, events findings, findings cases; nothing of the incident is handed in. The alerts' own
`IncidentId` is not read: it would be the answer.
"""

from __future__ import annotations

import json
import random
import re
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sklearn.metrics import adjusted_rand_score, completeness_score, homogeneity_score

from watchfloor.core.case import Case
from watchfloor.core.clock import DAY, iso, parse_iso
from watchfloor.core.context import Context
from watchfloor.core.event import Event
from watchfloor.core.finding import Finding
from watchfloor.core.policy import CorrelationPolicy
from watchfloor.core.record import Record
from watchfloor.detect import Detector
from watchfloor.ingest.normalizer import Normalizer
from watchfloor.triage.correlation import correlate

_GRAPHML = "{http://graphml.graphdrawing.org/xmlns}"


class Known(NamedTuple):
    """An alert with the finding that it became."""

    incident: str
    alert: dict[str, Any]
    event: Event
    finding: Finding


def main(folder: Path) -> None:
    alerts = list(_read(folder / "secrl"))
    findings = [known.finding for known in alerts]
    cases = correlate(findings, Context(), CorrelationPolicy())
    _grouping(alerts, {uid: case.uid for case in cases for uid in case.findings})
    _paths(folder / "secrl", alerts, cases)


def _read(folder: Path) -> Iterator[Known]:
    normalizer, detector = Normalizer.shipped(), Detector.load(shipped=False)
    for position, line in enumerate((folder / "alerts.jsonl").read_bytes().splitlines()):
        row = json.loads(line)
        raw = json.dumps(row["alert"]).encode()
        record = Record(
            tenant="secrl", source="alerts", position=position, unit="line", format="json", raw=raw, data=row["alert"]
        )
        event = normalizer.event(record)
        for finding in detector.findings(event):
            if finding.detection.kind == "vendor":
                yield Known(str(row["incident"]), row["alert"], event, finding)


# Grouping


def _grouping(alerts: Sequence[Known], case_of: dict[str, str]) -> None:
    truth = [known.incident for known in alerts]
    dealt = random.Random(0).sample(truth, len(truth))
    rows: dict[str, list[Any]] = {
        "watchfloor": [case_of[known.finding.uid] for known in alerts],
        "one case for all": [0] * len(alerts),
        "each alone": list(range(len(alerts))),
        "same host, same day": [_place(known.finding, "host") for known in alerts],
        "same risk object, same day": [_place(known.finding, "user", "host", "mailbox", "address") for known in alerts],
        "any entity shared": _components([known.finding for known in alerts]),
    }
    print(f"{len(alerts)} alerts of {len(set(truth))} incidents, mixed")
    print(f"{'':<28}{'ARI':>7}{'homog.':>8}{'compl.':>8}{'cases':>7}{'a incident':>12}{'shuffled':>10}")
    for name, found in rows.items():
        split = Counter(incident for incident, _ in set(zip(truth, found, strict=True)))
        each = ", ".join(f"{incident}: {count}" for incident, count in sorted(split.items()))
        print(
            f"{name:<28}{adjusted_rand_score(truth, found):>7.3f}{homogeneity_score(truth, found):>8.3f}"
            f"{completeness_score(truth, found):>8.3f}{len(set(found)):>7}{sum(split.values()) / len(split):>12.2f}"
            f"{adjusted_rand_score(dealt, found):>10.3f}  {each}"
        )


def _place(finding: Finding, *kinds: str) -> str:
    """Its first entity of the first of these types that it has, and the day; itself where it has none."""
    keys = [i.entity.key for kind in kinds for i in finding.involved if i.entity.type == kind]
    return f"{keys[0]} {finding.time // DAY}" if keys else finding.uid


def _components(findings: Sequence[Finding]) -> list[int]:
    groups: dict[str, set[int]] = defaultdict(set)
    for index, finding in enumerate(findings):
        for involved in finding.involved:
            groups[involved.entity.key].add(index)
    root = list(range(len(findings)))
    for members in groups.values():
        joined = {root[index] for index in members}
        root = [min(joined) if one in joined else one for one in root]
    return root


# Paths of evidence


class Graph(NamedTuple):
    """Of an incident's graph: node -> the alert's id, or the entity's kind and value."""

    alerts: dict[str, str]
    entities: dict[str, tuple[str, str]]


def _paths(folder: Path, alerts: Sequence[Known], cases: Sequence[Case]) -> None:
    by_alert = {str(known.alert["SystemAlertId"]): known for known in alerts}
    neighbours = _case_graph(alerts, cases)
    asked, answerable, found, direct, as_nodes, missed = 0, 0, 0, 0, 0, []
    for path in sorted(folder.glob("incident_*_questions_*.json")):
        incident = path.name.split("_")[1]
        graph = _graph(folder / f"incident_{incident}.graphml")
        text = " ".join(_said(known) for known in alerts if known.incident == incident)
        for question in json.loads(path.read_bytes()):
            asked += 1
            start, end = (by_alert.get(graph.alerts.get(str(question[k]), "")) for k in ("start_alert", "end_alert"))
            if start is None or end is None or not all(value in text for value in _values(question["answer"])):
                continue
            answerable += 1
            wanted = [graph.entities[str(node)] for node in question["end_entities"] if str(node) in graph.entities]
            on_end = all(_stands(end, kind, value) for kind, value in wanted)
            on_start = all(_stands(start, kind, value) for kind, value in wanted)
            direct += on_start
            if on_end and _connected(neighbours, start.finding.uid, end.finding.uid):
                found += 1
                as_nodes += all(_is_node(end, kind, value) for kind, value in wanted)
            else:
                why = "entity not on its finding" if not on_end else "another case"
                missed.append(f"{incident} ({why}): {question['question'][:90]} -> {wanted}"[:230])
    print(f"\n{asked} questions; the answer of {answerable} stands in the alerts")
    share = (lambda n: n / answerable) if answerable else (lambda _: 0.0)
    print(f"path found in the case's graph    {found:>4}  {share(found):.3f}")
    print(f"  ... its end an entity of its own {as_nodes:>3}  {share(as_nodes):.3f}")
    print(f"baseline: on the starting alert   {direct:>4}  {share(direct):.3f}")
    for line in missed[:12]:
        print(f"  not found: {line}")


def _graph(path: Path) -> Graph:
    root = ET.parse(path).getroot()
    names = {key.get("id"): key.get("attr.name") for key in root.iter(f"{_GRAPHML}key")}
    alerts, entities = {}, {}
    for node in root.iter(f"{_GRAPHML}node"):
        data = {names[item.get("key")]: item.text or "" for item in node.iter(f"{_GRAPHML}data")}
        if data["type"] == "alert":
            alerts[str(node.get("id"))] = str(json.loads(data["entry"])["SystemAlertId"])
        else:
            entities[str(node.get("id"))] = (data["identifier_fields"], data["value"].lower())
    return Graph(alerts, entities)


def _said(known: Known) -> str:
    """All that an alert says, unescaped, in lower case."""
    return " ".join(map(str, known.alert.values())).replace('""', '"').replace("\\\\", "\\").lower()


def _values(answer: str) -> list[str]:
    """`Process ID: 7, Created Time: x` -> 7, x."""
    parts = re.split(r"(?:^|,\s*)[A-Z][\w ]*:\s+", str(answer))
    return [part.strip().strip('"').lower() for text in parts for part in text.split("__") if part.strip()]


def _case_graph(alerts: Sequence[Known], cases: Sequence[Case]) -> dict[str, set[str]]:
    """Findings and entities of each case: an entity stands in a case's graph once for each case."""
    findings = {known.finding.uid: known.finding for known in alerts}
    graph: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        for uid in case.findings:
            for key in [i.entity.key for i in findings[uid].involved]:
                node = f"{case.uid} {key}"
                graph[uid].add(node)
                graph[node].add(uid)
    return graph


def _connected(graph: dict[str, set[str]], start: str, end: str) -> bool:
    seen, waiting = {start}, [start]
    while waiting:
        for node in graph[waiting.pop()] - seen:
            seen.add(node)
            waiting.append(node)
    return end in seen


def _stands(known: Known, kind: str, value: str) -> bool:
    """Whether the finding's normalised event names the entity, in whichever of its fields."""
    return _is_node(known, kind, value) or _any(_flat(known.event.ocsf), kind, value)


def _is_node(known: Known, kind: str, value: str) -> bool:
    return _any([i.entity.value for i in known.finding.involved], kind, value)


def _any(texts: Sequence[str], kind: str, value: str) -> bool:
    same: Callable[[str], bool] = value.strip().__eq__
    if kind.startswith("ProcessId__"):
        pid, began, *_ = value.split("__")
        instance = f"/{pid}@{iso(parse_iso(began.upper()))}".lower()
        return any(text.lower().endswith(instance) for text in texts)
    if kind == "HostName":
        return any(same(text.lower().partition(".")[0]) for text in texts)
    return any(same(text.strip().lower()) for text in texts)


def _flat(value: Any, name: str = "") -> list[str]:
    if name in ("raw_data", "unmapped", "message", "observables"):
        return []
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in _flat(item, key)]
    if isinstance(value, list):
        return [text for item in value for text in _flat(item)]
    return [str(value)]


if __name__ == "__main__":
    main(Path("../shared/data"))
