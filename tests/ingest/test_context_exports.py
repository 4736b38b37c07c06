"""Exports of directories, inventories and DHCP servers: every shipped mapping says what its own tests state, rows are
found whatever the format, and a bad row spoils itself only."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.context_exports import ExportMapping, mappings, read_export
from watchfloor.ingest.context_rows import Read, rows_of

UTC = ZoneInfo("UTC")
CASES = [(one, number) for one in mappings() for number in range(len(one.tests))]


def read(file: Path, name: str = "", zone: ZoneInfo = UTC) -> list[Read]:
    return list(read_export(file, zone, name))


def stated(reads: list[Read]) -> list[list[Any]]:
    return [
        [s.entity, s.attribute, s.value, *([s.valid_from, s.valid_to] if s.valid_from or s.valid_to else [])]
        for one in reads
        for s in one.statements
    ]


@pytest.mark.parametrize(("mapping", "number"), CASES, ids=[f"{one.name}-{number}" for one, number in CASES])
def test_a_mapping_says_what_its_tests_state(mapping: ExportMapping, number: int, tmp_path: Path) -> None:
    test = mapping.tests[number]
    (tmp_path / "export.json").write_text(json.dumps([test["row"]]))
    found = read(tmp_path / "export.json")
    assert [one.problem for one in found] == [""]
    assert [one.source for one in found] == [mapping.name], "the mapping that knows most of the row takes it"
    wanted = [fact + [None] * (5 - len(fact)) if len(fact) == 4 else fact for fact in test["facts"]]
    assert sorted(stated(found), key=str) == sorted(wanted, key=str)


def test_every_mapping_has_a_test() -> None:
    assert len(mappings()) >= 14
    assert all(one.tests for one in mappings())


def test_csv_json_lines_and_answers_of_an_api_say_the_same(tmp_path: Path) -> None:
    rows = [{"Host ID": "7AB1", "Hostname": "WS-7", "MAC Address": "4c-cc-6a-01-02-03"}]
    (tmp_path / "a.csv").write_text("#TYPE Whatever\nHost ID;Hostname;MAC Address\r\n7AB1;WS-7;4c-cc-6a-01-02-03\r\n")
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "c.json").write_text(json.dumps({"resources": rows}))
    (tmp_path / "d.csv").write_bytes(b"\xef\xbb\xbfHost ID,Hostname,MAC Address\n7AB1,WS-7,4c-cc-6a-01-02-03\n")
    found = [stated(read(file)) for file in sorted(tmp_path.iterdir())]
    assert found[0] == found[1] == found[2] == found[3]
    assert ["host:7ab1", "mac", "4c:cc:6a:01:02:03"] in found[0]


def test_ldif_with_binary_sids_users_computers_and_what_is_neither(tmp_path: Path) -> None:
    sid = bytes([1, 5, 0, 0, 0, 0, 0, 5]) + b"".join(n.to_bytes(4, "little") for n in (21, 1, 2, 3, 1101))
    (tmp_path / "ad.ldif").write_text(
        "version: 1\n\n# alice\ndn: CN=Alice\\, Doe,DC=acme,DC=example\nobjectClass: top\nobjectClass: user\n"
        f"objectSid:: {base64.b64encode(sid).decode()}\nsAMAccountName: alice\n"
        "userPrincipalName: alice@acme\n .example\n\n"
        "dn: CN=WS-7,DC=acme,DC=example\nobjectClass: user\nobjectClass: computer\nsAMAccountName: WS-7$\n"
        "objectSid: S-1-5-21-1-2-3-2007\ndNSHostName: ws-7.acme.example\n\n"
        "dn: OU=People,DC=acme,DC=example\nobjectClass: organizationalUnit\n\n"
        "dn: CN=Bob,DC=acme,DC=example\nobjectSid:: !!!\n"
    )
    user, computer, unit, broken = read(tmp_path / "ad.ldif")
    assert ["user:s-1-5-21-1-2-3-1101", "sid", "s-1-5-21-1-2-3-1101"] in stated([user])
    assert ["user:s-1-5-21-1-2-3-1101", "upn", "alice@acme.example"] in stated([user])
    assert (computer.source, unit.source, broken.source) == ("ad/computers", "", "")
    assert ["host:s-1-5-21-1-2-3-2007", "fqdn", "ws-7.acme.example"] in stated([computer])
    assert "no mapping knows" in unit.problem
    assert "not LDIF" in broken.problem


def test_leases_of_isc_dhcp_have_their_times(tmp_path: Path) -> None:
    (tmp_path / "dhcpd.leases").write_text(
        "# written by dhcpd\nauthoring-byte-order little-endian;\n\n"
        'lease 10.0.0.7 {\n  starts 2 2026/10/13 07:00:00;\n  ends 2 2026/10/13 15:00:00;\n  binding state active;\n'
        '  hardware ethernet 4c:cc:6a:01:02:03;\n  client-hostname "WS-7";\n}\n'
        "lease 10.0.0.8 {\n  starts epoch 1791874800; # Tue\n  ends never;\n  binding state active;\n"
        "  hardware ethernet 4c:cc:6a:01:02:04;\n}\n"
        "lease 10.0.0.9 {\n  starts 2 2026/10/13 07:00:00;\n  binding state abandoned;\n}\n"
    )  # fmt: skip
    first, second, third = read(tmp_path / "dhcpd.leases")
    assert ["interface:4c:cc:6a:01:02:03", "address", "10.0.0.7", 1791874800000, 1791903600000] in stated([first])
    assert ["interface:4c:cc:6a:01:02:04", "address", "10.0.0.8", 1791874800000, None] in stated([second])
    assert "no mapping knows" in third.problem


def test_times_without_a_zone_are_the_companys(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text(
        "IPAddress,ClientId,AddressState,LeaseExpiryTime\n10.0.0.7,4c-cc-6a-01-02-03,Active,10/13/2026 5:00:00 PM\n"
        "10.0.0.8,4c-cc-6a-01-02-04,Active,tomorrow\n"
    )
    good, bad = read(tmp_path / "l.csv", zone=ZoneInfo("Europe/Berlin"))
    assert ["interface:4c:cc:6a:01:02:03", "address", "10.0.0.7", None, 1791903600000] in stated([good])
    assert "is no time" in bad.problem


def test_a_bad_row_spoils_itself_only(tmp_path: Path) -> None:
    (tmp_path / "okta.json").write_text(
        json.dumps(
            [
                {"id": "1", "profile": {"login": "a@acme.example"}},
                {"id": "2", "profile": {"login": "no address at all"}},
                ["not", "a", "row"],
                {"id": "", "profile": {"login": "c@acme.example"}},
                {"id": "5", "profile": {"login": "e@acme.example"}},
            ]
        )
    )
    found = read(tmp_path / "okta.json")
    assert [bool(one.problem) for one in found] == [False, True, True, True, False]
    assert [one.row.number for one in found] == [1, 2, 3, 4, 5]
    assert all(one.row.raw for one in found)
    (tmp_path / "hosts.csv").write_text('Host ID,Hostname\n1,a\n2,b,c\n3,"d\n')
    assert [one.problem.partition(":")[0] for one in read(tmp_path / "hosts.csv")] == [
        "",
        "it has 3 columns, the heading 2",
        "not CSV",
    ]


def test_placeholders_of_makers_are_nothing_stated(tmp_path: Path) -> None:
    row = {"device_id": "1", "hostname": "a", "platform_name": "x", "serial_number": "To be filled by O.E.M."}
    (tmp_path / "h.json").write_text(json.dumps([row | {"mac_address": "00-00-00-00-00-00"}]))
    assert {s[1] for s in stated(read(tmp_path / "h.json"))} == {"agent_id", "name"}


def test_what_nothing_knows_says_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("colour,shape\nred,round\n")
    with pytest.raises(WatchfloorError, match="no mapping knows these columns: colour, shape"):
        read(tmp_path / "odd.csv")
    with pytest.raises(WatchfloorError, match="There are ad/computers"):
        read(tmp_path / "odd.csv", "okta/nothing")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(WatchfloorError, match="it is empty"):
        read(tmp_path / "empty.csv")


@pytest.mark.parametrize(
    "data", [b"\x00\xff\xfe", b"{", b"[1,", b"lease x {", b"dn: \n", b"a,b\n\xff,\xfe\n", b"[[[[]]]]"]
)
def test_hostile_bytes_are_a_clear_error_or_bad_rows(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    try:
        rows = list(rows_of(tmp_path / "x"))
    except WatchfloorError:
        return
    assert all(row.problem or isinstance(row.columns, dict) for row in rows)


def test_deep_and_wide_json_is_bounded(tmp_path: Path) -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = {"a": deep}
    (tmp_path / "d.json").write_text(json.dumps([deep, {f"c{n}": n for n in range(5_000)}]))
    deep_row, wide = rows_of(tmp_path / "d.json")
    assert len(deep_row.columns) == 1
    assert "more than" in wide.problem
