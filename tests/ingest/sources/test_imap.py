"""Mailboxes: against Debian's Dovecot, and against a server that lies."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.ingest.sources.dovecot import PASSWORD, PROGRAM, Dovecot, serving
from tests.ingest.sources.hands import HandInMemory, until
from tests.ingest.sources.lying_imap import Lying
from tests.ingest.test_reported_mail import as_mail, lure, report
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.record import Record
from watchfloor.ingest.readers import read_parcel
from watchfloor.ingest.readers.source import Item, Unreadable
from watchfloor.ingest.sources import imap_wire
from watchfloor.ingest.sources.imap import TRIES, Imap
from watchfloor.ingest.sources.imap_wire import quoted

TOKEN = "t-1"
real = [pytest.mark.real, pytest.mark.skipif(not PROGRAM, reason="needs dovecot (Debian: dovecot-imapd)")]


class Tokens(BaseHTTPRequestHandler):
    """Gives tokens out, and tells Dovecot whose they are."""

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["content-length"])).decode()
        good = "client_id=c" in asked and "client_secret=s" in asked and "grant_type=client_credentials" in asked
        self._answer(
            {"access_token": TOKEN, "expires_in": 3600} if good else {"error": "invalid_client"}, 200 if good else 401
        )

    def do_GET(self) -> None:
        good = self.headers["authorization"] == f"Bearer {TOKEN}"
        self._answer(
            {"active": True, "username": "shared@corp.example"} if good else {"active": False}, 200 if good else 401
        )

    def _answer(self, body: dict[str, Any], status: int) -> None:
        self.send_response(status)
        content = json.dumps(body).encode()
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Silent."""


@pytest.fixture(scope="module")
def tokens() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tokens)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def dovecot(tokens: str) -> Iterator[Dovecot]:
    with serving(tokens) as server:
        yield server


USERS = iter(range(1_000))


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> str:
    """A mailbox of its own."""
    monkeypatch.setenv("WF_MAIL", PASSWORD)
    return f"u{next(USERS)}@corp.example"


def source(server: Dovecot, user: str, **more: Any) -> Imap:
    config: dict[str, Any] = {"name": "mail", "kind": "imap", "host": "localhost", "port": server.tls, "user": user}
    config |= {"tls": {"ca": str(server.ca)}, "password": "env:WF_MAIL"}
    return Imap.from_dict({name: value for name, value in (config | more).items() if value is not None})


def run(source: Imap, hand: HandInMemory, true: Callable[[], Any], then: Callable[[], Any] = lambda: None) -> None:
    """The source at work until something is true, and after another thing is done until it is true again."""

    async def main() -> None:
        task = asyncio.create_task(source.run(hand))
        try:
            for step in (lambda: None, then):
                await asyncio.to_thread(step)
                await until(lambda: task.done() or true())
                if task.done():
                    task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    source.check()
    asyncio.run(main())


def subjects(hand: HandInMemory) -> list[str]:
    return [item.data["subject"] for item in items(hand) if isinstance(item, Record)]


def items(hand: HandInMemory) -> list[Item]:
    return [item for content, form in hand.parcels for item in read_parcel("t", "imap/mail", content, form=form)]


