"""Training: the same values give the same weights, what is held out is not learned, and the shipped files say so."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tools.train import __main__ as script
from tools.train import command_lines as commands
from tools.train import mail
from tools.train.domains import SCHEMES, generated
from tools.train.fitting import Sample, Task, digest, fit, held_out, interval, threshold, trained
from tools.train.slots import filled, templates
from tools.train.words import WORDS
from watchfloor.content import folder
from watchfloor.detect.learned import Model, command_lines, domains


def small(_: Path) -> Iterator[Sample]:
    draw = random.Random(5)
    yield from (Sample(f"{''.join(draw.sample(WORDS, 2))}.com", False, f"words {n % 6}") for n in range(90))
    yield from (one for one in generated(12, 0) if one.learned)
    yield from (one._replace(value="spoken" + one.value) for one in generated(3, 0) if not one.learned)


TASK = Task("domain", small, domains.pieces, least_seen=3, false_positives=0.02)


def test_the_same_values_give_the_same_file(tmp_path: Path) -> None:
    first, second = trained(TASK, tmp_path), trained(TASK, tmp_path)
    assert first == second
    assert first["digest"] == digest(
        {k: first[k] for k in ("bias", "weights")} | {"threshold": first["threshold"]["log_odds"]}
    )
    model = Model({"version": 1, **first})
    assert (
        model.log_odds(domains.pieces("qxjzvkwp3hd9.com"))
        > model.threshold
        > model.log_odds(domains.pieces("goldenbridge.com"))
    )


def test_the_script_writes_files_and_counts_versions_only_when_weights_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "TASKS", {"domain": TASK})
    arguments = ["domain", "--data", str(tmp_path), "--to", str(tmp_path), "--date", "2026-11-27"]
    script.main(arguments)
    first = (tmp_path / "domain.json").read_bytes()
    script.main([*arguments[:-1], "2027-01-01"])
    assert (tmp_path / "domain.json").read_bytes() == first
    monkeypatch.setattr(script, "TASKS", {"domain": TASK._replace(strength=0.2)})
    script.main([*arguments[:-1], "2027-01-01"])
    data = orjson.loads((tmp_path / "domain.json").read_bytes())
    assert (data["version"], data["date"]) == (2, "2027-01-01")
    assert Model.load(tmp_path / "domain.json").version == 2


def test_no_group_is_scored_by_weights_that_have_seen_it() -> None:
    """Two groups whose only piece is their own: learned, it would tell them; held out, nothing is known of it."""
    samples = [
        Sample(f"{side}{group}", side == "bad", f"{side}{group}") for side in ("good", "bad") for group in range(6)
    ]
    many = [one for one in samples for _ in range(5)]
    task = Task("x", lambda _: iter(many), lambda value: [f"is:{value}"], least_seen=1)
    assert len({round(float(score), 9) for score in held_out(many, task).log_odds}) <= 6
    learned = fit(many, [task.pieces(one.value) for one in many], task)
    assert learned.weights["is:bad0"] > 0 > learned.weights["is:good0"]


def test_what_is_only_scored_is_not_learned_and_sets_no_threshold() -> None:
    samples = list(small(Path()))
    others = [one for one in samples if not one.learned]
    assert others
    loud = [*samples, *(Sample(f"qxzjk{n}vw.com", False, "words 0", learned=False) for n in range(30))]
    assert threshold(held_out(loud, TASK), 0.02) == threshold(held_out(samples, TASK), 0.02)


def test_words_of_few_senders_get_no_weight() -> None:
    samples = [Sample(f"anna {n}", False, "one sender") for n in range(20)]
    samples += [Sample(f"offer {n}", True, f"sender {n}") for n in range(20)]
    task = Task("x", lambda _: iter(samples), lambda value: [f"word:{w}" for w in value.split()], 8, least_groups=5)
    assert set(fit(samples, [task.pieces(one.value) for one in samples], task).weights) == {"word:offer"}


def test_intervals_are_exact() -> None:
    """Clopper and Pearson: of 0 in 10 the upper end is 1 - 0.025^(1/10), of all 10 the lower one 0.025^(1/10)."""
    assert interval(0, 10) == pytest.approx((0, 0, 1 - 0.025**0.1))
    assert interval(10, 10) == pytest.approx((1, 0.025**0.1, 1))


def test_generators_are_repeatable_and_what_they_say() -> None:
    assert list(generated(20, 20)) == list(generated(20, 20))
    families = {one.group.removeprefix("scheme ") for one in generated(1, 0)}
    assert families == set(SCHEMES)
    line = filled(r"{user} {guid} {nothing} \{0}", random.Random(1))
    assert "{nothing}" in line
    assert "{user}" not in line


@pytest.mark.parametrize("name", ["command_line", "domain", "url", "mail"])
def test_shipped_files_are_whole(name: str) -> None:
    data = orjson.loads((folder("learned") / f"{name}.json").read_bytes())
    body = {"bias": data["bias"], "weights": data["weights"], "threshold": data["threshold"]["log_odds"]}
    assert digest(body) == data["digest"]
    held = data["held_out"]
    assert set(data["trained_on"]) == {*held["recall_at_0.01_by_family"], *held["alarms_at_0.01_by_source"]}


def test_the_shipped_command_lines_are_what_the_templates_teach() -> None:
    """Fitted again from the templates beside the script; another machine's arithmetic may round a weight otherwise."""
    samples = list(templates("commands.yaml", commands._EACH, commands._carried))
    found = fit(samples, [command_lines.pieces(one.value) for one in samples], commands.TASK)
    shipped = orjson.loads((folder("learned") / "command_line.json").read_bytes())["weights"]
    strong = {piece for piece, weight in found.weights.items() if abs(weight) > 0.2}
    assert len(strong & set(shipped)) >= 0.98 * len(strong)
    slopes = sorted(shipped[piece] / found.weights[piece] for piece in strong & set(shipped))
    middle = slopes[len(slopes) // 2]
    assert all(abs(slope - middle) < 0.05 * middle for slope in slopes[len(slopes) // 50 : -len(slopes) // 50])


def test_the_shipped_mail_is_what_the_data_teach(shared_data: Path) -> None:
    """Trained again from the real messages; another machine's arithmetic may round a weight otherwise."""
    again = trained(mail.TASK, shared_data)
    shipped = orjson.loads((folder("learned") / "mail.json").read_bytes())
    assert again["trained_on"] == shipped["trained_on"]
    assert len(set(again["weights"]) ^ set(shipped["weights"])) <= len(shipped["weights"]) // 100
    both = set(again["weights"]) & set(shipped["weights"])
    assert max(abs(again["weights"][key] - shipped["weights"][key]) for key in both) <= 3
    assert again["threshold"]["log_odds"] == pytest.approx(shipped["threshold"]["log_odds"], abs=0.05)
