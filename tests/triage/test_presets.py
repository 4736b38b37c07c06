"""Policy presets and resolution codes are content that loads, and says what its name promises."""

from __future__ import annotations

from watchfloor.content import documents, folder
from watchfloor.core.policy import Policy
from watchfloor.core.verdict import HYPOTHESES
from watchfloor.triage import resolutions
from watchfloor.triage.catalogue import Catalogue


def test_the_presets_are_what_they_are_called() -> None:
    presets = {p.name: p for p in (Policy.from_dict(d.data) for d in documents(folder("policies")))}
    default, cautious, observe = presets["default"], presets["cautious"], presets["observe"]
    assert default == Policy()
    assert observe.autonomy == "observe"
    assert cautious.triage.close_below < default.triage.close_below
    assert cautious.triage.max_missed_share < default.triage.max_missed_share
    assert cautious.triage.never_close_severity < default.triage.never_close_severity


def test_every_code_that_the_product_can_give_is_in_the_list() -> None:
    codes = resolutions.shipped()
    assert {*resolutions.PLAIN.values(), resolutions.NEEDS_PERSON, resolutions.NOT_CHECKED} <= set(codes)
    spoken = {o.resolution for q in Catalogue.shipped().questions.values() for o in q.answers} - {""}
    assert spoken <= set(codes)
    assert set(resolutions.PLAIN) == set(HYPOTHESES)
    assert all(resolutions.hypothesis_of(code) == name for name, code in resolutions.PLAIN.items())
    assert resolutions.hypothesis_of(resolutions.NEEDS_PERSON) is None
