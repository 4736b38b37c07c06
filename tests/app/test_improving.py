"""Improving: export, train, try out, apply under a lead's signature, undo; nothing else ever decides."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from tests.conftest import PASSWORD
from tests.records import TRAIL
from watchfloor.app.decisions import replay
from watchfloor.app.improving import changed_policy, examples, find_training, learn, read_examples, try_out
from watchfloor.app.scorecards import Scorecards
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.cli import app
from watchfloor.core.applied import HOLDER, Applied
from watchfloor.core.errors import RefusedError, WatchfloorError
from watchfloor.core.scorecard import Scorecard
from watchfloor.core.verdict import Hypothesis, Verdict
from watchfloor.improve.training import Training

CASES = 14


@pytest.fixture(scope="module")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with some cases that have nothing in common, decided. Tests must not change it."""
    folder = tmp_path_factory.mktemp("improving")
    records = [
        TRAIL
        | {
            "eventID": f"{n:04}",
            "eventTime": f"2026-{9 + n // 14:02}-{1 + 2 * (n % 14):02}T07:01:02Z",
            "sourceIPAddress": f"203.0.113.{n + 1}",
            "userIdentity": {"type": "IAMUser", "userName": f"user{n}", "accountId": f"{n:012}"},
            "requestParameters": {"name": f"trail-{n}"},
        }
        for n in range(CASES)
    ]
    (folder / "trail.json").write_text(json.dumps({"Records": records}))
    with Watchfloor.open(folder / "home") as product:
        product.add_user("lena", PASSWORD, ("lead", "analyst"))
        product.add_user("ana", PASSWORD, ("analyst",))
        product.pipeline.ingest([folder / "trail.json"])
        product.pipeline.triage()
    return folder / "home"


@pytest.fixture
def decided(small_home: Path, tmp_path: Path) -> Iterator[Watchfloor]:
    home = tmp_path / "home"
    shutil.copytree(small_home, home)
    with Watchfloor.open(home) as product:
        yield product


def judge(product: Watchfloor) -> int:
    """People call every other case an attack; how many they judged."""
    uids = sorted(row.case.uid for row in product.desk.queue(limit=None))
    for n, uid in enumerate(uids):
        truth: Hypothesis = "malicious" if n % 2 else "false_positive"
        product.desk.resolve(uid, truth, "ana", f"{'true_positive' if n % 2 else truth}.plain")
    return len(uids)


def trained(product: Watchfloor) -> Training:
    judge(product)
    return learn(product.parts, examples(product.parts))


def test_from_judged_cases_to_a_scorecard_that_decides_and_back(decided: Watchfloor) -> None:
    parts = decided.parts
    expert = parts.scorecard
    training = trained(decided)
    assert training.start == expert.digest() == parts.scorecard.digest()
    assert training.examples == len(list(examples(parts)))
    assert decided.pipeline.triage() == [] or parts.scorecard.digest() == expert.digest()

    signed = parts.scorecards.apply(training, "lena", PASSWORD)
    anew = decided.pipeline.triage()
    assert anew
    assert parts.scorecard.digest() == training.scorecard_digest == signed.scorecard
    verdict = parts.documents.latest(parts.tenant, Verdict, anew[0])
    assert verdict is not None
    assert verdict.scorecard_digest == training.scorecard_digest
    stored, again = replay(parts, anew[0])
    assert stored.canonical() == again.canonical()
    kinds = [entry.kind for entry in parts.ledger.of_subject(parts.tenant, anew[0])]
    assert kinds[-1] == "verdict.renewed" or "verdict.renewed" in kinds
    entry = parts.ledger.of_subject(parts.tenant, HOLDER)[-1]
    body = orjson.loads(entry.body)
    assert (entry.kind, entry.actor) == ("scorecard.applied", "lena")
    assert (body["before"], body["scorecard"]) == (expert.digest(), training.scorecard_digest)

    with Watchfloor.open(parts.home.path) as other:  # another process reads the same
        assert other.parts.scorecard.digest() == training.scorecard_digest

    parts.scorecards.undo("lena", PASSWORD)
    assert parts.scorecard.digest() == expert.digest()
    assert [one.purpose for one in parts.scorecards.history()] == ["undo", "apply"]


def test_nobody_but_a_lead_with_the_passphrase_applies_it(decided: Watchfloor) -> None:
    cards, training = decided.parts.scorecards, trained(decided)
    with pytest.raises(RefusedError, match="by a lead"):
        cards.apply(training, "ana", PASSWORD)
    with pytest.raises(RefusedError, match="by a lead"):
        cards.apply(training, "nobody", PASSWORD)
    with pytest.raises(RefusedError, match="wrong passphrase"):
        cards.apply(training, "lena", "wrong")
    assert cards.history() == []
    assert decided.parts.scorecard.name == "expert"


