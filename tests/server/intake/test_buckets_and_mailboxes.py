"""Buckets and mailboxes in the whole product: `watchfloor serve`, moto's S3 and SQS, Debian's Dovecot, `kill -9`."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.ingest.sources.dovecot import PASSWORD, PROGRAM, serving
from tests.ingest.sources.test_s3 import Cloud, notification
from tests.ingest.test_reported_mail import as_mail, lure
from tests.records import TRAIL
from tests.server.intake.serving import kept, wait_for
from tests.server.intake.test_sources import served
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.case import Case
from watchfloor.core.finding import Finding

moto = pytest.importorskip("moto.server")


@pytest.mark.chaos
def test_killed_while_it_reads_objects_each_record_counts_once_and_no_message_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WF_KEY", "a")
    monkeypatch.setenv("WF_SECRET", "s")
    objects, records = 8, 300
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        cloud = Cloud(f"http://{host}:{port}", 9_000)
        for number in range(objects):
            trails = [TRAIL | {"eventID": f"{number}-{n}", "pad": "x" * 500} for n in range(records)]
            cloud.put(f"AWSLogs/{number}.json.gz", gzip.compress(json.dumps({"Records": trails}).encode()))
            cloud.send(notification(cloud.bucket, f"AWSLogs/{number}.json.gz"))
        source = cloud.source(visibility=3, parallel=2).to_dict()
        product = served(tmp_path / "home", source)
        with product.running():
            wait_for(lambda: cloud.messages() < objects)
            product.kill()
            product.start()
            wait_for(lambda: cloud.messages() == 0 and product.tally("s3/logs").events >= objects * records)
            product.stop()
    finally:
        server.stop()
    tally = product.tally("s3/logs")
    assert (tally.events, tally.dead_letters) == (objects * records, 0)
    with Watchfloor.open(product.home) as opened:
        assert len({json.dumps(event.original) for event in kept(opened)}) == objects * records


@pytest.mark.real
@pytest.mark.skipif(not PROGRAM, reason="needs dovecot (Debian: dovecot-imapd)")
def test_a_mail_that_an_employee_reports_becomes_a_case_on_the_lure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WF_MAIL", PASSWORD)
    with serving() as server:
        source = {"name": "reported", "kind": "imap", "host": "localhost", "port": server.tls}
        source |= {"user": "phishing@corp.example", "password": "env:WF_MAIL", "tls": {"ca": str(server.ca)}}
        product = served(tmp_path / "home", source | {"reporters": ["corp.example"]})
        with product.running():
            server.deliver("phishing@corp.example", as_mail(lure()))

            def decided() -> list[Case]:
                with Watchfloor.open(product.home) as opened:
                    return opened.parts.documents.find(opened.parts.tenant, Case, limit=None)

            (case,) = wait_for(decided)
            product.stop()
    with Watchfloor.open(product.home) as opened:
        findings = opened.parts.documents.find(opened.parts.tenant, Finding, limit=None)
        (found,) = [one for one in findings if one.detection.uid == "mail/reported"]
        assert found.title == "Reported by ana@corp.example (whose own mail fails DMARC): Reset 1"
        assert found.uid in case.findings
        verdict = opened.desk.case_view(case.uid).verdict
        assert verdict is not None
        said = json.dumps([claim.to_dict() for claim in verdict.claims])
        assert "ana@corp.example reported it: I did not click." in said
