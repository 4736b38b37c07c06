"""Streams in pieces: the readers find the same records in the pieces as in the whole, and memory stays bounded."""

from __future__ import annotations

import datetime
import gzip
import io
import json
import random
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from watchfloor.core.record import Record
from watchfloor.ingest.readers import parquet as rows
from watchfloor.ingest.readers import read_parcel
from watchfloor.ingest.readers.source import Item, Unreadable
from watchfloor.ingest.sources import pieces as module
from watchfloor.ingest.sources.pieces import LostError, pieces

TRAILS = [{"eventVersion": "1.08", "eventName": "GetObject", "n": n, "note": 'a "quoted" {brace}'} for n in range(300)]
CSV = "time,user,text\n" + "".join(f'2026-10-{n % 28 + 1:02},u{n},"two\nlines, ""{n}"""\n' for n in range(300))
ZEEK = "#separator \\x09\n#fields\tts\tuid\tport\n#types\ttime\tstring\tport\n" + "".join(
    f"{n}.5\tC{n}\t{n}\n" for n in range(300)
)
IIS = "#Software: IIS\n#Fields: date time cs-uri\n" + "".join(
    f"2026-10-13 00:00:{n % 60:02} /{n}\n" for n in range(300)
)
IIS += "#Fields: date time c-ip cs-uri\n" + "".join(f"2026-10-13 01:00:{n % 60:02} 10.0.0.1 /{n}\n" for n in range(300))
FLOWS = "version account-id srcaddr dstaddr\n" + "".join(f"2 1 10.0.0.{n % 250} 10.1.0.1\n" for n in range(300))
WHOLE: dict[str, bytes] = {
    "lines.jsonl": b"".join(json.dumps(one).encode() + b"\n" for one in TRAILS),
    "no-end.jsonl": b"\n".join(json.dumps(one).encode() for one in TRAILS),
    "trail.json": json.dumps({"Records": TRAILS}).encode(),
    "pretty.json": json.dumps({"Records": TRAILS}, indent=2).encode(),
    "list.json": json.dumps(TRAILS).encode(),
    "joined.json": b"".join(json.dumps({"a": 1, "b": one}).encode() for one in TRAILS),
    "torn.json": json.dumps({"Records": TRAILS}).encode()[:-40],
    "one.json": json.dumps({"a": [1] * 900}).encode(),
    "numbers.json": json.dumps(list(range(5_000))).encode(),
    "table.csv": CSV.encode(),
    "conn.log": ZEEK.encode(),
    "iis.log": IIS.encode(),
    "flows.log": FLOWS.encode(),
    "utf16.csv": CSV.encode("utf-16"),
    "messages": b"".join(b"<34>1 2026-10-11T22:14:15.003Z host su - ID%d - hello\n" % n for n in range(300)),
    "one.eml": b"From: a@b.example\nTo: c@d.example\nSubject: hello\n\nbody\n",
}


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), out, row_group_size=100)
    return out.getvalue()


WHOLE["table.parquet"] = as_parquet(TRAILS)


@pytest.fixture(params=[None, 2_000], ids=["as it is", "small pieces"])
def limits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param:
        for name in ("PIECE", "WHOLE"):
            monkeypatch.setattr(module, name, request.param)


def items(name: str, content: bytes, form: str = "") -> list[Item]:
    cut = pieces(name, io.BytesIO(content), form)
    return [item for piece in cut for item in read_parcel("t", "s3/x", piece.content, form=piece.form)]


def seen(found: list[Item]) -> list[Any]:
    return [(item.data if isinstance(item, Record) else item.reason.rpartition(": ")[2]) for item in found]


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize("name", list(WHOLE))
def test_the_pieces_hold_the_records_of_the_whole(name: str) -> None:
    whole = list(read_parcel("t", name, WHOLE[name]))
    assert seen(items(name, WHOLE[name])) == seen(whole)


