"""How times, figures and the nouns' own words read on a page."""

from __future__ import annotations

from watchfloor.core.clock import DAY, HOUR, MINUTE, iso
from watchfloor.core.context import Context
from watchfloor.core.entity import Entity
from watchfloor.core.finding import Severity

HYPOTHESIS = {
    "malicious": "Malicious",
    "benign_true_positive": "Benign, true positive",
    "false_positive": "False positive",
}
VERDICT = {**HYPOTHESIS, "suspicious": "Suspicious", "unsure": "Unsure"}
DISPOSITION = {
    "escalate": "Needs a person now",
    "queue": "Queue",
    "close": "Closed by itself",
    None: "Not decided yet",
}
TAB = {
    "now": "Needs a person now",
    "queue": "Queue",
    "closed": "Closed by itself",
    "all": "All",
}
STATUS = {
    "new": "New",
    "in_progress": "In progress",
    "on_hold": "On hold",
    "resolved": "Resolved",
    "closed": "Closed",
}
LAYER = {
    "endpoint": "Endpoint",
    "network": "Network",
    "identity": "Identity",
    "cloud": "Cloud",
    "email": "E-mail",
    "threat_intelligence": "Threat intelligence",
}
RELIABILITY = {
    "A": "A · completely reliable",
    "B": "B · usually reliable",
    "C": "C · fairly reliable",
    "D": "D · not usually reliable",
    "E": "E · unreliable",
    "F": "F · cannot be judged",
}


def moment(ms: int) -> str:
    """`2026-10-13 07:01:02Z`: to the second, UTC."""
    text = iso(ms)
    return f"{text[:10]} {text[11:19]}Z"


def age(ms: int, now: int) -> str:
    """How long ago, in its largest unit: `3 h`."""
    past = max(now - ms, 0)
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if past >= unit:
            return f"{past // unit} {name}"
    return "now"


def percent(share: float) -> str:
    """`97 %`; never 0 or 100 for what is neither."""
    if 0 < share < 0.01:
        return "< 1 %"
    if 0.99 < share < 1:
        return "> 99 %"
    return f"{share:.0%}".replace("%", " %")


def weight(value: float) -> str:
    """`+1.4`, `−0.7`, `0`: natural log-odds."""
    if abs(value) < 0.005:
        return "0"
    return f"{'+' if value > 0 else '−'}{abs(value):.1f}" if abs(value) >= 0.05 else f"{value:+.2f}"


def severity(value: int) -> str:
    return Severity(value).name


def short_digest(digest: str) -> str:
    """`sha256:1a2b3c4d…`: enough to recognise; the whole stands in the title beside it."""
    name, _, rest = digest.partition(":")
    return f"{name}:{rest[:12]}…" if rest else digest


def tactic(name: str) -> str:
    """`initial-access` as `Initial access`."""
    return name.replace("-", " ").replace("_", " ").capitalize()


def entity(key: str) -> str:
    """The value of an entity key: `alice` of `user:alice`."""
    return key.partition(":")[2] or key


def entity_kind(kind: str) -> str:
    return kind.replace("_", " ")


def size(number: int) -> str:
    """`12.3 KB`, in thousands."""
    if number < 1_000:
        return f"{number} B"
    return f"{number / 1e3:.1f} KB" if number < 1_000_000 else f"{number / 1e6:.1f} MB"


def facts_of(thing: Entity, context: Context) -> str:
    """What the owner's context knows of an entity, in a line; empty when nothing."""
    if (asset := context.asset(thing)) is not None:
        parts = [asset.role, asset.os, f"{asset.criticality} criticality", asset.owner and f"of {asset.owner}"]
        return " · ".join(p for p in (*parts, *asset.tags) if p)
    if (person := context.identity(thing)) is not None:
        flags = [
            "privileged" if person.privileged else "",
            "service account" if person.service_account else "",
            f"leaving on {person.leaving_on}" if person.leaving_on else "",
        ]
        return " · ".join(p for p in (person.title, person.department, *flags) if p)
    return ""
