"""Products asked over HTTP: each one's canned exchange, and what hostile or broken answers may not do."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx2
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.ingest.sources.hands import HandInMemory
from watchfloor.core.clock import parse_iso
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.record import Record
from watchfloor.ingest import Normalizer
from watchfloor.ingest.readers import read_parcel
from watchfloor.ingest.sources import read_sources, web
from watchfloor.ingest.sources.poll import Poll, Poller, options
from watchfloor.ingest.sources.product import Canned, Exchange, JwtBearer, Product, product_of, shipped
from watchfloor.ingest.sources.web import Web

Answerer = Callable[[httpx2.Request], httpx2.Response]
CANNED = [(name, number) for name in shipped() for number, _ in enumerate(product_of(name).tests)]
normalizer = cache(Normalizer.shipped)
HOW_TO = (Path(__file__).resolve().parents[3] / "docs" / "how-to" / "collect-from.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", HOW_TO, re.DOTALL)
KEY = rsa.generate_private_key(65_537, 2_048)


@pytest.fixture(autouse=True)
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits are noted instead of waited for."""
    seconds: list[float] = []
    sleep = asyncio.sleep

    async def note(time: float) -> None:
        seconds.append(time)
        await sleep(0)

    monkeypatch.setattr(web.asyncio, "sleep", note)
    return seconds


def secrets_of(product: Product) -> dict[str, str]:
    found = {name: f"s-{name}" for name in product.secrets}
    if isinstance(product.auth, JwtBearer):
        pem = KEY.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        found["key"] = json.dumps({"client_email": "robot@p.example", "private_key": pem.decode()})
    return found


def run_round(product: Product, answer: Answerer, canned: Canned, named: str = "") -> HandInMemory:
    """One round as `Poll.run` does it."""
    config = Poll(
        name="p", kind="poll", product=named or product.poller, options=canned.options, streams=canned.streams
    )
    hand = HandInMemory(canned.checkpoint)
    now = parse_iso(canned.now)

    async def main() -> None:
        values = options(product, config) | secrets_of(product)
        transport = httpx2.MockTransport(answer)
        asking = Web(product.auth, values, transport=transport, now=lambda: now / 1_000)
        poller = Poller(product, config, hand, asking, now=lambda: now)
        try:
            await poller.prepare()
            await poller.round()
        finally:
            await asking.close()

    asyncio.run(main())
    return hand


class Script:
    """Answers as the canned exchanges say, in their order, and nothing else."""

    def __init__(self, exchanges: tuple[Exchange, ...]) -> None:
        self.left = list(exchanges)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        assert self.left, f"nothing more was to be asked: {request.method} {request.url}"
        expected = self.left.pop(0)
        assert f"{request.method} {request.url}" == expected.ask
        for name, value in expected.headers.items():
            assert request.headers.get(name) == value, name
        if expected.body is not None:
            is_json = "json" in request.headers["content-type"]
            body = json.loads(request.content) if is_json else dict(parse_qsl(request.content.decode()))
            assert body == expected.body
        return httpx2.Response(expected.status, headers=expected.answer_headers, json=expected.answer)


@pytest.mark.parametrize(("name", "number"), CANNED)
def test_each_product_asks_and_reads_as_its_canned_exchange_says(name: str, number: int) -> None:
    product = product_of(name)
    assert product.poller == name
    canned = product.tests[number]
    script = Script(canned.exchange)
    hand = run_round(product, script, canned)
    assert script.left == []
    found = [item for content, form in hand.parcels for item in read_parcel("t", "s", content, form=form)]
    assert len(found) == canned.records
    for item in found:
        assert isinstance(item, Record)
        assert normalizer().event(item).mapping == canned.mapping
    assert {**canned.checkpoint, **hand.kept} == canned.kept
    assert hand.order[-1:] in ([], ["keep"])


def test_a_poller_by_the_how_to_asks_and_reads_as_its_canned_exchange_says(tmp_path: Path) -> None:
    file = tmp_path / "doors.yaml"
    file.write_text(next(block for block in BLOCKS if block.startswith("poller:")))
    product = product_of(str(file))
    script = Script(product.tests[0].exchange)
    hand = run_round(product, script, product.tests[0], str(file))
    assert script.left == []
    assert len(hand.records()) == 1
    assert hand.kept == product.tests[0].kept


def test_the_examples_of_the_how_to_are_sources_and_its_table_is_what_the_files_say(tmp_path: Path) -> None:
    examples = [block for block in BLOCKS if block.startswith("sources:")]
    assert len(examples) >= 4
    for example in examples:
        (tmp_path / "sources.yaml").write_text(example)
        for source in read_sources(tmp_path):
            if isinstance(source, Poll):
                options(product_of(source.product), source)
    rows = [
        f"| `{name}` | {', '.join(product.options) or '(none)'} | {', '.join(product.secrets)} |"
        for name, product in ((name, product_of(name)) for name in shipped())
    ]
    table = [line for line in HOW_TO.splitlines() if line.startswith("| `")]
    assert [set(re.findall(r"[\w()]+", row)) for row in table] == [set(re.findall(r"[\w()]+", row)) for row in rows]


def test_google_gets_an_assertion_that_its_key_signed() -> None:
    product = product_of("google_workspace")
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json={"access_token": "t", "expires_in": 3_600})

    run_round(product, answer, product.tests[0])
    form = dict(parse_qsl(sent[0].content.decode()))
    said, _, signature = form["assertion"].rpartition(".")
    KEY.public_key().verify(plain(signature), said.encode(), padding.PKCS1v15(), hashes.SHA256())
    claims = json.loads(plain(said.partition(".")[2]))
    assert (claims["iss"], claims["sub"]) == ("robot@p.example", "admin@corp.example")
    assert claims["exp"] - claims["iat"] == 3_600


