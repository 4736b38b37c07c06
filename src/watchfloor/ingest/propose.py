"""A first mapping of a product from sample records: what the base mapping finds by usual names, with the paths spelled.

What it proposes is where to begin: the class and the values of enumerations are guesses that a person looks at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson
import yaml

from watchfloor.content import Document
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.event import Event
from watchfloor.core.record import Record
from watchfloor.ingest.mappings import Mapping
from watchfloor.ingest.mappings.convert import CONVERTERS, time_ms
from watchfloor.ingest.mappings.names import USUAL, letters, places
from watchfloor.ingest.mappings.values import present
from watchfloor.ingest.normalizer import Normalizer
from watchfloor.ingest.shapes import shape_of
from watchfloor.ingest.trial import record_of, trials

RANK = 40
"""Before what takes any product's records; before a product's own mapping where it has one."""
_MOST_KEYS = 5
# Keys whose constant value tells what kind of record it is, by their letters.
_TELLING = re.compile(r"type|kind|source|category|product|vendor|dataset|module|provider|service|schema|class|logname")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d|1\d{9}(\d{3})?(\.\d+)?$")
# What every product's records have tells nothing.
_EVERYWHERE = re.compile(r"^(timestamp|time|date|message|msg|host|hostname|level|tags|version|id)$")
_EXPECTED = (
    *("class_uid", "activity_name", "status", "time", "actor.user.name", "user.name", "device.hostname"),
    *("src_endpoint.ip", "dst_endpoint.ip", "dst_endpoint.port", "api.operation", "process.name", "process.cmd_line"),
    *("http_request.url.url_string", "http_request.user_agent", "file.path", "message"),
)
Data = dict[str, Any]


def propose(records: Sequence[Record], name: str) -> str:
    """The YAML of a mapping for sample records, which loads and whose own test passes.

    Raises WatchfloorError without samples, or for samples of several shapes (JSON, syslog, mail, ...).
    """
    if not records:
        raise WatchfloorError("there is no record to start from", do="Give a file that holds some")
    shaped = [shape_of(record) for record in records]
    shapes = sorted({shape for shape, _ in shaped})
    if len(shapes) > 1:
        raise WatchfloorError(f"the samples are of several shapes: {', '.join(shapes)}", do="Give those of one")
    shipped = Normalizer.shipped()
    base, taking = shipped.base, shipped.taking(records[0])
    samples = [data for _, data in shaped]
    kind = base.kind_of(base.seen(samples[0]))
    spec = next(t for t in base.document.data["types"] if t["name"] == kind.name)
    roles = _Roles(base.document.data["names"], samples)
    fields = {
        path: found for path, rule in spec.get("fields", {}).items() if (found := roles.spelled(rule)) is not None
    }
    words = name.replace("_", " ").title()
    proposed: Data = {
        "mapping": name,
        **({"shape": shapes[0]} if shapes[0] != "json" else {}),
        "rank": min(RANK, taking.rank),
        "product": {"name": words, "vendor_name": words},
        "layer": kind.layer,
        "logsource": {"product": name},
        "time": roles.paths("time") or roles.times() or ["time"],
        "when": _condition(samples),
        "types": [{"name": kind.name, "class": spec["class"], **_enumerations(spec, roles), "fields": fields}],
    }
    return _with_test(proposed, samples[0] if shapes[0] == "json" else records[0].data, base)


def _with_test(proposed: Data, sample: Data, base: Mapping) -> str:
    """The mapping with a test that says what it makes of a sample now."""
    plain = orjson.loads(orjson.dumps(sample, default=str))
    mapping = Mapping(Document("the proposal", proposed)).checked()
    event = Normalizer([mapping], base).event(record_of(plain, mapping.shape))
    proposed["tests"] = [
        {"name": f"the first sample: {event.ocsf['class_name']}", "record": plain, "expect": _expected(event)}
    ]
    text = yaml.safe_dump(proposed, sort_keys=False, allow_unicode=True, width=110)
    whole = Mapping(Document("the proposal", yaml.safe_load(text))).checked()
    failed = [failure for trial in trials(whole, Normalizer([whole], base)) for failure in trial.failures]
    if failed:
        raise WatchfloorError(f"no mapping can be made of the sample: {failed[0]}", do="Give another one first")
    return text


def _expected(event: Event) -> Data:
    found = {path: event.get(path) for path in _EXPECTED}
    return {path: value for path, value in found.items() if value is not None and value != "Unknown"}


class _Roles:
    """Where samples have what the base mapping looks for by usual names."""

    def __init__(self, names: Data, samples: Sequence[Data]) -> None:
        self._names = names
        self._places = [places(data) for data in samples]

    def paths(self, role: str) -> list[str]:
        """The paths at which the samples have a role, the most usual name first."""
        rule = self._names[role]
        convert = CONVERTERS[rule.get("as", "text")]
        found: list[str] = []
        for there in self._places:
            hits = (there[n] for name in rule["of"] if (n := letters(str(name))) in there)
            path = next((path for path, value in hits if convert(value) is not None), None)
            if path is not None and path not in found:
                found.append(path)
        return found

    def times(self) -> list[str]:
        """The path of what is a time by its value."""
        return [path for path, value in self._places[0].values() if _TIME.match(str(value)) and time_ms(value)][:1]

    def values(self, role: str) -> list[Any]:
        """What the samples say of a role."""
        paths = self.paths(role)
        return [value for there in self._places for path, value in there.values() if path in paths]

    def spelled(self, rule: Any) -> Any:
        """A field of the base mapping with paths instead of roles; None where the samples have none of them."""
        if isinstance(rule, str) and rule.startswith(USUAL + "."):
            role = rule.partition(".")[2]
            paths, how = self.paths(role), self._names[role].get("as")
            if not paths:
                return None
            if how in ("hashes", "not_ip"):
                return {"from": paths if len(paths) > 1 else paths[0], "as": how}
            return paths if len(paths) > 1 else paths[0]
        if isinstance(rule, list):
            kept = [found for one in rule if (found := self.spelled(one)) is not None]
            return kept[0] if len(kept) == 1 else kept or None
        if isinstance(rule, dict):
            return self._rule(rule)
        return rule

    def _rule(self, rule: Data) -> Any:
        if "items" in rule:
            kept = [found for one in rule["items"] if (found := self.spelled(one)) is not None]
            return {"items": kept} if kept else None
        if "from" not in rule:
            return None if "when" in rule else rule
        stated = rule["from"] if isinstance(rule["from"], list) else [rule["from"]]
        paths = [path for one in stated for path in self.paths(one.partition(".")[2])]
        if not paths:
            return None
        rest = {key: value for key, value in rule.items() if key not in ("from", "when")}
        if rest.get("as") == "raw" and all(self._names[one.partition(".")[2]].get("as") == "hashes" for one in stated):
            rest["as"] = "hashes"
        return {"from": paths if len(paths) > 1 else paths[0], **rest}


def _enumerations(spec: Data, roles: _Roles) -> Data:
    """Activity and status of the base mapping's type, as far as the samples have what they are read from."""
    found: Data = {}
    if (activity := roles.spelled(spec.get("activity"))) is not None:
        found["activity"] = activity
    status = roles.spelled(spec.get("status"))
    if isinstance(status, dict):
        seen = {str(value).lower() for value in roles.values("status")}
        table = {value: caption for value, caption in status["map"].items() if str(value).lower() in seen}
        found["status"] = {**status, "map": table or {"success": "Success", "failure": "Failure"}}
    return found


def _condition(samples: Sequence[Data]) -> Data:
    """Keys that all samples have: with their value where it tells the kind of record, else that they are there."""
    first = samples[0]
    shared = [k for k in first if isinstance(k, str) and all(present(data.get(k)) is not None for data in samples)]
    constant = [k for k in shared if isinstance(first[k], str) and all(data[k] == first[k] for data in samples)]
    telling = {k: first[k] for k in constant if _TELLING.search(letters(k)) and _plain(first[k])}
    plain = [k for k in shared if k not in telling and k != "not" and "*" not in k]
    rare = sorted(plain, key=lambda k: (bool(_EVERYWHERE.match(letters(k))), -len(k)))
    chosen = dict(list(telling.items())[: _MOST_KEYS - 2])
    chosen.update(dict.fromkeys(rare[: _MOST_KEYS - len(chosen)], "*"))
    if not chosen:
        raise WatchfloorError("the samples have no key in common", do="Give records of one kind")
    return chosen


def _plain(value: str) -> bool:
    """Whether a value can stand in a condition: short, no `*`, no number or identifier."""
    return len(value) <= 64 and "*" not in value and not re.search(r"\d{4}", value)
