"""Nouns: frozen, strict, with canonical bytes and digests that are the same for equal content."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from watchfloor.core.case import Case, Comment, Link
from watchfloor.core.context import Asset, Company, Context, Identity, Window
from watchfloor.core.entity import Entity, Involvement
from watchfloor.core.entry import ZERO, Entry, TreeHead
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.evidence import Citation, Evidence, Lookup
from watchfloor.core.finding import Detection, Finding, Severity
from watchfloor.core.label import Label
from watchfloor.core.noun import Noun, canonical, digest_of, short_id
from watchfloor.core.plan import Approval, Call, Outcome
from watchfloor.core.policy import Policy
from watchfloor.core.record import DeadLetter

LOOKUP = Lookup(tenant="acme", collector="history", query={"b": [1, {"d": None}], "a": "ü"}, as_of=5)
CALL = Call(action="identity.disable_user", arguments={"user": "alice"})
DETECTION = Detection(uid="d", title="t", family="f", source="s", kind="rule", references=("https://x.example",))
ALICE = Involvement(entity=Entity(type="user", value="alice"), role="actor")
EXAMPLES: list[Noun] = [
    ALICE,
    LOOKUP,
    Evidence.of(LOOKUP, {"z": 1.5, "a": ["é"]}, at=7, source="lake"),
    Evidence.of(LOOKUP, "plain text\n", at=7, source="mail"),
    Evidence.failed(LOOKUP, "timed out", at=7, source="lake"),
    Citation(evidence="e", content_digest=ZERO, start=0, end=3, quote="abc"),
    Finding(
        tenant="acme",
        uid="f",
        time=1,
        detection=DETECTION,
        severity=Severity.high,
        layer="endpoint",
        event_uid="r",
        source="x.json",
        position=0,
        title="t",
        involved=(ALICE,),
    ),
    Case(
        tenant="acme",
        uid="c",
        time=1,
        last_time=2,
        title="t",
        severity=Severity.low,
        findings=("f",),
        involved=(ALICE,),
        links=(Link(finding="f", other="g", because="entity", shared="user:alice", strength=0.1, sentence="s"),),
        detection_class=DETECTION.klass,
    ),
    Comment(tenant="acme", uid="k", case_uid="c", time=1, author="a", text="\u2028 \x00 \U0001f600"),
    Label(
        tenant="acme",
        uid="l",
        time=1,
        detection_class="x",
        detection="d",
        verdict="malicious",
        would_close=False,
        by="a",
    ),
    CALL,
    Outcome(
        tenant="acme",
        uid="o",
        plan_uid="p",
        case_uid="c",
        approval_uid="a",
        time=1,
        n=1,
        call=CALL,
        status="succeeded",
        sentence="s",
    ),
    DeadLetter(tenant="acme", uid="d", time=1, source="x", position=0, unit="line", reason="r", content=None, size=0),
    Policy(),
    Context(
        company=Company(name="Acme"),
        assets=(Asset(host="ws1"),),
        identities=(Identity(user="alice"),),
        windows=(Window(id="w", kind="travel", title="t", start=1, end=2),),
    ),
    Entry(tenant="acme", seq=0, time=1, kind="k", subject="s", actor="a", body="{}", body_digest=ZERO, previous=ZERO),
]


@pytest.mark.parametrize("noun", EXAMPLES, ids=lambda noun: type(noun).__name__)
def test_json_to_noun_to_the_same_bytes(noun: Noun) -> None:
    data = noun.canonical()
    again = type(noun).from_json(data)
    assert again == noun
    assert again.canonical() == data
    assert type(noun).from_dict(noun.to_dict()) == noun
    assert json.dumps(json.loads(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == data
    assert noun.digest() == "sha256:" + hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("noun", EXAMPLES, ids=lambda noun: type(noun).__name__)
def test_the_order_of_keys_does_not_matter(noun: Noun) -> None:
    def backwards(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: backwards(value[key]) for key in sorted(value, reverse=True)}
        return [backwards(item) for item in value] if isinstance(value, list) else value

    assert type(noun).from_dict(backwards(noun.to_dict())).digest() == noun.digest()


@pytest.mark.parametrize("noun", EXAMPLES, ids=lambda noun: type(noun).__name__)
def test_an_unknown_field_is_refused_by_name(noun: Noun) -> None:
    with pytest.raises(WatchfloorError, match=rf"not a valid {type(noun).__name__}: surprise: "):
        type(noun).from_dict({**noun.to_dict(), "surprise": 1})


@pytest.mark.parametrize("noun", EXAMPLES, ids=lambda noun: type(noun).__name__)
def test_a_noun_cannot_be_changed(noun: Noun) -> None:
    with pytest.raises(ValidationError):
        setattr(noun, next(iter(type(noun).model_fields)), None)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_any_query_keeps_its_bytes(query: dict[str, Any]) -> None:
    lookup = Lookup(tenant="acme", collector="x", query=query, as_of=0)
    shuffled = Lookup(tenant="acme", collector="x", query=dict(reversed(query.items())), as_of=0)
    assert Lookup.from_json(lookup.canonical()).canonical() == lookup.canonical()
    assert (shuffled.uid, shuffled.digest()) == (lookup.uid, lookup.digest())


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_evidence_with_its_own_digest(text: str) -> None:
    evidence = Evidence.of(LOOKUP, text, at=1, source="s")
    assert evidence.content == text
    assert evidence.content_digest == digest_of(text.encode())
    assert Evidence.from_json(evidence.canonical()) == evidence
    assert evidence.model_copy(update={"collected_at": 99}).uid == evidence.uid


@pytest.mark.parametrize("tenant", ["", "../x", "ACME", "a/b", "a" * 64, "-a", "a\n", "a b", "ä", None, 1])
def test_what_is_no_tenant_is_refused(tenant: Any) -> None:
    with pytest.raises(WatchfloorError, match="not a valid Lookup: tenant: "):
        Lookup.from_dict({**LOOKUP.to_dict(), "tenant": tenant})


@pytest.mark.parametrize("tenant", ["a", "0", "acme", "acme-2", "a" * 63])
def test_what_is_a_tenant_is_taken(tenant: str) -> None:
    assert Lookup.from_dict({**LOOKUP.to_dict(), "tenant": tenant}).tenant == tenant


@pytest.mark.parametrize("value", ["sha256:" + "A" * 64, "sha256:" + "a" * 63, "md5:" + "a" * 64, "a" * 64])
def test_what_is_no_digest_is_refused(value: str) -> None:
    with pytest.raises(WatchfloorError, match="content_digest"):
        Citation.from_dict({"evidence": "e", "content_digest": value, "start": 0, "end": 1, "quote": "q"})


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_has_not_are_refused(number: str) -> None:
    with pytest.raises(WatchfloorError):
        Policy.from_json('{"minutes_per_case": %s}' % number)  # noqa: UP031


@pytest.mark.parametrize("text", ["", "{", "[]", "null", b"\xff", '{"tenant": "acme"}'])
def test_what_is_no_json_of_it_is_one_clear_error(text: str | bytes) -> None:
    with pytest.raises(WatchfloorError, match=r"^not a valid Comment: "):
        Comment.from_json(text)


def test_each_wrong_field_is_named() -> None:
    with pytest.raises(WatchfloorError) as caught:
        Comment.from_dict({"tenant": "A", "uid": 1, "case_uid": "c", "time": "soon", "author": "a", "text": "t"})
    assert all(f"{field}: " in str(caught.value) for field in ("tenant", "uid", "time"))


def test_errors_say_what_where_and_what_to_do() -> None:
    assert str(WatchfloorError("it broke", where="a.json, line 2", do="Mend it")) == "a.json, line 2: it broke. Mend it"
    assert str(WatchfloorError("it broke")) == "it broke"


def test_ids_are_a_function_of_their_parts_and_of_where_they_part() -> None:
    assert short_id("r", "a", "bc") == short_id("r", "a", "bc")
    assert short_id("r", "a", "bc") != short_id("r", "ab", "c")
    assert short_id("r", "\ud800").startswith("r-")
    assert len(short_id("r", "x")) == 18


def test_digests_are_the_same_in_another_process() -> None:
    """Hash randomisation, locale and time zone of a process leave no trace in the bytes."""
    code = "import sys; from watchfloor.core.policy import Policy; sys.stdout.write(Policy().digest())"
    env = {**os.environ, "PYTHONHASHSEED": "7", "LC_ALL": "C", "TZ": "Asia/Tokyo"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout == Policy().digest()


def test_canonical_bytes_are_sorted_and_tight() -> None:
    assert canonical({"b": [1, 2.0, None, True], "a": "é\n"}) == '{"a":"é\\n","b":[1,2.0,null,true]}'.encode()


def signed(**changes: Any) -> Approval:
    fields = {
        "tenant": "acme",
        "uid": "a",
        "plan_uid": "p",
        "case_uid": "c",
        "time": 1,
        "plan_digest": ZERO,
        "steps": [1, 2],
        "approver": "alice",
        "expires_at": 9,
        "public_key": "k",
        "signature": "s",
    }
    return Approval.from_dict({**fields, **changes})


@pytest.mark.parametrize(
    "change",
    [
        {"tenant": "other"},
        {"plan_digest": ZERO[:-1] + "1"},
        {"steps": [1]},
        {"approver": "bob"},
        {"expires_at": 10},
        {"purpose": "undo"},
        {"public_key": "K"},
    ],
)
def test_a_signature_covers_everything_but_itself(change: dict[str, Any]) -> None:
    assert signed(**change).signed_bytes() != signed().signed_bytes()
    assert signed(signature="other").signed_bytes() == signed().signed_bytes()


def test_heads_and_approvals_cannot_be_taken_for_each_other() -> None:
    head = TreeHead(tenant="acme", size=1, time=1, root=ZERO, public_key="k", signature="s")
    assert head.signed_bytes().partition(b"\n")[0] == b"watchfloor-tree-head-v1"
    assert signed().signed_bytes().partition(b"\n")[0] == b"watchfloor-approval-v1"
    assert head.model_copy(update={"signature": "t"}).signed_bytes() == head.signed_bytes()
    assert head.model_copy(update={"size": 2}).signed_bytes() != head.signed_bytes()
