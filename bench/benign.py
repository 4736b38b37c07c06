"""What our own detections say of data without attacks, and what they miss of recordings that are attacks.

Benign data, findings per 10,000 events by level: `evtx-samples`, `zeek-sample` and the ham of `mail` as they are; of
`aws_dataset` what does not name itself an attack run; of `mordor` what is not the attack's by the table below. None may
raise a finding of level high (tests/detect/test_benign.py). Then, of the recordings of attacks (`evtx-to-mitre`,
`mordor`, `sigma/regression_data`): how many have a finding of level medium or above, by tactic. Vendors' alerts do not
count. Some detections were written with `evtx-to-mitre` at hand, none with `sigma/regression_data`.

usage: .venv/bin/python bench/benign.py DATA [RULES]      RULES: SigmaHQ's rules, to stand beside ours
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from watchfloor.core.event import Event
from watchfloor.core.finding import Finding, Severity
from watchfloor.detect import Detector
from watchfloor.detect.correlation import MemoryGroups
from watchfloor.ingest import Normalizer, ingest

TENANT = "bench"
LEVELS = (Severity.critical, Severity.high, Severity.medium, Severity.low)

# What belongs to the attack in a recording of mordor: any event in which this is found. Each Windows recording begins
# with the recorder clearing the logs (1102, 104), which is its own doing.
_CLEARED = r'"EventID": "?(1102|104)"?,'
ATTACK = {
    "cmd_lsass_memory_dumpert_syscalls": rf"Dumpert|\\cmd\.exe|\\conhost\.exe|{_CLEARED}",
    "empire_dcsync_dcerpc_drsuapi_DsGetNCChanges": rf"(?i)powershell|whoami\.exe|1131f6a|89e95b76|{_CLEARED}",
    "cmd_discover_iexplorer_version_registry": rf"\\reg\.exe|\\cmd\.exe|\\conhost\.exe|{_CLEARED}",
    "psh_powershell_httplistener": rf"(?i)powershell|\\conhost\.exe|{_CLEARED}",
    "cmd_userinitmprlogonscript_batch": rf"\\(reg|cmd|conhost)\.exe|UserInitMpr|art\.bat|{_CLEARED}",
    "ec2_proxy_s3_exfiltration": r"WAFRole|AssumedRole",  # the role's key, carried off; the console's user looks on
    "AADAuditEvents": ".",
    "OfficeActivityEvents": ".",
}


class Told(NamedTuple):
    """What a detector told of some events."""

    events: int
    findings: list[Finding]

    def at(self, level: Severity) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity == level]


def benign(data: Path) -> dict[str, list[Event]]:
    """The events without attacks, by source."""
    mordor = [
        event
        for file in recordings(data / "mordor")
        for event in read([file])
        if not re.search(ATTACK[file.stem], json.dumps(event.original))
    ]
    aws = [e for e in read([data / "aws_dataset"]) if "stratus-red-team_" not in str(e.original.get("userAgent"))]
    return {
        "evtx-samples": list(read([data / "evtx-samples"])),
        "mordor": mordor,
        "aws_dataset": aws,
        "zeek-sample": list(read([data / "zeek-sample"])),
        "mail": list(read([data / "mail" / "easy-ham-1", data / "mail" / "hard-ham-1"])),
    }


def read(paths: Iterable[Path]) -> Iterator[Event]:
    yield from (item for item in ingest(list(paths), TENANT, Normalizer.shipped()) if isinstance(item, Event))


def recordings(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in (".evtx", ".zip"))


def tell(detector: Detector, events: Iterable[Event]) -> Told:
    """The findings of a detector's rules and correlations on events."""
    ours = {rule.uid for rule in detector.rules} | {rule.uid for rule in detector.correlations}
    groups, found, hits, count = MemoryGroups(TENANT), [], [], 0
    for event in events:
        count += 1
        examined = detector.examine(event)
        found += examined.findings
        hits += examined.hits
    counted = {one.uid: one for one in detector.correlator.step(hits, groups, 0)}
    counted.update((one.uid, one) for one in detector.correlator.finish(groups, 0, 0))
    return Told(count, [one for one in (*found, *counted.values()) if one.detection.uid in ours])


