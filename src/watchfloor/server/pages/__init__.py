"""The console's pages, one module a page."""

from watchfloor.server.pages import case, evidence, ledger, login, queue, sources

ROUTERS = (login.router, queue.router, case.router, evidence.router, ledger.router, sources.router)
