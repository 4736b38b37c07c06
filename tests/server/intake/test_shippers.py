"""Real senders against the real server: what they ship arrives, and they are content with the answers."""

from __future__ import annotations

import importlib.util
import json
import logging
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.intake.serving import Served, kept, wait_for
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.intake import Tally

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("shippers")]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("served") / "home")
    with served.running():
        yield served


def needs(module: str) -> None:
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None:
        pytest.skip(f"needs the package that has {module}: pip install --group dev")


def events(served: Served, source: str) -> list[dict[str, Any]]:
    """The original fields of what came from a source."""
    with Watchfloor.open(served.home) as product:
        return [event.original for event in kept(product) if event.source == source]


def test_the_elasticsearch_client_and_its_bulk_helper(served: Served) -> None:
    needs("elasticsearch.helpers")
    from elasticsearch import AuthenticationException, Elasticsearch
    from elasticsearch.helpers import bulk, streaming_bulk

    token = served.token("bulk", "client")
    with Elasticsearch(served.url, basic_auth=("elastic", token), http_compress=True) as client:
        assert client.ping()
        assert client.info()["tagline"] == "You Know, for Search"
        client.indices.create(index="logs")
        client.indices.put_index_template(name="logs", index_patterns=["logs-*"])
        sent, failed = bulk(client, ({"_index": "logs", "n": n} for n in range(1_200)), chunk_size=500)
        assert (sent, failed) == (1_200, [])
        results = streaming_bulk(client, [{"_op_type": "create", "_index": "logs", "n": -1}])
        assert [ok for ok, _ in results] == [True]
    with Elasticsearch(served.url, api_key=("client", token)) as client:
        bulk(client, [{"_index": "logs", "n": n} for n in range(10)])
    with Elasticsearch(served.url, basic_auth=("elastic", "wrong")) as client:
        assert not client.ping()
        with pytest.raises(AuthenticationException):
            bulk(client, [{"_index": "logs", "n": 7}])
    tally = wait_for(lambda: (t := served.tally("bulk/client")).received >= 1_211 and t)
    assert tally == Tally(received=1_211, events=1_201, repeats=10)
    assert {event["n"] for event in events(served, "bulk/client")} == set(range(-1, 1_200))


def test_splunks_logging_handler(served: Served) -> None:
    needs("splunk_hec_handler")
    from splunk_hec_handler import SplunkHecHandler

    handler = SplunkHecHandler("127.0.0.1", served.token("hec", "app"), port=served.port, proto="http", source="app")
    logger = logging.Logger("app")
    logger.addHandler(handler)
    for n in range(20):
        logger.warning(f"door {n} was opened")
    logger.warning({"user": "bob", "door": 7})
    handler.close()
    tally = wait_for(lambda: (t := served.tally("hec/app")).received >= 21 and t)
    assert tally == Tally(received=21, events=21)
    assert any(event.get("door") == 7 for event in events(served, "hec/app"))


def test_opentelemetrys_exporter(served: Served) -> None:
    needs("opentelemetry.exporter.otlp.proto.http._log_exporter")
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.resources import Resource

    headers = {"authorization": f"Bearer {served.token('otlp', 'sdk')}"}
    exporter = OTLPLogExporter(f"{served.url}/v1/logs", headers=headers, compression=Compression.Gzip)
    provider = LoggerProvider(Resource.create({"host.name": "web1"}))
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = provider.get_logger("app")
    for n in range(50):
        logger.emit(body=f"request {n} refused", attributes={"status": 403}, timestamp=1_792_000_000_000_000_000 + n)
    provider.force_flush()
    provider.shutdown()
    tally = wait_for(lambda: (t := served.tally("otlp/sdk")).received >= 50 and t)
    assert tally == Tally(received=50, events=50)
    one = events(served, "otlp/sdk")[0]
    assert (one["host"], one["otel"]["attributes"]) == ("web1", {"status": 403})


RSYSLOG = """
module(load="imfile")
module(load="omelasticsearch")
global(workDirectory="{folder}" net.enableDNS="off")
template(name="doc" type="list" option.jsonf="on") {{
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
}}
input(type="imfile" file="{log}" tag="app:")
action(type="omelasticsearch" server="127.0.0.1" serverport="{port}" uid="rsyslog" pwd="{token}" template="doc"
       searchIndex="logs" searchType="" bulkmode="on" maxbytes="1m" usehttps="off" queue.type="linkedList"
       action.resumeRetryCount="-1" errorfile="{folder}/errors" queue.dequeuebatchsize="200")
"""


@pytest.fixture
def rsyslog(served: Served, tmp_path: Path) -> Iterator[Path]:
    """A log file that a real rsyslog of our own ships."""
    if not (shutil.which("rsyslogd") and any(Path("/usr/lib").glob("*/rsyslog/omelasticsearch.so"))):
        pytest.skip("needs rsyslog with omelasticsearch: apt-get install rsyslog rsyslog-elasticsearch")
    log = tmp_path / "app.log"
    log.write_text("")
    text = RSYSLOG.format(folder=tmp_path, log=log, port=served.port, token=served.token("bulk", "rsyslog"))
    (tmp_path / "rsyslog.conf").write_text(text)
    command = ["rsyslogd", "-n", "-f", str(tmp_path / "rsyslog.conf"), "-i", str(tmp_path / "pid")]
    with subprocess.Popen(command, stderr=subprocess.STDOUT, stdout=subprocess.PIPE) as process:
        yield log
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[0].decode()
    assert not (tmp_path / "errors").exists(), (tmp_path / "errors").read_text() + said


def test_rsyslog_with_its_elasticsearch_output(served: Served, rsyslog: Path) -> None:
    with rsyslog.open("a") as log:
        for n in range(500):
            log.write(f"line {n} of the file\n")
    tally = wait_for(lambda: (t := served.tally("bulk/rsyslog")).received >= 500 and t)
    assert tally == Tally(received=500, events=500)
    texts = {str(event["message"]).strip() for event in events(served, "bulk/rsyslog")}
    assert texts == {f"line {n} of the file" for n in range(500)}


def test_curl_with_a_signed_webhook(served: Served) -> None:
    if not shutil.which("curl"):
        pytest.skip("needs curl: apt-get install curl")
    with Watchfloor.open(served.home) as product:
        token = product.live_sources.add("curl", "webhook").token
    command = ["curl", "-fsS", f"{served.url}/intake/webhook/curl", "-H", f"Authorization: Bearer {token}", "-d", "@-"]
    body = json.dumps([{"n": n} for n in range(3)])
    done = subprocess.run(command, input=body, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"status": "stored"}
    assert wait_for(lambda: served.tally("webhook/curl").events == 3)
