"""A look-alike of the owner's domain counts in the risk of what is found, with the names from the business context."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from watchfloor.app.settings import Settings
from watchfloor.app.watchfloor import Watchfloor

ASKED = {
    "_path": "dns", "ts": "2026-11-20T17:15:20.865716Z", "uid": "C1", "id.orig_h": "10.47.1.100", "id.orig_p": 41772,
    "id.resp_h": "10.0.0.100", "id.resp_p": 53, "proto": "udp", "query": "nordwerk-login.com", "qtype_name": "A",
}  # fmt: skip

RULE = """
title: A name that ends in login
logsource: {product: zeek, service: dns}
detection: {sel: {query|endswith: -login.com}, condition: sel}
level: medium
"""


@pytest.mark.parametrize("domain", ["nordwerk.example", "other.example"])
def test_an_imitation_of_the_owners_domain_counts(tmp_path: Path, domain: str) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "company.yaml").write_text(f"name: Company\ndomains: [{domain}]\n")
    (tmp_path / "rule.yml").write_text(RULE)
    file = tmp_path / "dns.json"
    file.write_text(json.dumps(ASKED) + "\n")
    with Watchfloor.open(tmp_path / "home", Settings(context=context, rules=(tmp_path / "rule.yml",))) as product:
        product.pipeline.ingest([file])
        said = [
            part.sentence
            for finding in product.pipeline.findings()
            if finding.risk
            for part in finding.risk.parts
            if part.member == "learned/domain"
        ]
    assert len(said) == (domain == "nordwerk.example")
    assert all("imitates" in sentence for sentence in said)
