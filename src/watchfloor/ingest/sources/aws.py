"""Clients of AWS, and of what speaks like it: boto3 from the extra `aws`, in threads of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeVar

from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.sources.source import library

boto = partial(library, extra="aws")
"""A module of boto3 or botocore. Raises WatchfloorError where they are not installed."""
T = TypeVar("T")
_NO_CREDENTIALS = "there are no credentials for AWS"
_NAME_THEM = "Name access_key and secret_key, or give the server a role"
# Refusals of whoever asks, not of what was asked for.
_OF_THE_ASKER = frozenset(
    [
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "RequestLimitExceeded",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
    ]
)


class Login(NamedTuple):
    """Who asks. Without keys boto3's own chain finds them: environment, shared files, the machine's role."""

    region: str
    access_key: str = ""
    secret_key: str = ""
    role: str = ""
    external_id: str = ""


class OneError(WatchfloorError):
    """Concerns one object or message: whatever else is there can be read."""


class RefusedByAws(OneError):
    """AWS refuses this one request; another may be granted. `code` is its own name for why."""

    def __init__(self, code: str, what: str, where: str) -> None:
        self.code = code
        super().__init__(what, where=where)


class Aws:
    """Clients with the same login, and threads that wait for them."""

    def __init__(self, login: Login, threads: int) -> None:
        self._login = login
        self._session = _session(login)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="aws")

    def client(self, service: str, endpoint: str = "", **more: Any) -> Any:
        """`s3`, `sqs`. Raises WatchfloorError."""
        more |= {"connect_timeout": 10, "read_timeout": 60, "max_pool_connections": 64}
        config = boto("botocore.config").Config(retries={"mode": "standard", "max_attempts": 4}, **more)
        where = endpoint or service
        return asked(where, lambda: self._session.client(service, endpoint_url=endpoint or None, config=config))

    async def run(self, work: Callable[[], T]) -> T:
        """Do it in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """What is under way in a thread ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _session(login: Login) -> Any:
    session = boto("boto3").Session(
        region_name=login.region or None,
        aws_access_key_id=login.access_key or None,
        aws_secret_access_key=login.secret_key or None,
    )
    if not login.role:
        return session
    own = session.get_credentials()
    if own is None:
        raise WatchfloorError(_NO_CREDENTIALS, where=login.role, do=_NAME_THEM)
    credentials = boto("botocore.credentials")
    core = boto("botocore.session").get_session()
    extra = {"RoleSessionName": "watchfloor"} | ({"ExternalId": login.external_id} if login.external_id else {})
    fetcher = credentials.AssumeRoleCredentialFetcher(
        client_creator=session.client,
        source_credentials=own,
        role_arn=login.role,
        extra_args=extra,
    )

    provider = _RoleProvider(credentials.DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role"))
    core.register_component("credential_provider", credentials.CredentialResolver([provider]))
    return boto("boto3").Session(botocore_session=core, region_name=login.region or None)


class _RoleProvider:
    """What botocore's resolver asks for credentials."""

    METHOD = "assume-role"

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def load(self) -> Any:
        return self._credentials


def asked(where: str, work: Callable[[], T]) -> T:
    """What a client answers. Raises RefusedByAws where it refuses just this, else WatchfloorError."""
    errors = boto("botocore.exceptions")
    try:
        return work()
    except errors.ClientError as error:
        said = error.response.get("Error", {})
        code = str(said.get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        what = f"{said.get('Message', 'refused')} ({code})"
        if status >= 500 or status == 301 or code in _OF_THE_ASKER:
            raise WatchfloorError(what, where=where) from None
        raise RefusedByAws(code, what, where) from None
    except errors.NoCredentialsError:
        raise WatchfloorError(_NO_CREDENTIALS, where=where, do=_NAME_THEM) from None
    except errors.BotoCoreError as error:
        raise WatchfloorError(f"no answer ({type(error).__name__}: {error})", where=where) from None
    except ValueError as error:
        raise WatchfloorError(str(error), where=where) from None
