"""Collector `context`: what the owner knows of an entity, of a time, and of announced activity.

Query `{"entity": "user:alice"}`. Answer: `{"entity": key, "resolved": key, "known": true, "identity": {"user",
"mail", "title", "department", "manager", "privileged", "service_account", "leaving_on", "leaving_in_days": 9 |
null} | null, "asset": {"host", "addresses", "os", "role", "criticality", "owner", "tags"} | null, "company":
{"egress_address", "public_address", "internal_address", "domain", "mail_domain", "cloud_account": booleans}}`, as it
was true at the time of the look-up; identity and asset have all that is known of them, groups and approved tools among
it. Of a host that is known it may be asked besides: `"user": [spellings]` gives `"owner_acts": true | false
| null` (null: nobody owns it), `"program": name` gives `"approved": bool` (it is among the approved tools of the host
or of that user, or of a group of theirs), `"cve": id` gives `"tagged_vulnerable": bool`.

Query `{"country": "DE"}`. Answer: `{"country", "company_country": true | false | null}`; null where the owner names
none.

Query `{"windows": {"at": ms}}` or `{"windows": {"first": ms, "last": ms, "users": [..], "hosts": [..],
"addresses": [..], "countries": [..], "commands": [..]}}`; each list holds the spellings of ONE thing (the singular
works, too); addresses are where it comes from.
Answer: `{"windows": [{"id", "kind", "title", "start", "end", "approved_by", "ticket", "time": "whole" | "partly",
"matched": {"users": ["alice"]}, "excused": ["addresses"], "unmatched": ["countries"], "covers": true}],
"covered_by": "id" | null}`. A window covers when it is open the whole time and each of its limits is met by what was
asked about. Excused is a limit of which nothing was stated while others say who it is: a user where the source
address is met, an address where user and host are.

Query `{"time": ms}`. Answer: `{"local": "2026-10-13T09:01", "weekday": "Tuesday", "hour": 9, "working_day":
true, "working_hours": true}` by the company's clock.
"""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from watchfloor.core.clock import SECOND
from watchfloor.core.context import Asset, Company, Context, Identity
from watchfloor.core.entity import Entity
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.evidence import Lookup
from watchfloor.core.facets import plain_user
from watchfloor.enrich.analysis.addresses import internal, within
from watchfloor.enrich.analysis.program import stem
from watchfloor.enrich.collectors.base import Found, LocalCollector, text_of
from watchfloor.enrich.collectors.windows import open_windows

_MISSING = {"user": "identities", "mailbox": "identities", "host": "assets"}


class ContextCollector(LocalCollector):
    """Reads one tenant's business context. Its owner wrote it: completely reliable."""

    name = "context"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._zone = ZoneInfo(context.company.timezone)

    def answer(self, lookup: Lookup) -> Found:
        query, context = lookup.query, self._context.at(lookup.as_of)
        if context.empty:
            raise WatchfloorError("no business context is loaded", do="Name its folder in the settings")
        if isinstance(query.get("windows"), dict):
            return Found(open_windows(context, query["windows"]), "context/windows", "A")
        if isinstance(query.get("time"), int):
            return Found(self._time(query["time"]), "context/company", "A")
        if isinstance(query.get("country"), str):
            return Found(self._country(query["country"]), "context/company", "A")
        return self._entity(context, Entity.from_key(text_of(query, "entity")), lookup)

    def _country(self, country: str) -> dict[str, Any]:
        named = {one.upper() for one in self._context.company.countries}
        return {"country": country, "company_country": country.upper() in named if named else None}

    def _entity(self, context: Context, entity: Entity, lookup: Lookup) -> Found:
        identity, asset = context.identity(entity), context.asset(entity)
        part = _MISSING.get(entity.type)
        if part and not getattr(context, part):
            raise WatchfloorError(f"no {part} are known", do=f"Add {part}.yaml to the context folder")
        answer = {
            "entity": entity.key,
            "resolved": context.resolve(entity).key,
            "known": identity is not None or asset is not None,
            "identity": self._identity(identity, lookup.as_of) if identity else None,
            "asset": asset.to_dict() if asset else None,
            "company": _of_company(context.company, entity),
        }
        if asset is not None:
            answer |= _of_host(context, asset, lookup.query)
        return Found(answer, f"context/{part or 'company'}", "A")

    def _identity(self, identity: Identity, as_of: int) -> dict[str, Any]:
        facts = identity.to_dict()
        del facts["aliases"]
        today = datetime.fromtimestamp(as_of / SECOND, self._zone).date()
        left = (date.fromisoformat(identity.leaving_on[:10]) - today).days if identity.leaving_on else None
        return {**facts, "leaving_in_days": left}

    def _time(self, at: int) -> dict[str, Any]:
        local = datetime.fromtimestamp(at / SECOND, self._zone)
        start, end = (time.fromisoformat(text) for text in self._context.company.working_hours)
        free = local.weekday() not in self._context.company.working_days
        return {
            "local": local.strftime("%Y-%m-%dT%H:%M"),
            "weekday": local.strftime("%A"),
            "hour": local.hour,
            "working_day": not free,
            "working_hours": not free and start <= local.time() < end,
        }


def _of_host(context: Context, asset: Asset, query: dict[str, Any]) -> dict[str, Any]:
    """What is asked of a host besides, as far as it is."""
    user, program, cve = (query.get(name) for name in ("user", "program", "cve"))
    names = [user] if isinstance(user, str) else user if isinstance(user, list) else []
    who = [Entity(type="user", value=plain_user(one)) for one in names if isinstance(one, str)]
    answer: dict[str, Any] = {}
    if who:
        owner = Entity(type="user", value=plain_user(asset.owner))
        me = {context.resolve(one) for one in who}
        answer["owner_acts"] = context.resolve(owner) in me if asset.owner else None
    if isinstance(program, str):
        mine = (Entity(type="host", value=asset.host.lower()), *who)
        answer["approved"] = stem(program) in {stem(tool) for one in mine for tool in context.approved_tools(one)}
    if isinstance(cve, str):
        answer["tagged_vulnerable"] = cve.lower() in {tag.lower() for tag in asset.tags}
    return answer


def _of_company(company: Company, entity: Entity) -> dict[str, bool]:
    value = entity.value.lower()
    domain = value.rpartition("@")[2]
    return {
        "egress_address": within(value, company.egress_addresses),
        "public_address": within(value, company.public_addresses),
        "internal_address": within(value, company.internal_networks) or internal(value),
        "domain": _below(domain, company.domains),
        "mail_domain": "@" in value and domain in {d.lower() for d in company.mail_domains},
        "cloud_account": any(account in value.split(":") for account in company.cloud_accounts),
    }


def _below(domain: str, parents: tuple[str, ...]) -> bool:
    return any(domain == p.lower() or domain.endswith("." + p.lower()) for p in parents)
