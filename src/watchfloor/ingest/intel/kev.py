"""CISA's catalogue of Known Exploited Vulnerabilities."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from watchfloor.core.clock import parse_iso
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.intel import ExploitedVulnerability, IntelProblem
from watchfloor.ingest.intel.items import Item


def read_kev(file: Path, document: dict[str, Any]) -> Iterator[Item]:
    for number, item in enumerate(document["vulnerabilities"]):
        try:
            yield ExploitedVulnerability.from_dict(
                {
                    "cve": str(item["cveID"]).upper(),
                    "name": item.get("vulnerabilityName") or "",
                    "vendor": item.get("vendorProject") or "",
                    "product": item.get("product") or "",
                    "added": parse_iso(item["dateAdded"]) if item.get("dateAdded") else 0,
                    "ransomware": item.get("knownRansomwareCampaignUse") == "Known",
                }
            )
        except (KeyError, ValueError, TypeError, AttributeError, WatchfloorError) as error:
            where = f"{file}, vulnerabilities[{number}]"
            yield IntelProblem(where=where, what=f"{type(error).__name__}: {error}")
