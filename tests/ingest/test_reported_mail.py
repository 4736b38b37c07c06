"""A person's report of a mail: the reported one is the record, with who reported it; hostile reports cost little."""

from __future__ import annotations

import base64
from email.message import EmailMessage

import pytest

from watchfloor.core.record import Record
from watchfloor.detect import Detector
from watchfloor.ingest import Normalizer
from watchfloor.ingest.readers import read_parcel


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


@pytest.mark.parametrize("attached", [as_mail, as_file, as_code])
def test_the_attached_mail_is_the_record_and_the_report_stands_beside_it(attached: object) -> None:
    raw = attached(lure())  # type: ignore[operator]
    (record,) = records(raw)
    assert record.raw == raw
    assert (record.data["from"], record.data["subject"]) == ("it@c0rp.example", "Reset 1")
    assert record.data["date"] == "2026-10-13T07:01:02.000Z"
    assert record.data["urls"] == ["https://evil.example/l"]
    said = record.data["reported"]
    assert (said["by"], said["note"], said["how"]) == ("ana@corp.example", "I did not click.", "attached")


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