def plain(text: str) -> bytes:
    import base64

    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def okta(answer: Answerer) -> HandInMemory:
    product = product_of("okta")
    return run_round(product, answer, product.tests[0])


LOG = {"uuid": "u", "published": "2026-10-13T07:00:00Z", "eventType": "a.b"}


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/logs",
        "http://acme.okta.com/logs",
        "https://acme.okta.com:8443/logs",
        "https://acme.okta.com@evil.example/",
        "//169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
    ],
)
def test_no_answer_leads_to_another_host(link: str) -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.host)
        return httpx2.Response(200, json=[LOG], headers={"link": f'<{link}>; rel="next"'})

    with pytest.raises(WatchfloorError, match=r"another host|next address"):
        okta(answer)
    assert set(asked) == {"acme.okta.com"}


def test_a_redirect_is_an_error_and_not_followed() -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(302, headers={"location": "https://evil.example/"})

    with pytest.raises(WatchfloorError, match="answered 302"):
        okta(answer)
    assert len(asked) == 1


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b"not json", b'{"a":' * 100_000, b"[1, 2"])
def test_an_answer_that_is_no_list_of_records_is_an_error_and_moves_nothing(body: bytes) -> None:
    hands: list[HandInMemory] = []
    with pytest.raises(WatchfloorError, match="no list of records"):
        hands.append(okta(lambda _: httpx2.Response(200, content=body)))
    assert hands == []


def test_an_answer_without_its_list_is_no_empty_list() -> None:
    """Slack says `ok: false` with status 200."""
    product = product_of("slack_audit")
    with pytest.raises(WatchfloorError, match="entries"):
        run_round(product, lambda _: httpx2.Response(200, json={"ok": False, "error": "x"}), product.tests[0])


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MOST_BYTES", 10_000)
    with pytest.raises(WatchfloorError, match="more than"):
        okta(lambda _: httpx2.Response(200, content=b"[" + b" " * 20_000 + b"]"))


def test_it_waits_as_long_as_it_is_told_and_not_for_ever(waited: list[float]) -> None:
    answers = [("3", 429), ("999999", 503), ("", 200)]

    def answer(request: httpx2.Request) -> httpx2.Response:
        after, status = answers.pop(0)
        return httpx2.Response(status, headers={"retry-after": after} if after else {}, json=[])

    okta(answer)
    assert waited == [3.0, web.LONGEST_WAIT]
    with pytest.raises(WatchfloorError, match="answered 429"):
        okta(lambda _: httpx2.Response(429))


def test_what_came_in_the_overlap_is_not_handed_in_again_and_a_page_that_fails_moves_nothing() -> None:
    product = product_of("okta")
    config = Poll(name="p", kind="poll", product="okta", options={"domain": "acme.okta.com"})
    hand = HandInMemory()
    pages: list[tuple[int, Any]] = [(200, [LOG]), (200, [LOG, {**LOG, "uuid": "v"}]), (500, "broken")]

    async def main() -> None:
        def answer(_: httpx2.Request) -> httpx2.Response:
            status, body = pages.pop(0)
            return httpx2.Response(status, json=body)

        asking = Web(product.auth, {"domain": "x", "token": "t"}, transport=httpx2.MockTransport(answer))
        poller = Poller(product, config, hand, asking, now=lambda: parse_iso("2026-10-13T12:00:00Z"))
        await poller.round()
        await poller.round()
        kept = dict(hand.kept)
        with pytest.raises(WatchfloorError, match="answered 500"):
            await poller.round()
        assert hand.kept == kept
        await asking.close()

    asyncio.run(main())
    assert [json.loads(record)["uuid"] for record in hand.records()] == ["u", "v"]


def test_a_time_in_the_future_does_not_move_the_checkpoint_beyond_now() -> None:
    hand = okta(lambda _: httpx2.Response(200, json=[{**LOG, "published": "2999-01-01T00:00:00Z"}]))
    assert hand.kept == {"logs": {"since": parse_iso("2026-10-13T12:00:00Z")}}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"options": {}}, "needs the option domain"),
        ({"options": {"domain": "evil.example/x?"}}, "cannot be"),
        ({"options": {"domain": "a@b"}}, "cannot be"),
        ({"options": {"domain": "a.okta.com", "more": "1"}}, "has no more"),
        ({"streams": ["nothing"]}, "has no nothing"),
        ({"secrets": {}}, "needs the secret token"),
        ({"secrets": {"token": "env:WATCHFLOOR_NO_SUCH_SECRET"}}, "there is no secret"),
        ({"product": "nobody"}, "no poller"),
    ],
)
def test_what_is_wrong_in_its_settings_is_said_before_anything_is_asked(wrong: dict[str, Any], says: str) -> None:
    good = {"name": "p", "kind": "poll", "product": "okta", "options": {"domain": "a.okta.com"}}
    good["secrets"] = {"token": "env:PATH"}
    Poll.from_dict(good).check()
    with pytest.raises(WatchfloorError, match=says):
        Poll.from_dict(good | wrong).check()


def test_an_option_may_be_a_number_and_the_owner_goes_before_the_product() -> None:
    poll = Poll.from_dict({"name": "p", "kind": "poll", "product": "box_events", "options": {"enterprise": 7}})
    assert poll.options == {"enterprise": "7"}
    assert poll.every is None
    assert product_of("zoom").every > product_of("okta").every == 60


def test_a_secret_is_never_in_the_settings_themselves() -> None:
    with pytest.raises(WatchfloorError, match=r"secrets\.token"):
        Poll.from_dict({"name": "p", "kind": "poll", "product": "okta", "secrets": {"token": "s3cret"}})
