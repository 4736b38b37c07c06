"""Grounding: a machine re-reads the bytes that a claim cites. What does not stand there is struck out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from watchfloor.core.evidence import Citation, Evidence
from watchfloor.core.noun import digest_of
from watchfloor.core.spans import span_of


def problem_of_all(citations: Sequence[Citation], evidence: Mapping[str, Evidence]) -> str:
    """Why the first citation that does not hold does not, or the empty string; none at all hold nothing."""
    if not citations:
        return "it cites no evidence"
    return next((p for c in citations if (p := problem_of(c, evidence))), "")


def intact(evidence: Evidence) -> bool:
    """Whether the content is what the digest was taken of."""
    return _digest(evidence.content) == evidence.content_digest


@lru_cache(maxsize=1_024)  # many claims cite one answer
def _digest(content: str) -> str:
    return digest_of(content.encode("utf-8", "surrogatepass"))


def _reads(content: str, citation: Citation) -> bool:
    """Whether the quote stands at the cited bytes of the text's UTF-8."""
    start, end, quote = citation.start, citation.end, citation.quote
    if start < 0 or not quote:
        return False
    if content.isascii():
        return content[start:end] == quote
    return content.encode("utf-8", "surrogatepass")[start:end] == quote.encode("utf-8", "surrogatepass")


def problem_of(citation: Citation, evidence: Mapping[str, Evidence]) -> str:
    """Why a citation does not hold, or the empty string when the cited bytes stand where it says."""
    item = evidence.get(citation.evidence)
    if item is None:
        return f"evidence {citation.evidence} is not among what was recorded"
    if item.status != "ok" or item.uid != citation.evidence:
        return f"evidence {citation.evidence} is not the answer that was cited"
    if not intact(item) or item.content_digest != citation.content_digest:
        return f"evidence {citation.evidence} has changed since it was recorded: its digest differs"
    if not _reads(item.content, citation):
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
