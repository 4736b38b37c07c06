"""What is attached to a mail, looked into as far as that is safe: kind by content, archives, codes in pictures.

Everything is bounded for each mail (`Budget`): bytes unpacked, members, pictures, their pixels. What was not looked
into says why under `unread`; it counts as not checked, never as harmless.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from watchfloor.ingest.readers.mail_page import smuggles

MIB = 1 << 20
MOST_MEMBERS, DEEPEST = 200, 3
_LARGEST_FILE, _LARGEST_MEMBER, _MOST_ENTRIES = 32 * MIB, 4 * MIB, 10_000
_RATIO, _RATIO_FLOOR = 400, 16 * MIB
_PIXELS, _SMALLEST_SIDE, _WORKING_SIDE = 40_000_000, 21, 1_600  # the smallest code has 21 modules a side
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"), (b"%PDF-", "pdf"), (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"Rar!\x1a\x07", "rar"), (b"7z\xbc\xaf\x27\x1c", "7z"), (b"MZ", "executable"), (b"\x7fELF", "executable"),
    (b"L\0\0\0\x01\x14\x02\0", "shortcut"), (b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", "onenote"), (b"{\\rtf", "rtf"),
    (b"\x89PNG\r\n", "image"), (b"\xff\xd8\xff", "image"), (b"GIF8", "image"), (b"BM", "image"), (b"\x1f\x8b", "gzip"),
    (b"MSCF", "cab"), (b"vhdxfile", "disk_image"), (b"conectix", "disk_image"),
)  # fmt: skip
_HTML = re.compile(rb"^\s*(?:<!doctype html|<html|<head|<body|<script|<svg|<\?xml[^>]*>\s*<svg)", re.I)
_EXTERNAL = re.compile(rb'Target="(https?://[^"]{1,2000})"', re.I)
_PDF_LINK = re.compile(rb"/URI\s*\(((?:[^()\\]|\\.){1,2000})\)")
_PDF_STREAM = re.compile(rb"stream\r?\n")
_MACRO_NAME = "_VBA_PROJECT".encode("utf-16-le")
_LOCKED_NAME = "EncryptedPackage".encode("utf-16-le")


class Budget:
    """What may still be spent on one mail's attachments."""

    def __init__(self) -> None:
        self.bytes, self.members, self.pictures, self.pixels = 48 * MIB, 1_000, 12, 2 * _PIXELS


def looked_into(name: str, content: bytes, budget: Budget) -> dict[str, Any]:
    """What a file shows: `kind` by content, `encrypted`, `members` (names, `outer!inner`), `macros`, `smuggling`,
    `active` (a document that runs or opens something), `links`, `codes` (texts of QR codes), `unread` (a reason)."""
    found: dict[str, Any] = {"kind": kind_of(content)}
    if len(content) > _LARGEST_FILE:
        return {**found, "unread": [f"{len(content):,} bytes: too large to look into"]}
    try:
        _look(found, name, content, budget, 0)
    except Exception as error:  # whatever hostile bytes do to a decoder: this file was not checked, and says so
        _unread(found, f"could not be looked into: {type(error).__name__}: {error}"[:160])
    return {key: value for key, value in found.items() if value not in ("", [], None, False)}


def kind_of(content: bytes) -> str:
    """The kind of a file by its first bytes, or empty."""
    for magic, kind in _KINDS:
        if content.startswith(magic):
            return kind
    if content[8:12] == b"WEBP":
        return "image"
    if content[0x8001:0x8006] == b"CD001":
        return "disk_image"
    return "html" if _HTML.match(content[:1_024]) else ""


def codes_in(content: bytes, budget: Budget) -> list[str]:
    """The texts of the QR codes in a picture. Raises ValueError, with words for people, where it was not checked."""
    if budget.pictures <= 0:
        raise ValueError("more pictures than are looked at for codes")
    budget.pictures -= 1
    import zxingcpp
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
            width, height = picture.size
            if min(width, height) < _SMALLEST_SIDE:
                return []  # no code is so small
            if width * height > min(_PIXELS, budget.pixels):
                raise ValueError(f"a picture of {width} x {height}: too large to look for codes")
            budget.pixels -= width * height
            if picture.format == "JPEG":
                picture.draft("L", (_WORKING_SIDE, _WORKING_SIDE))
            grey = _grey(picture)
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError, struct.error) as error:
        raise ValueError(f"the picture cannot be decoded: {type(error).__name__}") from None
    found = zxingcpp.read_barcodes(grey)
    return [code.text[:4_000] for code in found[:10] if code.text]


