"""Threat intelligence: read whole, matched by what it names, with its age; problems have a place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.intel import Indicator, Intel, Warninglist
from watchfloor.ingest.intel import load_intel
from watchfloor.ingest.stix_pattern import PatternError, read_pattern

AT = 1_792_000_000_000


def indicator(kind: Any, value: str, **more: Any) -> Indicator:
    return Indicator(type=kind, value=value, source="feed", **more)


def write(folder: Path, name: str, data: Any) -> Path:
    file = folder / name
    file.write_text(data if isinstance(data, str) else json.dumps(data))
    return file


def bundle(*patterns: str, **more: Any) -> dict[str, Any]:
    objects = [
        {"type": "indicator", "id": f"indicator--{n}", "pattern": p, "pattern_type": "stix", **more}
        for n, p in enumerate(patterns)
    ]
    return {"type": "bundle", "objects": objects}


def test_matching_by_kind() -> None:
    intel = Intel(
        indicators=(
            indicator("domain", "evil.example"),
            indicator("address", "203.0.113.0/28"),
            indicator("address", "2001:db8::7"),
            indicator("url", "http://evil2.example/a"),
            indicator("file", "a" * 64),
        )
    )
    hits = [
        ("domain", "Evil.Example."),
        ("domain", "www.evil.example"),
        ("url", "https://a.b.evil.example/x?y"),
        ("mailbox", "bob@evil.example"),
        ("address", "203.0.113.15"),
        ("address", "::ffff:203.0.113.1"),
        ("url", "http://203.0.113.4:8080/x"),
        ("address", "2001:0db8::0007"),
        ("url", "HTTP://Evil2.example/a#top"),
        ("file", "A" * 64),
    ]
    misses = [
        ("domain", "notevil.example"),
        ("domain", "evil.example.org"),
        ("address", "203.0.113.16"),
        ("address", "not an address"),
        ("url", "http://evil2.example/b"),
        ("domain", ""),
        ("url", "http://[broken"),
    ]
    assert [v for k, v in hits if not intel.matches(k, v, AT)] == []
    assert [v for k, v in misses if intel.matches(k, v, AT)] == []


def test_an_indicator_holds_from_to() -> None:
    intel = Intel(indicators=(indicator("domain", "evil.example", valid_from=100, valid_until=200),))
    assert [bool(intel.matches("domain", "evil.example", at)) for at in (99, 100, 199, 200)] == [
        False,
        True,
        True,
        False,
    ]
    assert intel.known("domain", "evil.example")[0].validity(99) == "not_yet"


def test_lists_say_what_being_on_them_means() -> None:
    def lst(name: str, kind: Any, type_: Any, *entries: str, to: tuple[Any, ...] = ("domain", "url")) -> Warninglist:
        return Warninglist(name=name, title=name, kind=kind, type=type_, applies_to=to, entries=entries)

    intel = Intel(
        warninglists=(
            lst("owner", "benign", "hostname", "cdn.example"),
            lst("exact", "benign", "string", "one.example", ".all.example"),
            lst("short", "abused", "hostname", "sho.rt"),
            lst("inside", "benign", "substring", "analyze.example"),
            lst("nets", "reserved", "cidr", "10.0.0.0/8", to=("address",)),
            lst("mails", "benign", "regex", "/^(soc|abuse)\\@.*$/i", to=("mailbox",)),
        )
    )
    named = {
        v: [o.name for o in intel.listed(k, v)]
        for k, v in [
            ("domain", "a.cdn.example"), ("domain", "x.one.example"), ("domain", "x.all.example"),
            ("url", "https://sho.rt/x"), ("domain", "analyze.example.evil.example"), ("address", "10.2.3.4"),
            ("mailbox", "SOC@x.example"), ("address", "11.0.0.1"),
        ]
    }  # fmt: skip
    assert named == {
        "a.cdn.example": ["owner"], "x.one.example": [], "x.all.example": ["exact"], "https://sho.rt/x": ["short"],
        "analyze.example.evil.example": ["inside"], "10.2.3.4": ["nets"], "SOC@x.example": ["mails"], "11.0.0.1": [],
    }  # fmt: skip
    # Text that anyone can write into a name never vouches.
    assert intel.benign("domain", "a.cdn.example") == ("owner",)
    assert intel.benign("domain", "analyze.example.evil.example") == ()
    assert intel.benign("url", "https://sho.rt/x") == ()


@pytest.mark.parametrize(
    ("pattern", "ways"),
    [
        ("[ipv4-addr:value = '203.0.113.7']", ["address"]),
        ("[domain-name:value='a.example' OR url:value='http://a.example/']", ["domain", "url"]),
        ("[file:hashes.'SHA-256' = 'aa'] OR [file:hashes.MD5 = 'bb']", ["file", "file"]),
        ("[ipv4-addr:value IN ('203.0.113.1', '203.0.113.2')]", ["address", "address"]),
        ("[ipv4-addr:value ISSUBSET '203.0.113.0/24']", ["address"]),
        ("[email-addr:value = 'it\\'s@a.example']", ["mailbox"]),
    ],
)
def test_patterns_that_are_read(pattern: str, ways: list[str]) -> None:
    assert [terms[0][0] for terms in read_pattern(pattern)] == ways


@pytest.mark.parametrize(
    "pattern",
    [
        "", "[", "[]", "[ipv4-addr:value = '1.1.1.1'", "[ipv4-addr:value LIKE '1.%']", "[ipv4-addr:value != '1.1.1.1']",
        "[process:name = 'a']", "[url:value = 'a'] FOLLOWEDBY [url:value = 'b']", "[url:value = 'a'] WITHIN 5 SECONDS",
        "[NOT url:value = 'a']", "[url:value = 'a' AND ]", "[" + "(" * 200 + "url:value='a'" + ")" * 200 + "]",
    ],
)  # fmt: skip
def test_patterns_that_are_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        read_pattern(pattern)


def test_and_binds_tighter_than_or_and_holds_only_together(tmp_path: Path) -> None:
    text = "[domain-name:value='a.example' OR file:name='x.exe' AND file:hashes.MD5='" + "b" * 32 + "']"
    intel = load_intel([write(tmp_path, "b.json", bundle(text))])
    assert intel.problems == ()
    assert intel.matches("domain", "a.example", AT)
    assert not intel.matches("file_name", "x.exe", AT)
    assert intel.matches("file_name", "X.exe", AT, also={"file:" + "b" * 32})


def test_what_cannot_be_read_is_named_and_the_rest_kept(tmp_path: Path) -> None:
    write(
        tmp_path, "a.json", bundle("[url:value = 'http://a.example/x']", "[process:pid = 4]", "[ipv4-addr:value='no']")
    )
    write(tmp_path, "b.json", "{broken")
    write(tmp_path, "c.json", {"hello": 1})
    write(tmp_path, "d.csv", "type,value,confidence\nip,203.0.113.9,90\nip,999,1\nteapot,x,1\ndomain,a.example,200\n")
    write(
        tmp_path,
        "e.json",
        {"name": "L", "type": "cidr", "matching_attributes": ["ip-src"], "list": ["10.0.0.0/8", "x"]},
    )
    intel = load_intel([tmp_path])
    assert [i.value for i in intel.indicators] == ["http://a.example/x", "203.0.113.9"]
    assert [lst.entries for lst in intel.warninglists] == [("10.0.0.0/8",)]
    places = [p.where.removeprefix(f"{tmp_path}/") for p in intel.problems]
    assert places == [
        "a.json, objects[1] indicator--1", "a.json, objects[2] indicator--2", "b.json", "c.json", "d.csv, row 3",
        "d.csv, row 4", "d.csv, row 5", "e.json, list[1]",
    ]  # fmt: skip
    with pytest.raises(WatchfloorError, match="no such file"):
        load_intel([tmp_path / "absent"])


def test_stix_details(tmp_path: Path) -> None:
    data = bundle(
        "[domain-name:value = 'A.example']", name="Bad page", confidence=80, valid_from="2026-10-01T00:00:00Z",
        valid_until="2026-11-01T00:00:00Z", created_by_ref="identity--1", indicator_types=["anomalous-activity"],
    )  # fmt: skip
    data["objects"] += [
        {"type": "identity", "id": "identity--1", "name": "Sharing group"},
        {**bundle("[domain-name:value = 'gone.example']")["objects"][0], "revoked": True},
        {**bundle("rule x {}")["objects"][0], "pattern_type": "yara"},
    ]
    intel = load_intel([write(tmp_path, "b.json", data)])
    (one,) = intel.indicators
    assert (one.value, one.confidence, one.source, one.kind) == ("a.example", 80, "Sharing group", "suspicious")
    assert (one.valid_from, one.valid_until) == (1_790_812_800_000, 1_793_491_200_000)
    assert [p.what for p in intel.problems] == ["pattern type 'yara' is not supported; rules go to detections"]


def test_a_list_of_bare_values(tmp_path: Path) -> None:
    intel = load_intel([write(tmp_path, "a.txt", "# mine\n203.0.113.9\nevil.example\n" + "c" * 40 + "\n")])
    assert [i.type for i in intel.indicators] == ["address", "domain", "file"]


def test_real_lists(shared_data: Path) -> None:
    intel = load_intel([shared_data / "misp-warninglists", shared_data / "kev"])
    assert (len(intel.warninglists), len(intel.vulnerabilities), intel.problems) == (117, 1404, ())
    assert intel.benign("address", "162.142.125.7") == ("censys-scanning",)
    assert intel.benign("url", "https://bit.ly/x") == ()
    assert "url-shortener" in [o.name for o in intel.listed("url", "https://bit.ly/x")]
    assert [o.kind for o in intel.listed("mailbox", "bob@mailinator.com")] == ["abused"]
    log4shell = intel.known_exploited("cve-2021-44228")
    assert log4shell is not None
    assert log4shell.ransomware
    assert intel.known_exploited("CVE-1999-0001") is None
