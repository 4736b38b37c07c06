"""Targets: which entities of a case a step may be aimed at, by role, side and what is known about them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network

from watchfloor.core.case import Case
from watchfloor.core.context import Asset, Context
from watchfloor.core.entity import Entity, Role
from watchfloor.core.finding import Finding
from watchfloor.core.verdict import Claim
from watchfloor.integrations.catalogue import Caution, Parameter
from watchfloor.respond.playbooks import Selector, Side, tactic

# Addresses that are never somebody else's: RFC 1918, 6598, 3927, 1122, 4193, 4291, multicast.
_OWN_NETWORKS = tuple(
    ip_network(n)
    for n in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.168.0.0/16", "224.0.0.0/3", "::/127", "fc00::/7", "fe80::/10", "ff00::/8",
    )
)  # fmt: skip
# Built-in principals: no person, no account that an identity provider could disable.
_BUILT_IN = frozenset(
    {
        "system", "local service", "network service", "localservice", "networkservice", "anonymous logon",
        "anonymous", "root", "nobody", "administrator", "guest", "krbtgt",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """An entity in one finding: as the record spells it, and in its one spelling."""

    entity: Entity
    plain: Entity
    role: Role
    finding: Finding

    @property
    def keys(self) -> frozenset[str]:
        """Every key under which claims may speak of it."""
        return frozenset({self.entity.key, self.plain.key})


def targets_of(case: Case, findings: Sequence[Finding], context: Context) -> tuple[Target, ...]:
    """All entities of the case's findings, in order of time. What correlation left out of the case is no target."""
    kept = {i.entity for i in case.involved}
    kept |= {context.resolve(entity) for entity in kept}
    found = []
    for finding in sorted(findings, key=lambda f: (f.time, f.uid)):
        for involvement in finding.involved:
            plain = context.at(finding.time).resolve(involvement.entity)
            if plain in kept or involvement.entity in kept:
                found.append(Target(involvement.entity, plain, involvement.role, finding))
    return tuple(found)


def misfit(target: Target, selector: Selector, context: Context, claims: Sequence[Claim]) -> str | None:
    """Why a target of the selector's type and role is not to be acted on; empty when it is; None for another type."""
    if selector.type not in (target.entity.type, target.plain.type) or target.role not in selector.roles:
        return None
    finding = target.finding
    if selector.layers and finding.layer not in selector.layers:
        return None
    if selector.tactics and not {tactic(t) for t in finding.tactics} & set(selector.tactics):
        return None
    if not fnmatchcase(target.entity.value, selector.like):
        return f"{target.entity.key} is not like {selector.like}"
    if selector.side != "any" and (side := side_of(target, context)) != selector.side:
        return f"{target.plain.key} is {side}, not {selector.side}" if side != "any" else _unknown(target)
    bad, good = _known(target, claims)
    if selector.known_bad and bad <= 0:
        return f"nothing grounded is known against {target.plain.key} itself"
    if bad < good and target.plain.type in ("address", "domain", "url", "mailbox", "file"):
        return f"what is known about {target.plain.key} itself speaks for benign"
    return ""


def side_of(target: Target, context: Context) -> Side:
    """Whether an entity is the company's own; `any` when that cannot be told."""
    plain = target.plain
    if plain.type == "address":
        return _side_of_address(plain.value, context)
    if plain.type in ("mailbox", "domain", "url"):
        return _side_of_domain(plain, context)
    if plain.type == "user":
        if plain.value in _BUILT_IN or plain.value.endswith("$"):
            return "any"
        return "inside" if not context.identities or context.identity(plain) else "any"
    if plain.type == "host":
        return "inside" if not context.assets or context.asset(plain) else "any"
    return "any"


def cautions_of(plain: Entity, context: Context) -> dict[Caution, str]:
    """Cautions that hold for an entity, in words. What is not known to be harmless counts as not harmless."""
    if plain.type == "host":
        asset = context.asset(plain)
        if asset is None:
            return {"critical_asset": f"{plain.value} is not in the asset list"}
        found: dict[Caution, str] = {}
        if asset.criticality == "critical":
            found["critical_asset"] = f"{plain.value} is critical"
        if is_domain_controller(asset):
            found["domain_controller"] = f"{plain.value} is a domain controller"
        return found
    if plain.type == "user":
        identity = context.identity(plain)
        if identity is None:
            return {"service_account": f"{plain.value} is not in the list of identities"}
        return {"service_account": f"{plain.value} is a service account"} if identity.service_account else {}
    return {}


def is_domain_controller(asset: Asset) -> bool:
    """By its tags or its role."""
    words = {word.lower().replace(" ", "_") for word in (*asset.tags, asset.role)}
    return bool(words & {"domain_controller", "dc"})


def spelled(target: Target, parameter: Parameter, context: Context) -> str:
    """The entity as the other product spells it; empty when that cannot be told."""
    if parameter.spelling == "mail":
        identity = context.identity(target.plain) or context.identity(target.entity)
        mail = identity.mail.lower() if identity and identity.mail else target.entity.value
        return mail if "@" in mail else ""
    return target.plain.value if target.plain.type in parameter.types else target.entity.value


def forbidden(target: Target, never: Sequence[str], context: Context) -> bool:
    """Whether policy says that no action may be aimed at it, under any of its spellings.

    Raises WatchfloorError for a key that names no entity: a rule that cannot be read is not passed over.
    """
    return any(key in target.keys or context.resolve(Entity.from_key(key)) == target.plain for key in never)


def _side_of_address(value: str, context: Context) -> Side:
    try:
        address = ip_address(value)
    except ValueError:
        return "any"
    own = [*_OWN_NETWORKS]
    for text in context.company.egress_addresses:
        try:
            own.append(ip_network(text, strict=False))
        except ValueError:
            continue
    return "inside" if any(address in network for network in own) else "outside"


def _side_of_domain(plain: Entity, context: Context) -> Side:
    own = (*context.company.domains, *context.company.mail_domains)
    if not own:
        return "any"
    host = plain.value.rpartition("@")[2]
    if plain.type == "url":
        host = plain.value.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]
    host = host.lower().rstrip(".")
    return "inside" if any(host == d.lower() or host.endswith("." + d.lower()) for d in own) else "outside"


def _unknown(target: Target) -> str:
    return f"{target.plain.key} is not known to be the company's own"


def _known(target: Target, claims: Sequence[Claim]) -> tuple[float, float]:
    about = [claim for claim in claims if claim.grounded and claim.about in target.keys]
    bad = sum(claim.strength for claim in about if claim.supports == "malicious")
    return bad, sum(claim.strength for claim in about if claim.supports != "malicious")
