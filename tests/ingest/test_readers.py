"""Each format is read by what it holds; where records stand and what their raw bytes are."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.core.record import Record
from watchfloor.ingest.readers import READERS, Unreadable, read
from watchfloor.ingest.readers.source import Source, headed

TWO = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


def records(path: Path, content: bytes | str) -> list[Record]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    found = list(read(path, "acme"))
    assert [u for u in found if isinstance(u, Unreadable)] == []
    return [r for r in found if isinstance(r, Record)]


def zipped(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def tarred(name: str, content: bytes, mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


LINES = "\n".join(map(json.dumps, TWO))
JSON_FORMS = {
    "lines": LINES,
    "lines with an empty one and CRLF": LINES.replace("\n", "\r\n\r\n"),
    "array": json.dumps(TWO),
    "pretty array": json.dumps(TWO, indent=2),
    "Records": json.dumps({"Records": TWO}),
    "pretty Records": json.dumps({"Records": TWO}, indent=1),
    "value": json.dumps({"@odata.context": "x", "value": TWO}),
    "search hits": json.dumps({"took": 1, "hits": {"total": 2, "hits": [{"_index": "i", "_source": t} for t in TWO]}}),
    "one after another": "".join(map(json.dumps, TWO)),
    "pretty, one after another": "\n".join(json.dumps(t, indent=2) for t in TWO),
    "envelopes by line": "\n".join(json.dumps({"Records": [t]}) for t in TWO),
}


@pytest.mark.parametrize("form", JSON_FORMS)
def test_json_in_every_form(form: str, tmp_path: Path) -> None:
    found = records(tmp_path / "data.bin", JSON_FORMS[form])
    inner = [r.data.get("_source", r.data) for r in found]
    assert inner == TWO
    assert [json.loads(r.raw) for r in found] == [r.data for r in found]
    assert len({r.uid for r in found}) == 2


def test_a_single_object_is_one_record_even_if_it_holds_lists(tmp_path: Path) -> None:
    activity = {"subject": {"time": "t"}, "sender": {"email": "a@b.c"}, "events": [{"name": "x"}, {"name": "y"}]}
    assert [r.data for r in records(tmp_path / "x.json", json.dumps(activity))] == [activity]


PACKED: dict[str, tuple[bytes, str]] = {
    "gzip": (gzip.compress(LINES.encode()), "data.bin!data.bin"),
    "zip": (zipped("in/side.json", LINES.encode()), "data.bin!in/side.json"),
    "tar": (tarred("side.json", LINES.encode()), "data.bin!side.json"),
    "tar.gz": (gzip.compress(tarred("side.json", LINES.encode())), "data.bin!data.bin!side.json"),
    "gzip in zip": (
        zipped("a.json.gz", gzip.compress(LINES.encode())),
        "data.bin!a.json.gz!a.json",
    ),
}


@pytest.mark.parametrize("form", PACKED)
def test_archives_are_opened_and_their_members_named(form: str, tmp_path: Path) -> None:
    content, name = PACKED[form]
    found = records(tmp_path / "data.bin", content)
    assert [r.data for r in found] == TWO
    assert {r.source for r in found} == {str(tmp_path / name)}


CSV_FORMS = {
    "comma": 'time,name,note\n1,x,"a, b"\n2,y,\n',
    "semicolon": "time;name;note\n1;x;a, b\n2;y;\n",
    "tab": "time\tname\tnote\n1\tx\ta, b\n2\ty\t\n",
    "quoted newline": 'time,name,note\n1,x,"a, b"\n2,"y",""\n',
}


@pytest.mark.parametrize("form", CSV_FORMS)
def test_csv_finds_its_delimiter(form: str, tmp_path: Path) -> None:
    found = records(tmp_path / "x.csv", CSV_FORMS[form])
    assert [r.data for r in found] == [
        {"time": "1", "name": "x", "note": "a, b"},
        {"time": "2", "name": "y"},
    ]


@given(
    st.lists(st.sampled_from(["a", "b", ",", ",", '"', "\n", "\n", "\r", "\0", " ", "é", "\x0b"]), max_size=40).map(
        "".join
    )
)
def test_csv_rows_are_those_of_the_standard_librarys_parser(text: str) -> None:
    content = f"name,second,third\n{text}".encode()
    parser, wanted, failed = csv.reader(line + "\n" for line in plain_lines(text)), list[list[str]](), 0
    while True:
        try:
            wanted.append(next(parser))
        except csv.Error:
            failed += 1
        except StopIteration:
            break
    failed += sum(len(row) > 3 for row in wanted)
    head, stream = headed(io.BytesIO(content))
    found = list(READERS["csv"](Source("acme", "x.csv", stream, head, 0)))
    rows = [[cell for cell in row if cell] for row in wanted if row and len(row) <= 3]
    assert [list(r.data.values()) for r in found if isinstance(r, Record)] == rows
    assert sum(isinstance(r, Unreadable) for r in found) == failed
    assert [r.position for r in found] == list(range(len(found)))


def plain_lines(text: str) -> list[str]:
    lines = text.replace("\0", "�").split("\n")
    return [line.rstrip("\r") for line in (lines if lines[-1] else lines[:-1])]


def test_a_damaged_envelope_in_a_line_does_not_end_the_reading(tmp_path: Path) -> None:
    found = records(tmp_path / "x.jsonl", '{"Records": [{"a": 1}, {"a": 2}]}\n{"Records": [{"a": NaN}]}\n{"b": 1}\n')
    assert [r.data for r in found] == [{"a": 1}, {"a": 2}, {"Records": [{"a": "NaN"}]}, {"b": 1}]
    assert [(r.position, r.entry, r.unit) for r in found] == [
        (n, e, "line") for n, e in ((0, 0), (0, 1), (1, 0), (2, 0))
    ]


def test_a_csv_row_may_span_lines_and_keeps_its_bytes(tmp_path: Path) -> None:
    found = records(tmp_path / "x.csv", 'time,name,note\n1,x,"two\nlines"\n2,y,z\n')
    assert found[0].data["note"] == "two\nlines"
    assert found[0].raw == b'1,x,"two\nlines"'
    assert [r.position for r in found] == [0, 1]


SYSLOG: dict[str, tuple[str, dict[str, Any]]] = {
    "RFC 3164": (
        "<38>Oct 13 07:01:02 web1 sshd[812]: Accepted publickey for alice",
        {
            "host": "web1",
            "program": "sshd",
            "pid": "812",
            "message": "Accepted publickey for alice",
            "facility": 4,
            "severity": 6,
        },
    ),
    "RFC 5424": (
        '<165>1 2026-10-13T07:01:02.003Z web1 app 8710 ID47 [x@1 a="b"] hello',
        {"host": "web1", "program": "app", "pid": "8710", "message": "hello", "msgid": "ID47"},
    ),
    "ISO time": (
        "2026-10-13T07:01:02.123456+00:00 web1 sudo: alice : TTY=pts/0",
        {"host": "web1", "program": "sudo", "message": "alice : TTY=pts/0"},
    ),
    "auditd": (
        'type=SYSCALL msg=audit(1791874862.345:42): arch=c000003e success=yes exe="/usr/bin/cat" pid=7',
        {"type": "SYSCALL", "serial": "42", "exe": "/usr/bin/cat", "pid": "7", "program": "auditd"},
    ),
}


@pytest.mark.parametrize("form", SYSLOG)
def test_log_lines(form: str, tmp_path: Path) -> None:
    line, wanted = SYSLOG[form]
    (record,) = records(tmp_path / "some.log", line + "\n")
    assert wanted.items() <= record.data.items()
    assert record.data["timestamp"]


def test_a_year_that_a_line_has_not_follows_from_the_files_time(tmp_path: Path) -> None:
    import os

    file = tmp_path / "auth.log"
    file.write_text("Dec 31 23:59:59 h p: x\nJan  1 00:00:01 h p: y\n")
    os.utime(file, (1767225700, 1767225700))  # 2026-01-01T00:01:40Z
    found = [r.data["timestamp"] for r in read(file, "acme") if isinstance(r, Record)]
    assert found == ["2025-12-31T23:59:59.000Z", "2026-01-01T00:00:01.000Z"]


def test_plain_lines_of_a_log_file_are_kept_as_lines(tmp_path: Path) -> None:
    assert [r.data for r in records(tmp_path / "app.log", "started\nstopped\n")] == [
        {"message": "started"},
        {"message": "stopped"},
    ]


ZEEK = (
    "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n"
    "#fields\tts\tuid\tid.orig_h\tid.orig_p\tlocal_orig\tservice\n"
    "#types\ttime\tstring\taddr\tport\tbool\tset[string]\n"
    "1791874862.345\tC1\t10.0.0.5\t50000\tT\t-\n"
)


def test_zeeks_own_tables_have_jsons_types(tmp_path: Path) -> None:
    (record,) = records(tmp_path / "conn.log", ZEEK)
    assert record.data == {
        "_path": "conn",
        "ts": 1791874862.345,
        "uid": "C1",
        "id.orig_h": "10.0.0.5",
        "id.orig_p": 50000,
        "local_orig": True,
    }


MAIL = """Return-Path: <bounce@mailer.example>
Received: from mx.corp.example (mx [10.0.0.2]) by inbox; Tue, 13 Oct 2026 07:01:02 +0000
Received: from evil ([203.0.113.5]) by mx.corp.example; Tue, 13 Oct 2026 07:01:00 +0000
Authentication-Results: mx.corp.example; spf=fail smtp.mailfrom=mailer.example; dkim=none; dmarc=fail
From: "IT Desk" <it@c0rp.example>
Reply-To: x@evil.example
To: alice@corp.example, Bob <bob@corp.example>
Subject: =?utf-8?q?Reset_n=C3=B6w?=
Message-ID: <m1@mailer.example>
Date: Mon, 12 Oct 2026 00:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=B

