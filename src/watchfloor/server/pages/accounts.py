"""Who may log in: for admins, to read. Adding is the command line's, where the passphrase is typed by its owner."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from watchfloor.core.errors import RefusedError
from watchfloor.server.access import Served, SignedIn
from watchfloor.server.pages.render import render

router = APIRouter(include_in_schema=False)


@router.get("/accounts")
def accounts_page(request: Request, person: SignedIn, found: Served) -> Response:
    """Raises RefusedError for everybody but admins."""
    if not person.manages:
        raise RefusedError(f"{person.name} may not see the accounts", do="Ask somebody with the role admin")
    return render(request, "accounts.html", person=person, accounts=found.accounts.list(found.desk.tenant))
