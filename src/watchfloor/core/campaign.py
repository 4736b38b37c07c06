"""Campaign: which mails are copies of one another, however they were addressed, numbered and linked.

A mail is its words without what each copy has of its own, with its sender's domain and the hosts of its links; its
MinHash signature (`core.similarity`) is cut into BANDS of six signs. Mails that agree in one band are of one campaign:
95 of 100 pairs that are 0.8 alike, 7 of 10 at 0.7, 15 of 100 at 0.5, none of a thousand at 0.2.
"""

from __future__ import annotations

import re
from base64 import b64decode
from hashlib import blake2b
from typing import NamedTuple

from watchfloor.core.similarity import signature

BANDS, ROWS = 10, 6
LONGEST = 16_384
_LEAST_WORDS = 12
_QUOTED = re.compile(r"^[ \t]*(?:>|\|).*$", re.M)
# What stands under every mail of a company or list makes no two of them copies.
_FOOTER = re.compile(r"^(?:-- ?|_{5,}|-{20,}|={20,}|\*{20,})$.*", re.M | re.S)
_DISCLAIMER = re.compile(
    r"\b(?:intended (?:only )?(?:for|solely)|intended recipient|confidentiality notice|legally privileged"
    r"|vertraulich|unsubscribe|privacy policy|all rights reserved)\b",
    re.I,
)
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"]+", re.I)
_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w.-]{1,253}")
_WORD = re.compile(r"[^\W\d_]{2,40}")
_REPLY = re.compile(r"^\s*(?:(?:re|aw|fwd?|wg|sv|tr|antw)\s*:\s*)+", re.I)


class Mail(NamedTuple):
    """What a campaign is told by: `sender` is a domain, `files` are digests, `names` the recipients', which each copy
    has its own of."""

    subject: str
    body: str
    sender: str = ""
    hosts: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def campaign_ids(mail: Mail) -> list[str]:
    """`0:5f3a...` to `9:...`, one a band; nothing of a mail too short to be anybody's copy.

    A short mail has one id, of all that it is, and that only where it brings links or files.
    """
    words = _words(mail)
    marks = [f"from {mail.sender}", *(f"link {host}" for host in sorted({*mail.hosts})[:20])]
    text = signature(" ".join([*words, *marks])) if len(words) >= _LEAST_WORDS else ""
    if text:
        signs = b64decode(text)
        return [f"{n}:{signs[n * ROWS : n * ROWS + ROWS].hex()}" for n in range(BANDS)]
    if not mail.hosts and not mail.files:
        return []
    whole = "\x1f".join([*words, *marks, *sorted({*mail.files})])
    return [f"short:{blake2b(whole.encode('utf-8', 'replace'), digest_size=ROWS).hexdigest()}"]


def _words(mail: Mail) -> list[str]:
    lines = _FOOTER.sub("", _QUOTED.sub("", mail.body[:LONGEST])).split("\n")
    body = "\n".join(line for line in lines if not _DISCLAIMER.search(line))
    text = f"{_REPLY.sub('', mail.subject[:500])}\n{body}"
    text = _ADDRESS.sub(" ", _LINK.sub(" ", text)).lower()
    own = {word for name in mail.names[:20] for word in _WORD.findall(name[:320].lower())}
    return [word for word in _WORD.findall(text) if word not in own]