--B
Content-Type: text/html; charset=utf-8

<p>Go <a href="https://evil.example/l">https://corp.example/login</a></p><script>x</script>
--B
Content-Type: application/zip
Content-Disposition: attachment; filename="a.zip"
Content-Transfer-Encoding: base64

UEsDBA==
--B--
"""


def test_a_mail_is_taken_apart_as_judging_it_needs(tmp_path: Path) -> None:
    (record,) = records(tmp_path / "m", MAIL)
    data = record.data
    assert record.format == "mail"
    assert data["from"] == "it@c0rp.example"
    assert data["from_name"] == "IT Desk"
    assert data["reply_to"] == "x@evil.example"
    assert data["return_path"] == "bounce@mailer.example"
    assert data["to"] == ["alice@corp.example", "bob@corp.example"]
    assert data["subject"] == "Reset nöw"
    assert data["message_id"] == "m1@mailer.example"
    assert data["date"] == "2026-10-13T07:01:02.000Z"
    assert data["origin_ip"] == "203.0.113.5"
    assert {"spf": "fail", "dkim": "none", "dmarc": "fail"}.items() <= data["authentication"].items()
    assert data["links"] == [{"text": "https://corp.example/login", "href": "https://evil.example/l"}]
    assert data["attachments"][0]["name"] == "a.zip"
    assert len(data["attachments"][0]["sha256"]) == 64
    assert "x" not in data["body"].split()


def test_an_mbox_holds_several_mails(tmp_path: Path) -> None:
    one = "From a@b Tue Oct 13 07:01:02 2026\nFrom: a@b.example\nTo: c@d.example\n\n>From here on\n\n"
    found = records(tmp_path / "box", one + one.replace("a@b.example", "e@f.example"))
    assert [r.data["from"] for r in found] == ["a@b.example", "e@f.example"]
    assert found[0].data["body"].startswith("From here on")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-16-be", "utf-32"])
def test_other_encodings_with_a_mark(encoding: str, tmp_path: Path) -> None:
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    found = records(tmp_path / "x.json", mark + (LINES + "\n").encode(encoding))
    assert [r.data for r in found] == TWO


def test_every_reader_is_reached_by_content(shared_data: Path) -> None:
    files = {
        "evtx": next((shared_data / "evtx-to-mitre").rglob("*.evtx")),
        "mail": next((shared_data / "mail").rglob("*.eml")),
        "json": next((shared_data / "aws_dataset").rglob("*.json")),
    }
    for form, file in files.items():
        found = list(read(file, "acme"))
        assert found
        assert {r.format for r in found if isinstance(r, Record)} == {form}
        assert form in READERS
