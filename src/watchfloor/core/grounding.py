"""Grounding: a machine re-reads the bytes that a claim cites. What does not stand there is struck out."""

from __future__ import annotations

from collections.abc import Mapping

from watchfloor.core.evidence import Citation, Evidence
from watchfloor.core.noun import digest_of
from watchfloor.core.spans import span_of
from watchfloor.core.verdict import Claim


def check(claim: Claim, evidence: Mapping[str, Evidence]) -> Claim:
    """The claim with `grounded` set, and `problem` naming the first citation that does not hold.

    `evidence` maps evidence uids to evidence. A claim with no citation at all is not grounded.
    """
    if not claim.citations:
        problem = "it cites no evidence"
    else:
        problem = next((p for c in claim.citations if (p := problem_of(c, evidence))), "")
    return claim.model_copy(update={"grounded": not problem, "problem": problem})


def intact(evidence: Evidence) -> bool:
    """Whether the content is what the digest was taken of."""
    return digest_of(_bytes(evidence)) == evidence.content_digest


def _bytes(evidence: Evidence) -> bytes:
    return evidence.content.encode("utf-8", "surrogatepass")


def problem_of(citation: Citation, evidence: Mapping[str, Evidence]) -> str:
    """Why a citation does not hold, or the empty string when the cited bytes stand where it says."""
    item = evidence.get(citation.evidence)
    if item is None:
        return f"evidence {citation.evidence} is not among what was recorded"
    if item.status != "ok" or item.uid != citation.evidence:
        return f"evidence {citation.evidence} is not the answer that was cited"
    if not intact(item) or item.content_digest != citation.content_digest:
        return f"evidence {citation.evidence} has changed since it was recorded: its digest differs"
    content = _bytes(item)
    quoted = content[citation.start : citation.end]
    if citation.start < 0 or not quoted or quoted != citation.quote.encode("utf-8", "surrogatepass"):
        return f"bytes {citation.start} to {citation.end} of {citation.evidence} do not read as quoted"
    if citation.path and item.media_type == "application/json":
        return _path_problem(citation, item)
    return ""


def _path_problem(citation: Citation, item: Evidence) -> str:
    try:
        span = span_of(item.content, citation.path)
    except ValueError as error:
        return f"evidence {citation.evidence} is not the JSON that it says: {error}"
    if span is None or (span.start, span.end) != (citation.start, citation.end):
        return f"{citation.path} of {citation.evidence} does not stand at the cited bytes"
    return ""
