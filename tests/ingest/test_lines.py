"""Log lines: syslog's headers in every spelling, and the structures and layouts that products' texts have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.record import Record
from watchfloor.ingest import Normalizer, read
from watchfloor.ingest.readers import layouts
from watchfloor.ingest.readers.line import line_of, parts
from watchfloor.ingest.readers.stamp import stated
from watchfloor.ingest.shapes import shape_of

MODIFIED = 1791900000000  # 2026-10-13

HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "no host": (
        "<134>Oct 13 07:01:02 filterlog[123]: 5,,,x",
        {"program": "filterlog", "pid": "123", "message": "5,,,x"},
    ),
    "no tag": ("<14>Oct 13 07:01:02 fw1 %ASA-6-302013: Built", {"host": "fw1", "message": "%ASA-6-302013: Built"}),
    "a year and a colon": ("<166>Oct 13 2026 07:01:02: %ASA-6-302013: Built", {"message": "%ASA-6-302013: Built"}),
    "a sequence number": (
        "<189>12: r1: *Oct 13 07:01:02.123 UTC: %SYS-5-X: y",
        {"host": "r1", "message": "%SYS-5-X: y"},
    ),
    "an epoch": ("<134>1 1791874862.345 MX84 rebooted now", {"host": "MX84", "timestamp": "1791874862.345"}),
    "a format where a zone could be": ("Oct 13 2026 07:01:02 CEF:0|V|P|1|2|n|3|a=b", {"line": "cef"}),
    "a length before it": ("58 <134>Oct 13 07:01:02 h p: x", {"host": "h", "program": "p", "facility": 16}),
    "no host but a format": ("Oct 13 07:01:02 h CEF:0|V|P|1|2|n|3|a=b", {"host": "h", "line": "cef", "a": "b"}),
    "a tag before JSON": ('<14>Oct 13 07:01:02 h forwarder {"a": 1}', {"program": "forwarder", "message": '{"a": 1}'}),
    "only a priority": ("<13>something", {"message": "something", "facility": 1, "severity": 5}),
}


@pytest.mark.parametrize("form", HEADERS)
def test_headers_in_every_spelling(form: str) -> None:
    line, wanted = HEADERS[form]
    found = parts(line, MODIFIED)
    assert wanted.items() <= found.items(), found
    assert "program" not in found or found["program"] != "CEF"


def test_an_audit_record_is_the_same_behind_a_header_of_syslog() -> None:
    record = "type=USER_AUTH msg=audit(1791874862.345:7): pid=5 msg='op=PAM acct=\"bob\" res=success'"
    wanted = {"type": "USER_AUTH", "timestamp": "1791874862.345", "acct": "bob", "program": "auditd"}
    assert wanted.items() <= parts(record, MODIFIED).items()
    behind = parts(f"<13>Oct 13 07:01:02 web1 audisp-syslog: {record}", MODIFIED)
    assert {**wanted, "host": "web1"}.items() <= behind.items()


TEXTS: dict[str, tuple[str, dict[str, Any]]] = {
    "CEF's escapes": (
        r"CEF:0|V|P|1|7|a \| b|5|msg=x\=1 y\nz suser=CORP\nick act=blocked  path=C:\\a b.exe cs1Label=Rule cs1=my rule",
        {
            "msg": "x=1 y\nz",
            "suser": "CORP\\nick",
            "act": "blocked",
            "path": "C:\\a b.exe",
            "labels": {"Rule": "my rule"},
            "line": "cef",
        },
    ),
    "LEEF 1": ("LEEF:1.0|V|P|1|7|src=10.0.0.5\tusrName=a b", {"src": "10.0.0.5", "usrName": "a b", "line": "leef"}),
    "LEEF 2 with a delimiter": ("LEEF:2.0|V|P|1|7|x5e|src=10.0.0.5^usrName=a b", {"usrName": "a b"}),
    "LEEF 2 with its default": ("LEEF:2.0|V|P|1|7|src=10.0.0.5\tusrName=a b", {"usrName": "a b"}),
    "pairs": ('a=1 b="x \\"y\\" z" c=\'d e\' f=', {"a": "1", "b": 'x "y" z', "c": "d e", "line": "pairs"}),
    "pairs with commas": ("a=x y,b=2,c=3 4", {"a": "x y", "b": "2", "c": "3 4"}),
    "pairs with tabs": ("a=x y\tb=2\tc=3\td=4 5", {"a": "x y", "d": "4 5"}),
    "structured data": (
        r'<14>1 2026-10-13T07:01:02Z h p - ID [j@1 a="1" b="x\]y" c="3" d="4" e="5"]',
        {"a": "1", "b": "x]y", "e": "5", "line": "elements", "sd_id": "j@1"},
    ),
    "Check Point's": (
        '<14>1 2026-10-13T07:01:02Z gw CheckPoint 1 - [action:"Drop"; src:"10.0.0.5"; dst:"203.0.113.7"; p:"1"; x:"y"]',
        {"action": "Drop", "src": "10.0.0.5", "line": "elements"},
    ),
    "columns with quotes": (
        '1,2026/10/13 07:01:02,0018,SYSTEM,auth,0,2026/10/13 07:01:02,vsys1,auth-fail,GP,0,0,general,high,"a, b",1,0x0',
        {"line": "paloalto", "description": "a, b", "timestamp": "2026-10-13T07:01:02.000Z"},
    ),
    "DNS labels": (
        "10/13/2026 7:01:02 PM 0A3C PACKET  00000000025EB310 UDP Rcv 10.0.0.5   0001   Q [0001   D   NOERROR] A"
        "      (3)www(7)example(3)com(0)",
        {"question": "www.example.com", "type": "A", "timestamp": "2026-10-13T19:01:02.000Z"},
    ),
}


@pytest.mark.parametrize("form", TEXTS)
def test_texts_with_a_structure(form: str) -> None:
    line, wanted = TEXTS[form]
    found = parts(line, MODIFIED)
    assert wanted.items() <= found.items(), found


@pytest.mark.parametrize("line", ["started", "user alice logged in", "ratio a=1 b=2", "x", "CEF:zero|a", "LEEF:9|a|b"])
def test_prose_has_no_structure(line: str) -> None:
    assert "line" not in parts(line, MODIFIED)


TIMES = {
    "2026-10-13 09:01:02,345 +0200 x": "2026-10-13T07:01:02.345Z",
    "[Tue Oct 13 07:01:02.123456 2026] [core:error]": "2026-10-13T07:01:02.123Z",
    "13-Oct-2026 07:01:02.123 queries: info": "2026-10-13T07:01:02.123Z",
    '1.2.3.4 - - [13/Oct/2026:07:01:02 -0500] "GET /': "2026-10-13T12:01:02.000Z",
    'date=2026-10-13 time=07:01:02 devid="x" tz="+0200"': "2026-10-13T05:01:02.000Z",
    "10/13/2026 12:01:02 AM x": "2026-10-13T00:01:02.000Z",
    "2026-13-45 99:99:99 x": None,
    "no time": None,
}


@pytest.mark.parametrize("text", TIMES)
def test_times_as_products_write_them(text: str) -> None:
    assert stated(text) == TIMES[text]


def test_a_time_without_a_year_is_the_latest_one() -> None:
    assert stated("12/31-23:59:59.123456  [**] x", MODIFIED) == "2025-12-31T23:59:59.000Z"
    assert stated("12/31-23:59:59.123456  [**] x") is None


CARRIED: dict[str, dict[str, Any]] = {
    "filebeat": {
        "@timestamp": "2026-10-13T07:01:03Z",
        "message": "CEF:0|V|P|1|7|n|5|src=10.0.0.5",
        "host": {"name": "h"},
    },
    "Elastic's original": {"event": {"original": "CEF:0|V|P|1|7|n|5|src=10.0.0.5"}, "source": {"ip": "10.0.0.9"}},
    "Splunk": {"_raw": "<14>Oct 13 07:01:02 h CEF:0|V|P|1|7|n|5|src=10.0.0.5", "_time": "2026-10-13T07:01:03Z"},
    "JSON in a message": {"@timestamp": "2026-10-13T07:01:03Z", "message": '{"src": "10.0.0.5", "a": 1}'},
}


@pytest.mark.parametrize("form", CARRIED)
def test_what_a_shipper_carries_is_the_record(form: str) -> None:
    data = CARRIED[form]
    record = Record(tenant="t", source="x", position=0, unit="line", format="json", raw=b"{}", data=data)
    shape, found = shape_of(record)
    assert shape == "json"
    assert found["src"] == "10.0.0.5"


TABLES: dict[str, dict[str, Any]] = {
    "Sentinel": {
        "TimeGenerated": "2026-10-13T07:01:02Z",
        "Computer": "h",
        "DeviceVendor": "V",
        "DeviceProduct": "P",
        "DeviceEventClassID": "7",
        "Activity": "n",
        "LogSeverity": "5",
        "SourceIP": "10.0.0.5",
        "RequestURL": "http://www.example.com/",
        "RequestMethod": "GET",
        "DestinationPort": 443,
        "DeviceCustomString1": "out",
        "DeviceCustomString1Label": "Rule",
        "AdditionalExtensions": "own=1;src=203.0.113.9",
        "FileHash": "",
    },
    "Elastic": {
        "@timestamp": "2026-10-13T07:01:02Z",
        "cef": {
            "device": {"vendor": "V", "product": "P", "event_class_id": "7"},
            "name": "n",
            "severity": "5",
            "extensions": {
                "sourceAddress": "10.0.0.5",
                "requestUrl": "http://www.example.com/",
                "requestMethod": "GET",
                "destinationPort": 443,
                "deviceCustomString1": "out",
                "deviceCustomString1Label": "Rule",
            },
        },
    },
}


@pytest.mark.parametrize("form", TABLES)
def test_cef_that_a_siem_has_parsed_is_as_cef(form: str) -> None:
    record = Record(tenant="t", source="x", position=0, unit="line", format="json", raw=b"{}", data=TABLES[form])
    shape, found = shape_of(record)
    wanted = {
        "line": "cef",
        "src": "10.0.0.5",
        "dpt": 443,
        "request": "http://www.example.com/",
        "requestMethod": "GET",
    }
    assert shape == "json"
    assert wanted.items() <= found.items()
    assert found["labels"] == {"Rule": "out"}
    assert found["cef"] == {"vendor": "V", "product": "P", "id": "7", "name": "n", "severity": "5"}
    assert found["timestamp"] == "2026-10-13T07:01:02Z"


PROSE = [
    "started",
    "Oct 13 is a date",
    "user=alice logged in",
    "{not json",
    "2026-10-13T07:01:02Z",
    "disk full on sda1: 99%",
]


@pytest.mark.parametrize("text", PROSE)
def test_prose_in_a_message_is_no_line(text: str) -> None:
    assert line_of(text, MODIFIED) is None


def test_a_plain_syslog_line_in_a_message_is_a_line() -> None:
    found = line_of("Oct 13 07:01:02 web1 sshd[812]: Accepted publickey for alice", MODIFIED)
    assert found is not None
    assert found["program"] == "sshd"


def test_a_year_is_not_invented() -> None:
    data = {"message": "<14>Oct 13 07:01:02 h CEF:0|V|P|1|7|n|5|src=10.0.0.5"}
    record = Record(tenant="t", source="x", position=0, unit="line", format="json", raw=b"{}", data=data)
    assert shape_of(record)[1]["timestamp"] == "Oct 13 07:01:02"


W3C = (
    "#Software: Microsoft Internet Information Services 10.0\n#Fields: date time cs-method c-ip cs(User-Agent)\n"
    "2026-10-13 07:01:02 GET 203.0.113.5 a+b\n2026-10-13 07:01:03 GET 203.0.113.5\n"
    "#Fields: date time c-ip\n2026-10-13 07:01:04 -\n"
)
FLOWS = "version account-id srcaddr dstaddr srcport\n2 111122223333 203.0.113.5 10.0.0.5 1\n"


def test_w3c_logs_and_flow_logs_name_their_columns(tmp_path: Path) -> None:
    (tmp_path / "iis.log").write_text(W3C)
    (tmp_path / "flow.log").write_text(FLOWS)
    first, bad, last = list(read(tmp_path / "iis.log", "t"))
    assert isinstance(first, Record)
    assert first.data["timestamp"] == "2026-10-13T07:01:02Z"
    assert first.data["cs(User-Agent)"] == "a+b"
    assert not isinstance(bad, Record)
    assert "5 fields" in bad.reason
    assert isinstance(last, Record)
    assert "c-ip" not in last.data
    (flow,) = list(read(tmp_path / "flow.log", "t"))
    assert isinstance(flow, Record)
    assert flow.data["dstaddr"] == "10.0.0.5"


def test_json_behind_a_header_is_the_record(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text('<14>Oct 13 07:01:02 h {"a": {"b": 1}}\n')
    (record,) = list(read(tmp_path / "x.log", "t"))
    assert isinstance(record, Record)
    header = {"timestamp": "2026-10-13T07:01:02.000Z", "host": "h"}
    assert shape_of(record) == ("json", {"a": {"b": 1}, "syslog": header})


def test_azures_flow_logs_become_a_record_a_flow(tmp_path: Path) -> None:
    tuples = [
        "1791874862,203.0.113.9,10.0.0.7,50123,22,T,I,D,B,,,,",
        "1791874863,10.0.0.7,203.0.113.7,1,443,T,O,A,E,1,2,3,4",
    ]
    group = {"rule": "Deny", "flows": [{"mac": "00005E005301", "flowTuples": tuples}]}
    network = [
        {
            "aclID": "x",
            "flowGroups": [{"rule": "out", "flowTuples": ["1791874862345,10.0.0.7,203.0.113.7,1,443,6,O,B,NX"]}],
        }
    ]
    records = [
        {"category": "NetworkSecurityGroupFlowEvent", "properties": {"Version": 2, "flows": [group]}},
        {"category": "FlowLogFlowEvent", "flowRecords": {"flows": network}},
        {"category": "FlowLogFlowEvent", "flowRecords": {"flows": "none"}},
    ]
    (tmp_path / "PT1H.json").write_text(json.dumps({"records": records}))
    found = [r for r in read(tmp_path / "PT1H.json", "t") if isinstance(r, Record)]
    assert len({r.uid for r in found}) == 4
    assert found[0].data["flow"]["decision"] == "D"
    assert found[0].data["flow"]["rule"] == "Deny"
    assert found[1].data["flow"]["bytes_in"] == "4"
    assert found[2].data["flow"]["state"] == "B"
    assert found[3].data == records[2]


def test_a_wrong_layout_is_named(tmp_path: Path) -> None:
    for text, said in (
        ("line: x", "layout"),
        ("line: x\nstart: a\nsplit: nonsense", "split"),
        ("line: x\nstart: '('", "expression"),
    ):
        (tmp_path / "x.yaml").write_text(text)
        with pytest.raises(WatchfloorError, match=said):
            layouts.load(tmp_path)


PIECES = st.lists(
    st.sampled_from(
        [
            "<134>",
            "1 ",
            "Oct 13 07:01:02 ",
            "2026-10-13T07:01:02Z ",
            "CEF:0|",
            "CEF:0|V|P|1|2|n|3|",
            "LEEF:2.0|V|P|1|e|",
            "LEEF:2.0|",
            "|",
            "a=",
            '"',
            "\\",
            "[",
            "]",
            "%ASA-6-302013: ",
            "1,2026/10/13 07:01:02,",
            "TRAFFIC,",
            "\t",
            " ",
            "x",
            "msg='",
            "type=A msg=audit(1.2:3): ",
            "é",
            '1.2.3.4 - - [13/Oct/2026:07:01:02 +0000] "',
            "IN= OUT= SRC=",
            "date=2026-99-13 time=07:01:02 ",
            "99999999999",
        ]
    ),
    max_size=14,
).map("".join)


@given(PIECES | st.text(max_size=60))
def test_no_line_makes_the_reading_fail(text: str) -> None:
    found = parts(text, MODIFIED)
    assert "message" in found or "line" in found
    assert line_of(text, MODIFIED) in (None, found)


NORMALIZER = Normalizer.shipped()
PRODUCTS = [
    line
    for m in NORMALIZER.mappings
    for case in m.tests
    if isinstance(line := case["record"].get("message"), str) and " " in line
]


@given(st.data())
def test_no_damaged_line_makes_the_normaliser_fail(data: st.DataObject) -> None:
    line = data.draw(st.sampled_from(PRODUCTS))
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(line)), st.integers(0, len(line)))))
    text = line[:start] + data.draw(st.text(max_size=8)) + line[end:]
    found = parts(text, MODIFIED)
    record = Record(tenant="t", source="x", position=0, unit="line", format="syslog", raw=text.encode(), data=found)
    event = NORMALIZER.event(record)
    assert event.uid == record.uid
    assert "mapping failed" not in str(event.ocsf.get("unmapped", {}).get("problem", "")), event.ocsf["unmapped"]
