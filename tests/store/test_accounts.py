"""Accounts: passwords are never kept, guessing is slowed down, sessions end."""

from __future__ import annotations

from pathlib import Path

import pytest
from argon2 import PasswordHasher

from watchfloor.core.clock import HOUR, MINUTE, SECOND
from watchfloor.core.errors import NotFoundError, RefusedError, WatchfloorError
from watchfloor.store import accounts as module
from watchfloor.store.accounts import Account, Accounts
from watchfloor.store.database import Database
from watchfloor.store.home import Home

PASSWORD = "correct horse battery"
NOW = 1_760_000_000_000


@pytest.fixture
def accounts(database: Database) -> Accounts:
    found = Accounts(database)
    found.create("acme", "alice", PASSWORD, ["lead", "analyst", "lead"])
    return found


def test_an_account_opens_with_its_password_only(accounts: Accounts) -> None:
    alice = Account(tenant="acme", user="alice", roles=("lead", "analyst"))
    assert accounts.check("acme", "alice", PASSWORD, NOW) == alice
    assert accounts.check("acme", "alice", PASSWORD + "x", NOW) is None
    assert accounts.check("acme", "nobody", PASSWORD, NOW) is None
    assert accounts.check("other", "alice", PASSWORD, NOW) is None
    assert accounts.get("acme", "alice") == alice
    assert accounts.list("acme") == [alice]
    assert accounts.list("other") == []
    with pytest.raises(NotFoundError, match="no user bob"):
        accounts.get("acme", "bob")


@pytest.mark.parametrize(
    ("user", "password", "roles"),
    [
        ("alice", PASSWORD, ["analyst"]),
        ("../bob", PASSWORD, ["analyst"]),
        ("Bob", PASSWORD, ["analyst"]),
        ("bob", "short", ["analyst"]),
        ("bob", "x" * 1025, ["analyst"]),
        ("bob", PASSWORD, ["emperor"]),
    ],
)
def test_what_is_not_an_account_is_refused(
    accounts: Accounts, user: str, password: str, roles: list[module.Role]
) -> None:
    with pytest.raises(WatchfloorError):
        accounts.create("acme", user, password, roles)
    assert [account.user for account in accounts.list("acme")] == ["alice"]


def test_unknown_users_cost_the_same_work(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    real = module._matches

    def counting(password_hash: str, password: str) -> bool:
        hashed.append(password_hash)
        return real(password_hash, password)

    monkeypatch.setattr(module, "_matches", counting)
    accounts.check("acme", "alice", "wrong", NOW)
    accounts.check("acme", "nobody", "wrong", NOW)
    assert len(hashed) == 2
    assert len({text.rpartition("$")[0].rpartition("$")[0] for text in hashed}) == 1
    assert all(text.startswith("$argon2id$") for text in hashed)


def test_guessing_is_slowed_down_and_a_right_password_clears_it(accounts: Accounts) -> None:
    for _ in range(module.FREE_FAILURES):
        assert accounts.check("acme", "alice", "wrong", NOW) is None
    assert accounts.check("acme", "alice", PASSWORD, NOW) is not None
    for _ in range(module.FREE_FAILURES + 1):
        accounts.check("acme", "alice", "wrong", NOW)
    assert accounts.check("acme", "alice", PASSWORD, NOW + 29 * SECOND) is None
    accounts.check("acme", "alice", "wrong", NOW + 30 * SECOND)
    assert accounts.check("acme", "alice", PASSWORD, NOW + 89 * SECOND) is None
    assert accounts.check("acme", "alice", PASSWORD, NOW + 90 * SECOND) is not None
    assert module._wait(1000) == module.LONGEST_WAIT


def test_a_session_ends_by_closing_idling_and_age(accounts: Accounts) -> None:
    token = accounts.open_session("acme", "alice", NOW)
    assert accounts.session("acme", token, NOW) == accounts.get("acme", "alice")
    assert accounts.session("other", token, NOW) is None
    assert accounts.session("acme", token + "x", NOW) is None
    assert accounts.session("acme", token, NOW + HOUR) is None
    at = NOW
    while at < NOW + 12 * HOUR - 50 * MINUTE:
        at += 50 * MINUTE
        assert accounts.session("acme", token, at) is not None
    assert accounts.session("acme", token, NOW + 12 * HOUR) is None
    other = accounts.open_session("acme", "alice", NOW)
    accounts.close_session("acme", other)
    accounts.close_session("acme", other)
    assert accounts.session("acme", other, NOW) is None
    with pytest.raises(NotFoundError):
        accounts.open_session("acme", "nobody", NOW)


def test_neither_password_nor_token_is_on_disk(accounts: Accounts, home: Home, database: Database) -> None:
    token = accounts.open_session("acme", "alice", NOW)
    database.close()
    kept = b"".join(Path(file).read_bytes() for file in home.path.glob("watchfloor.db*"))
    assert b"alice" in kept
    assert token.encode() not in kept
    assert PASSWORD.encode() not in kept


def test_a_malformed_tenant_is_refused(accounts: Accounts) -> None:
    for call in (
        lambda: accounts.create("../x", "bob", PASSWORD, []),
        lambda: accounts.check("../x", "bob", PASSWORD, NOW),
        lambda: accounts.list("../x"),
        lambda: accounts.session("../x", "t", NOW),
        lambda: accounts.close_session("../x", "t"),
    ):
        with pytest.raises(RefusedError, match="not a tenant's name"):
            call()


def test_a_password_costs_who_guesses_it(costs_of_guessing: tuple[PasswordHasher, int]) -> None:
    """What the product has, not the cheap costs of tests: RFC 9106's second choice, and for keys 64 MiB of scrypt."""
    hasher, scrypt_n = costs_of_guessing
    assert hasher.time_cost >= 3
    assert hasher.memory_cost >= 64 * 1024
    assert scrypt_n >= 2**16
