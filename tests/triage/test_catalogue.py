"""The catalogue says what it does, tells the place of each mistake, and lets no hostile text speak for innocence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.triage.build import finding, one_case
from watchfloor.core.context import Asset, Context, Identity
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.evidence import Evidence
from watchfloor.core.finding import Severity
from watchfloor.core.grounding import problem_of_all
from watchfloor.core.question import TRUSTED_COLLECTORS
from watchfloor.triage.catalogue import Catalogue, outcome

SHIPPED = Catalogue.shipped()
QUESTION: dict[str, Any] = {
    "id": "a.b",
    "title": "Is it so?",
    "about": "user",
    "collector": "context",
    "query": {"match": {"user": "{spellings}", "country": "{facet.country?}"}},
    "answers": [
        {
            "value": "yes",
            "when": {"count": {"gte": 1}},
            "weights": {"malicious": 1.0},
            "why": "so it is",
            "claim": "{entity} did it {evidence.count} times.",
        }
    ],
    "tests": [{"evidence": {"count": 2}, "value": "yes"}],
}


def catalogue_of(folder: Path, *questions: dict[str, Any]) -> Catalogue:
    file = folder / "questions.yaml"
    file.write_text(yaml.safe_dump([{**QUESTION, **q} for q in questions]), encoding="utf-8")
    return Catalogue.load(file)


def option(**change: Any) -> dict[str, Any]:
    return {"answers": [{**QUESTION["answers"][0], **change}]}


def test_there_are_questions_enough_and_every_test_of_theirs_passes() -> None:
    mail = [uid for uid in SHIPPED.questions if uid.startswith(("email.", "url."))]
    assert len(SHIPPED.questions) - len(mail) >= 105
    assert len(mail) >= 30
    assert SHIPPED.failures() == []


def test_an_owners_questions_are_asked_beside_the_shipped(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump([QUESTION]), encoding="utf-8")
    both = Catalogue.shipped(tmp_path)
    assert set(both.questions) == {*SHIPPED.questions, "a.b"}
    assert both.digest != SHIPPED.digest
    file.write_text(yaml.safe_dump([{**QUESTION, "id": "case.severity"}]), encoding="utf-8")
    with pytest.raises(WatchfloorError, match=r"mine.yaml, question 1 \(case.severity\): there is another question"):
        Catalogue.shipped(tmp_path)


@pytest.mark.parametrize("uid", SHIPPED.questions)
def test_every_answer_of_a_question_is_tested_and_its_claims_are_grounded(uid: str) -> None:
    values = set()
    for example in SHIPPED.examples[uid]:
        answer = SHIPPED.try_out(uid, example)
        values.add(outcome(answer))
        if answer.status != "answered":
            continue
        assert answer.citations
        assert "{" not in answer.claim
        # The same evidence as `try_out` reads, so that the citations can be checked against it.
        evidence = Evidence.of(_lookup(uid), example.evidence, at=0, source="example")
        assert problem_of_all(answer.citations, {evidence.uid: evidence}) == ""
    assert {o.value for o in SHIPPED.questions[uid].answers} <= values


def _lookup(uid: str) -> Any:
    from watchfloor.core.evidence import Lookup

    return Lookup(tenant="example", collector=SHIPPED.questions[uid].collector, query={}, as_of=0)


@pytest.mark.parametrize("uid", SHIPPED.questions)
def test_shipped_questions_on_hostile_text_never_speak_for_innocence(uid: str) -> None:
    question = SHIPPED.questions[uid]
    if question.collector in TRUSTED_COLLECTORS:
        return
    for answer in question.answers:
        assert set(answer.weights) <= {"malicious"}
        assert answer.weights.get("malicious", 0.0) >= 0.0


@pytest.mark.parametrize("weights", [{"malicious": -0.1}, {"false_positive": 0.1}, {"benign_true_positive": -1.0}])
@pytest.mark.parametrize("collector", ["event", "traits", "case", "findings"])
def test_the_loader_refuses_hostile_text_that_speaks_for_innocence(
    tmp_path: Path, weights: dict[str, float], collector: str
) -> None:
    with pytest.raises(WatchfloorError, match=r"questions.yaml, question 1 \(a.b\).*an attacker writes"):
        catalogue_of(tmp_path, {"collector": collector, **option(weights=weights)})
    assert catalogue_of(tmp_path, {"collector": "context", **option(weights=weights)}).questions


def test_the_loader_refuses_a_benign_resolution_from_hostile_text(tmp_path: Path) -> None:
    with pytest.raises(WatchfloorError, match="cannot resolve a case as benign"):
        catalogue_of(tmp_path, {"collector": "traits", **option(resolution="benign.scanner")})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"collector": "oracle"}, "collector: unknown 'oracle'"),
        ({"about": "alien"}, "about: 'alien'"),
        ({"about": "user:boss"}, "about: 'user:boss'"),
        ({"asks": {"facets": ["colour"]}}, "asks: unknown facet 'colour'"),
        ({"query": {"x": "{facet.colour}"}}, "query: unknown placeholder {facet.colour}"),
        ({"query": {"x": "{evidence.count}"}}, "query: unknown placeholder {evidence.count}"),
        (
            {"collector": "history", "query": {"measure": ["days"]}},
            "(yes): 'count' is not measured by the query",
        ),
        ({"derive": ["magic"]}, "derive: unknown 'magic'"),
        ({"answers": []}, "answers: there are none"),
        ({"tests": []}, "it has no tests"),
        ({"id": "nodots"}, "id: "),
        ({"colour": 1}, "colour: "),
        (option(when={"count": {"about": 1}}), "answers.0 (yes).when.count: unknown operator 'about'"),
        (option(when={"count": {"gte": "x"}}), "needs a number"),
        (option(when={"count": {"in": "x"}}), "needs a list"),
        (option(when={"count": {"matches": "("}}), "not a regular expression"),
        (option(when={"a": {"any": {"b": {"no": 1}}}}), "answers.0 (yes).when.a.any.b: unknown operator 'no'"),
        (option(claim="{nobody}"), "answers.0 (yes).claim: unknown placeholder {nobody}"),
        (option(claim="{evidence.count|loud}"), "unknown filter 'loud'"),
        (option(resolution="benign.because"), "is not among the codes"),
        (option(weights={"malicious": 99}), "weights.malicious"),
        (option(value="could_not_check"), "what could not be checked weighs nothing"),
    ],
)
def test_each_mistake_is_told_with_its_place(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(WatchfloorError) as raised:
        catalogue_of(tmp_path, change)
    assert said in str(raised.value)
    assert "questions.yaml, question 1" in str(raised.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(WatchfloorError, match=r"3 mistakes"):
        catalogue_of(tmp_path, {"collector": "x"}, {"id": "c.d", "about": "y"}, {"id": "c.d"})


def test_a_failing_test_of_a_question_is_named(tmp_path: Path) -> None:
    catalogue = catalogue_of(tmp_path, {"tests": [{"evidence": {"count": 0}, "value": "yes"}]})
    assert catalogue.failures() == ["a.b, test 1: expected yes, got not_applicable"]


def ask(catalogue: Catalogue, *, count: int = 1, facets: dict[str, Any] | None = None) -> Any:
    findings = [
        finding(n, f"user:u{n}:actor", "host:ws-1:target", minute=n, thread=["t"], severity=Severity(1 + n % 4))
        for n in range(count)
    ]
    given = {f.event_uid: facets or {} for f in findings}
    return catalogue.ask(one_case(findings), findings, given, Context())


def test_subjects_are_bounded_the_most_telling_first_and_the_rest_is_counted(tmp_path: Path) -> None:
    asked = ask(catalogue_of(tmp_path, {"most": 2}), count=9)
    assert [a.about for a in asked] == ["user:u3", "user:u7"]
    assert {a.left_out for a in asked} == {7}


def test_questions_with_one_look_up_share_it_and_keep_their_order(tmp_path: Path) -> None:
    catalogue = catalogue_of(tmp_path, {"id": "b.z"}, {"id": "a.b"}, {"id": "b.c", "most": 1}, {"id": "a.c"})
    asked = ask(catalogue, count=2)
    assert [a.question for a in asked] == ["a.b", "a.b", "a.c", "a.c", "b.c", "b.z", "b.z"]
    assert asked[0].lookup is asked[2].lookup is asked[5].lookup
    assert len({a.lookup.uid for a in asked}) == 2


def test_the_vulnerability_that_a_finding_names(tmp_path: Path) -> None:
    catalogue = catalogue_of(tmp_path, {"query": {"cve": "{cve}"}})
    assert ask(catalogue) == ()
    assert ask(catalogue, facets={"url": "/x?q=cve-2021-44228&y=CVE-2022-1"})[0].lookup.query == {
        "cve": "CVE-2021-44228"
    }


def test_what_a_question_needs_must_be_there(tmp_path: Path) -> None:
    needs = {"query": {"match": {"country": "{facet.country}"}}}
    catalogue = catalogue_of(tmp_path, needs)
    assert ask(catalogue) == ()
    assert ask(catalogue, facets={"country": "RU"})[0].lookup.query == {"match": {"country": "RU"}}
    optional = ask(catalogue_of(tmp_path, {}))
    assert optional[0].lookup.query == {"match": {"user": ["u0"]}}


@pytest.mark.parametrize(
    ("asks", "fits"),
    [
        ({"layers": ["endpoint"]}, True),
        ({"layers": ["email"]}, False),
        ({"kinds": ["vendor"]}, False),
        ({"kinds": ["anomaly", "rule"]}, True),
        ({"detections": ["SIGMA/*"]}, True),
        ({"detections": ["suricata/*"]}, False),
        ({"tactics": ["execution"]}, False),
        ({"facets": ["country"]}, True),
        ({"facets": ["asn"]}, False),
        ({"where": {"country": ["r?", "x"]}}, True),
        ({"where": {"country": ["DE"]}}, False),
    ],
)
def test_the_selector(tmp_path: Path, asks: dict[str, Any], fits: bool) -> None:
    assert bool(ask(catalogue_of(tmp_path, {"asks": asks}), facets={"country": "RU"})) is fits


def test_spellings_are_those_of_the_event_and_of_the_context(tmp_path: Path) -> None:
    context = Context(
        identities=(Identity(user="alice", mail="alice@corp.example", aliases=("CORP\\al1",)),),
        assets=(Asset(host="WS-17"),),
    )
    found = finding(1, "user:al1:actor", "host:ws-17.corp.example:target")
    case = one_case([found], context)
    (asked,) = catalogue_of(tmp_path, {}).ask(case, [found], {}, context)
    assert asked.about == "user:alice"
    assert asked.lookup.query["match"]["user"] == ["al1", "alice", "alice@corp.example"]
    hosts = catalogue_of(tmp_path, {"about": "host", "query": {"h": "{spellings}"}})
    (asked,) = hosts.ask(case, [found], {}, context)
    assert asked.lookup.query["h"] == ["ws-17", "ws-17.corp.example"]


def test_findings_with_one_query_are_one_subject_and_span_its_time(tmp_path: Path) -> None:
    question = {"about": "finding", "query": {"from": "{first}", "until": "{last}", "rule": "{finding.title}"}}
    question |= option(claim="It was seen.")
    findings = [finding(n, "host:h:target", minute=n) for n in range(30)]
    (asked,) = catalogue_of(tmp_path, question).ask(one_case(findings), findings, {}, Context())
    assert (asked.lookup.query["from"], asked.lookup.query["until"]) == (findings[0].time, findings[-1].time)
    assert asked.left_out == 0


@pytest.mark.parametrize(("user", "query"), [("al", {"u": ["al"]}), ("system", {"u": []}), (None, {"u": []})])
def test_a_built_in_principal_is_no_person(tmp_path: Path, user: str | None, query: dict[str, Any]) -> None:
    catalogue = catalogue_of(tmp_path, {"query": {"u": ["{person?}"]}})
    assert ask(catalogue, facets={"user": user})[0].lookup.query == query


def test_hostile_text_in_a_claim_is_one_short_printable_line(tmp_path: Path) -> None:
    catalogue = catalogue_of(tmp_path, option(claim="It ran {facet.cmd_line}."))
    (asked,) = ask(catalogue, facets={"cmd_line": "a\x1b[2J\n\u202e{evidence.count}" + "x" * 999})
    answer = catalogue.read(asked, Evidence.of(asked.lookup, {"count": 5}, at=0, source="t"))
    assert answer.claim.isprintable()
    assert len(answer.claim) < 140
    assert "{evidence.count}" in answer.claim


@pytest.mark.parametrize("content", ["", "{", "null", "[" * 100_000, '{"count": NaN}'])
def test_evidence_that_cannot_be_read_is_never_clean(tmp_path: Path, content: str) -> None:
    catalogue = catalogue_of(tmp_path, {})
    (asked,) = ask(catalogue)
    assert catalogue.read(asked, None).status == "could_not_check"
    answer = catalogue.read(asked, Evidence.of(asked.lookup, content, at=0, source="t"))
    assert answer.status in ("could_not_check", "not_applicable")
    assert not answer.counted
    assert not answer.weights


def test_the_digest_changes_with_a_weight_and_not_with_a_test(tmp_path: Path) -> None:
    plain = catalogue_of(tmp_path, {}).digest
    assert catalogue_of(tmp_path, option(weights={"malicious": 1.1})).digest != plain
    assert catalogue_of(tmp_path, {"tests": [{"evidence": {"count": 9}, "value": "yes"}]}).digest == plain
