"""What the URL detector learns from: links that people gave as references, and templates written here (`urls.yaml`).

Good: references of Sigma rules and of CISA's known exploited vulnerabilities, held out by site; links of wanted mail.
Templates are held out one by one, and as a harder test by family. Scored only: what Sigma rules for web servers and
proxies look for (fragments), and links of unwanted mail, which are advertisements of 2002 more than attacks.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import yaml

from tools.train.fitting import Sample, Task
from tools.train.mail import messages
from tools.train.slots import templates
from watchfloor.core.look_alike import registrable
from watchfloor.detect.learned import urls

_EACH, _OF_A_SITE = 14, 200
_URL = re.compile(r"https?://[^\s;,\"'<>)]+")
_HOST = re.compile(r"https?://([^/:?#]+)")
_FIELDS = ("c-uri", "cs-uri-query", "cs-uri-stem", "c-uri-query")


def samples(data: Path) -> Iterator[Sample]:
    """Each URL once."""
    yield from references(data)
    yield from templates("urls.yaml", _EACH, lambda text, _: urls.plain(text))
    yield from of_rules(data / "sigma")


def references(data: Path) -> Iterator[Sample]:
    """Links to articles, code and notices, and links in mail; of one site so many at most."""
    found = [(url, False, "references") for url in _referred(data)]
    found += [(url, spam, "links in mail") for _, spam, url in _mailed(data / "mail")]
    seen: set[str] = set()
    sites: dict[str, int] = {}
    for value, bad, family in found:
        url = urls.plain(value)
        host = _HOST.match(url)
        if not url or host is None or url in seen:
            continue
        seen.add(url)
        site = registrable(host[1])
        sites[site] = sites.get(site, 0) + 1
        if sites[site] <= _OF_A_SITE:
            if bad:
                yield Sample(url, True, f"site {site}", f"{family}, unwanted", learned=False)
                continue
            # A web server's log has no host: every other link is learned as it would stand there.
            asked = urls.plain(url[host.end() :]) if len(seen) % 2 else ""
            yield Sample(asked or url, False, f"site {site}", f"{family}, path only" if asked else family)


def _referred(data: Path) -> Iterator[str]:
    for file in sorted((data / "sigma").glob("rules*/**/*.yml")):
        for rule in yaml.load_all(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader):
            yield from (str(one) for one in rule.get("references") or ())
    for entry in orjson.loads((data / "kev" / "known_exploited_vulnerabilities.json").read_bytes())["vulnerabilities"]:
        yield from _URL.findall(entry.get("notes", ""))


def _mailed(folder: Path) -> Iterator[tuple[str, bool, str]]:
    for message in messages(folder):
        yield from ((message.group, message.bad, url) for url in message.links[:10])


def of_rules(folder: Path) -> Iterator[Sample]:
    """Paths and queries that rules for web servers and proxies look for."""
    seen: set[str] = set()
    for file in sorted(folder.glob("rules*/**/*.yml")):
        for rule in yaml.load_all(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader):
            if rule.get("logsource", {}).get("category") not in ("webserver", "proxy"):
                continue
            draw = random.Random(str(rule["id"]))
            for text in _looked_for(rule["detection"], draw):
                url = urls.plain(text if text.startswith(("/", "http")) else f"/{text}")
                if url and url not in seen:
                    seen.add(url)
                    yield Sample(url, True, f"rule {rule['id']}", "rules of Sigma", learned=False)


def _looked_for(detection: dict[str, Any], draw: random.Random) -> Iterator[str]:
    for name, part in detection.items():
        if name in ("condition", "timeframe") or name.startswith("filter"):
            continue
        for one in part if isinstance(part, list) else [part]:
            for key, value in one.items() if isinstance(one, dict) else ():
                field, *modifiers = key.split("|")
                values = [str(v).replace("*", "") for v in (value if isinstance(value, list) else [value])]
                if field in _FIELDS and "re" not in modifiers:
                    yield "".join(values) if "all" in modifiers else draw.choice(values)


TASK = Task("url", samples, urls.pieces, strength=3.0, false_positives=0.003, harder=True, groups_alike=True)
