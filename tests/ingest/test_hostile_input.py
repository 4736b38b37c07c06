"""Hostile and broken input: one clear message each, the rest of the file kept, nothing raised, memory bounded."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchfloor.core.record import Record
from watchfloor.ingest import Normalizer, ingest
from watchfloor.ingest.readers import READERS, Unreadable, archives, read
from watchfloor.ingest.readers.sniff import format_of
from watchfloor.ingest.readers.source import SAMPLE, Item, Source, headed

GOOD = b'{"a": 1, "b": "x"}'


def items(path: Path, content: bytes) -> tuple[list[Record], list[Unreadable]]:
    path.write_bytes(content)
    found = list(read(path, "acme"))
    return (
        [r for r in found if isinstance(r, Record)],
        [u for u in found if isinstance(u, Unreadable)],
    )


def test_a_50_mb_line_costs_no_memory_and_not_its_neighbours(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    with file.open("wb") as out:
        out.write(GOOD + b"\n" + b'{"a": "')
        for _ in range(50):
            out.write(b"x" * 1_000_000)
        out.write(b'"}\n' + GOOD + b"\n")
    tracemalloc.start()
    found = list(read(file, "acme"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [isinstance(i, Record) for i in found] == [True, False, True]
    broken = found[1]
    assert isinstance(broken, Unreadable)
    assert "50,000,010" in broken.reason
    assert (broken.position, broken.unit, len(broken.raw)) == (1, "line", SAMPLE)
    assert peak < 64_000_000


def test_a_huge_record_inside_a_large_array_is_reported_alone(tmp_path: Path) -> None:
    text = b'{"Records": [' + GOOD + b', {"a": "' + b"x" * 17_000_000 + b'"}, ' + GOOD + b"]}"
    found, broken = items(tmp_path / "x.json", text + b" " * (65 << 20))
    assert len(found) == 2
    assert [("longer than a record" in b.reason) for b in broken] == [True]


DAMAGED: dict[str, tuple[bytes, int, list[str]]] = {
    "truncated line": (GOOD + b'\n{"a": 1, "b', 1, ["no valid JSON"]),
    "broken first line": (b'{"a": \n' + GOOD + b"\n" + GOOD, 2, ["no valid JSON"]),
    "truncated array": (b"[" + GOOD + b"," + GOOD + b', {"a": ', 2, ["truncated"]),
    "truncated Records": (b'{"Records": [' + GOOD + b"," + GOOD + b', {"a": [1, "x', 2, ["truncated"]),
    "truncated pretty": (
        b'{\n "Records": [\n' + GOOD + b",\n" + GOOD + b',\n{"a": [1, "x',
        2,
        ["truncated"],
    ),
    "one broken in an array": (b"[" + GOOD + b', {"a": tru}, ' + GOOD + b"]", 2, ["no valid JSON"]),
    "scalars in an array": (b"[" + GOOD + b", 7, " + GOOD + b"]", 2, ["no JSON object but a int"]),
    "only scalars": (b"[" + b"1," * 50 + b"1]", 0, ["no records"]),
    "deep nesting": (
        GOOD + b'\n{"a":' + b"[" * 5000 + b"]" * 5000 + b"}\n" + GOOD,
        2,
        ["no valid JSON|nested deeper"],
    ),
    "deep but parsable": (
        GOOD + b'\n{"a":' + b"[" * 300 + b"]" * 300 + b"}\n" + GOOD,
        2,
        ["nested deeper"],
    ),
    "bytes without meaning": (GOOD + b"\n\x80\x81\x82\n" + GOOD, 2, ["no valid JSON"]),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_json_keeps_the_rest_and_says_where(case: str, tmp_path: Path) -> None:
    content, good, reasons = DAMAGED[case]
    found, broken = items(tmp_path / "x.json", content)
    assert len(found) == good
    assert len(broken) == len(reasons)
    for unreadable, reason in zip(broken, reasons, strict=True):
        assert any(part in unreadable.reason for part in reason.split("|")), unreadable.reason
        assert unreadable.where.startswith(str(tmp_path / "x.json"))


ODD = {
    "NaN": (b'{"a": NaN, "b": -Infinity}', {"a": "NaN", "b": "-Infinity"}),
    "huge float": (b'{"a": 1e999, "b": 1}', {"a": "1e999", "b": 1}),
    "duplicate keys": (b'{"a": 1, "a": 2}', {"a": 2}),
    "no UTF-8": (b'{"a": "\xff\xfe"}', {"a": "��"}),
    "control character": (b'{"a": "x\x01y"}', {"a": "x\x01y"}),
}


@pytest.mark.parametrize("case", ODD)
def test_what_strict_parsers_refuse_is_kept_and_noted(case: str, tmp_path: Path) -> None:
    content, wanted = ODD[case]
    found, broken = items(tmp_path / "x.json", GOOD + b"\n" + content + b"\n")
    assert broken == []
    assert found[1].data == wanted
    event = Normalizer.shipped().event(found[1])
    noted = event.ocsf.get("unmapped", {}).get("reading_note", "")
    assert bool(noted) == (case != "duplicate keys")


def test_a_huge_whole_number_is_kept(tmp_path: Path) -> None:
    (record,), broken = items(tmp_path / "x.json", b'{"a": 123456789012345678901234567890}')
    assert broken == []
    assert float(record.data["a"]) == pytest.approx(1.2345678901234568e29)
    assert b"123456789012345678901234567890" in record.raw


def test_a_gzip_bomb_is_stopped_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "RATIO_FLOOR", 1 << 20)
    bomb = gzip.compress(GOOD + b"\n" + b" " * (8 << 20) + b"\n" + GOOD)
    found, broken = items(tmp_path / "x.gz", bomb)
    assert len(found) == 1
    assert len(broken) == 1
    assert "bomb" in broken[0].reason


def test_a_zip_bomb_among_good_files_is_stopped_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "RATIO_FLOOR", 1 << 20)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", GOOD)
        archive.writestr("bomb.json", GOOD + b"\n" + b" " * (8 << 20))
        archive.writestr("z.json", GOOD)
    found, broken = items(tmp_path / "x.zip", buffer.getvalue())
    assert {r.source.rpartition("!")[2] for r in found} >= {"a.json", "z.json"}
    assert len(broken) == 1
    assert "bomb" in broken[0].reason
    assert broken[0].source.endswith("!bomb.json")


def test_archives_in_archives_end_somewhere(tmp_path: Path) -> None:
    content = GOOD
    for _ in range(6):
        content = gzip.compress(content)
    found, broken = items(tmp_path / "x.gz", content)
    assert found == []
    assert ["nested" in b.reason for b in broken] == [True]


def test_member_names_are_shown_never_followed(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../../../tmp/evil\n.json", GOOD)
        archive.writestr("/etc/passwd.json", GOOD)
    before = sorted(tmp_path.rglob("*"))
    found, broken = items(tmp_path / "x.zip", buffer.getvalue())
    assert (len(found), broken) == (2, [])
    assert all(r.source.startswith(f"{tmp_path}/x.zip!") and "\n" not in r.source for r in found)
    assert sorted(tmp_path.rglob("*")) == [*before, tmp_path / "x.zip"]


def test_links_in_a_tar_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_bytes(GOOD)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("a.json")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        archive.addfile(link)
        member = tarfile.TarInfo("b.json")
        member.size = len(GOOD)
        archive.addfile(member, io.BytesIO(GOOD))
    found, broken = items(tmp_path / "x.tar", buffer.getvalue())
    assert [r.source.rpartition("!")[2] for r in found] == ["b.json"]
    assert broken == []


CUT = {
    "gzip": gzip.compress(b"\n".join([b'{"a": %d, "b": "x"}' % (i * 7919) for i in range(20_000)]))[:-900],
    "zip": b"PK\x03\x04" + b"\0" * 100,
    "evtx": b"ElfFile\0" + b"\0" * 5000,
    "tar": b"x" * 257 + b"ustar" + b"y" * 600,
}


@pytest.mark.parametrize("form", CUT)
def test_a_cut_archive_is_one_clear_message(form: str, tmp_path: Path) -> None:
    _, broken = items(tmp_path / "x", CUT[form])
    assert len(broken) == 1
    assert broken[0].reason
    assert "Traceback" not in broken[0].reason


def test_a_cut_gzip_keeps_what_came_before(tmp_path: Path) -> None:
    found, _ = items(tmp_path / "x", CUT["gzip"])
    assert found
    assert [r.data["a"] for r in found[:3]] == [0, 7919, 15838]


def test_an_encrypted_member_is_named(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.json", GOOD)
    content = bytearray(buffer.getvalue())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    found, broken = items(tmp_path / "x.zip", bytes(content))
    assert found == []
    assert "'a.json' in it is encrypted" in broken[0].reason


MAILS = {
    "without headers": (b"just some words\n", "without headers"),
    "only an empty line": (b"\nhello\n", "without headers"),
}


@pytest.mark.parametrize("case", MAILS)
def test_a_mail_without_headers_is_said_so(case: str, tmp_path: Path) -> None:
    content, reason = MAILS[case]
    found, broken = items(tmp_path / "x.eml", content)
    assert found == []
    assert [reason in b.reason for b in broken] == [True]


def test_a_mime_bomb_is_cut_short(tmp_path: Path) -> None:
    head = b"From: a@b.example\nTo: c@d.example\nContent-Type: multipart/mixed; boundary=B\n\n"
    parts = b"".join(b"--B\nContent-Type: text/plain\n\nx\n" for _ in range(5000))
    (record,), broken = items(tmp_path / "x.eml", head + parts + b"--B--\n")
    assert broken == []
    assert record.data["problems"] == ["more than 500 parts"]
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=B%d\n\n--B%d\n" % (i, i) for i in range(3000))
    found, broken = items(tmp_path / "y.eml", b"From: a@b.example\nTo: c@d.example\n" + deep)
    assert len(found) + len(broken) == 1


def test_a_csv_row_with_too_many_cells_and_a_quote_never_closed(tmp_path: Path) -> None:
    found, broken = items(tmp_path / "x.csv", b"time,name,note\n1,x,y\n1,2,3,4\n2,y,z\n")
    assert [r.data["time"] for r in found] == ["1", "2"]
    assert ["4 cells in a row, but 3 columns" in b.reason for b in broken] == [True]
    runaway = b'time,name,note\n1,x,y\n2,"y,z\n' + b"3,a,b\n" * 400_000
    found, broken = items(tmp_path / "y.csv", runaway)
    assert broken
    assert "field larger than field limit" in broken[0].reason
    assert found[0].data == {"time": "1", "name": "x", "note": "y"}


def test_what_holds_no_records_is_counted_in_folders_and_named_when_asked_for(tmp_path: Path) -> None:
    for name, content in {
        "README.md": b"# Words\n\nand more words, and, so, on\n",
        "LICENSE": b"Permission is hereby granted, free of charge, to any person\n" * 20,
        "rule.yml": b"title: x\nlogsource:\n  product: windows\n",
        "a.png": b"\x89PNG\r\n\x1a\n\0\0\0",
        "empty.json": b"",
        "good.json": GOOD,
    }.items():
        (tmp_path / name).write_bytes(content)
    passed: list[str] = []
    found = list(ingest([tmp_path], "acme", Normalizer.shipped(), passed_over=passed))
    assert len(found) == 1
    assert sorted(Path(p).name for p in passed) == ["LICENSE", "README.md", "a.png", "empty.json", "rule.yml"]
    named = list(ingest([tmp_path / "README.md"], "acme", Normalizer.shipped()))
    assert [isinstance(n, Unreadable) for n in named] == [True]
    missing = list(ingest([tmp_path / "nowhere.json"], "acme", Normalizer.shipped()))
    assert [isinstance(n, Unreadable) and "cannot be opened" in n.reason for n in missing] == [True]


def all_of(content: bytes, form: str) -> list[Item]:
    """What one reader makes of bytes, whatever the sniffer would say; only errors that `read` reports may be raised."""
    head, stream = headed(io.BytesIO(content))
    source = Source("acme", "x", stream, head, 1_791_874_862_000)
    with contextlib.suppress(ValueError, OSError, EOFError, csv.Error):
        return list(READERS[form](source))
    return []


SNIPPETS = [b'{"a":1}', b"{", b"}", b"[", b"]", b'"', b"\\", b",", b"\n", b'{"Records":[', b"\xff", b"From a\n"]
SNIPPETS += [
    b"From: a@b.c\n",
    b"\0",
    b"a,b,c\n",
    b"<13>",
    b"Oct 13 07:01:02 h p: ",
    b"#fields\ta\n",
    b"type=A msg=audit(",
]
PIECES = st.lists(st.sampled_from(SNIPPETS), max_size=40).map(b"".join)
FUZZ = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@FUZZ
@given(
    content=st.one_of(st.binary(max_size=2000), PIECES),
    magic=st.sampled_from([b"", b"\x1f\x8b", b"PK\x03\x04", b"ElfFile\0", b"\xff\xfe", b"{", b"["]),
)
def test_no_bytes_make_reading_raise_and_none_are_silently_dropped(
    content: bytes, magic: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(magic + content)
    found = list(read(file, "acme"))
    normalizer = NORMALIZER
    for item in found:
        if isinstance(item, Record):
            assert normalizer.event(item).ocsf["class_uid"] >= 0
    if format_of(magic + content, "x.jsonl") == "json" and b"".join((magic + content).split()) not in (b"", b"[]"):
        assert found


@FUZZ
@given(content=PIECES, form=st.sampled_from(["json", "csv", "zeek", "syslog", "mail", "mbox"]))
def test_no_bytes_make_a_text_reader_fail(content: bytes, form: str) -> None:
    for item in all_of(content, form):
        assert item.source == "x"


NORMALIZER = Normalizer.shipped()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = [
    "EventID Channel Provider_Name Image User ProcessId TargetUserName IpAddress UtcTime TimeCreated Hashes LogonType",
    "eventSource eventName awsRegion userIdentity requestParameters resources sourceIPAddress eventTime errorCode",
    "_path ts uid id.orig_h id.resp_h answers query method event_type timestamp alert src_ip dns http rule agent data",
    "createdDateTime userPrincipalName appDisplayName status location Operation Workload UserId Parameters ClientIP",
    "actor action type name host message winlog Event System",
]


@FUZZ
@given(st.data())
def test_no_record_makes_the_normaliser_fail(data: st.DataObject) -> None:
    names = data.draw(st.sampled_from(KEYS)).split()
    record_data = data.draw(st.dictionaries(st.sampled_from(names), VALUES, max_size=len(names)))
    for shipped in ("Microsoft-Windows-Sysmon/Operational", "Security", "Windows PowerShell", "System"):
        if "EventID" in names:
            record_data["Channel"], record_data["EventID"] = shipped, data.draw(st.integers(1, 29))
        raw = json.dumps(record_data).encode()
        record = Record(tenant="acme", source="x", position=0, unit="line", format="json", raw=raw, data=record_data)
        event = NORMALIZER.event(record)
        assert event.uid == record.uid
        assert "problem" not in event.ocsf.get("unmapped", {}), event.ocsf["unmapped"]


def test_a_windows_event_without_a_number_is_read_all_the_same() -> None:
    data = {"EventID": None, "Channel": "Application", "Computer": "ws1", "TimeCreated": "2026-10-13T07:01:02Z"}
    record = Record(tenant="acme", source="x", position=0, unit="record", format="json", raw=b"{}", data=data)
    event = NORMALIZER.event(record)
    assert event.original["Computer"] == "ws1"
    assert "problem" not in event.ocsf.get("unmapped", {})
