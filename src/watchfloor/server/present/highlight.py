"""Recorded bytes for reading: cited spans marked, JSON laid out without a byte of it changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

MOST_CHARACTERS = 200_000


class Segment(NamedTuple):
    """A run of text. `layout` marks white space that is not part of the content."""

    text: str
    marked: bool
    layout: bool = False


class Reading(NamedTuple):
    """`cut` is how many characters were left out at the end; the whole is there to download."""

    segments: list[Segment]
    cut: int


def reading(content: str, spans: Sequence[tuple[int, int]], *, json: bool) -> Reading:
    """Segments of content with byte `spans` marked; of long content the part up to just after the last span."""
    flags = _flags(content, spans)
    last = len(flags) - flags[::-1].index(1) if 1 in flags else 0
    keep = max(MOST_CHARACTERS, last + 2_000)
    pieces = _laid_out(content[:keep]) if json else iter(((i, c, False) for i, c in enumerate(content[:keep])))
    return Reading(_joined(pieces, flags), max(len(content) - keep, 0))


def _flags(content: str, spans: Sequence[tuple[int, int]]) -> bytearray:
    """1 for each character that lies in a span. Spans count UTF-8 bytes."""
    flags = bytearray(len(content))
    if content.isascii():
        for start, end in spans:
            flags[start:end] = b"\1" * len(flags[start:end])
        return flags
    at = 0
    for index, character in enumerate(content):
        if any(start <= at < end for start, end in spans):
            flags[index] = 1
        at += len(character.encode("utf-8", "surrogatepass"))
    return flags


def _joined(pieces: Iterator[tuple[int, str, bool]], flags: bytearray) -> list[Segment]:
    segments: list[Segment] = []
    run: list[str] = []
    kind = (False, False)
    for index, text, layout in pieces:
        now = (bool(flags[index]) and not layout, layout)
        if now != kind and run:
            segments.append(Segment("".join(run), *kind))
            run = []
        kind = now
        run.append(text)
    return [*segments, Segment("".join(run), *kind)] if run else segments


def _laid_out(content: str) -> Iterator[tuple[int, str, bool]]:
    """Each character with its index, and white space between JSON's parts where the content brings none itself."""
    depth, inside, escaped = 0, False, False
    wanted = ""
    for index, character in enumerate(content):
        if inside:
            yield index, character, False
            inside = escaped or character != '"'
            escaped = character == "\\" and not escaped
            continue
        if character in " \t\r\n":
            yield index, character, False
            wanted = "" if character == "\n" or wanted == " " else wanted
            continue
        if character in "}]":
            depth = max(depth - 1, 0)
            wanted = "" if content[index - 1 : index] in ("{", "[", "\n", " ") else _line(depth)
        if wanted:
            yield index, wanted, True
        yield index, character, False
        inside = character == '"'
        depth += character in "{["
        wanted = _line(depth) if character in "{[," else " " if character == ":" else ""


def _line(depth: int) -> str:
    return "\n" + "  " * depth
