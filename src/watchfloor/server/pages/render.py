"""Templates to responses. Everything is escaped; a missing value is an error, not an empty place."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

import watchfloor
from watchfloor.server.access import LoginNeededError, Person, services, signed_in
from watchfloor.server.present import words

HERE = Path(__file__).resolve().parent.parent
VENDOR = HERE / "static" / "vendor"
SCRIPTS = ("htmx.js", "cytoscape.js")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    named = ("moment", "percent", "weight", "severity", "short_digest", "tactic", "entity", "size", "facts_of")
    environment.filters.update({name: getattr(words, name) for name in named})
    environment.filters["entity_kind"] = words.entity_kind
    environment.globals.update(
        words={
            name: getattr(words, name)
            for name in ("HYPOTHESIS", "VERDICT", "DISPOSITION", "TAB", "STATUS", "LAYER", "RELIABILITY")
        },
        version=watchfloor.__version__,
    )
    return environment


def render(
    request: Request, template: str, *, status: int = 200, person: Person | None = None, **context: Any
) -> HTMLResponse:
    """A page. `person` is looked up when it is not given; pages that nobody has to sign in for have None."""
    found = services(request)
    if person is None:
        try:
            person = signed_in(request)
        except LoginNeededError:
            person = None
    now = found.clock()
    everywhere = {
        "path": request.url.path,
        "person": person,
        "csrf": person.csrf if person else "",
        "tenant": found.desk.tenant,
        "now": now,
        "age": lambda ms: words.age(ms, now),
        "scripts": [name for name in SCRIPTS if (VENDOR / name).is_file()],
        "assets_missing": not all((VENDOR / name).is_file() for name in SCRIPTS),
    }
    text = _environment().get_template(template).render(**everywhere, **context)
    return HTMLResponse(text, status)
