"""Accounts: who may use the console, and their sessions. Passwords and tokens are kept as digests only."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Iterable
from functools import cache
from typing import Any, Literal, get_args

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from watchfloor.core.clock import HOUR, MINUTE, SECOND
from watchfloor.core.errors import NotFoundError, RefusedError
from watchfloor.core.noun import Noun, Tenant
from watchfloor.store.database import Database
from watchfloor.store.schema import accounts, sessions
from watchfloor.store.tenancy import checked

Role = Literal["analyst", "lead", "auditor", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1024
FREE_FAILURES = 4
"""Wrong passwords in a row that cost nothing; from then on each doubles the wait."""
FIRST_WAIT = 30 * SECOND
LONGEST_WAIT = 15 * MINUTE
SESSION_LASTS = 12 * HOUR
SESSION_IDLES = 1 * HOUR
_SEEN_EVERY = 1 * MINUTE

# A user's name stands in file names (keys) and in the ledger.
_USER = re.compile(r"[a-z0-9][a-z0-9._@-]{0,127}")
_HASHER = PasswordHasher()  # argon2id, the library's RFC 9106 profile
# Each check takes 64 MiB; a flood of logins must not take all memory.
_HASHING = threading.BoundedSemaphore(2)


@cache
def _nobody() -> str:
    """What an unknown user's password is checked against, so that the answer takes as long as a known one's."""
    return _HASHER.hash(secrets.token_urlsafe())


class Account(Noun):
    """A user of the console and what they may do."""

    tenant: Tenant
    user: str
    roles: tuple[Role, ...]


class Accounts:
    """Users and sessions of tenants. Safe to share between threads. Times in milliseconds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, tenant: str, user: str, password: str, roles: Iterable[Role]) -> Account:
        """Add a user. Raises WatchfloorError for a taken or malformed name, short password or wrong role."""
        if not _USER.fullmatch(user):
            raise RefusedError(f"not a user's name: {user!r}", do="Use lower-case letters, digits and . _ @ -")
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            raise RefusedError(f"a password needs {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
        account = Account.from_dict({"tenant": checked(tenant), "user": user, "roles": tuple(dict.fromkeys(roles))})
        row = {"tenant": tenant, "user": user, "password_hash": _hashed(password)}
        with self._database.write() as connection:
            if connection.execute(_row(tenant, user)).one_or_none():
                raise RefusedError(f"there is a user {user} already", do="Choose another name")
            connection.execute(accounts.insert().values(**row, roles=" ".join(account.roles)))
        return account

    def check(self, tenant: str, user: str, password: str, now: int) -> Account | None:
        """The account when the password is right; None when it is not, and while the account is locked.

        Costs the same work for unknown users, so that time tells nobody who exists. After a few failures in a
        row the account is locked for a while that doubles with each more.
        """
        with self._database.read() as connection:
            row = connection.execute(_row(checked(tenant), user)).one_or_none()
        right = _matches(row.password_hash if row else _nobody(), password[: LONGEST_PASSWORD + 1])
        if row is None or now < row.locked_until:
            return None
        with self._database.write() as connection:
            if not right:
                failures = connection.execute(_row(tenant, user)).one().failures + 1
                self._set(connection, tenant, user, failures=failures, locked_until=now + _wait(failures))
                return None
            changes: dict[str, Any] = {"failures": 0, "locked_until": 0}
            if _HASHER.check_needs_rehash(row.password_hash):
                changes["password_hash"] = _hashed(password)
            self._set(connection, tenant, user, **changes)
        return _account(row)

    def get(self, tenant: str, user: str) -> Account:
        """One account. Raises NotFoundError."""
        with self._database.read() as connection:
            row = connection.execute(_row(checked(tenant), user)).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no user {user}")
        return _account(row)

    def list(self, tenant: str) -> list[Account]:
        """All accounts by name."""
        query = sa.select(accounts).where(accounts.c.tenant == checked(tenant)).order_by(accounts.c.user)
        with self._database.read() as connection:
            return [_account(row) for row in connection.execute(query)]

    def open_session(self, tenant: str, user: str, now: int) -> str:
        """Begin a session of a user; gives its token, which is not kept. Raises NotFoundError."""
        account = self.get(tenant, user)
        token = secrets.token_urlsafe(32)
        values = {"tenant": tenant, "user": account.user, "opened_at": now, "seen_at": now}
        with self._database.write() as connection:
            connection.execute(
                sessions.delete().where(
                    sessions.c.tenant == tenant,
                    sa.or_(sessions.c.opened_at <= now - SESSION_LASTS, sessions.c.seen_at <= now - SESSION_IDLES),
                )
            )
            connection.execute(sessions.insert().values(**values, token_digest=_digest(token)))
        return token

    def session(self, tenant: str, token: str, now: int) -> Account | None:
        """Whose session a token is; None when it is unknown, too old, or was idle too long. Counts as use."""
        mine = _session(checked(tenant), token)
        query = (
            sa.select(accounts, sessions.c.seen_at)
            .join(
                sessions,
                sa.and_(accounts.c.tenant == sessions.c.tenant, accounts.c.user == sessions.c.user),
            )
            .where(*mine, sessions.c.opened_at > now - SESSION_LASTS, sessions.c.seen_at > now - SESSION_IDLES)
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if row.seen_at <= now - _SEEN_EVERY:
            with self._database.write() as connection:
                connection.execute(sessions.update().where(*mine).values(seen_at=now))
        return _account(row)

    def close_session(self, tenant: str, token: str) -> None:
        """End a session; an unknown token is no error."""
        with self._database.write() as connection:
            connection.execute(sessions.delete().where(*_session(checked(tenant), token)))

    @staticmethod
    def _set(connection: sa.Connection, tenant: str, user: str, **values: Any) -> None:
        mine = (accounts.c.tenant == tenant, accounts.c.user == user)
        connection.execute(accounts.update().where(*mine).values(**values))


def _row(tenant: str, user: str) -> sa.Select[Any]:
    return sa.select(accounts).where(accounts.c.tenant == tenant, accounts.c.user == user)


def _session(tenant: str, token: str) -> tuple[Any, ...]:
    return sessions.c.tenant == tenant, sessions.c.token_digest == _digest(token)


def _account(row: Any) -> Account:
    return Account.from_dict({"tenant": row.tenant, "user": row.user, "roles": row.roles.split()})


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _wait(failures: int) -> int:
    over = failures - FREE_FAILURES
    return 0 if over <= 0 else min(FIRST_WAIT * 2 ** min(over - 1, 20), LONGEST_WAIT)


def _hashed(password: str) -> str:
    with _HASHING:
        return _HASHER.hash(password)


def _matches(password_hash: str, password: str) -> bool:
    try:
        with _HASHING:
            return _HASHER.verify(password_hash, password)
    except (Argon2Error, InvalidHashError):
        return False