def as_zip(content: bytes, name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


def as_tar(content: bytes, name: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def packed(content: bytes, name: str) -> bytes:
    return gzip.compress(content)


@pytest.mark.parametrize("how", [packed, as_zip, as_tar])
@pytest.mark.parametrize("name", ["lines.jsonl", "trail.json", "table.csv"])
def test_archives_are_unpacked(how: Callable[[bytes, str], bytes], name: str) -> None:
    assert seen(items(name, how(WHOLE[name], name))) == seen(list(read_parcel("t", name, WHOLE[name])))


def test_the_lines_of_a_named_form_are_unpacked_and_read_as_that() -> None:
    found = items("k.gz", gzip.compress(CSV.encode()), form="syslog")
    assert [item.format for item in found if isinstance(item, Record)] == ["syslog"] * CSV.count("\n")


def test_a_row_of_parquet_is_the_record_that_it_stands_for() -> None:
    at = datetime.datetime(2026, 10, 13, 7, 1, 2, 3_000)  # noqa: DTZ001 - as Parquet has them, often
    row = {"class_uid": 3002, "time_dt": at, "user": {"name": "ana", "uid": None}, "raw": b"\xff\x00", "no": None}
    whole = pyarrow.Table.from_pylist([row, {"class_uid": 1}])
    whole = whole.append_column("ns", pyarrow.array([at, None], pyarrow.timestamp("ns")))
    labels = pyarrow.array([[("a", "b")], None], pyarrow.map_(pyarrow.string(), pyarrow.string()))
    out = io.BytesIO()
    parquet.write_table(whole.append_column("unmapped", labels), out)
    first, second = items("k.gz", gzip.compress(out.getvalue()))
    time = "2026-10-13T07:01:02.003000Z"
    assert isinstance(first, Record)
    assert first.data == {
        "class_uid": 3002,
        "time_dt": time,
        "user": {"name": "ana"},
        "raw": "ff00",
        "ns": time,
        "unmapped": {"a": "b"},
    }
    assert isinstance(second, Record)
    assert second.data == {"class_uid": 1}


def reason(found: list[Item]) -> str:
    assert isinstance(found[-1], Unreadable)
    return found[-1].reason


def test_what_came_before_a_break_is_kept_and_the_break_is_told_with_its_place() -> None:
    lines = b"".join(
        b'{"n": %d, "x": "%s"}\n' % (n, random.Random(n).randbytes(40).hex().encode()) for n in range(12_000)
    )
    torn = gzip.compress(lines)[:-40_000]
    found = items("s3://b/k.jsonl.gz", torn)
    assert len(found) > 5_000
    assert [item.data["n"] for item in found[:-2] if isinstance(item, Record)] == list(range(len(found) - 2))
    assert "s3://b/k.jsonl.gz!k.jsonl: reading stopped: Compressed file ended" in reason(found)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (gzip.compress(b'{"a": 1}\n' * 9_000_000), "looks like a bomb"),
        (as_zip(b" " * 100_000_000, "a.json"), "looks like a bomb"),
        (gzip.compress(gzip.compress(gzip.compress(gzip.compress(b"{}")))), "nested deeper"),
        (bytes(range(256)) * 10, "holds no records in a known format"),
        (b"PK\x03\x04nothing", "reading stopped: File is not a zip file"),
        (b"ElfFile\0" + bytes(65 << 20), "longer than 67,108,864 bytes"),
        (as_parquet(TRAILS)[:-20], "reading stopped"),
        (as_parquet([{"a": 1}] * 600), "600 rows"),
    ],
    ids=["gzip bomb", "zip bomb", "deep", "binary", "no zip", "large evtx", "torn parquet", "many rows"],
)
def test_hostile_objects_become_dead_letters_that_say_why(
    content: bytes, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MOST_ROWS", 500)
    last = list(pieces("s3://b/k", io.BytesIO(content)))[-1]
    (letter,) = read_parcel("t", "s3/x", last.content, form=last.form)
    assert why in reason([letter])
    assert len(letter.raw) < 70_000


def test_a_line_without_an_end_comes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST", 3 << 20)
    content = b"x" * (10 << 20)
    found = list(pieces("k.log", io.BytesIO(content)))
    assert b"".join(piece.content for piece in found) == content
    assert max(len(piece.content) for piece in found) <= 4 << 20


def test_a_stream_that_cannot_be_read_now_is_no_dead_letter() -> None:
    class Lost(io.RawIOBase):
        left = 300_000

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            if self.left <= 0:
                raise LostError("gone")
            self.left -= len(buffer)
            buffer[:] = b"a b c 1\n" * (len(buffer) // 8) + b"\n" * (len(buffer) % 8)
            return len(buffer)

    found = []
    with pytest.raises(LostError):
        found += pieces("k.log", Lost())
    assert all(piece.form == "syslog" for piece in found)


def test_memory_does_not_grow_with_the_object() -> None:
    line = json.dumps({"eventName": "GetObject", "text": "x" * 500}).encode() + b"\n"

    class Endless(io.RawIOBase):
        left = 60 << 20

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            size = min(len(buffer), self.left)
            self.left -= size
            buffer[:size] = (line * (size // len(line) + 1))[:size]
            return size

    tracemalloc.start()
    try:
        count = sum(1 for _ in pieces("k.jsonl", Endless()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count >= 50
    assert peak < 12 << 20
