"""What a person does to a case while triage decides it is not undone."""

from __future__ import annotations

import pytest

from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.case import Case
from watchfloor.core.context import Context


def test_a_case_that_is_assigned_while_it_is_decided_stays_assigned(
    decided_day: Watchfloor, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, parts = decided_day.desk, decided_day.parts
    case = next(row.case for row in desk.queue(disposition="escalate", limit=None))
    monkeypatch.setattr(parts, "context", Context())  # facts change, so that cases are decided anew
    ask = parts.catalogue.ask

    def asked(one: Case, *rest: object) -> object:
        if one.uid == case.uid:
            desk.assign(case.uid, "ana", "ana")
        return ask(one, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(parts.catalogue, "ask", asked)
    assert case.uid in decided_day.pipeline.triage()
    assert parts.documents.get(parts.tenant, Case, case.uid).assignee == "ana"
