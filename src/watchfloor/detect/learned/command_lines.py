"""The pieces of a command line or script block: its words and neighbours, each program with its options, its form."""

from __future__ import annotations

import re

from watchfloor.core.decoding import decoded_texts, without_noise
from watchfloor.core.text import both_ends, whole

LONGEST = 4_096
_TOKEN = re.compile(
    r"(?P<url>(?:https?|ftp)://[^\s'\"<>|)]+)"
    r"|(?P<address>\d{1,3}(?:\.\d{1,3}){3}(?!\d))"
    r"|(?P<guid>\{?[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\}?)"
    r"|(?P<run>[a-z0-9+=]{40,})"
    r"|(?P<option>(?<![^\s\"',;|&(])(?:--?[a-z][\w-]*|/[a-z?]\w{0,20}(?=[\s:]|$)))"
    r"|(?P<variable>[$%!][a-z_{][\w:.}]*%?)"
    r"|(?P<word>[a-z_][a-z0-9_-]*[a-z0-9_]|[a-z])"
    r"|(?P<ending>\.[a-z][a-z0-9]{0,5}\b)"
    r"|(?P<number>\d+)"
    r"|(?P<sign>&&|\|\||>>|>&|[|&;<>@*`])"
)
_NAMED = {
    "url": "a URL",
    "address": "an address",
    "guid": "a GUID",
    "run": "a long run of letters",
    "number": "a number",
}
_NEW_COMMAND = frozenset({"&&", "||", "|", "&", ";"})
_FOLDER_ENDS = ("/", "\\", ":")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{24}")
_FORMS = {
    "a folder that anyone may write to": re.compile(
        r"\\(?:temp|tmp|public|appdata|programdata|perflogs|downloads|recycle)\\|%te?mp%|/(?:var/)?tmp/|/dev/shm/"
    ),
    "a link to a bare address": re.compile(r"(?:(?:https?|ftp):/|\\)[/\\]\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}"),
    "a hidden file": re.compile(r"/\.[a-z0-9]{3,}(?=[\s;&|\"']|$)"),
}
_MOST_TOKENS = 400
# What PowerShell's module log (4103, 800) has around a command, and how it writes parameters.
_AROUND = re.compile(
    r"^\s*(?:DetailSequence|DetailTotal|SequenceNumber|UserId|HostName|HostVersion|HostId|HostApplication|EngineVersion"
    r"|RunspaceId|PipelineId|ScriptName|CommandLine|ProviderName|\w+State)=.*$"
    r"|Pipeline execution details for command line:|^Context Information:|^Details:"
    r"|CommandInvocation\([^)\n]{1,80}\): ",
    re.MULTILINE,
)
_PARAMETER = re.compile(r"ParameterBinding\([^)\n]{1,80}\): name=\"([^\"\n]{0,80})\"; value=")


def plain(value: str) -> str:
    """A command line as it is judged: LONGEST characters of it at most; empty for what says next to nothing."""
    text = whole(both_ends(value, LONGEST)).strip()
    return text if len(text) >= 3 else ""


def script(value: str) -> str:
    """A script block, or a command of PowerShell's module log without what the log adds, as it is judged."""
    text = both_ends(value, 4 * LONGEST)
    return plain(_PARAMETER.sub(r"-\1 ", _AROUND.sub("", text)) if "=" in text or "(" in text else text)


def pieces(line: str) -> list[str]:
    """The pieces of a plain command line. What stands in base64 is read too."""
    bare = without_noise(line)
    text = bare.lower()
    told = _form(line, bare, text)
    told += _told(text)
    if _BASE64.search(line):
        for decoded in decoded_texts(line):
            told.append("is:base64 that decodes to text")
            told += _told(decoded[:LONGEST].lower())
    return list(dict.fromkeys(told))


def _told(text: str) -> list[str]:
    """Words, pairs of neighbours, and programs with what stands after them."""
    told: list[str] = []
    before, program = "", ""
    for count, found in enumerate(_TOKEN.finditer(text)):
        if count >= _MOST_TOKENS:
            break
        kind = found.lastgroup or "word"
        token = _NAMED.get(kind) or found[0]
        if kind == "option":
            token = "-" + token.lstrip("-/")
            if program:
                told.append(f"with:{program} {token}")
        elif kind == "ending" and token in (".exe", ".com"):
            program = before or program
            continue
        elif kind == "word" and not program and text[found.end() : found.end() + 1] not in _FOLDER_ENDS:
            program = token
        elif token in _NEW_COMMAND:
            program = ""
        told += (f"word:{token}", f"pair:{before} {token}" if before else f"first:{token} at the start")
        before = token
    return told


def _form(line: str, bare: str, text: str) -> list[str]:
    """What the whole looks like, whatever its words are."""
    size = len(text)
    dropped = len(line) - len(bare)
    digits = sum(map(text.count, "0123456789")) / size if size else 0
    odd = sum(map(text.count, "$(){}[]+;|&")) / size if size else 0
    told = [f"is:{_up_to(size, (12, 30, 60, 120, 250, 600, 1500))} characters long"]
    if dropped > 2:
        told.append(f"is:{_up_to(dropped, (4, 8, 16))} signs that a shell drops")
    if digits > 0.25:
        told.append("is:more than a quarter digits")
    if odd > 0.04:
        told.append(f"is:brackets and signs are {'a tenth or more' if odd > 0.1 else 'one in twenty'}")
    told += (f"is:{name}" for name, pattern in _FORMS.items() if pattern.search(text))
    return told


def _up_to(count: int, steps: tuple[int, ...]) -> str:
    for step in steps:
        if count <= step:
            return f"up to {step}"
    return f"more than {steps[-1]}"