def _grey(picture: Any) -> Any:
    """Not larger than finding needs, on white: a code on a transparent ground is dark on light."""
    from PIL import Image

    picture.thumbnail((_WORKING_SIDE, _WORKING_SIDE))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        over = picture.convert("RGBA")
        ground = Image.new("RGBA", over.size, "white")
        ground.alpha_composite(over)
        return ground.convert("L")
    return picture.convert("L")


def _look(found: dict[str, Any], name: str, content: bytes, budget: Budget, depth: int) -> None:
    match kind_of(content):
        case "zip":
            _zip(found, name, content, budget, depth)
        case "image":
            _picture(found, content, budget)
        case "pdf":
            _pdf(found, content, budget)
        case "ole":
            found["macros"] = found.get("macros", False) or _MACRO_NAME in content
            found["encrypted"] = found.get("encrypted", False) or _LOCKED_NAME in content
        case "html":
            found["smuggling"] = found.get("smuggling", False) or smuggles(content[:MIB].decode("utf-8", "replace"))
        case "rar":
            found["encrypted"] = found.get("encrypted", False) or _rar_locked(content)
            _unread(found, "a RAR archive: what is in it was not looked at")
        case "7z" | "cab" | "disk_image" | "gzip" as kind:
            _unread(found, f"{kind}: what is in it was not looked at")


def _zip(found: dict[str, Any], name: str, content: bytes, budget: Budget, depth: int) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(entries) > _MOST_ENTRIES:
            _unread(found, f"{name} holds {len(entries):,} files")
        office = any(entry.filename == "[Content_Types].xml" for entry in entries[:_MOST_ENTRIES])
        if office and depth == 0:
            found["kind"] = "office"
        members = found.setdefault("members", [])
        for entry in entries[:MOST_MEMBERS]:
            if budget.members <= 0 or len(members) >= MOST_MEMBERS:
                break
            budget.members -= 1
            inner = entry.filename[:200]
            if not office:
                members.append(inner if depth == 0 else f"{name[:200]}!{inner}")
            if inner.lower().endswith("vbaproject.bin"):
                found["macros"] = True
            if entry.flag_bits & 1:
                found["encrypted"] = True
                continue
            if (content_of := _member(found, archive, entry, budget, office)) is None:
                continue
            if inner.endswith(".rels"):
                found.setdefault("links", []).extend(
                    m.decode("ascii", "replace") for m in _EXTERNAL.findall(content_of)
                )
            elif depth < DEEPEST:
                _look(found, inner, content_of, budget, depth + 1)
            elif kind_of(content_of) == "zip":
                _unread(found, f"archives nested deeper than {DEEPEST}")
        if len(entries) > MOST_MEMBERS:
            _unread(found, f"only the first {MOST_MEMBERS} of {len(entries):,} files in {name} were looked at")


_WORTH = re.compile(
    r"\.(?:zip|docm?|xlsm?|xlsb|pptm?|docx|xlsx|pptx|html?|shtml|svg|pdf|png|jpe?g|gif|bmp|webp|rels)$", re.I
)


def _member(found: dict[str, Any], archive: zipfile.ZipFile, entry: Any, budget: Budget, office: bool) -> bytes | None:
    """The content of a member that is worth looking into, or None."""
    if not _WORTH.search(entry.filename) and "." in entry.filename:
        return None
    if entry.file_size > _RATIO_FLOOR and entry.file_size > _RATIO * max(1, entry.compress_size):
        _unread(found, f"{entry.filename[:80]!r} unpacks to more than {_RATIO} times its size: like a bomb")
        return None
    if entry.file_size > _LARGEST_MEMBER or budget.bytes <= 0:
        if not office:
            _unread(found, f"{entry.filename[:80]!r} in it is too large to look into")
        return None
    try:
        with archive.open(entry) as stream:
            content = stream.read(_LARGEST_MEMBER + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError, zlib.error) as error:
        _unread(found, f"{entry.filename[:80]!r} in it cannot be unpacked: {type(error).__name__}")
        return None
    budget.bytes -= len(content)
    if len(content) > _LARGEST_MEMBER:
        _unread(found, f"{entry.filename[:80]!r} in it is larger than it says")
        return None
    return content


