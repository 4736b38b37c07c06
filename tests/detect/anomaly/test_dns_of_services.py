"""Names that services of the internet are asked for are no tunnel: content networks, virus scanners, block lists."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.detect.anomaly.feed import NEVER, START, event, run, usual_days
from watchfloor.core.clock import DAY, HOUR, SECOND
from watchfloor.core.event import Event
from watchfloor.detect.anomaly import Anomalies
from watchfloor.detect.anomaly.series import TunnelSeries, shipped

(SERIES,) = [one for one in shipped() if isinstance(one, TunnelSeries)]
LISTS = (
    "cisco_top5k",
    "microsoft-win10-connection-endpoints",
    "microsoft-office365",
    "crl-hostname",
    "akamai",
    "fastly",
)
TODAY = 14


@pytest.fixture
def detectors() -> Anomalies:
    made = Anomalies("t", [SERIES], lambda: NEVER)
    assert run(made, usual_days(SERIES.examples[0]["usual"], range(TODAY))) == []
    return made


def asked(client: int, second: int, name: str, hour: int = 10) -> Event:
    flat = {"class_uid": 4003, "src_endpoint.ip": f"10.0.0.{client}", "query.hostname": name}
    return event(START + TODAY * DAY + hour * HOUR + second * SECOND, flat)


def letters(*of: object) -> str:
    return sha256(repr(of).encode()).hexdigest()[:32]


def tunnel(domain: str, hour: int, clients: int = 1) -> Iterator[Event]:
    for n in range(240):
        yield asked(n % clients, n * 10, f"{letters(domain, n)}.{domain}", hour)


def test_the_same_names_under_a_domain_of_nobodys_are_one(detectors: Anomalies) -> None:
    assert [one.subject for one in run(detectors, list(tunnel("evil.top", 10)))] == ["domain:evil.top"]


@pytest.mark.parametrize("domain", SERIES.carriers)
def test_what_carries_data_by_design_says_nothing(detectors: Anomalies, domain: str) -> None:
    assert run(detectors, list(tunnel(domain, 10))) == []
    assert run(detectors, list(tunnel(f"avqs.{domain}", 11))) == []


def test_what_many_machines_ask_for_is_a_service(detectors: Anomalies) -> None:
    assert run(detectors, list(tunnel("cdn-provider.net", 10, clients=8))) == []


def test_customers_of_a_content_network_are_told_apart(detectors: Anomalies) -> None:
    """Each has a domain of its own below a public suffix."""
    names = [f"d{letters(n)[:13]}.cloudfront.net" for n in range(400)]
    assert run(detectors, [asked(1, n * 5, name) for n, name in enumerate(names)]) == []


def test_what_a_domain_always_had_is_usual() -> None:
    made = Anomalies("t", [SERIES], lambda: NEVER)
    for day in range(12):
        run(made, usual_days(SERIES.examples[0]["usual"], range(day, day + 1)))
        for one in tunnel("telemetry.example.com", 10):
            name = f"{day}{one.get('query.hostname')}"
            flat = {"class_uid": 4003, "src_endpoint.ip": "10.0.0.1", "query.hostname": name}
            assert run(made, [event(one.time - (TODAY - day) * DAY, flat)]) == []


def test_listed_services_say_nothing(detectors: Anomalies, shared_data: Path) -> None:
    """Real names, all of them within one hour of an office of twelve machines."""
    names: set[str] = set()
    for name in LISTS:
        listed = json.loads((shared_data / "misp-warninglists" / f"{name}.json").read_text())["list"]
        names |= {one.strip(".").lower() for one in listed if any(c.isalpha() for c in one) and ":" not in one}
    assert len(names) > 4_000
    found = run(detectors, [asked(n % 12, n * 3_500 // len(names), name) for n, name in enumerate(sorted(names))])
    assert [one.said for one in found] == []
