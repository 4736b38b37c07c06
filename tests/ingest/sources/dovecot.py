"""Debian's Dovecot, with a configuration of its own in a temporary folder, as whoever runs the tests."""

from __future__ import annotations

import contextlib
import grp
import imaplib
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.ingest.sources.test_syslog import authority

PROGRAM = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
PASSWORD = "correct-hörse"
CONFIG = """
protocols = imap
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {login}
first_valid_uid = 0
first_valid_gid = 0
mail_location = maildir:{folder}/mail/%u
disable_plaintext_auth = no
auth_mechanisms = plain xoauth2
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {folder}/oauth2.conf
}}
passdb {{
  driver = static
  mechanisms = plain
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {plain}
  }}
  inet_listener imaps {{
    port = {tls}
    ssl = yes
  }}
}}
auth_failure_delay = 0
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""
OAUTH2 = "introspection_url = {url}\nintrospection_mode = auth\nusername_attribute = username\n"


class Dovecot:
    """A running server: its ports and what a mail user would do."""

    def __init__(self, folder: Path, certificate: Path, key: Path, introspection: str) -> None:
        self.folder, self.ca = folder, certificate
        self.plain, self.tls = free_port(), free_port()
        own, login = pwd.getpwuid(os.getuid()), ""
        if own.pw_uid == 0:  # it refuses to have root at its door, or as the owner of mail
            own, login = pwd.getpwnam("dovecot"), "dovenull"
        for name in ("mail", "home"):
            (folder / name).mkdir()
            os.chown(folder / name, own.pw_uid, own.pw_gid)
        names = {"user": own.pw_name, "group": grp.getgrgid(own.pw_gid).gr_name, "login": login or own.pw_name}
        places = {"folder": folder, "certificate": certificate, "key": key, "plain": self.plain, "tls": self.tls}
        (folder / "dovecot.conf").write_text(
            CONFIG.format(**names, **places, uid=own.pw_uid, gid=own.pw_gid, password=PASSWORD)
        )
        (folder / "oauth2.conf").write_text(OAUTH2.format(url=introspection))

    @contextlib.contextmanager
    def running(self) -> Iterator[Dovecot]:
        assert PROGRAM
        process = subprocess.Popen([PROGRAM, "-F", "-c", self.folder / "dovecot.conf"], stderr=subprocess.PIPE)
        try:
            for _ in range(200):
                assert process.poll() is None, process.stderr and process.stderr.read().decode()
                with contextlib.suppress(OSError, imaplib.IMAP4.error):
                    self.user("nobody").logout()
                    break
                time.sleep(0.05)
            yield self
        finally:
            process.terminate()
            process.wait()

    def user(self, name: str) -> imaplib.IMAP4_SSL:
        """A mail program, signed in."""
        context = ssl.create_default_context(cafile=self.ca)
        client = imaplib.IMAP4_SSL("localhost", self.tls, ssl_context=context, timeout=20)
        client.authenticate("PLAIN", lambda _: f"\0{name}\0{PASSWORD}".encode())
        return client

    def deliver(self, name: str, *mails: bytes, folder: str = "INBOX") -> None:
        client = self.user(name)
        for mail in mails:
            status, said = client.append(folder, "", None, mail.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))  # type: ignore[arg-type]
            assert status == "OK", said
        client.logout()

    def flags(self, name: str, folder: str = "INBOX") -> list[bytes]:
        """What the server says of each message in a folder."""
        client = self.user(name)
        client.select(folder, readonly=True)
        found = client.uid("FETCH", "1:*", "(FLAGS)")[1]
        client.logout()
        return [one for one in found if isinstance(one, bytes)]


@contextlib.contextmanager
def serving(introspection: str = "http://127.0.0.1:9/") -> Iterator[Dovecot]:
    """A server with a certificate for `localhost`; tokens are checked at `introspection`."""
    with tempfile.TemporaryDirectory(prefix="wf-") as name:
        folder = Path(name)  # pytest's own folders are closed to the users that Dovecot has
        folder.chmod(0o755)
        with Dovecot(folder, *authority(folder, "mail"), introspection).running() as server:
            yield server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
