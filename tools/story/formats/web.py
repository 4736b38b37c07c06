# ruff: noqa: PLR0917 - an event is who, when, where, what: the same order in every writer
"""What one outgoing visit leaves behind at the sensor and, for Windows, at the host: DNS, connection, TLS or HTTP."""

from __future__ import annotations

from tools.story.company import Host
from tools.story.formats import network, sysmon
from tools.story.formats.sysmon import Proc
from tools.story.recorder import Story

# Documentation addresses for every outsider, good and bad; real services by their real names.
ADDRESS = {
    "login.microsoftonline.com": "203.0.113.16",
    "outlook.office365.com": "203.0.113.17",
    "teams.microsoft.com": "203.0.113.18",
    "marlundexample.sharepoint.com": "203.0.113.19",
    "graph.microsoft.com": "203.0.113.20",
    "ctldl.windowsupdate.com": "203.0.113.21",
    "definitionupdates.microsoft.com": "203.0.113.22",
    "www.msftconnecttest.com": "203.0.113.23",
    "edge.microsoft.com": "203.0.113.24",
    "sts.eu-central-1.amazonaws.com": "203.0.113.30",
    "s3.eu-central-1.amazonaws.com": "203.0.113.31",
    "deb.debian.org": "203.0.113.32",
    "archive.ubuntu.com": "203.0.113.33",
    "pypi.org": "203.0.113.34",
    "registry.npmjs.org": "203.0.113.35",
    "github.com": "203.0.113.36",
    "api.github.com": "203.0.113.37",
    "www.wikipedia.org": "203.0.113.38",
    "database.clamav.net": "203.0.113.39",
    "www.nordpost.example": "198.51.100.12",
    "www.hafenblatt.example": "198.51.100.13",
    "portal.seaworthy-parts.example": "198.51.100.14",
    "shop.bolt-and-seal.example": "198.51.100.15",
    "www.tidecharts.example": "198.51.100.16",
    "meet.clearcall.example": "198.51.100.17",
    "crm.leadharbor.example": "198.51.100.18",
    "track.brieftaube-mail.example": "198.51.100.19",
    "www.elbe-bank.example": "198.51.100.20",
    "docs.sensorworks.example": "198.51.100.21",
    "www.werftnews.example": "198.51.100.22",
    "travel.hansaflug.example": "198.51.100.23",
    "ntp.timekeepers.example": "198.51.100.24",
    "telemetry.printfleet.example": "198.51.100.25",
    "updates.cadsuite.example": "198.51.100.26",
    "www.stellenmarkt.example": "192.0.2.130",
    "intranet-cdn.paperclip.example": "192.0.2.131",
    "cdn.fastassets.example": "203.0.113.140",
    "img.fastassets.example": "203.0.113.140",
    "www.kantine-menu.example": "192.0.2.133",
    "radio.nordwelle.example": "192.0.2.134",
    "signer.docuquick.example": "192.0.2.135",
    "files.transfer-crate.example": "192.0.2.136",
    "weather.frontal.example": "192.0.2.137",
    "sso.rnarlund.example": "203.0.113.201",
    "rnarlund.example": "203.0.113.201",
    "cdn.offerte-portal.example": "198.51.100.141",
    "api.metrics-edge.example": "192.0.2.166",
    "pkg.static-mirror.example": "203.0.113.98",
    "dropfile.example": "198.51.100.214",
    "rt-c2.northgate-testing.example": "198.51.100.60",
    "pkg.northgate-testing.example": "198.51.100.61",
}
LISTED_ADDRESS = "203.0.113.140"
STALE_SOURCE = "community-blocklist-2024"


def visit(
    s: Story,
    host: Host,
    at: int,
    name: str,
    *,
    proc: Proc | None = None,
    sent: int = 0,
    received: int = 0,
    plain: str = "",
    agent: str = network.BROWSER,
    seconds: float = 0.0,
    seen: float = 0.25,
    issuer: str = "",
    mime: str = "text/html",
    filename: str = "",
) -> None:
    """A visit by TLS, or by HTTP where `plain` gives the path. `seen`: how likely EVE flow/tls/dns lines are kept."""
    rng = s.rng
    address = ADDRESS[name]
    sent, received = sent or rng.randint(400, 9000), received or rng.randint(1500, 220_000)
    port = 80 if plain else 443
    flow = (host.address, s.port(), address, port)
    if proc:
        sysmon.dns_query(s, proc, at, name, address)
        sysmon.network(s, proc, at + 40, address, port, flow[1], name)
    network.dns(s, at + 5, host.address, name, [address])
    uid = network.connection(
        s, at + 40, flow, sent=sent, received=received, service="http" if plain else "ssl", seconds=seconds
    )
    if plain:
        network.http(s, at + 60, uid, flow, name, plain, agent=agent, received=received, mime=mime, filename=filename)
    else:
        network.tls(s, at + 60, uid, flow, name, *([issuer] if issuer else []))
    if address == LISTED_ADDRESS:
        network.intel(s, at + 61, uid, flow, LISTED_ADDRESS, "Intel::ADDR", "Conn::IN_RESP", STALE_SOURCE)
    if rng.random() < seen:
        _eve(s, at, flow, name, (sent, received), plain, agent, mime)


def _eve(
    s: Story, at: int, flow: network.Flow, name: str, size: tuple[int, int], plain: str, agent: str, mime: str
) -> None:
    """The same visit as Suricata writes it."""
    network.flow_record(s, at + 90, flow, *size, "http" if plain else "tls")
    if plain:
        detail = {
            "hostname": name,
            "url": plain,
            "http_user_agent": agent,
            "http_method": "GET",
            "protocol": "HTTP/1.1",
            "status": 200,
            "length": size[1],
            "http_content_type": mime,
        }
        network.eve(s, at + 60, "http", flow, {"tx_id": 0, "http": detail})
    else:
        seen = {"sni": name, "version": "TLS 1.3", "ja3": {}, "ja3s": {}}
        network.eve(s, at + 60, "tls", flow, {"tls": seen})
    if s.rng.random() < 0.3:
        question = {"type": "query", "id": s.rng.randint(1, 65_000), "rrname": name, "rrtype": "A", "tx_id": 0}
        asked = (flow[0], s.port(), "10.20.2.11", 53)
        network.eve(s, at + 4, "dns", asked, {"dns": question}, "UDP")
