"""Resolution codes: how a case was closed, in the words of ticketing systems. The list is `content/resolutions`."""

from __future__ import annotations

from functools import cache
from typing import Literal

from watchfloor.content import documents, folder
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.noun import Noun
from watchfloor.core.verdict import Hypothesis

# The part of a code before its dot says which hypothesis it stands for.
HYPOTHESIS_OF: dict[str, Hypothesis] = {
    "true_positive": "malicious",
    "benign": "benign_true_positive",
    "false_positive": "false_positive",
}
# What stands when no answer speaks for a code of its own.
PLAIN: dict[Hypothesis, str] = {
    "malicious": "true_positive.malicious",
    "benign_true_positive": "benign.expected_behaviour",
    "false_positive": "false_positive.not_what_it_says",
}
NEEDS_PERSON = "undetermined.needs_person"
NOT_CHECKED = "undetermined.could_not_check"


System = Literal["sentinel", "defender", "servicenow", "jira", "thehive", "splunk"]
SYSTEMS: dict[System, str] = {
    "sentinel": "Microsoft Sentinel",
    "defender": "Microsoft Defender",
    "servicenow": "ServiceNow",
    "jira": "Jira Service Management",
    "thehive": "TheHive",
    "splunk": "Splunk ES",
}


class Resolution(Noun):
    """One code with its meaning for people. Codes are stable; their words may be bettered."""

    code: str
    title: str
    meaning: str
    elsewhere: dict[System, str]
    """What it is called in other systems; empty where a case is not closed with it there."""


def hypothesis_of(code: str) -> Hypothesis | None:
    """The hypothesis that a code stands for; None for `undetermined.*`."""
    return HYPOTHESIS_OF.get(code.partition(".")[0])


@cache
def shipped() -> dict[str, Resolution]:
    """All codes by name, in the order of the list. Raises WatchfloorError with the place of a mistake."""
    found: dict[str, Resolution] = {}
    for document in documents(folder("resolutions")):
        for item in document.data:
            resolution = Resolution.from_dict(item)
            if resolution.elsewhere.keys() != SYSTEMS.keys():
                raise WatchfloorError(f"code {resolution.code} does not name every other system", where=document.where)
            if resolution.code in found:
                raise WatchfloorError(f"code {resolution.code} twice", where=document.where)
            found[resolution.code] = resolution
    return found
