"""Webhooks: `POST /intake/webhook/NAME` with anything in it: a JSON object or array, JSON lines, text, a file.

The sender shows the source's token (`Authorization: Bearer TOKEN`), or signs the body with the source's signing secret
(HMAC-SHA256) as GitHub does: `X-Hub-Signature-256: sha256=HEX`; other products' names are in SIGNATURES.
"""

from __future__ import annotations

import hashlib
import hmac

from watchfloor.core.intake import LiveSource
from watchfloor.server.intake.door import Door
from watchfloor.server.intake.http import Answer, Asked, RefusedRequestError, problem

PREFIX = "/intake/webhook/"
SIGNATURES = (b"x-hub-signature-256", b"x-signature-256", b"x-signature")
_STORED = Answer(202, b'{"status":"stored"}')

refused = problem


async def answer(asked: Asked, door: Door) -> Answer:
    """Store the body. Raises RefusedRequestError."""
    name = asked.path.removeprefix(PREFIX)
    if asked.method != "POST":
        raise RefusedRequestError("bad_method")
    signature = next((asked.header(each) for each in SIGNATURES if each in asked.headers), "")
    source = door.sources.named("webhook", name) if signature else door.admit("webhook", asked, "bearer")
    if source is None or source.uid != name:
        raise RefusedRequestError("bad_token")
    packed = await asked.packed()
    if signature and not _signed(packed, signature, door, source):
        raise RefusedRequestError("bad_token")
    content = await asked.unpack(packed)
    if not content.strip():
        raise RefusedRequestError("no_data")
    await door.put(source, content)
    return _STORED


def _signed(body: bytes, signature: str, door: Door, source: LiveSource) -> bool:
    secret = door.sources.signing_secret(source)
    made = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(made.encode(), signature.removeprefix("sha256=").lower().encode("utf-8", "replace"))
