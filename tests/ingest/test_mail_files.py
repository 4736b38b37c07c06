"""What is attached to a mail is looked into within bounds; what was not says so and never counts as harmless."""

from __future__ import annotations

import base64
import io
import struct
import zipfile
import zlib
from email.message import EmailMessage
from typing import Any

import zxingcpp
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from watchfloor.ingest.readers.mail_files import Budget, looked_into
from watchfloor.ingest.readers.mail_parts import taken_apart

LURE = "https://evil.example/login?u=1"


def code(text: str = LURE, side: int = 300) -> bytes:
    drawn = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode).to_image(scale=6)
    out = io.BytesIO()
    Image.fromarray(drawn).resize((side, side)).convert("RGB").save(out, "PNG")
    return out.getvalue()


def zipped(members: dict[str, bytes], times: int = 1) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            for n in range(times):
                archive.writestr(name if times == 1 else f"{n}-{name}", content)
    return out.getvalue()


def locked(raw: bytes) -> bytes:
    """The flag that says `encrypted`, in both headers of the one member."""
    changed = bytearray(raw)
    changed[6] |= 1
    changed[raw.index(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


def looked(name: str, content: bytes) -> dict[str, Any]:
    return looked_into(name, content, Budget())


def with_file(name: str, content: bytes, body: str = "Please see what is attached.") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "it@c0rp.example", "Ana <ana@corp.example>", "Scan"
    mail.set_content(body)
    mail.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return mail


def test_a_code_in_a_picture_leads_where_it_says() -> None:
    data = taken_apart(with_file("scan.png", code()).as_bytes())
    assert data["codes"] == [{"where": "scan.png", "text": LURE}]
    assert data["urls"] == [LURE]
    assert data["links"][0] == {"text": "<code>", "href": LURE}


def test_a_code_that_the_page_carries_in_itself_is_read_too() -> None:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "it@c0rp.example", "Scan"
    picture = base64.b64encode(code()).decode()
    mail.set_content(f'<p>Scan me</p><img src="data:image/png;base64,{picture}">', subtype="html")
    assert taken_apart(mail.as_bytes())["codes"] == [{"where": "picture 1 in the text", "text": LURE}]


def test_a_code_inside_a_document_and_its_outside_link_are_found() -> None:
    rels = b'<Relationship Target="https://evil.example/template" TargetMode="External"/>'
    document = zipped(
        {"[Content_Types].xml": b"<x/>", "word/media/image1.png": code(), "word/_rels/document.xml.rels": rels,
         "word/vbaProject.bin": b"x"}
    )  # fmt: skip
    found = looked("offer.docx", document)
    assert (found["kind"], found["codes"], found["macros"]) == ("office", [LURE], True)
    assert found["links"] == ["https://evil.example/template"]


def test_a_picture_that_cannot_be_decoded_or_is_too_large_was_not_checked() -> None:
    assert looked("a.png", code()[:200])["unread"] == ["the picture cannot be decoded: OSError"]
    huge = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 9_000, 9_000, 8, 2, 0, 0, 0)
    huge += struct.pack(">I", zlib.crc32(huge[12:])) + b"\0\0\0\0IDAT\0\0\0\0"
    assert "too large" in looked("a.png", huge)["unread"][0]


def test_pictures_beyond_the_bound_were_not_checked() -> None:
    budget = Budget()
    found = [looked_into(f"{n}.png", code(), budget) for n in range(15)]
    assert sum("codes" in one for one in found) == 12
    assert all("more pictures" in one["unread"][0] for one in found[12:])


def test_what_is_in_an_archive_has_its_names_and_a_locked_one_is_called_so() -> None:
    inner = zipped({"invoice.pdf.js": b"x"})
    found = looked("a.zip", zipped({"inner.zip": inner, "readme.txt": b"hello"}))
    assert found["members"] == ["inner.zip", "inner.zip!invoice.pdf.js", "readme.txt"]
    found = looked("b.zip", locked(zipped({"invoice.exe": b"MZ"})))
    assert (found["encrypted"], found["members"]) == (True, ["invoice.exe"])


def test_bombs_and_endless_nesting_cost_little_and_say_so() -> None:
    found = looked("bomb.zip", zipped({"bomb.html": b"\0" * (48 << 20)}))
    assert "like a bomb" in found["unread"][0]
    nested = zipped({"x.txt": b"x"})
    for n in range(8):
        nested = zipped({f"{n}.zip": nested})
    assert looked("n.zip", nested)["unread"] == ["archives nested deeper than 3"]
    many = looked("many.zip", zipped({"a.html": b"<html>"}, times=900))
    assert len(many["members"]) == 200
    assert many["unread"] == ["only the first 200 of 900 files in many.zip were looked at"]


def test_a_page_that_makes_a_file_of_itself_is_seen_also_inside_an_archive() -> None:
    page = b"<html><script>var b=new Blob([atob('TVqQ')]);a.href=URL.createObjectURL(b);a.download='x.iso'</script>"
    assert looked("a.html", page)["smuggling"]
    assert looked("a.zip", zipped({"a.html": page}))["smuggling"]
    assert "smuggling" not in looked("b.html", b"<html><script>atob('x')</script>")


def test_links_of_a_pdf_are_read_and_a_locked_one_is_called_so() -> None:
    packed = zlib.compress(b"<< /A << /URI (https://evil.example/pdf) >> >>")
    pdf = b"%PDF-1.7\n1 0 obj\n<< /URI (https://evil.example/open) >>\nstream\n" + packed + b"\nendstream\n"
    assert looked("a.pdf", pdf)["links"] == ["https://evil.example/open", "https://evil.example/pdf"]
    assert looked("a.pdf", pdf + b"/Encrypt 5 0 R")["encrypted"]


def test_attachments_of_outlooks_envelope_are_attachments() -> None:
    def attribute(kind: int, value: bytes) -> bytes:
        return b"\x02" + struct.pack("<II", kind, len(value)) + value + b"\0\0"

    content = b"\x78\x9f\x3e\x22\x01\x00" + b"".join(
        (
            attribute(0x00069002, b"x" * 14),
            attribute(0x00018010, b"a.pdf.exe\0"),
            attribute(0x0006800F, b"MZ" + b"x" * 9),
        )
    )
    data = taken_apart(with_file("winmail.dat", content).as_bytes())
    assert [(one["name"], one["content"]) for one in data["attachments"]] == [("a.pdf.exe", "executable")]
    data = taken_apart(with_file("winmail.dat", content[:-6]).as_bytes())
    assert "breaks off" in data["attachments"][0]["unread"][0]


@given(
    st.sampled_from(["zip", "png", "pdf"]), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8)
)
def test_damaged_files_are_looked_into_or_say_why_not(kind: str, changes: list[tuple[int, int]]) -> None:
    raw = bytearray({"zip": ZIP, "png": PNG, "pdf": b"%PDF-1.7 /URI (https://a.example)"}[kind])
    for at, value in changes:
        raw[at % len(raw)] = value
    assert isinstance(looked(f"a.{kind}", bytes(raw)), dict)


