"""What is drafted for who reported a mail says only what grounded claims say, in plain words, and leads nowhere."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.respond.given import case_of, claim, finding, verdict_of
from watchfloor.content import documents, folder
from watchfloor.core.verdict import Answer, Verdict
from watchfloor.respond.reply import Report, phrases, reply
from watchfloor.triage.catalogue import Catalogue

DATA: dict[str, Any] = next(documents(folder("replies") / "mail.yaml")).data
REPORT = Report("ana@acme.example", "Ana Ruiz", "Win now", "it@evil.example", 0, "Is this real?")


def verdict(outcome: str, answers: list[str], *, grounded: bool = True, sentence: str = "") -> Verdict:
    case = case_of([finding(0, {"layer": "email", "involved": {"mailbox:it@evil.example": "source"}})])
    supports = "malicious" if outcome == "malicious" else "benign_true_positive"
    claims, read = [], []
    for name in answers:
        question, _, value = name.rpartition(".")
        made = claim("f-0", question=question, supports=supports, grounded=grounded)
        made = made.model_copy(update={"sentence": sentence or made.sentence})
        claims.append(made)
        read.append(
            Answer(question=question, title="?", about="f-0", status="answered", value=value, claim=made.sentence)
        )
    found = verdict_of(case, 0.9, claims)
    return found.model_copy(update={"verdict": outcome, "answers": tuple(read)})


@pytest.mark.parametrize("number", range(len(DATA["tests"])))
def test_the_shipped_words_say_what_their_own_tests_say(number: int) -> None:
    test = DATA["tests"][number]
    found = reply(REPORT._replace(name=test["name"]), verdict(test["verdict"], test["answers"]))
    assert f"- {test['says']}" in found.text
    assert test["not"] not in found.text
    assert found.text.startswith(f"Hello {test['name']}," if test["name"] else "Hello,")
    assert len(found.rests_on) == len(test["answers"])


def test_every_answer_that_has_words_is_one_that_a_question_can_give() -> None:
    questions = Catalogue.shipped().questions
    known = {f"{uid}.{option.value}" for uid, question in questions.items() for option in question.answers}
    assert sorted(set(DATA["findings"]) - known) == []


def test_what_is_not_grounded_is_not_said_and_a_person_counts_before_the_verdict() -> None:
    struck = reply(REPORT, verdict("malicious", ["email.links.differs"], grounded=False))
    assert (struck.rests_on, "A link shows" in struck.text) == ((), False)
    judged = reply(REPORT, verdict("malicious", ["email.links.differs"]), "false_positive")
    assert phrases()["verdicts"]["false_positive"] in judged.text
    assert "A link shows" not in judged.text


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_link_of_the_mail_can_be_followed_and_no_text_of_it_makes_lines(subject: str, name: str) -> None:
    odd = verdict("malicious", ["email.links.odd2"], sentence="It leads to https://evil.example/login\nDear boss,")
    found = reply(REPORT._replace(subject=subject, name=name), odd)
    assert "hxxps://evil[.]example/login" in found.text
    assert "evil.example" not in found.text
    assert "\nDear boss" not in found.text
    assert "\n" not in found.subject


def test_what_others_did_is_not_told() -> None:
    told = reply(REPORT, verdict("malicious", ["email.reported.said_why"], sentence="zoe@acme.example reported it"))
    assert "zoe" not in told.text
