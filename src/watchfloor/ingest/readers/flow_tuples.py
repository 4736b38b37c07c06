"""Azure's flow logs hold many flows in one record, each as a line of text: every flow becomes a record of its own.

Source: Network Watcher, "NSG flow logs" (versions 1 and 2) and "Virtual network flow logs" (version 4).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_HEAD = ["time", "src_ip", "dst_ip", "src_port", "dst_port", "protocol", "direction"]
_TRAFFIC = ["packets_out", "bytes_out", "packets_in", "bytes_in"]
_COLUMNS = {
    "NetworkSecurityGroupFlowEvent": [*_HEAD, "decision", "state", *_TRAFFIC],
    "FlowLogFlowEvent": [*_HEAD, "state", "encryption", *_TRAFFIC],
}


def flows(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A record's data for each flow, with `flow` in the place of the lists; nothing for any other record."""
    columns = _COLUMNS.get(str(data.get("category")))
    if not columns:
        return
    common = {k: v for k, v in data.items() if k not in ("properties", "flowRecords")}
    for beside, text in _tuples(data):
        flow = {**beside, **{name: cell for name, cell in zip(columns, text.split(","), strict=False) if cell}}
        if flow.get("time", "").isdigit():
            flow["time"] = int(flow["time"])
        yield {**common, "flow": flow}


def _tuples(data: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Each flow's text, and what stands around it: its rule, its network card."""
    holder = data.get("properties") if "properties" in data else data.get("flowRecords")
    for outer in _objects(holder, "flows"):
        for inner in (*_objects(outer, "flows"), *_objects(outer, "flowGroups")):
            around = {"rule": inner.get("rule") or outer.get("rule"), "mac": inner.get("mac")}
            beside = {name: value for name, value in around.items() if value is not None}
            texts = inner.get("flowTuples")
            for text in texts if isinstance(texts, list) else ():
                if isinstance(text, str):
                    yield beside, text


def _objects(holder: Any, key: str) -> list[dict[str, Any]]:
    found = holder.get(key) if isinstance(holder, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