ZIP, PNG = zipped({"a.html": b"<html>x", "b.zip": zipped({"c.txt": b"x"})}), code(side=80)


def test_links_forms_and_hidden_text_of_a_page() -> None:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "it@c0rp.example", "Account"
    mail.set_content("Hello, nothing to see.")
    mail.add_alternative(
        '<form action="https://evil.example/p"><input type=password></form><div style="display:none">salad <b>words'
        "</b></div><a href='https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fevil.example%2Fl'>"
        "corp.example</a> shown",
        subtype="html",
    )
    data = taken_apart(mail.as_bytes())
    assert data["forms"] == [{"action": "https://evil.example/p", "password": True}]
    assert data["hidden"] == "salad words"
    assert "salad" not in data["body"]
    assert data["links"][1]["target"] == "https://evil.example/l"
    assert data["links"][1]["by"] == ["Microsoft Safe Links"]
    assert "https://evil.example/l" in data["urls"]
    assert data["plain"].strip() == "Hello, nothing to see."


BODY = "your mailbox has reached its limit and will be closed within a day. To keep your messages confirm your account"


def lure(name: str, number: int, body: str = BODY) -> dict[str, Any]:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "it@c0rp.example", f"Mailbox full {number}"
    mail["To"] = f"{name.title()} <{name}@corp.example>"
    mail.set_content(f"Dear {name.title()}, {body}: https://evil.example/login?id={number}. Ticket {number}.")
    return taken_apart(mail.as_bytes())


def test_copies_of_one_mail_are_of_one_campaign_and_others_are_not() -> None:
    one, other = lure("ana", 1), lure("ben", 27)
    assert one["campaign"] == other["campaign"]
    varied = lure("zoe", 3, BODY.replace("limit", "quota"))
    assert set(one["campaign"]) & set(varied["campaign"])
    plain = lure(
        "ana", 1, "here are the minutes of the meeting that we had on Monday about the new offices in the north"
    )
    assert not set(one["campaign"]) & set(plain["campaign"])
    hello = with_file("a.txt", b"x", "See you").as_bytes()
    assert "campaign" not in taken_apart(hello)
