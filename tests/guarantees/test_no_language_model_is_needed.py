"""Promise 6: the product works with no language model, and text from records can raise suspicion, never lower it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.question import TRUSTED_COLLECTORS
from watchfloor.triage.catalogue import Catalogue

LANGUAGE_MODEL_PACKAGES = ("openai", "anthropic", "pydantic_ai", "transformers", "torch", "ollama", "litellm")


def test_no_package_of_a_language_model_is_loaded_or_needed(decided: Watchfloor) -> None:
    assert decided.summary().cases > 0
    assert [name for name in LANGUAGE_MODEL_PACKAGES if name in sys.modules] == []
    assert [name for name in LANGUAGE_MODEL_PACKAGES if importlib.util.find_spec(name)] == []


def test_answers_from_text_that_an_attacker_writes_only_raise_suspicion(decided: Watchfloor) -> None:
    questions = Catalogue.shipped().questions
    seen = 0
    for row in decided.desk.queue(limit=None):
        assert row.verdict is not None
        for answer in row.verdict.answers:
            question = questions.get(answer.question)
            if question is None or question.collector in TRUSTED_COLLECTORS or not answer.counted:
                continue
            seen += 1
            assert answer.weights.get("malicious", 0.0) >= 0.0
            assert answer.weights.get("benign_true_positive", 0.0) <= 0.0
            assert answer.weights.get("false_positive", 0.0) <= 0.0
    assert seen > 100


def test_help_loads_no_engine() -> None:
    """`watchfloor --help` must not load what only work needs."""
    engines = ("httpx2", "dbos", "duckdb", "fastapi")
    code = f"import sys, watchfloor.cli; print(*[n for n in {engines} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