def test_what_was_learnt_from_another_scorecard_is_not_applied(decided: Watchfloor) -> None:
    cards, training = decided.parts.scorecards, trained(decided)
    cards.apply(training, "lena", PASSWORD)
    with pytest.raises(RefusedError, match="learnt from another scorecard"):
        cards.apply(training, "lena", PASSWORD)
    stranger = training.model_copy(update={"tenant": "other"}).sealed()
    with pytest.raises(RefusedError, match="another tenant"):
        cards.apply(stranger, "lena", PASSWORD)


@pytest.mark.parametrize("what", ["scorecard", "by", "removed"])
def test_a_signature_that_does_not_fit_decides_nothing(decided: Watchfloor, what: str) -> None:
    parts, training = decided.parts, trained(decided)
    signed = parts.scorecards.apply(training, "lena", PASSWORD)
    if what == "removed":
        parts.documents.remove(parts.tenant, Applied, [signed.uid])
    else:
        changed = {"scorecard": training.data} if what == "scorecard" else {"by": "ana"}
        parts.documents.put(parts.tenant, signed.model_copy(update=changed))
    with pytest.raises(RefusedError):
        Scorecards(parts).current()


def test_exports_hold_no_text_and_come_back_the_same(decided: Watchfloor, tmp_path: Path) -> None:
    count = judge(decided)
    found = list(examples(decided.parts, "acme"))
    assert 0 < len(found) <= count
    assert {one.group for one in found} == {"acme"}
    assert {one.truth for one in found} == {"malicious", "false_positive"}
    counted = {q.id for q in decided.parts.catalogue.questions.values() if q.collector == "labels"}
    assert counted
    assert not any(counted & set(one.answers) for one in found)
    for one in found:
        for uid, value in one.answers.items():
            assert value in {option.value for option in decided.parts.catalogue.questions[uid].answers}
    file = tmp_path / "export.jsonl"
    file.write_bytes(b"".join(one.canonical() + b"\n" for one in found))
    assert read_examples([file]) == found
    file.write_bytes(b'{"uid": 1}\n')
    with pytest.raises(WatchfloorError, match="line 1"):
        read_examples([file])


def test_trying_out_writes_nothing_and_counts_what_flips(decided: Watchfloor) -> None:
    parts = decided.parts
    judge(decided)
    same = try_out(parts)
    assert (same.flips, same.before) == ((), same.after)
    assert same.cases == sum(same.before.values()) > 0
    size = parts.ledger.size(parts.tenant)
    nobody = try_out(parts, policy=changed_policy(parts.policy, ["triage.escalate_at=1.0"]))
    assert nobody.after["escalate"] < nobody.before["escalate"]
    assert {flip.before for flip in nobody.flips} == {"escalate"}
    reckless = parts.scorecard.model_copy(
        update={"priors": {"malicious": -9.0, "benign_true_positive": 0.0, "false_positive": 0.0}}
    )
    open_all = changed_policy(parts.policy, ["autonomy=close"])
    card: Scorecard = reckless
    tried = try_out(parts, card, open_all)
    assert tried.after["escalate"] < tried.before["escalate"]
    assert parts.ledger.size(parts.tenant) == size
    with pytest.raises(WatchfloorError, match="no such figure"):
        changed_policy(parts.policy, ["triage.no_such=1"])
    with pytest.raises(WatchfloorError, match="escalate_at"):
        changed_policy(parts.policy, ["triage.escalate_at=7"])


def test_the_command_line_does_it_all(decided: Watchfloor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = str(decided.parts.home.path)
    judge(decided)
    runner = CliRunner()

    def run(*words: str) -> str:
        result = runner.invoke(app, ["improve", *words, "--home", home])
        assert result.exit_code == 0, (result.output, result.exception)
        return result.stdout

    file, version = tmp_path / "export.jsonl", tmp_path / "version.json"
    file.write_text(run("export"))
    said = run("train", str(file), "--out", str(version))
    assert "held out: by time" in said
    training = find_training(decided.parts, str(version))
    assert training.uid in said
    assert "macro-F1" in run("show", training.uid)
    assert "nothing was written" in run("backtest", "--scorecard", str(version))
    assert "nothing was written" in run("whatif", "--set", "triage.escalate_at=0.9")
    monkeypatch.setenv("WATCHFLOOR_PASSPHRASE", PASSWORD)
    assert "decides from now on" in run("apply", str(version), "--user", "lena")
    assert "lena applied" in run("history")
    assert "decides again" in run("undo", "--user", "lena")
    version.write_bytes(version.read_bytes().replace(b'"examples":', b'"examples": 1'))
    refused = runner.invoke(app, ["improve", "apply", str(version), "--user", "lena", "--home", home])
    assert isinstance(refused.exception, RefusedError)
