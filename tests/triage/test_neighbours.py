"""What stands near an escalated case: related cases, and those with the same actor or source."""

from __future__ import annotations

from tests.triage.build import finding, one_case
from watchfloor.triage.neighbours import Neighbours


def test_the_same_source_is_near_and_the_same_target_is_not() -> None:
    escalated = one_case([finding(1, "address:203.0.113.9:source", "host:web01:target")])
    same_source = one_case([finding(2, "address:203.0.113.9:source")])
    same_target = one_case([finding(3, "address:203.0.113.10:source", "host:web01:target")])
    neighbours = Neighbours()
    assert neighbours.near(same_source) == ()
    neighbours.add(escalated)
    assert neighbours.near(same_source) == (escalated.uid,)
    assert neighbours.near(same_target) == ()
    assert neighbours.near(same_target.model_copy(update={"related": (escalated.uid,)})) == (escalated.uid,)
    assert neighbours.near(escalated) == ()
