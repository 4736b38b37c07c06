"""What the company's analysts said of the quarter before: their verdicts on cases, by class, all of them (`basis`).

Invented like everything else here, from what each kind of alert is usually worth; the three days and their truth play
no part in it. Some classes have an attack among what would have been closed, others too few labels, and of one the
labels are about other cases than come now: they do not close.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

FIRST_WEEK = datetime(2026, 7, 6, 15, tzinfo=UTC)
WEEKS = (0, 4, 8, 12)
ANALYSTS = ("imke.albers", "joris.maas")


class Past(NamedTuple):
    """One detection in the quarter: how many cases, and how they were judged.

    `closable` of the benign ones would have been closed without a person; `missed` attacks would have been, too.
    """

    klass: str
    detections: tuple[str, ...]
    false_positives: int
    allowed: int
    attacks: int = 0
    closable: float = 0.8
    missed: int = 0


def _suricata(kind: str, sids: tuple[int, ...], false_positives: int, allowed: int, **more: Any) -> Past:
    detections = tuple(f"suricata/{sid}" for sid in sids)
    return Past(f"suricata/{kind} @ suricata/alert", detections, false_positives, allowed, **more)


def _wazuh(kind: str, rules: tuple[int, ...], false_positives: int, allowed: int, **more: Any) -> Past:
    detections = tuple(f"wazuh/{rule}" for rule in rules)
    return Past(f"wazuh/{kind} @ wazuh/alert", detections, false_positives, allowed, **more)


QUARTER = (
    _suricata("misc-activity", (2031071, 2033713, 2025275), 390, 26),
    _suricata("potential-corporate-privacy-violation", (2022973, 2027397), 91, 169),
    _suricata("generic-protocol-command-decode", (2260002, 2210054), 286, 13),
    _suricata("detection-of-a-network-scan", (2029054,), 39, 221),
    _suricata("not-suspicious-traffic", (2013504,), 221, 13),
    _suricata("attempted-information-leak", (2002910, 2013028), 52, 117, attacks=2),
    _suricata("attempted-administrator-privilege-gain", (2019232, 2021997, 2034647), 26, 195, closable=0.95),
    _suricata("web-application-attack", (2009358, 2024364), 13, 182, attacks=1, closable=0.95),
    _suricata(
        "potentially-bad-traffic", (2010939, 2010936, 2010935, 2027390, 2010937, 2027758), 338, 52, attacks=5, missed=1
    ),
    _wazuh("sshd", (5715, 5710, 5760), 78, 234, attacks=1),
    _wazuh("pam", (5501,), 26, 247),
    _wazuh("sudo", (5402,), 13, 104, attacks=2),
    _wazuh("audit", (80792,), 39, 78, attacks=3, missed=1),
    _wazuh("syscheck", (550,), 52, 195, attacks=1),
    _wazuh("dpkg", (2902,), 26, 208),
    _wazuh("ossec", (533,), 65, 26),
    _wazuh("rootcheck", (510,), 221, 13),
    _wazuh("clamd", (52507,), 234, 0),
    _wazuh("web", (31101, 31104), 260, 39, attacks=4, missed=1),
    Past("sigma/windows/process_creation @ windows/sysmon", ("57823885-c618-5f0c-b18e-770e1ca276b0",), 13, 65, 3),
    # In that quarter the inventory listed administrators everywhere; now it is failed log-ons: the class has changed.
    Past("sigma/windows/security @ windows/security", ("9d3332d4-f1cc-4fdd-8077-61d35b9e29a7",), 169, 52, 0),
    Past("sigma/azure/signinlogs @ azure/signinlogs", ("2faa828c-a08a-5457-b0aa-e7af010e9b06",), 13, 26, 2),
    Past("sigma/m365/any @ m365/audit", ("33077874-fd41-51c8-9441-c689dd610189",), 0, 39, 0),
    Past("zeek/intel @ zeek/intel", ("zeek/community-blocklist-2024",), 65, 0, 0),
)


def labels_file() -> bytes:
    """labels.csv: one row for equal labels of about a month, with their `count`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["time", "detection_class", "detection", "verdict", "would_close", "by", "count", "basis"])
    for past in QUARTER:
        closable = round(past.false_positives * past.closable), round(past.allowed * past.closable)
        kinds = (
            ("false_positive", True, closable[0]),
            ("false_positive", False, past.false_positives - closable[0]),
            ("benign_true_positive", True, closable[1]),
            ("benign_true_positive", False, past.allowed - closable[1]),
            ("malicious", True, past.missed),
            ("malicious", False, past.attacks - past.missed),
        )
        for verdict, would_close, total in kinds:
            for place, (week, detection, count) in enumerate(_spread(total, past.detections)):
                time = (FIRST_WEEK + timedelta(weeks=week)).strftime("%Y-%m-%dT%H:%M:%SZ")
                analyst = ANALYSTS[place % len(ANALYSTS)]
                writer.writerow([time, past.klass, detection, verdict, str(would_close).lower(), analyst, count, "all"])
    return text.getvalue().encode()


def _spread(total: int, detections: tuple[str, ...]) -> list[tuple[int, str, int]]:
    """(week, detection, count) so that times and detections get about even shares of a total."""
    places = [(week, detection) for week in WEEKS for detection in detections]
    step = len(places) / total if total else 0
    counts: dict[tuple[int, str], int] = {}
    for n in range(total):
        place = places[int(n * step) % len(places)] if total < len(places) else places[n % len(places)]
        counts[place] = counts.get(place, 0) + 1
    return [(week, detection, count) for (week, detection), count in sorted(counts.items())]
