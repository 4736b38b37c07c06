"""Threat intelligence: indicators, lists of known infrastructure and exploited vulnerabilities, and how they
match.

Matching costs a few dictionary look-ups whatever the size: exact values, domain suffixes, and networks by
prefix length.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

import re2
from pydantic import Field

from watchfloor.core.noun import Noun

IndicatorType = Literal["address", "domain", "url", "file", "file_name", "mailbox", "user_agent"]
INDICATOR_TYPES: tuple[IndicatorType, ...] = (
    "address", "domain", "url", "file", "file_name", "mailbox", "user_agent",
)  # fmt: skip
ListKind = Literal["benign", "scanner", "shared", "abused", "reserved"]


class Indicator(Noun):
    """One thing that intelligence names.

    `value` is in its normal spelling (`spelled`); an address may be a network (`203.0.113.0/24`) and a domain holds for
    its sub-domains. `valid_from` <= t < `valid_until` in milliseconds; None is "no end". `confidence` 0..100 (STIX).
    `together` are the other parts, `type:value`, of a pattern that holds only when all of them are seen at once.
    `marking` says who may be told (`tlp:amber`); empty where its author said nothing.
    """

    type: IndicatorType
    value: str
    description: str = ""
    confidence: Annotated[int, Field(ge=0, le=100)] = 50
    valid_from: int = 0
    valid_until: int | None = None
    source: str
    kind: Literal["malicious", "suspicious"] = "malicious"
    together: tuple[str, ...] = ()
    marking: str = ""

    def validity(self, at: int) -> Literal["valid", "expired", "not_yet"]:
        """Whether the indicator held at a time (ms)."""
        if at < self.valid_from:
            return "not_yet"
        return "valid" if self.valid_until is None or at < self.valid_until else "expired"


class Warninglist(Noun):
    """A list of infrastructure known for something else than attacks (MISP warninglist).

    `name` is its short, stable name (`cloudflare`), `title` the readable one. `applies_to` are the indicator types it
    speaks of. `kind` says what being on it means: `benign` its owner alone uses it; `scanner` scans the internet for
    research; `shared` anyone can rent it; `abused` attackers like it (shorteners, throw-away mail); `reserved` private.
    """

    name: str
    title: str
    type: Literal["cidr", "hostname", "string", "substring", "regex"]
    kind: ListKind = "benign"
    applies_to: tuple[IndicatorType, ...]
    entries: tuple[str, ...]

    @property
    def vouches(self) -> bool:
        """Whether being on it speaks against an attack."""
        return self.kind in ("benign", "scanner") and self.type not in ("substring", "regex")


class ExploitedVulnerability(Noun):
    """A vulnerability known to be exploited (CISA KEV). `added` in milliseconds."""

    cve: str
    name: str
    vendor: str = ""
    product: str = ""
    added: int = 0
    ransomware: bool = False


class IntelProblem(Noun):
    """What could not be read of intelligence, and where it stands."""

    where: str
    what: str


def spelled(kind: str, value: str) -> str:
    """A value in its one normal spelling: folded, addresses and networks as `ipaddress` writes them.

    Raises ValueError for an address that is none.
    """
    text = value.strip()
    if kind == "address":
        return str(ipaddress.ip_network(text, strict=False)) if "/" in text else str(_unmapped(text))
    if kind == "domain":
        return text.lower().rstrip(".")
    if kind == "url":
        return _spelled_url(text)
    return text if kind == "user_agent" else text.lower()


@lru_cache(maxsize=16_384)  # traffic names the same addresses over and over
def _unmapped(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _spelled_url(text: str) -> str:
    """Scheme and host folded, path and query as they are, no fragment, no lone trailing slash."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    path = "" if parts.path == "/" and not parts.query else parts.path
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{path}{query}" if parts.netloc else text


