"""A person's report of a mail: the reported one is the record, with who reported it; hostile reports cost little."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ingest.compound import msg
from watchfloor.core.record import Record
from watchfloor.detect import Detector
from watchfloor.ingest import Normalizer
from watchfloor.ingest.readers import read_parcel
from watchfloor.ingest.readers.mail_parts import taken_apart
from watchfloor.ingest.readers.outlook import as_mail as as_rfc5322


def mail(**headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return message


def lure(number: int = 1) -> EmailMessage:
    found = mail(From="IT Desk <it@c0rp.example>", Subject=f"Reset {number}", Message_ID=f"<m{number}@c0rp.example>")
    found["Date"] = "Tue, 13 Oct 2026 07:01:02 +0000"
    found.set_content("Click https://evil.example/l")
    return found


def report(note: str = "I did not click.") -> EmailMessage:
    found = mail(From="Ana <ana@corp.example>", To="phishing@corp.example", Subject="Is this real?")
    found["Date"] = "Tue, 13 Oct 2026 08:01:02 +0000"
    found["Authentication-Results"] = "mx.corp.example; spf=pass; dkim=pass; dmarc=fail"
    found.set_content(note)
    return found


def records(raw: bytes) -> list[Record]:
    found = list(read_parcel("t", "imap/reports", raw, form="reported"))
    assert all(isinstance(item, Record) for item in found)
    return found  # type: ignore[return-value]  # just asserted


def as_mail(inner: EmailMessage) -> bytes:
    outer = report()
    outer.add_attachment(inner)
    return outer.as_bytes()


def as_file(inner: EmailMessage) -> bytes:
    outer = report()
    outer.add_attachment(inner.as_bytes(), maintype="application", subtype="octet-stream", filename="Reset.EML")
    return outer.as_bytes()


def as_code(inner: EmailMessage) -> bytes:
    """As mail programs should not."""
    outer = (
        b'From: Ana <ana@corp.example>\nContent-Type: multipart/mixed; boundary="b"\n\n--b\n\nI did not click.\n--b\n'
    )
    coded = base64.encodebytes(inner.as_bytes())
    return outer + b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + coded + b"\n--b--\n"


def as_outlook(inner: EmailMessage) -> bytes:
    headers = "".join(f"{name}: {value}\r\n" for name, value in inner.items())
    outer = report()
    content = msg({"007D": headers, "1000": inner.get_content(), "0037": "Reset 1"})
    outer.add_attachment(content, maintype="application", subtype="vnd.ms-outlook", filename="Reset.msg")
    return outer.as_bytes()


@pytest.mark.parametrize("attached", [as_mail, as_file, as_code, as_outlook])
def test_the_attached_mail_is_the_record_and_the_report_stands_beside_it(attached: object) -> None:
    raw = attached(lure())  # type: ignore[operator]
    (record,) = records(raw)
    assert record.raw == raw
    assert (record.data["from"], record.data["subject"]) == ("it@c0rp.example", "Reset 1")
    assert record.data["date"] == "2026-10-13T07:01:02.000Z"
    assert record.data["urls"] == ["https://evil.example/l"]
    said = record.data["reported"]
    assert (said["by"], said["note"], said["how"]) == ("ana@corp.example", "I did not click.", "attached")


LONG = "Click https://evil.example/l " + "x" * 5_000
OUTLOOK = msg(
    {
        "0C1A": "IT Desk",
        "5D01": "it@c0rp.example",
        "0E04": "ana@corp.example",
        "0037": "Reset\r\nBcc: x@y.example",
        "1000": LONG,
        "1013": b'<a href="https://evil.example/l">https://corp.example</a>',
    },
    {"3707": "invoice.docm", "3701": b"PK" + b"y" * 9_000, "370E": "message/rfc822"},
    {"3704": "a.txt", "3701": b"small"},
)


def test_a_file_of_outlook_without_headers_has_what_outlook_knows() -> None:
    found = taken_apart(as_rfc5322(OUTLOOK))
    assert (found["from"], found["from_name"], found["to"]) == ("it@c0rp.example", "IT Desk", ["ana@corp.example"])
    assert found["subject"] == "Reset Bcc: x@y.example"
    assert found["links"] == [{"text": "https://corp.example", "href": "https://evil.example/l"}]
    assert found["body"].startswith(LONG)
    attachments = [(one["name"], one["size"], one["sha256"]) for one in found["attachments"]]
    contents = (("invoice.docm", b"PK" + b"y" * 9_000), ("a.txt", b"small"))
    assert attachments == [(name, len(held), hashlib.sha256(held).hexdigest()) for name, held in contents]


@given(st.lists(st.tuples(st.integers(0, len(OUTLOOK) - 1) | st.integers(0, 600), st.integers(0, 255)), max_size=12))
def test_a_damaged_file_of_outlook_gives_a_mail_or_says_that_it_is_none(changes: list[tuple[int, int]]) -> None:
    raw = bytearray(OUTLOOK)
    for at, value in changes:
        raw[at] = value
    with contextlib.suppress(ValueError):  # and nothing else
        assert len(as_rfc5322(bytes(raw))) < 20 * len(raw)


def test_each_of_several_mails_is_a_record_of_its_own_but_not_what_is_inside_them() -> None:
    outer = report()
    nested = lure(1)
    nested.add_attachment(lure(9))
    outer.add_attachment(nested)
    outer.add_attachment(lure(2))
    found = records(outer.as_bytes())
    assert [one.data["subject"] for one in found] == ["Reset 1", "Reset 2"]
    assert len({one.uid for one in found}) == 2


def test_without_an_attached_mail_the_report_is_what_there_is() -> None:
    (record,) = records(report("look:\n> Click https://evil.example/l").as_bytes())
    assert record.data["reported"]["how"] == "inline"
    assert record.data["from"] == "ana@corp.example"
    assert record.data["urls"] == ["https://evil.example/l"]


def test_a_report_is_a_finding_that_says_by_whom_and_shows_the_lure_not_the_reporter() -> None:
    event = Normalizer.shipped().event(records(as_mail(lure()))[0])
    findings = Detector.load().findings(event)
    assert findings[0].title == "Reported by ana@corp.example (whose own mail fails DMARC): Reset 1"
    involved = {(one.entity.type, one.entity.value): one.role for one in findings[0].involved}
    assert involved["mailbox", "it@c0rp.example"] == "source"
    assert involved["mailbox", "ana@corp.example"] == "target"
    plain = Normalizer.shipped().event(next(iter(read_parcel("t", "s", lure().as_bytes(), form="mail"))))  # type: ignore[arg-type]
    assert [one.title for one in Detector.load().findings(plain) if "Reported" in one.title] == []


def test_what_is_no_report_is_a_dead_letter() -> None:
    (item,) = read_parcel("t", "s", b"Subject: x\n\nno sender", form="reported")
    assert not isinstance(item, Record)
    assert item.reason == "a report without a sender"


HEAD = b"From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n"


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + b"--b\n\nx\n" * 1_000_000,
        HEAD + b"".join(b"--b\nContent-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(4_000)),
    ],
    ids=["parts", "parts in parts"],
)
def test_of_a_mail_with_too_many_parts_only_the_headers_are_read(raw: bytes) -> None:
    (record,) = records(raw)
    assert record.data["problems"] == [
        "only the headers could be read: ValueError: too many parts",
        "what is attached could not be taken apart: ValueError",
    ]
    assert record.data["from"] == "a@b.example"
    assert record.raw == raw


def test_a_report_whose_mails_are_too_deep_in_one_another_says_so() -> None:
    (record,) = records(HEAD + b"--b\n" + b"Content-Type: message/rfc822\n\n" * 500 + b"From: c@d.example\n\nx")
    assert record.data["reported"]["how"] == "inline"
    assert record.data["problems"][-1] == "what is attached could not be taken apart: RecursionError"


def from_file(raw: bytes) -> list[Record]:
    return [one for one in read_parcel("t", "report.eml", raw) if isinstance(one, Record)]


def test_a_file_addressed_to_where_reports_go_is_a_report_and_a_mail_as_well() -> None:
    outer, reported = from_file(as_mail(lure()))
    assert (outer.data["from"], "reported" in outer.data) == ("ana@corp.example", False)
    assert (reported.data["from"], reported.data["reported"]["by"]) == ("it@c0rp.example", "ana@corp.example")
    assert outer.uid != reported.uid
    elsewhere = as_mail(lure()).replace(b"phishing@corp.example", b"bo@corp.example")
    assert ["reported" in one.data for one in from_file(elsewhere)] == [False]


@pytest.mark.parametrize(
    "head",
    [
        "From: IT Desk <it@c0rp.example>\nSent: Tuesday\nTo: Ana\nSubject: Reset 1",
        "> Von: IT <it@c0rp.example>\n> Betreff: Reset 1",
    ],
)
def test_of_a_forwarded_mail_the_quoted_sender_is_looked_at_not_the_reporter(head: str) -> None:
    raw = report(f"Look at this.\n\n{head}\n\nClick https://evil.example/l").as_bytes()
    outer, reported = from_file(raw.replace(b"Subject: Is this real?", b"Subject: Fwd: Reset 1"))
    assert outer.data["from"] == "ana@corp.example"
    assert (reported.data["from"], reported.data["subject"]) == ("it@c0rp.example", "Reset 1")
    assert reported.data["body"] == "Click https://evil.example/l"
    assert (reported.data["quoted"], "authentication" in reported.data) == (True, False)
    assert reported.data["reported"]["how"] == "inline"