def _picture(found: dict[str, Any], content: bytes, budget: Budget) -> None:
    try:
        found.setdefault("codes", []).extend(codes_in(content, budget))
    except ValueError as error:
        _unread(found, str(error))


def _pdf(found: dict[str, Any], content: bytes, budget: Budget) -> None:
    """Its links and pictures, as far as they lie open or merely packed."""
    if b"/Encrypt" in content:
        found["encrypted"] = True
    pieces = [content]
    for piece in _streams(content, budget):
        if piece.startswith(b"\xff\xd8\xff"):
            _picture(found, piece, budget)
        else:
            pieces.append(piece)
    links = (m.decode("latin-1").replace("\\", "") for piece in pieces for m in _PDF_LINK.findall(piece))
    found.setdefault("links", []).extend(list(dict.fromkeys(links))[:100])
    if any(re.search(rb"/(?:JavaScript|JS|Launch|EmbeddedFile)\b", piece) for piece in pieces):
        found["active"] = True


def _streams(content: bytes, budget: Budget) -> Iterator[bytes]:
    for count, start in enumerate(_PDF_STREAM.finditer(content)):
        if count >= 100 or budget.bytes <= 0:
            return
        if content[start.end() : start.end() + 3] == b"\xff\xd8\xff":
            yield content[start.end() : content.find(b"endstream", start.end())]
            continue
        try:
            piece = zlib.decompressobj().decompress(content[start.end() : start.end() + _LARGEST_MEMBER], MIB)
        except zlib.error:
            continue
        budget.bytes -= len(piece)
        yield piece


def _rar_locked(content: bytes) -> bool:
    """Whether a RAR archive's headers or its first file are encrypted [RAR 5.0 archive format; technote of RAR 4]."""
    if content.startswith(b"Rar!\x1a\x07\x01\x00"):
        return len(content) > 14 and content[13] == 4  # of the first header: CRC, size, type 4 (archive encryption)
    if len(content) < 27:
        return False
    return bool(struct.unpack_from("<H", content, 10)[0] & 0x80 or struct.unpack_from("<H", content, 23)[0] & 0x04)


def _unread(found: dict[str, Any], reason: str) -> None:
    reasons = found.setdefault("unread", [])
    if reason not in reasons and len(reasons) < 5:
        reasons.append(reason)


# Outlook's own envelope [MS-OXTNEF]: attributes one after the other, each with its length.
_TNEF = b"\x78\x9f\x3e\x22"
_TITLE, _DATA, _RENDERED = 0x00018010, 0x0006800F, 0x00069002


def is_tnef(content: bytes) -> bool:
    return content.startswith(_TNEF)


def tnef(content: bytes) -> tuple[list[tuple[str, bytes]], str]:
    """The attachments of a `winmail.dat`, name and content, and what stopped the reading of it, if anything did."""
    found: list[tuple[str, bytes]] = []
    at, name, data = 6, "", b""
    while at + 9 <= len(content) and len(found) < MOST_MEMBERS:
        attribute, length = struct.unpack_from("<II", content, at + 1)
        value = content[at + 9 : at + 9 + length]
        if len(value) < length:
            return found, "a winmail.dat that breaks off: what is left of it was not looked at"
        at += 9 + length + 2
        if attribute == _RENDERED and (name or data):
            found.append((name or "unnamed", data))
            name, data = "", b""
        elif attribute == _TITLE:
            name = value.rstrip(b"\0").decode("cp1252", "replace")
        elif attribute == _DATA:
            data = value
    return [*found, (name or "unnamed", data)] if name or data else found, ""


def digests(content: bytes) -> dict[str, Any]:
    return {
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
    }
