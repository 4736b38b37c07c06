"""Formats of threat intelligence beside STIX bundles: TAXII, MISP events, OpenIOC, lists as feeds write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from watchfloor.core.intel import Intel
from watchfloor.ingest.intel import load_intel

HASH = "a" * 64
AT = 1_792_000_000_000


def loaded(folder: Path, name: str, content: Any) -> Intel:
    file = folder / name
    data = content if isinstance(content, bytes) else content if isinstance(content, str) else json.dumps(content)
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return load_intel([folder])


def named(intel: Intel) -> list[tuple[str, str]]:
    return [(i.type, i.value) for i in intel.indicators]


def test_a_taxii_envelope_holds_stix(tmp_path: Path) -> None:
    envelope = {
        "more": False,
        "objects": [{"type": "indicator", "id": "indicator--1", "pattern": "[domain-name:value = 'evil.example']"}],
    }
    intel = loaded(tmp_path, "collection.json", envelope)
    assert (named(intel), intel.problems) == ([("domain", "evil.example")], ())


def attribute(kind: str, value: str, **more: Any) -> dict[str, Any]:
    return {"uuid": kind, "type": kind, "value": value, "to_ids": True, **more}


MISP = {
    "uuid": "e-1",
    "info": "Campaign",
    "Orgc": {"name": "Sharing group"},
    "Tag": [{"name": 'misp:confidence-level="usually-confident"'}],
    "Attribute": [
        attribute("ip-dst|port", "203.0.113.9|443"),
        attribute("domain|ip", "evil.example|203.0.113.10", comment="first stage"),
        attribute("sha256", HASH, first_seen="2026-10-01T00:00:00Z"),
        attribute("url", "http://evil.example/a", to_ids=False),
        attribute("url", "http://gone.example/a", deleted=True),
        attribute("yara", "rule x {}"),
        attribute("domain", ""),
    ],
    "Object": [{"name": "file", "Attribute": [attribute("filename|sha1", "a.exe|" + "b" * 40)]}],
}


@pytest.mark.parametrize(
    "document",
    [{"Event": MISP}, {"response": [{"Event": MISP}]}, [{"Event": MISP}], MISP],
    ids=["export", "answer", "list", "bare"],
)
def test_misp_events(document: Any, tmp_path: Path) -> None:
    intel = loaded(tmp_path, "misp.json", document)
    assert named(intel) == [
        ("address", "203.0.113.9"),
        ("domain", "evil.example"),
        ("address", "203.0.113.10"),
        ("file", HASH),
        ("file", "b" * 40),
    ]
    domain, hash_ = intel.indicators[1], intel.indicators[3]
    assert (domain.source, domain.confidence, domain.description) == ("Sharing group", 75, "Campaign: first stage")
    assert (hash_.valid_from, domain.valid_from) == (1_790_812_800_000, 0)
    assert [p.where.rpartition("attribute ")[2] for p in intel.problems] == ["yara", "domain"]


def test_misp_attributes_alone(tmp_path: Path) -> None:
    intel = loaded(tmp_path, "a.json", {"response": {"Attribute": [attribute("hostname", "C2.evil.example")]}})
    assert named(intel) == [("domain", "c2.evil.example")]


def ioc(inner: str, root: str = "ioc", part: str = "definition") -> str:
    return (
        f'<?xml version="1.0"?><{root} xmlns="http://schemas.mandiant.com/2010/ioc" id="1">'
        f"<short_description>Dropper</short_description><{part}>{inner}</{part}></{root}>"
    )


def term(search: str, value: str, condition: str = "is") -> str:
    return (
        f'<IndicatorItem id="{search}" condition="{condition}"><Context search="{search}" type="mir"/>'
        f'<Content type="string">{value}</Content></IndicatorItem>'
    )


OPENIOC = (
    '<Indicator operator="OR">'
    + term("FileItem/Sha256sum", HASH)
    + term("PortItem/remoteIP", "203.0.113.9")
    + term("RegistryItem/Path", "Run")
    + term("FileItem/FileName", "a", "contains")
    + '<Indicator operator="AND">'
    + term("FileItem/FileName", "x.exe")
    + term("Network/DNS", "evil.example")
    + "</Indicator>"
    + '<Indicator operator="AND" id="half">'
    + term("FileItem/FileName", "y.exe")
    + term("RegistryItem/Path", "Run")
    + "</Indicator></Indicator>"
)


@pytest.mark.parametrize(("root", "part"), [("ioc", "definition"), ("OpenIOC", "criteria")])
def test_openioc(root: str, part: str, tmp_path: Path) -> None:
    intel = loaded(tmp_path, "a.ioc", ioc(OPENIOC, root, part))
    assert named(intel) == [
        ("file", HASH),
        ("address", "203.0.113.9"),
        ("file_name", "x.exe"),
        ("domain", "evil.example"),
    ]
    assert intel.indicators[0].description == "Dropper"
    # What holds only together is not read as if each part were enough, nor as if one part were not there.
    assert not intel.matches("domain", "evil.example", AT)
    assert intel.matches("domain", "evil.example", AT, also={"file_name:x.exe"})
    assert [p.where.rpartition(", ")[2] for p in intel.problems] == [
        "IndicatorItem RegistryItem/Path",
        "IndicatorItem FileItem/FileName",
        "Indicator half",
    ]


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    + ioc(term("Network/DNS", "&b;")).partition("?>")[2]
)
HOSTILE: dict[str, bytes] = {
    "entities": LAUGHS.encode(),
    "entities in another encoding": LAUGHS.replace('"1.0"', '"1.0" encoding="UTF-16"').encode("utf-16"),
    "a file named from outside": b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><ioc><definition/></ioc>',
    "nested": b"<a>" * 500 + b"</a>" * 500,
    "cut off": ioc(OPENIOC).encode()[:300],
    "other XML": b"<html><body/></html>",
    "no text": b"<\x00\xff\xfe",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_xml_from_outside_is_refused_with_its_reason(case: str, tmp_path: Path) -> None:
    intel = loaded(tmp_path, "a.xml", HOSTILE[case])
    assert intel.indicators == ()
    assert len(intel.problems) == 1
    assert intel.problems[0].where.endswith("a.xml")


def test_openioc_that_explodes_is_refused(tmp_path: Path) -> None:
    one = '<Indicator operator="OR">' + "".join(term("Network/DNS", f"{n}.example") for n in range(40)) + "</Indicator>"
    intel = loaded(tmp_path, "a.ioc", ioc(f'<Indicator operator="AND">{one * 3}</Indicator>'))
    assert intel.indicators == ()
    assert "more than 1000 ways" in intel.problems[0].what


def test_lists_as_feeds_write_them(tmp_path: Path) -> None:
    text = "\n".join(
        [
            "# a feed", "; another way", "// a third",
            "203.0.113.0/28 ; SBL1",
            "0.0.0.0 ads.evil.example",
            "||track.evil.example^$third-party",
            "hxxps[:]//evil[.]example/a",
            "bob[at]evil[dot]example",
            "2001:db8::7 # seen once",
            '"quoted.example",malware',
            "not a value",
        ]
    )  # fmt: skip
    intel = loaded(tmp_path, "feed.txt", text)
    assert named(intel) == [
        ("address", "203.0.113.0/28"),
        ("domain", "ads.evil.example"),
        ("domain", "track.evil.example"),
        ("url", "https://evil.example/a"),
        ("mailbox", "bob@evil.example"),
        ("address", "2001:db8::7"),
        ("domain", "quoted.example"),
    ]
    assert [(p.where.rpartition(", ")[2], p.what) for p in intel.problems] == [
        ("row 11", "'not a value' is no address, domain, URL, hash or mail address")
    ]


def test_tables_as_feeds_write_them(tmp_path: Path) -> None:
    typed = 'first_seen_utc,dst_ip,dst_port,malware\n"2026-10-01 00:00:00",203.0.113.9,443,Bot\n,999,1,x\n'
    intel = loaded(tmp_path, "a.csv", typed)
    (one,) = intel.indicators
    assert (one.type, one.value, one.description, one.valid_from) == (
        "address",
        "203.0.113.9",
        "Bot",
        1_790_812_800_000,
    )
    assert len(intel.problems) == 1
    (tmp_path / "a.csv").unlink()
    intel = loaded(tmp_path, "b.csv", "ioc_type,ioc_value,confidence_level\nsha256_hash," + HASH + ",90\n")
    assert [(i.type, i.confidence) for i in intel.indicators] == [("file", 90)]
