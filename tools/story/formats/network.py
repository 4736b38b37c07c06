# ruff: noqa: PLR0917 - an event is who, when, where, what: the same order in every writer
"""Zeek logs (JSON streaming, one file a log type) and Suricata EVE (JSON lines), of the same sensor."""

from __future__ import annotations

from string import ascii_letters, digits
from typing import Any

from tools.story.recorder import Record, Story, day_of, digest, iso

_UID = ascii_letters + digits
BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36"
)
Flow = tuple[str, int, str, int]


def zeek(s: Story, log: str, at: int, uid: str, flow: Flow, fields: Record, lag: int = 3) -> None:
    """One line of a Zeek log. `flow` is (source, source port, destination, destination port)."""
    folder = "threat_intelligence/zeek" if log == "intel" else "network/zeek"
    s.put(
        f"{folder}-{log}.json.gz",
        at,
        {
            "_path": log,
            "_system_name": "sensor01",
            "_write_ts": iso(min(at + lag, at | 0x3FFFF), 6) + "Z",
            "ts": iso(at, 6) + "Z",
            "uid": uid,
            "id.orig_h": flow[0],
            "id.orig_p": flow[1],
            "id.resp_h": flow[2],
            "id.resp_p": flow[3],
            **fields,
        },
    )


def new_uid(s: Story) -> str:
    return "C" + s.token(17, _UID)


def connection(
    s: Story,
    at: int,
    flow: Flow,
    *,
    sent: int,
    received: int,
    service: str = "",
    state: str = "SF",
    seconds: float = 0.0,
    proto: str = "tcp",
    uid: str = "",
    outbound: bool = True,
) -> str:
    """conn.log; returns the uid."""
    uid = uid or new_uid(s)
    lasting = seconds or s.rng.randint(40, 9000 if proto == "tcp" else 300) / 1000
    history = {"SF": "ShADadFf", "S0": "S", "REJ": "Sr", "RSTO": "ShADadR"}[state] if proto == "tcp" else "Dd"
    fields: Record = {"proto": proto}
    if service:
        fields["service"] = service
    if state not in ("S0", "REJ"):
        fields |= {"duration": lasting, "orig_bytes": sent, "resp_bytes": received}
    fields |= {
        "conn_state": state,
        "local_orig": outbound or flow[0].startswith("10."),
        "local_resp": flow[2].startswith("10."),
        "missed_bytes": 0,
        "history": history,
        "orig_pkts": 1 + sent // 1300 + (4 if proto == "tcp" else 0),
        "orig_ip_bytes": sent + 240,
        "resp_pkts": 1 + received // 1300,
        "resp_ip_bytes": received + 220,
    }
    zeek(s, "conn", at, uid, flow, fields, int(lasting * 1000))
    return uid


def dns(s: Story, at: int, client: str, name: str, answers: list[str], kind: str = "A") -> None:
    """dns.log: a question to the company's resolver (a domain controller)."""
    flow = (client, s.port(), "10.20.2.11", 53)
    fields: Record = {
        "proto": "udp",
        "trans_id": s.rng.randint(1, 65_000),
        "rtt": s.rng.randint(300, 24_000) / 1e6,
        "query": name,
        "qclass": 1,
        "qclass_name": "C_INTERNET",
        "qtype": {"A": 1, "TXT": 16, "AAAA": 28}[kind],
        "qtype_name": kind,
        "rcode": 0 if answers else 3,
        "rcode_name": "NOERROR" if answers else "NXDOMAIN",
        "AA": False,
        "TC": False,
        "RD": True,
        "RA": True,
        "Z": 0,
    }
    if answers:
        fields |= {"answers": answers, "TTLs": [float(60 + len(name) * 7) for _ in answers]}
    zeek(s, "dns", at, new_uid(s), flow, fields | {"rejected": False})


def tls(s: Story, at: int, uid: str, flow: Flow, name: str, issuer: str = "CN=R11,O=Let's Encrypt,C=US") -> None:
    """ssl.log."""
    fields = {
        "version": "TLSv13",
        "cipher": "TLS_AES_256_GCM_SHA384",
        "curve": "x25519",
        "server_name": name,
        "resumed": False,
        "established": True,
        "ssl_history": "CsiI",
        "cert_chain_fps": [digest("cert", name).lower()],
        "client_cert_chain_fps": [],
        "subject": f"CN={name}",
        "issuer": issuer,
        "validation_status": "ok" if "Encrypt" in issuer or "DigiCert" in issuer else "self signed certificate",
    }
    zeek(s, "ssl", at, uid, flow, fields)


_REASON = {200: "OK", 403: "Forbidden", 404: "Not Found", 500: "Internal Server Error"}