def tactics(data: Path) -> Iterator[tuple[str, Path]]:
    """Each recording of an attack, with its tactic: the folder's, or the rule's for Sigma's own."""
    yield from (
        (file.relative_to(data / "evtx-to-mitre").parts[0].partition("-")[2] or "Antivirus", file)
        for file in recordings(data / "evtx-to-mitre")
    )
    yield from (
        ("GoldenSAML" if "compound" in file.parts else file.parent.parent.name, file) if file.parent.name == "host"
        else ("GoldenSAML" if "compound" in file.parts else file.parent.name, file)
        for file in recordings(data / "mordor")
    )  # fmt: skip
    tags = {
        rule["id"]: [str(tag) for tag in rule.get("tags", ())]
        for folder in (data / "sigma").glob("rules*")
        for file in folder.rglob("*.yml")
        for rule in yaml.load_all(file.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        if rule and "id" in rule
    }
    for file in recordings(data / "sigma" / "regression_data"):
        named = [tag[7:] for tag in tags.get(file.stem, ()) if re.fullmatch(r"attack\.[a-z-]+", tag)]
        yield f"sigma: {named[0] if named else 'none named'}", file


def noise(sources: dict[str, list[Event]], detectors: dict[str, Detector]) -> None:
    print(
        f"\nBenign data: findings per 10,000 events\n{'':<14}{'':<10}{'events':>8}", *(f"{s.name:>9}" for s in LEVELS)
    )
    for name, detector in detectors.items():
        by_rule: Counter[tuple[int, str, str]] = Counter()
        for source, events in sources.items():
            told = tell(detector, events)
            rates = (len(told.at(level)) / max(told.events, 1) * 10_000 for level in LEVELS)
            print(f"{source:<14}{name:<10}{told.events:>8,}", *(f"{rate:>9.2f}" for rate in rates))
            by_rule.update((-int(one.severity), one.detection.title[:80], source) for one in told.findings)
        if name == "ours":
            events_of = {source: len(events) for source, events in sources.items()}
            print("  by detection, findings (per 10,000 events of the source):")
            for (level, title, source), count in sorted(by_rule.items()):
                rate = count / events_of[source] * 10_000
                print(f"  {Severity(-level).name:<9}{count:>5} {rate:>8.2f}  {source:<13} {title}")


def recall(data: Path, detectors: dict[str, Detector]) -> list[str]:
    """Prints the table; gives the recordings of which our own detections say nothing."""
    seen: dict[str, Counter[str]] = {}
    missed = []
    for tactic, file in tactics(data):
        events = list(read([file]))
        row = seen.setdefault(tactic, Counter())
        row["all"] += 1
        for name, detector in detectors.items():
            if any(one.severity >= Severity.medium for one in tell(detector, events).findings):
                row[name] += 1
            elif name == "ours":
                missed.append(f"{tactic}: {file.name}")
    print(
        f"\nRecordings of attacks with a finding of level medium or above\n{'':<34}{'all':>5}",
        *map("{:>8}".format, detectors),
    )
    total: Counter[str] = sum(seen.values(), Counter())
    for tactic, row in [*seen.items(), ("all", total)]:
        print(f"{tactic:<34}{row['all']:>5}", *(f"{row[name]:>8}" for name in detectors))
    return missed


def main(arguments: list[str]) -> None:
    if not 1 <= len(arguments) <= 2:
        sys.exit((__doc__ or "").rpartition("usage: ")[2].strip())
    data = Path(arguments[0])
    detectors = {"ours": Detector.load()}
    if len(arguments) == 2:
        detectors["SigmaHQ"] = Detector.load([Path(arguments[1])], shipped=False)
    noise(benign(data), detectors)
    missed = recall(data, detectors)
    print("\nOf these our own say nothing:", *missed, sep="\n  ")


if __name__ == "__main__":
    main(sys.argv[1:])
