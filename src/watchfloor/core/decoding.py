"""What stands behind what is written: base64 that is text, and command lines without the signs that shells drop."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

_SHORTEST = 24
_BASE64 = re.compile(rf"[A-Za-z0-9+/]{{{_SHORTEST},}}={{0,2}}")
_DEEPEST = 3
_MOST_DECODED = 5


def without_noise(text: str) -> str:
    """What the shell makes of it: escapes gone, texts that were split and joined whole again."""
    joined = re.sub(r"""['"]\s*\+\s*['"]""", "", text)
    return joined.replace("^", "").replace("`", "").replace('""', "")


def decoded_texts(text: str) -> list[str]:
    """Texts that stand in base64 in a text, also inside each other."""
    found: list[str] = []
    layer = [text]
    for _ in range(_DEEPEST):
        layer = [plain for one in layer for run in _runs(one) if (plain := _decode(run))]
        found += layer
    return list(dict.fromkeys(found))[:_MOST_DECODED]


def _runs(text: str) -> Iterator[str]:
    """What may be base64: each run, and its parts, since a slash is also what parts a path."""
    for run in _BASE64.findall(text):
        yield run
        yield from (part for part in run.split("/") if len(part) >= _SHORTEST and part != run)


def _decode(run: str) -> str:
    """The text of a base64 run (UTF-16 as PowerShell wants it, else UTF-8), or empty when it is no text."""
    body = run.rstrip("=")
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        return ""
    for encoding in ("utf-16-le", "utf-8"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        ascii_share = sum(sign.isascii() and (sign.isprintable() or sign in "\t\r\n") for sign in text) / len(text)
        if ascii_share > 0.9 and len(text) >= 6:
            return text.replace("\0", " ")
    return ""
