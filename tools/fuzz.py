"""Coverage-guided fuzzing of what reads hostile bytes: readers, mappings, and what is made of their events.

usage: .venv/bin/python tools/fuzz.py [--minutes N] [--corpus DIR]        (make fuzz)

What must hold for any bytes: nothing is raised, nothing hangs (10 s an input), memory stays under 512 MB, and each item
is a record, which becomes an event, or says why it was not read.
"""

from __future__ import annotations

import argparse
import gzip
import io
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["watchfloor.ingest", "watchfloor.core"]):
    from watchfloor import content
    from watchfloor.core.event import Event
    from watchfloor.core.facets import facets, involved
    from watchfloor.core.record import Record
    from watchfloor.ingest import Normalizer, Unreadable
    from watchfloor.ingest.readers import read_source
    from watchfloor.ingest.readers.source import Source, headed

import orjson

SECONDS_AN_INPUT = 10
MEMORY_MB = 512
LONGEST = 16_384
_NORMALIZER = Normalizer.shipped()


def one_input(data: bytes) -> None:
    """Read and normalise; an assertion or exception here is a defect."""
    head, stream = headed(io.BytesIO(data))
    for item in read_source(Source("fuzz", "input", stream, head, 0)):
        if isinstance(item, Unreadable):
            assert item.reason
            continue
        assert isinstance(item, Record)
        event = _NORMALIZER.event(item)
        assert isinstance(event, Event)
        assert event.uid == item.uid
        assert event.ocsf["class_uid"] >= 0
        facets(event)
        involved(event)


def seeds(folder: Path) -> None:
    """The story's first bytes of each file, and every mapping's own test records: one file each."""
    for number, file in enumerate(sorted((content.folder("story") / "records").rglob("*.*"))):
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        (folder / f"story-{number}").write_bytes(data[:LONGEST])
    for document in content.documents(content.folder("mappings")):
        for number, test in enumerate(document.data.get("tests") or ()):
            record = test.get("record", test.get("line", ""))
            raw = record.encode() if isinstance(record, str) else orjson.dumps(record, default=str)
            (folder / f"{document.data['mapping']}-{number}").write_bytes(raw[:LONGEST])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--corpus", type=Path, help="keep what was found here, and go on from it")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="watchfloor-fuzz-") as scratch:
        corpus = given.corpus or Path(scratch) / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        seeds(corpus)
        flags = [
            f"-max_total_time={int(given.minutes * 60)}",
            f"-timeout={SECONDS_AN_INPUT}",
            f"-rss_limit_mb={MEMORY_MB}",
            f"-max_len={LONGEST}",
            "-print_final_stats=1",
            str(corpus),
        ]
        atheris.Setup([sys.argv[0], *flags], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
