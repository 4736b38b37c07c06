"""Syslog off the wire: framing, and the three transports over real sockets."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from tests.ingest.sources.hands import HandInMemory, running, until
from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.sources import framing
from watchfloor.ingest.sources.framing import Frames, as_lines
from watchfloor.ingest.sources.syslog import Syslog

ONE = b"<34>1 2026-10-11T22:14:15.003Z host su - ID47 - 'su root' failed for lonvick"
TWO = b"<13>Oct 11 22:14:16 host app: two\nlines of it"
LINE = b"1792000000.123456789 MX events type=vpn"  # begins with digits and is no count

texts = st.binary(min_size=1, max_size=60).map(lambda b: b"<13>" + b.replace(b"\0", b"."))
counted = texts.filter(lambda b: b.rstrip(b"\r\n\0") == b).map(lambda b: (b, b"%d %s" % (len(b), b)))
lined = (
    texts.map(lambda b: b.replace(b"\n", b" ")).filter(lambda b: not b.endswith(b"\r")).map(lambda b: (b, b + b"\n"))
)


@given(st.lists(counted | lined), st.lists(st.integers(1, 50), min_size=1))
def test_messages_come_out_as_they_went_in_however_the_stream_is_cut(
    sent: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(wire for _, wire in sent)
    frames, found, at, turn = Frames(), [], 0, 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        found += frames.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert found == [message for message, _ in sent]
    assert frames.rest() == b""


@given(st.lists(st.binary(max_size=40), max_size=30))
def test_no_byte_of_any_stream_is_lost_but_ends_and_counts(pieces: list[bytes]) -> None:
    frames = Frames()
    found = [message for piece in pieces for message in frames.feed(piece)]
    came = b"".join([*found, frames.rest()])
    # Counts go where "DIGITS <" announces them; nothing else but ends of lines does.
    gone = len(b"".join(pieces)) - len(came)
    text = b"".join(pieces)
    ends = sum(text.count(end) for end in (b"\n", b"\0", b"\r"))
    assert 0 <= gone <= ends + sum(len(m[0]) for m in framing._COUNT.finditer(text))


def test_digits_at_the_beginning_of_a_line_are_no_count_and_the_rest_of_a_stream_is_kept() -> None:
    frames = Frames()
    assert frames.feed(LINE + b"\n" + ONE[:10]) == [LINE]
    assert frames.rest() == ONE[:10]


def test_what_never_ends_is_cut_and_not_kept_in_memory() -> None:
    frames = Frames()
    found = frames.feed(b"x" * (2 * framing.LONGEST + 5) + b"\n")
    assert [len(message) for message in found] == [framing.LONGEST, framing.LONGEST, 5]


def test_an_end_of_line_inside_a_message_does_not_make_two_records_of_it() -> None:
    assert as_lines([ONE, TWO]).split(b"\n") == [ONE, TWO.replace(b"\n", b"#012")]


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_datagrams_are_messages() -> None:
    async def main() -> None:
        hand = HandInMemory()
        port = free_port(socket.SOCK_DGRAM)
        async with running(Syslog(name="s", kind="syslog", transport="udp", port=port), hand):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for message in (ONE, TWO, b"\n", LINE):
                    sender.sendto(message, ("127.0.0.1", port))
            await until(lambda: len(hand.records()) == 3)
        assert hand.records() == [ONE, TWO.replace(b"\n", b"#012"), LINE]

    asyncio.run(main())


def test_streams_with_counts_and_lines_and_one_that_breaks_off() -> None:
    async def main() -> None:
        hand = HandInMemory()
        port = free_port(socket.SOCK_STREAM)
        async with running(Syslog(name="s", kind="syslog", transport="tcp", port=port), hand):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"%d %s%s\n" % (len(TWO), TWO, LINE) + ONE[:20])
            await writer.drain()
            writer.close()
            await until(lambda: len(hand.records()) == 3)
            still_open = await asyncio.open_connection("127.0.0.1", port)
        assert hand.records() == [TWO.replace(b"\n", b"#012"), LINE, ONE[:20]]
        assert await still_open[0].read() == b""  # ending the source ends its connections
        still_open[1].close()

    asyncio.run(main())


def authority(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(called, called, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / f"{name}.pem", folder / f"{name}.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    no_password = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password))
    return pem, private


def test_tls_takes_only_senders_with_a_certificate_that_it_knows(tmp_path: Path) -> None:
    own, own_key = authority(tmp_path, "server")
    theirs, theirs_key = authority(tmp_path, "sender")

    async def main() -> None:
        hand = HandInMemory()
        port = free_port(socket.SOCK_STREAM)
        source = Syslog(
            name="s", kind="syslog", transport="tls", port=port, certificate=own, key=own_key, client_ca=theirs
        )
        async with running(source, hand):
            without = ssl.create_default_context(cafile=own)
            with pytest.raises((ssl.SSLError, ConnectionError)):  # noqa: PT012 - TLS 1.3 says no at the first reading
                reader, writer = await asyncio.open_connection("localhost", port, ssl=without)
                writer.write(ONE + b"\n")
                await reader.read()
                raise ConnectionResetError if reader.at_eof() else AssertionError
            known = ssl.create_default_context(cafile=own)
            known.load_cert_chain(theirs, theirs_key)
            _, writer = await asyncio.open_connection("localhost", port, ssl=known)
            writer.write(b"%d %s" % (len(ONE), ONE))
            writer.close()
            await until(hand.records)
        assert hand.records() == [ONE]

    asyncio.run(main())


@pytest.mark.parametrize(
    "wrong",
    [
        {"transport": "tls"},
        {"listen": "a.name"},
        {"certificate": "/x", "key": "/y"},
        {"port": 70_000},
        {"transport": "relp"},
        {"client_ca": "/x"},
        {"unknown": 1},
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(WatchfloorError):
        Syslog.from_dict({"name": "s", "kind": "syslog", "transport": "udp", "port": 1514, **wrong})