def _host_of(url: str) -> str:
    try:
        return (urlsplit(url if "//" in url else f"//{url}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _suffixes(domain: str) -> Iterator[str]:
    """`a.b.example`, `b.example`, `example`."""
    while domain:
        yield domain
        domain = domain.partition(".")[2]


class Ways(NamedTuple):
    """Under what indicators of a value may be found: (type, spelling) pairs, and addresses that networks may hold."""

    exact: tuple[tuple[str, str], ...]
    addresses: tuple[str, ...]


@lru_cache(maxsize=16_384)  # as with addresses
def ways_of(kind: str, value: str) -> Ways:
    """How indicators may name a value: as itself, a URL's host, a mail address's domain, a domain's parents."""
    parts = parts_of(kind, value)
    exact = ((p.type, s) for p in parts for s in (_suffixes(p.value) if p.type == "domain" else (p.value,)))
    return Ways(tuple(exact), tuple(part.value for part in parts if part.type == "address"))


class Part(NamedTuple):
    """One way to look at a value: a URL is also its host, a mail address also its domain."""

    type: str
    value: str


@lru_cache(maxsize=16_384)  # as with addresses
def parts_of(kind: str, value: str) -> tuple[Part, ...]:
    """The ways to look at a value, itself first; none where it is not what `kind` says."""
    try:
        text = spelled(kind, value)
    except ValueError:
        return ()
    parts = [Part(kind, text)]
    host = _host_of(text) if kind == "url" else text.rpartition("@")[2] if kind == "mailbox" else ""
    if host and host != text:
        parts.append(Part("address" if _is_address(host) else "domain", host))
    return tuple(parts)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class Networks:
    """Networks by (version, prefix length, network bits): one dictionary look-up a prefix length in use."""

    def __init__(self) -> None:
        self._held: dict[tuple[int, int], dict[int, list[Any]]] = defaultdict(lambda: defaultdict(list))

    def add(self, network: str, item: Any) -> None:
        net = ipaddress.ip_network(network, strict=False)
        shift = net.max_prefixlen - net.prefixlen
        self._held[net.version, shift][int(net.network_address) >> shift].append(item)

    def containing(self, address: str) -> Iterator[Any]:
        try:
            ip = _unmapped(address)
        except ValueError:
            return
        number = int(ip)
        for (version, shift), networks in self._held.items():
            if version == ip.version and (number >> shift) in networks:
                yield from networks[number >> shift]


class Counts(NamedTuple):
    """How much intelligence there is. `problems` are entries of files that could not be read."""

    indicators: int
    warninglists: int
    vulnerabilities: int
    problems: int


class Intelligence:
    """One tenant's intelligence, wherever it is kept, as detections and collectors ask it."""

    @property
    def reaches_back(self) -> int:
        """How long (ms) before the time that its author names an indicator is made to hold."""
        return 0

    @property
    def counts(self) -> Counts:
        raise NotImplementedError

    def known(self, kind: str, value: str, also: Collection[str] = ()) -> tuple[Indicator, ...]:
        """Every indicator that names this value, stale ones too, most confident first.

        A URL is also looked up by its host, a mail address by its domain, a domain by its parents. `also` are the other
        things (`type:value`) seen in the same event: an indicator with `together` holds only when all of those are.
        """
        raise NotImplementedError

    def listed(self, kind: str, value: str) -> tuple[Warninglist, ...]:
        """The warninglists that a value is on, by name."""
        raise NotImplementedError

    def known_exploited(self, cve: str) -> ExploitedVulnerability | None:
        """The KEV entry of a vulnerability, or None."""
        raise NotImplementedError

    def matches(self, kind: str, value: str, at: int, also: Collection[str] = ()) -> tuple[Indicator, ...]:
        """The indicators that name this value and were valid at a time (ms)."""
        return tuple(i for i in self.known(kind, value, also) if i.validity(at) == "valid")

    def benign(self, kind: str, value: str) -> tuple[str, ...]:
        """Names of the lists that speak for a value: lists of kind `benign` or `scanner` that match it exactly.

        Shared, abused and reserved ones do not, nor do sub-strings and patterns: anyone can put such text into a name.
        """
        return tuple(lst.name for lst in self.listed(kind, value) if lst.vouches)


def holding(found: Iterable[Indicator], also: Collection[str] = ()) -> tuple[Indicator, ...]:
    """Of indicators that name one value those that hold beside `also`, each once, most confident first."""
    kept = dict.fromkeys(i for i in found if all(other in also for other in i.together))
    return tuple(sorted(kept, key=_order))


def _order(one: Indicator) -> tuple[Any, ...]:
    until = one.valid_until is None, one.valid_until or 0
    return (-one.confidence, one.source, one.type, one.value, one.description, one.valid_from, until, one.together)


class Intel(Noun, Intelligence):
    """Intelligence that stands still: what files hold. `problems` are the entries that could not be read."""

    indicators: tuple[Indicator, ...] = ()
    warninglists: tuple[Warninglist, ...] = ()
    vulnerabilities: tuple[ExploitedVulnerability, ...] = ()
    problems: tuple[IntelProblem, ...] = ()

    @cached_property
    def _exact(self) -> dict[tuple[str, str], list[Indicator]]:
        held: dict[tuple[str, str], list[Indicator]] = defaultdict(list)
        for indicator in self.indicators:
            held[indicator.type, indicator.value].append(indicator)
        return dict(held)

    @cached_property
    def _networks(self) -> Networks:
        networks = Networks()
        for indicator in self.indicators:
            if indicator.type == "address" and "/" in indicator.value:
                networks.add(indicator.value, indicator)
        return networks

    @cached_property
    def _lists(self) -> _Lists:
        return _Lists(self.warninglists)

    @cached_property
    def _exploited(self) -> dict[str, ExploitedVulnerability]:
        return {v.cve: v for v in self.vulnerabilities}

    @property
    def counts(self) -> Counts:
        return Counts(*map(len, (self.indicators, self.warninglists, self.vulnerabilities, self.problems)))

    def known(self, kind: str, value: str, also: Collection[str] = ()) -> tuple[Indicator, ...]:
        exact, addresses = ways_of(kind, value)
        held = self._exact
        found = [one for pair in exact if pair in held for one in held[pair]]
        for address in addresses:
            found += self._networks.containing(address)
        return holding(found, also) if found else ()

    def listed(self, kind: str, value: str) -> tuple[Warninglist, ...]:
        found = {lst.name: lst for part in parts_of(kind, value) for lst in self._lists.holding(kind, part)}
        return tuple(found[name] for name in sorted(found))

    def known_exploited(self, cve: str) -> ExploitedVulnerability | None:
        return self._exploited.get(cve.strip().upper())


class _Lists:
    """The entries of all warninglists, ready to be looked up."""

    def __init__(self, lists: Iterable[Warninglist]) -> None:
        self._exact: dict[str, list[Warninglist]] = defaultdict(list)
        self._suffix: dict[str, list[Warninglist]] = defaultdict(list)
        self._networks = Networks()
        self._scanned: list[tuple[Warninglist, Any]] = []
        for lst in lists:
            self._add(lst)

    def _add(self, lst: Warninglist) -> None:
        if lst.type == "substring":
            self._scanned.append((lst, tuple(e.lower() for e in lst.entries)))
        elif lst.type == "regex":
            self._scanned.append((lst, tuple(map(compile_pattern, lst.entries))))
        elif lst.type == "cidr":
            for entry in lst.entries:
                self._networks.add(entry, lst)
        else:
            for entry in lst.entries:
                text = entry.lower().rstrip(".")
                whole = lst.type == "string" and not text.startswith(".")
                (self._exact if whole else self._suffix)[text.lstrip(".")].append(lst)

    def holding(self, kind: str, part: Part) -> Iterator[Warninglist]:
        """The lists that apply to `kind` and hold one part of the value."""
        value = part.value.lower()
        found = list(self._exact.get(value, ()))
        if part.type == "domain":
            found += [lst for suffix in _suffixes(value) for lst in self._suffix.get(suffix, ())]
        if part.type == "address":
            found += self._networks.containing(value)
        found += [lst for lst, tests in self._scanned if kind in lst.applies_to and _hit(lst.type, tests, value)]
        yield from (lst for lst in found if kind in lst.applies_to or part.type in lst.applies_to)


def _hit(kind: str, tests: tuple[Any, ...], value: str) -> bool:
    if kind == "substring":
        return any(text in value for text in tests)
    return any(pattern.search(value) for pattern in tests)


def compile_pattern(entry: str) -> Any:
    """A compiled `/pattern/flags` entry of a MISP regex list, linear in time. Raises ValueError."""
    body, _, flags = entry[1:].rpartition("/") if entry.startswith("/") else (entry, "", "")
    try:
        return re2.compile(("(?i)" if "i" in flags else "") + body, _quiet())
    except re2.error as error:
        raise ValueError(f"not a pattern that runs in linear time: {error}") from None


def _quiet() -> Any:
    options = re2.Options()
    options.log_errors = False
    return options
