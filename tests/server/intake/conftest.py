"""The intake's routes over a real spool, without the rest of the product around them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from watchfloor.app.live_sources import LiveSources
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.intake import SourceKind
from watchfloor.server.intake import Door, Intake
from watchfloor.store.spool import Parcel, Spool

NOW = 1_792_000_000_000


class Desk(NamedTuple):
    """What a test of a route needs."""

    client: TestClient
    spool: Spool
    sources: LiveSources
    tenant: str
    intake: Intake

    def token(self, kind: SourceKind, name: str = "s") -> str:
        return self.sources.add(name, kind).token

    def kept(self) -> list[Parcel]:
        """What was stored, in order."""
        return [one.parcel for one in self.spool.take(self.tenant, 1_000, 1 << 30)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Watchfloor.open(tmp_path / "home", clock=lambda: NOW) as product:
        spool = Spool(product.parts.home.spool)
        tenant = product.parts.tenant
        console = Starlette(routes=[Route("/{path:path}", lambda _: PlainTextResponse("the console"))])
        door = Door(spool, product.live_sources, tenant, lambda: NOW)
        intake = Intake(console, door, ("localhost", "[::1]"))
        with TestClient(intake, base_url="http://localhost:8450") as client:
            yield Desk(client, spool, product.live_sources, tenant, intake)
        spool.close()
