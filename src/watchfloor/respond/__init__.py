"""Step 4: verdict -> plan -> approval -> outcome."""

from watchfloor.respond.approvals import approve, refusals
from watchfloor.respond.executor import Executor
from watchfloor.respond.keys import KeyRing
from watchfloor.respond.planner import plan_for
from watchfloor.respond.playbooks import Playbook, read_playbooks, shipped_playbooks

__all__ = [
    "Executor",
    "KeyRing",
    "Playbook",
    "approve",
    "plan_for",
    "read_playbooks",
    "refusals",
    "shipped_playbooks",
]
