"""Objects of threat intelligence as feeds hand them over: STIX objects, MISP attributes, entries of lists."""

from __future__ import annotations

from typing import Literal

import msgspec

from watchfloor.core.intel import Indicator

State = Literal["active", "withdrawn", "context"]


class IntelObject(msgspec.Struct, frozen=True, kw_only=True):
    """One object of a feed.

    `source` is the feed as records name it, `uid` the object's own id there, `modified` its version (ms): of two
    versions the newer counts. `active` ones name `indicators`; `withdrawn` ones named some before (revoked, deleted);
    `context` describes others and is kept as it came, in `body`. `name` is what an identity or a marking is called.
    `part_of` is what comes as a whole with it: a MISP event, a list. `at` is when it came (ms).
    """

    tenant: str
    source: str
    at: int
    uid: str
    kind: str
    modified: int
    state: State
    part_of: str = ""
    name: str = ""
    indicators: tuple[Indicator, ...] = ()
    body: bytes = b""


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """All of `part_of` has come at this time (ms): what of it came before and not this time is withdrawn."""

    tenant: str
    source: str
    at: int
    part_of: str
