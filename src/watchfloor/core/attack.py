"""ATT&CK's tactics in the order of an intrusion."""

from __future__ import annotations

from collections.abc import Iterable

# Enterprise matrix, left to right, with their ids.
TACTICS = {
    "reconnaissance": "TA0043",
    "resource-development": "TA0042",
    "initial-access": "TA0001",
    "execution": "TA0002",
    "persistence": "TA0003",
    "privilege-escalation": "TA0004",
    "defense-evasion": "TA0005",
    "credential-access": "TA0006",
    "discovery": "TA0007",
    "lateral-movement": "TA0008",
    "collection": "TA0009",
    "command-and-control": "TA0011",
    "exfiltration": "TA0010",
    "impact": "TA0040",
}
STAGE = {name: stage for stage, name in enumerate(TACTICS)}
_BY_ID = {uid.lower(): name for name, uid in TACTICS.items()}
# Later releases of ATT&CK part defense-evasion in two; Sigma writes either.
_OTHER_NAMES = {"stealth": "defense-evasion", "defense-impairment": "defense-evasion"}


def tactic(name: str) -> str:
    """A tactic in its one spelling: `TA0002`, `attack.execution` and `Execution` are `execution`."""
    plain = name.lower().removeprefix("attack.").replace("_", "-").replace(" ", "-")
    return _BY_ID.get(plain) or _OTHER_NAMES.get(plain, plain)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Distinct tactics in kill-chain order; unknown ones come last, by name."""
    return tuple(sorted({tactic(n) for n in names}, key=lambda n: (STAGE.get(n, len(STAGE)), n)))
