"""Raw e-mail as the company's journal keeps it: .eml files and mbox."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from tools.story.company import DOMAIN
from tools.story.recorder import Story, day_of, iso

_SPF = {
    "pass": "designates",
    "fail": "does not designate",
    "softfail": "does not designate",
    "none": "does not designate",
    "neutral": "is neutral about",
}
_WEEKDAY = {"2026-10-13": "Tue", "2026-10-14": "Wed", "2026-10-15": "Thu"}


@dataclass(frozen=True)
class Auth:
    """What the receiving gateway found: SPF, DKIM and DMARC results."""

    spf: str = "pass"
    dkim: str = "pass"
    dmarc: str = "pass"
    policy: str = "none"


@dataclass(frozen=True)
class Mail:
    """One message. `sender` is the From header (`Name <address>`), `envelope` the SMTP sender."""

    sender: str
    to: str
    subject: str
    text: str
    html: str = ""
    envelope: str = ""
    helo: str = ""
    address: str = ""
    auth: Auth = field(default_factory=Auth)
    headers: tuple[tuple[str, str], ...] = ()
    attachment: tuple[str, str, bytes] | None = None
    outbound: bool = False


def _date(at: int) -> str:
    day = day_of(at)
    return f"{_WEEKDAY[day]}, {int(day[8:])} Oct 2026 {iso(at, 0)[11:]} +0000"


def _address(header: str) -> str:
    return header.rpartition("<")[2].rstrip(">")


def _trace(s: Story, at: int, mail: Mail) -> list[tuple[str, str]]:
    sender = mail.envelope or _address(mail.sender)
    domain, signer = sender.rpartition("@")[2], _address(mail.sender).rpartition("@")[2]
    queue = s.token(12, "0123456789ABCDEF")
    arrival = f"mx01.{DOMAIN} (Postfix) with ESMTPS id {queue}\r\n\tfor <{_address(mail.to)}>; {_date(at)}"
    if mail.outbound:
        return [
            ("Return-Path", f"<{sender}>"),
            ("Received", f"from AM9PR05MB7713.eurprd05.prod.outlook.com ([{mail.address}])\r\n\tby {arrival}"),
            ("X-Originating-IP", f"[{mail.address}]"),
        ]
    auth, helo = mail.auth, mail.helo or f"mail.{domain}"
    explained = f"mx01.{DOMAIN}: domain of {sender} {_SPF[auth.spf]} {mail.address} as permitted sender"
    signed = f" header.d={signer} header.s=s1" if auth.dkim != "none" else ""
    found = [
        ("Return-Path", f"<{sender}>"),
        ("Delivered-To", _address(mail.to)),
        ("Received", f"from {helo} ({helo} [{mail.address}])\r\n\tby {arrival}"),
        (
            "Authentication-Results",
            f"mx01.{DOMAIN};\r\n\tdkim={auth.dkim}{signed};\r\n\tspf={auth.spf} ({explained})"
            f" smtp.mailfrom={sender};\r\n\tdmarc={auth.dmarc} (p={auth.policy}) header.from={signer}",
        ),
        ("Received-SPF", f"{auth.spf.capitalize()} ({explained}) client-ip={mail.address}; envelope-from={sender};"),
    ]
    if auth.dkim == "pass":
        signature = (
            f"v=1; a=rsa-sha256; c=relaxed/relaxed; d={signer}; s=s1;\r\n\tt={at // 1000}; "
            f"h=from:to:subject:date:message-id;\r\n\tbh={s.token(43)}=;\r\n\tb={s.token(64)}\r\n\t {s.token(64)}=="
        )
        found.append(("DKIM-Signature", signature))
    return found


def render(s: Story, at: int, mail: Mail) -> bytes:
    """The message's bytes, CRLF line ends."""
    outer, inner = f"=_{s.token(20)}", f"=_{s.token(20)}"
    domain = _address(mail.sender).rpartition("@")[2]
    head = _trace(s, at, mail)
    head += [
        ("Message-ID", f"<{s.token(20, '0123456789abcdef')}@{domain}>"),
        ("Date", _date(at - 4000)),
        ("From", mail.sender),
        ("To", mail.to),
        ("Subject", mail.subject),
        *mail.headers,
        ("MIME-Version", "1.0"),
    ]
    plain = (
        'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n'
        + mail.text.strip()
        + "\r\n"
    )
    body = plain
    if mail.html:
        html = (
            'Content-Type: text/html; charset="utf-8"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n'
            + mail.html.strip()
            + "\r\n"
        )
        body = f'Content-Type: multipart/alternative; boundary="{inner}"\r\n\r\n'
        body += f"--{inner}\r\n{plain}--{inner}\r\n{html}--{inner}--\r\n"
    if mail.attachment:
        name, kind, content = mail.attachment
        encoded = "\r\n".join(
            base64.b64encode(content).decode()[i : i + 76] for i in range(0, len(content) * 4 // 3 + 4, 76)
        )
        body = (
            f'Content-Type: multipart/mixed; boundary="{outer}"\r\n\r\n--{outer}\r\n{body}--{outer}\r\n'
            f'Content-Type: {kind}; name="{name}"\r\nContent-Disposition: attachment; filename="{name}"\r\n'
            f"Content-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n--{outer}--\r\n"
        )
    headers = "".join(f"{name}: {value}\r\n" for name, value in head)
    return (headers + body).replace("\r\n", "\n").replace("\n", "\r\n").encode()


def eml(s: Story, at: int, slug: str, mail: Mail) -> None:
    """A message in a file of its own (someone reported or exported it)."""
    s.put(f"email/{day_of(at)}-{slug}.eml", at, render(s, at, mail))


def journal(s: Story, at: int, mail: Mail) -> None:
    """A message in the day's journal, an mbox file (LF line ends, `From ` lines in the body escaped)."""
    day, sender = day_of(at), mail.envelope or _address(mail.sender)
    content = render(s, at, mail).replace(b"\r\n", b"\n").replace(b"\nFrom ", b"\n>From ")
    separator = f"From {sender} {_WEEKDAY[day]} Oct {int(day[8:])} {iso(at, 0)[11:]} 2026\n".encode()
    s.put(f"email/journal-{day}.mbox", at, separator + content + b"\n")