def http(
    s: Story,
    at: int,
    uid: str,
    flow: Flow,
    host: str,
    uri: str,
    *,
    method: str = "GET",
    status: int = 200,
    agent: str = BROWSER,
    sent: int = 0,
    received: int = 2048,
    mime: str = "text/html",
    filename: str = "",
) -> None:
    """http.log, and files.log for what came back (or went up, for a POST with a body)."""
    fuid = "F" + s.token(17, _UID)
    side = "orig" if sent else "resp"
    fields: Record = {
        "trans_depth": 1,
        "method": method,
        "host": host,
        "uri": uri,
        "version": "1.1",
        "user_agent": agent,
        "request_body_len": sent,
        "response_body_len": received,
        "status_code": status,
        "status_msg": _REASON[status],
        "tags": [],
        f"{side}_fuids": [fuid],
        f"{side}_mime_types": [mime],
    }
    if filename:
        fields[f"{side}_filenames"] = [filename]
    zeek(s, "http", at, uid, flow, fields)
    if filename or s.rng.random() < 0.35:
        found = digest("file", host, uri, filename).lower()
        zeek(s, "files", at, uid, flow, _file(fuid, found, mime, sent, received, filename))


def _file(fuid: str, found: str, mime: str, sent: int, received: int, filename: str) -> Record:
    file: Record = {
        "fuid": fuid,
        "source": "HTTP",
        "depth": 0,
        "analyzers": ["MD5", "SHA1", "SHA256"],
        "mime_type": mime,
        "duration": 0.01,
        "local_orig": bool(sent),
        "is_orig": bool(sent),
        "seen_bytes": sent or received,
        "total_bytes": sent or received,
        "missing_bytes": 0,
        "overflow_bytes": 0,
        "timedout": False,
        "md5": found[:32],
        "sha1": found[:40],
        "sha256": found,
    }
    return file | ({"filename": filename} if filename else {})


def intel(s: Story, at: int, uid: str, flow: Flow, indicator: str, kind: str, where: str, source: str) -> None:
    """intel.log: the sensor saw an indicator of its list."""
    fields = {
        "seen.indicator": indicator,
        "seen.indicator_type": kind,
        "seen.where": where,
        "seen.node": "sensor01",
        "matched": [kind],
        "sources": [source],
    }
    zeek(s, "intel", at, uid, flow, fields)


def eve(s: Story, at: int, kind: str, flow: Flow, fields: dict[str, Any], proto: str = "TCP", flow_id: int = 0) -> None:
    """One EVE line."""
    s.put(
        f"network/suricata-eve-{day_of(at)}.json.gz",
        at,
        {
            "timestamp": iso(at, 6) + "+0000",
            "flow_id": flow_id or s.rng.randrange(10**14, 2 * 10**15),
            "in_iface": "ens19",
            "event_type": kind,
            "src_ip": flow[0],
            "src_port": flow[1],
            "dest_ip": flow[2],
            "dest_port": flow[3],
            "proto": proto,
            "host": "sensor01",
            **fields,
        },
    )


def alert(
    s: Story,
    at: int,
    flow: Flow,
    sid: int,
    signature: str,
    category: str,
    severity: int,
    *,
    app: str = "",
    http_fields: Record | None = None,
    tls_name: str = "",
    proto: str = "TCP",
    action: str = "allowed",
) -> None:
    """A Suricata alert with the metadata that the engine adds."""
    fields: Record = {
        "pkt_src": "wire/pcap",
        "alert": {
            "action": action,
            "gid": 1,
            "signature_id": sid,
            "rev": 1 + sid % 7,
            "signature": signature,
            "category": category,
            "severity": severity,
        },
    }
    if http_fields:
        fields["http"] = http_fields
    if tls_name:
        fields["tls"] = {"sni": tls_name, "version": "TLS 1.3"}
    if app:
        fields["app_proto"] = app
    fields["direction"] = "to_server"
    sent, got = s.rng.randint(300, 4000), s.rng.randint(200, 9000)
    fields["flow"] = {
        "pkts_toserver": 2 + sent // 600,
        "pkts_toclient": 1 + got // 900,
        "bytes_toserver": sent,
        "bytes_toclient": got,
        "start": iso(at, 6) + "+0000",
        "src_ip": flow[0],
        "dest_ip": flow[2],
        "src_port": flow[1],
        "dest_port": flow[3],
    }
    eve(s, at, "alert", flow, fields, proto)


def flow_record(s: Story, at: int, flow: Flow, sent: int, received: int, app: str) -> None:
    """An EVE flow record."""
    fields = {
        "app_proto": app,
        "flow": {
            "pkts_toserver": 4 + sent // 1300,
            "pkts_toclient": 3 + received // 1300,
            "bytes_toserver": sent,
            "bytes_toclient": received,
            "start": iso(at, 6) + "+0000",
            "end": iso(at | 0xFFF, 6) + "+0000",
            "age": 4,
            "state": "closed",
            "reason": "timeout",
            "alerted": False,
        },
    }
    eve(s, at, "flow", flow, fields)
