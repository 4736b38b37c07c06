"""A draft of what to answer a person who reported a mail. A person sends it; nothing here does.

It says only what grounded claims of the verdict say, in the words of `content/replies/mail.yaml`, and nothing of what
others said, had or did. Places that a mail leads to are written so that nobody can follow them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, NamedTuple

from watchfloor.content import documents, folder
from watchfloor.core.clock import iso
from watchfloor.core.verdict import Hypothesis, Verdict

_MOST_REASONS, _MOST_UNCHECKED, _LONGEST = 6, 4, 160
_HOST = re.compile(r"\b((?:[\w-]{1,63}\.){1,8}[a-z]{2,24})\b", re.I)
_SCHEME = re.compile(r"\bhttp(s?)://", re.I)
_CONCLUSIONS = {"malicious": "malicious", "benign_true_positive": "benign", "false_positive": "benign"}


class Report(NamedTuple):
    """Who reported which mail: `sender` and `subject` are the mail's, `at` (ms) is when it came, 0 where not known."""

    by: str
    name: str
    subject: str
    sender: str
    at: int
    report_subject: str = ""


class Reply(NamedTuple):
    """`rests_on` are the uids of the claims that it says."""

    to: str
    subject: str
    text: str
    rests_on: tuple[str, ...]


def reply(report: Report, verdict: Verdict, judged: Hypothesis | None = None) -> Reply:
    """The draft. `judged` is what a person said that the case was: it counts before the verdict's own."""
    words = phrases()
    outcome = judged or verdict.verdict
    said = list(_reasons(verdict, _CONCLUSIONS.get(outcome, "malicious")))[:_MOST_REASONS]
    name = _line(report.name).partition(" ")[0]
    named = {
        "subject": _line(report.subject) or "without a subject",
        "sender": _defanged(_line(report.sender)) or "an unknown sender",
        "when": f" of {iso(report.at)[:10]}" if report.at else "",
    }
    unchecked = sorted({_line(one.title) for one in verdict.could_not_check if one.question.startswith("email.")})
    parts = [
        words["opening"].replace("{name}", name) if name else words["opening_without_name"],
        f"{_filled(words['thanks'], named)} {words['verdicts'][outcome]}",
        _listed(words["because"], [text for _, text in said]),
        _listed(words["unchecked"], unchecked[:_MOST_UNCHECKED]) if outcome in ("unsure", "suspicious") else "",
        "\n".join(words["advice"][outcome]),
        words["closing"],
        words["signature"],
    ]
    title = _line(report.report_subject or report.subject)
    return Reply(
        to=report.by,
        subject=title if title.lower().startswith("re:") else f"Re: {title}",
        text="\n\n".join(part for part in parts if part) + "\n",
        rests_on=tuple(uid for uid, _ in said),
    )


@cache
def phrases() -> dict[str, Any]:
    """The shipped words."""
    data: dict[str, Any] = next(documents(folder("replies") / "mail.yaml")).data
    return data


def _reasons(verdict: Verdict, side: str) -> Iterator[tuple[str, str]]:
    """Grounded claims that speak for the outcome, the strongest first, each thing once: uid and words."""
    words = phrases()
    values = {(a.question, a.about, a.claim): a.value for a in verdict.answers}
    seen: set[str] = set()
    for claim in sorted(verdict.claims, key=lambda c: (-c.strength, c.uid)):
        supports = "malicious" if claim.supports == "malicious" else "benign"
        if not claim.grounded or supports != side or not claim.strength:
            continue
        answer = f"{claim.question}.{values.get((claim.question, claim.about, claim.sentence), '')}"
        text = words["findings"].get(answer, "")
        if not text and claim.question.startswith("email.") and not _never(answer, words["never"]):
            text = _defanged(_line(claim.sentence))
        if text and text not in seen:
            seen.add(text)
            yield claim.uid, text


def _never(answer: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(answer, glob) for glob in globs)


def _listed(title: str, lines: list[str]) -> str:
    return "\n".join([title, *(f"- {line}" for line in lines)]) if lines else ""


def _filled(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], text)


def _defanged(text: str) -> str:
    """`https://evil.example` -> `hxxps://evil[.]example`: nobody follows it by chance."""
    return _HOST.sub(lambda found: found[1].replace(".", "[.]"), _SCHEME.sub(r"hxxp\1://", text))


def _line(text: str) -> str:
    """One line of what stands in a mail: printable, and not long."""
    plain = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"
