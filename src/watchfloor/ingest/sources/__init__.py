"""Sources: where records come from when nobody pushes them. Each kind is a noun of `sources.yaml` that can `run`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from watchfloor import content
from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.sources.imap import Imap
from watchfloor.ingest.sources.kafka import Kafka
from watchfloor.ingest.sources.misp import Misp
from watchfloor.ingest.sources.nats import Nats
from watchfloor.ingest.sources.poll import Poll
from watchfloor.ingest.sources.s3 import S3
from watchfloor.ingest.sources.source import Hand, Source, shown
from watchfloor.ingest.sources.syslog import Syslog
from watchfloor.ingest.sources.tail import Tail
from watchfloor.ingest.sources.taxii import Taxii

__all__ = ["FILE", "KINDS", "Hand", "Source", "read_file", "read_sources", "shown"]

FILE = "sources.yaml"
KINDS: dict[str, type[Source]] = {
    "syslog": Syslog,
    "tail": Tail,
    "poll": Poll,
    "kafka": Kafka,
    "nats": Nats,
    "s3": S3,
    "imap": Imap,
    "taxii": Taxii,
    "misp": Misp,
}


def read_sources(home: Path) -> tuple[Source, ...]:
    """The sources of a home's `sources.yaml` (a list under `sources:`); none where there is no such file.

    Raises WatchfloorError that names the source and each wrong field.
    """
    file = home / FILE
    return read_file(file) if file.exists() else ()


def read_file(file: Path) -> tuple[Source, ...]:
    """The sources of a file that is there. Raises as `read_sources` does."""
    found: list[Source] = []
    for where, data in content.documents(file):
        listed = data.get("sources") if isinstance(data, dict) and data.keys() == {"sources"} else None
        if not isinstance(listed, list):
            raise WatchfloorError("must hold `sources:` with a list, and nothing else", where=where)
        found += [_source(fields, f"{where}, source {number}") for number, fields in enumerate(listed, 1)]
    twice = [name for name, count in Counter(source.source for source in found).items() if count > 1]
    if twice:
        raise WatchfloorError(f"{twice[0]} stands there twice", where=str(file), do="Give each a name of its own")
    return tuple(found)


def _source(fields: object, where: str) -> Source:
    kind = str(fields.get("kind")) if isinstance(fields, dict) else ""
    if kind not in KINDS:
        raise WatchfloorError(f"no kind of source {kind!r}", where=where, do=f"One of: {', '.join(KINDS)}")
    try:
        return KINDS[kind].from_dict(fields)
    except WatchfloorError as error:
        raise WatchfloorError(error.what, where=where) from None
