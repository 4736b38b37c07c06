"""Is it alive: for supervisors and load balancers; says nothing that needs a login."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

import watchfloor

router = APIRouter(tags=["health"])


class Health(BaseModel):
    status: str
    version: str


@router.get("/healthz")
def healthz() -> Health:
    """Alive: the process answers."""
    return Health(status="ok", version=watchfloor.__version__)
