"""An IMAP server of a few commands, for what Dovecot would never do: lies on sizes, floods, breaking off."""

from __future__ import annotations

import re
import socketserver
import threading
from typing import Any, Self


class Lying:
    """Serves mails with the UIDs 1, 2, ...; `literal` and `size` are what it announces instead of the truth."""

    def __init__(self, mails: list[bytes], *, idles: bool = False) -> None:
        self.mails, self.idles = mails, idles
        self.literal: dict[int, int] = {}
        self.size: dict[int, int] = {}
        self.breaks: list[int] = []
        """UIDs at which the connection breaks, once each."""
        self.floods = False
        self.heard: list[str] = []

    def __enter__(self) -> Self:
        lying = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                lying.serve(self)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def serve(self, client: Any) -> None:
        client.wfile.write(b"* OK hello\r\n")
        while line := client.rfile.readline():
            tag, _, command = line.decode().strip().partition(" ")
            self.heard.append(command)
            if command == "IDLE":
                client.wfile.write(b"+ waiting\r\n")
                client.rfile.readline()
                return
            if not self.answer(command, client.wfile):
                return
            client.wfile.write(f"{tag} OK [READ-WRITE] done\r\n".encode())

    def answer(self, command: str, out: Any) -> bool:
        """What comes before the tagged answer; False where the connection breaks."""
        if command == "CAPABILITY":
            out.write(b"* CAPABILITY IMAP4rev1" + (b" IDLE" if self.idles else b"") + b"\r\n")
        elif command.startswith(("SELECT", "EXAMINE")):
            out.write(b"* %d EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n" % len(self.mails))
        elif command == "UID SEARCH UID *":
            out.write(b"* SEARCH %d\r\n" % len(self.mails))
            for _ in range(100_000 if self.floods else 0):
                out.write(b"* 1 EXISTS\r\n")
        elif found := re.fullmatch(r"UID SEARCH UID (\d+):(\d+)", command):
            uids = range(int(found[1]), min(int(found[2]), len(self.mails)) + 1)
            out.write(b"* SEARCH " + b" ".join(b"%d" % uid for uid in uids) + b"\r\n")
        elif found := re.match(r"UID FETCH (\d+) \((.*)\)", command):
            return self.fetch(int(found[1]), found[2], out)
        return True

    def fetch(self, uid: int, what: str, out: Any) -> bool:
        mail = self.mails[uid - 1]
        if what == "RFC822.SIZE":
            out.write(b"* 1 FETCH (UID %d RFC822.SIZE %d)\r\n" % (uid, self.size.get(uid, len(mail))))
            return True
        if uid in self.breaks:
            self.breaks.remove(uid)
            out.write(b"* 1 FETCH (UID %d BODY[] {%d}\r\n" % (uid, len(mail)) + mail[:20])
            return False
        part = re.search(r"<0\.(\d+)>", what)
        body = mail.split(b"\n\n")[0] if "HEADER" in what else mail
        body = body[: int(part[1])] if part else body
        out.write(b"* 1 FETCH (UID %d BODY[]<0> {%d}\r\n" % (uid, self.literal.get(uid, len(body))) + body + b")\r\n")
        return True
