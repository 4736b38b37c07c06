"""The console's pages, one module a page."""

from watchfloor.server.pages import (
    accounts,
    case,
    closing,
    coverage,
    detections,
    entity,
    evidence,
    floor,
    learning,
    ledger,
    login,
    queue,
    sources,
    together,
    upload,
)

ROUTERS = (
    login.router,
    queue.router,
    case.router,
    together.router,
    evidence.router,
    ledger.router,
    sources.router,
    upload.router,
    floor.router,
    closing.router,
    coverage.router,
    learning.router,
    detections.router,
    entity.router,
    accounts.router,
)
