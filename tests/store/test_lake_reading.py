"""The lake as other engines read it: the how-to's own words, on files that were just put together."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
import yaml

from tests.store.test_lake import DAY, NOW, event
from watchfloor.core.policy import Policy
from watchfloor.store.lake import SMALL_SEGMENTS, Lake

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "keep-and-read-events.md"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    for n in range(SMALL_SEGMENTS):
        lake.write("default", [event(f"r-{n}", NOW + n, tenant="default")])
    lake.write("default", [event("r-later", NOW + DAY, tenant="default")])
    assert lake.compact("default") == 1
    return lake


def test_the_how_tos_query_counts_each_event_once(lake: Lake) -> None:
    (query,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    rows = duckdb.sql(query.replace("lake/default", f"{lake.folder}/default")).fetchall()
    assert rows == [("2026-10-14", "ws1", SMALL_SEGMENTS), ("2026-10-15", "ws1", 1)]


def test_the_files_that_count_have_each_event_once(lake: Lake) -> None:
    files = [lake.folder / "default" / segment.file for segment in lake.segments("default")]
    uids = [uid for file in files for uid in pq.read_table(file, partitioning=None)["uid"].to_pylist()]
    assert sorted(uids) == sorted([f"r-{n}" for n in range(SMALL_SEGMENTS)] + ["r-later"])
    assert len(list((lake.folder / "default").glob("*/*/*.parquet"))) > len(files), "old ones are there for a while"


def test_the_how_tos_policy_says_what_its_comments_say() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    retention = Policy.from_dict(yaml.safe_load(text)).retention
    assert [retention.days_of(class_uid) for class_uid in ("4001", "2004", "3002")] == [30, None, 365]