class TestDovecot:
    pytestmark = real

    def test_what_lies_there_and_what_comes_is_read_once_and_stays_unread(self, dovecot: Dovecot, user: str) -> None:
        dovecot.deliver(user, lure(1).as_bytes(), lure(2).as_bytes())
        hand = HandInMemory()
        wanted = [2, 3]
        run(
            source(dovecot, user),
            hand,
            lambda: len(hand.parcels) >= wanted[0] and hand.reached.is_set(),
            lambda: (wanted.pop(0), dovecot.deliver(user, lure(3).as_bytes())),
        )
        assert subjects(hand) == ["Reset 1", "Reset 2", "Reset 3"]
        assert hand.order == ["put", "keep"] * 3
        assert not any(b"Seen" in said or b"Deleted" in said for said in dovecot.flags(user))
        dovecot.deliver(user, lure(4).as_bytes())
        again = HandInMemory(hand.kept)
        run(source(dovecot, user), again, again.reached.is_set)
        assert subjects(again) == ["Reset 4"]

    def test_a_folder_that_was_made_anew_is_read_from_its_beginning(self, dovecot: Dovecot, user: str) -> None:
        dovecot.deliver(user, lure(1).as_bytes())
        hand = HandInMemory({"uidvalidity": 1, "uid": 1_000_000})
        run(source(dovecot, user), hand, hand.reached.is_set)
        assert subjects(hand) == ["Reset 1"]

    def test_a_report_is_told_from_other_mail_and_handled_ones_are_moved(self, dovecot: Dovecot, user: str) -> None:
        client = dovecot.user(user)
        client.create(quoted("Erledigt & geprüft"))
        client.logout()
        dovecot.deliver(user, as_mail(lure(1)), report().as_bytes().replace(b"ana@corp.example", b"x@other.example"))
        hand = HandInMemory()
        config = source(dovecot, user, reporters=["corp.example"], move_to="Erledigt & geprüft", mark_read=True)
        run(config, hand, hand.reached.is_set)
        found = [item.data for item in items(hand) if isinstance(item, Record)]
        assert [(one["subject"], one.get("reported", {}).get("by")) for one in found] == [
            ("Reset 1", "ana@corp.example"),
            ("Is this real?", None),
        ]
        assert dovecot.flags(user) == []
        assert [b"Seen" in said for said in dovecot.flags(user, quoted("Erledigt & geprüft"))] == [True, True]

    def test_a_mail_that_cannot_be_moved_is_read_and_the_trouble_is_said(self, dovecot: Dovecot, user: str) -> None:
        dovecot.deliver(user, lure(1).as_bytes())
        hand = HandInMemory()
        run(source(dovecot, user, move_to="No such folder"), hand, lambda: "moving a message" in hand.problem)
        assert subjects(hand) == ["Reset 1"]

    def test_a_mail_that_is_too_long_is_a_dead_letter_with_its_headers(self, dovecot: Dovecot, user: str) -> None:
        large = lure(1)
        large.add_attachment(b"x" * (2 << 20), maintype="application", subtype="zip", filename="a.zip")
        dovecot.deliver(user, large.as_bytes(), lure(2).as_bytes())
        hand = HandInMemory()
        run(source(dovecot, user, most_mib=1), hand, hand.reached.is_set)
        letter, record = items(hand)
        assert isinstance(letter, Unreadable)
        assert "more than 1,048,576: it is still in the mailbox" in letter.reason
        assert b"Subject: Reset 1" in letter.raw
        assert isinstance(record, Record)

    def test_starttls(self, dovecot: Dovecot, user: str) -> None:
        dovecot.deliver(user, lure(1).as_bytes())
        hand = HandInMemory()
        run(source(dovecot, user, security="starttls", port=dovecot.plain), hand, hand.reached.is_set)
        assert subjects(hand) == ["Reset 1"]

    def test_a_token_signs_in(self, dovecot: Dovecot, user: str, tokens: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WF_CLIENT", "s")
        dovecot.deliver("shared@corp.example", lure(1).as_bytes())
        oauth2 = {"kind": "client_credentials", "url": tokens, "client": "c", "client_secret": "env:WF_CLIENT"}
        hand = HandInMemory()
        config = source(dovecot, "shared@corp.example", password=None, oauth2=oauth2)
        run(config, hand, hand.reached.is_set)
        assert subjects(hand) == ["Reset 1"]
        monkeypatch.setattr(Tokens, "do_POST", lambda self: self._answer({"access_token": "wrong"}, 200))
        with pytest.raises(WatchfloorError, match="signing in with a token"):
            run(config, HandInMemory(), lambda: False)

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            ({"password": "env:WF_WRONG"}, "signing in"),
            ({"tls": {}}, "CERTIFICATE_VERIFY_FAILED"),
            ({"host": "127.0.0.1"}, "CERTIFICATE_VERIFY_FAILED"),
            ({"folder": "Nowhere"}, "opening the folder"),
        ],
        ids=["password", "authority", "name", "folder"],
    )
    def test_what_is_wrong_is_said(
        self, dovecot: Dovecot, user: str, wrong: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WF_WRONG", "another word")
        with pytest.raises(WatchfloorError, match=says) as raised:
            run(source(dovecot, user, **wrong), HandInMemory(), lambda: False)
        assert "another word" not in str(raised.value)


def lying(server: Lying, **more: Any) -> Imap:
    config = {"name": "mail", "kind": "imap", "host": "127.0.0.1", "port": server.port, "security": "none"}
    return Imap.from_dict(config | {"user": "u", "password": "env:WF_MAIL", "every": 0.01, **more})


def read_all(server: Lying, hand: HandInMemory, most: int = 20, **more: Any) -> list[str]:
    """The source at work, started again as the supervisor does, until it says that it is done. What went wrong."""
    wrong: list[str] = []
    while not hand.reached.is_set() and len(wrong) < most:
        try:
            run(lying(server, **more), hand, hand.reached.is_set)
        except WatchfloorError as error:
            wrong.append(str(error))
    return wrong


@pytest.mark.usefixtures("user")
class TestLies:
    def test_a_server_without_idle_and_without_move_is_looked_at_every_so_often(self) -> None:
        hand = HandInMemory()
        with Lying([lure(1).as_bytes()]) as server:
            run(
                lying(server, move_to="Done"),
                hand,
                lambda: len(hand.parcels) == len(server.mails),
                lambda: server.mails.append(lure(2).as_bytes()),
            )
        assert subjects(hand) == ["Reset 1", "Reset 2"]
        assert [line for line in server.heard if "COPY" in line or "STORE" in line][:2] == [
            'UID COPY 1 "Done"',
            r"UID STORE 1 +FLAGS.SILENT (\Deleted)",
        ]
        assert not any("EXPUNGE" in line for line in server.heard)  # it would remove what others deleted

    @pytest.mark.parametrize("announced", [2**63, 60 << 20])
    def test_a_mail_announced_as_endless_costs_no_memory_and_is_passed_over_in_the_end(self, announced: int) -> None:
        hand = HandInMemory()
        with Lying([lure(1).as_bytes(), lure(2).as_bytes()]) as server:
            server.literal[1] = announced
            wrong = read_all(server, hand)
        assert len(wrong) == TRIES
        assert all("far more than it was asked for" in one for one in wrong)
        letter, record = items(hand)
        assert isinstance(letter, Unreadable)
        assert "INBOX of u, UID 1: cannot be fetched" in letter.reason
        assert isinstance(record, Record)

    def test_a_size_that_is_a_lie_does_not_let_more_in(self) -> None:
        hand = HandInMemory()
        with Lying([lure(1).as_bytes() + b"x" * (3 << 20)]) as server:
            server.size[1] = 100
            assert read_all(server, hand, most_mib=1) == []
        (letter,) = items(hand)
        assert isinstance(letter, Unreadable)
        assert "more than 1,048,576" in letter.reason

    def test_a_connection_that_breaks_in_a_mail_is_made_anew_and_nothing_is_skipped(self) -> None:
        hand = HandInMemory()
        with Lying([lure(n).as_bytes() for n in (1, 2, 3)]) as server:
            server.breaks = [2]
            wrong = read_all(server, hand)
        assert len(wrong) == 1
        assert subjects(hand) == ["Reset 1", "Reset 2", "Reset 3"]

    def test_a_flood_is_cut_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(imap_wire, "_SLACK", 50_000)
        monkeypatch.setattr(imap_wire._Bounded, "left", 50_000)
        with Lying([lure(1).as_bytes()]) as server:
            server.floods = True
            wrong = read_all(server, HandInMemory(), most=1)
        assert "far more than it was asked for" in wrong[0]

    def test_many_messages_are_asked_for_in_bounded_answers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(imap_wire, "_WINDOW", 3)
        hand = HandInMemory()
        with Lying([lure(n).as_bytes() for n in range(10)]) as server:
            assert read_all(server, hand) == []
        assert subjects(hand) == [f"Reset {n}" for n in range(10)]
        assert "UID SEARCH UID 4:6" in server.heard

    def test_stopping_does_not_wait_for_a_server_that_says_nothing(self) -> None:
        hand = HandInMemory()
        with Lying([lure(1).as_bytes()], idles=True) as server:
            run(lying(server), hand, hand.reached.is_set)
        assert server.heard[-1] == "IDLE"


@pytest.mark.parametrize(
    "wrong",
    [
        {"security": "none"},
        {"password": None},
        {"oauth2": {"kind": "service_account", "key": "env:K"}},
        {"password": "hunter2"},
        {"host": "mail.example/../x"},
        {"user": "a\r\nLOGOUT"},
        {"most_mib": 65},
        {"reporters": ["acme example"]},
        {"password": None, "oauth2": {"kind": "service_account", "key": "env:K", "url": "http://10.0.0.1/token"}},
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    config = {"name": "m", "kind": "imap", "host": "mail.example", "user": "u", "password": "env:P"}
    assert Imap.from_dict(config).security == "tls"
    with pytest.raises(WatchfloorError):
        Imap.from_dict({name: value for name, value in (config | wrong).items() if value is not None})


def test_only_reporters_report() -> None:
    config = {"name": "m", "kind": "imap", "host": "mail.example", "user": "u", "password": "env:P"}
    source = Imap.from_dict(config | {"reporters": ["Corp.example", "eve@partner.example"]})
    for address, is_report in [
        ("ana@corp.example", True),
        ("ANA@mail.corp.EXAMPLE", True),
        ("eve@partner.example", True),
        ("bob@partner.example", False),
        ("ana@notcorp.example", False),
        ("ana@corp.example.evil.example", False),
    ]:
        assert (
            source.is_report(b"Subject: x\r\nFrom: Ana <%s>\r\n\r\nFrom: ana@corp.example" % address.encode())
            == is_report
        )
