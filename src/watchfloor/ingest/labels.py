"""The owner's labels: verdicts that people confirmed before, from CSV, JSON lines or a JSON list."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from watchfloor.core.clock import parse_iso
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.label import Basis, Label
from watchfloor.core.noun import short_id

# Other tools' words for the three hypotheses, in lower case without spaces, dashes and underscores.
_WORDS = {
    "malicious": "malicious",
    "truepositive": "malicious",
    "attack": "malicious",
    "benigntruepositive": "benign_true_positive",
    "benignpositive": "benign_true_positive",
    "benign": "benign_true_positive",
    "falsepositive": "false_positive",
}
_YES = {"1", "true", "yes"}


def load_labels(path: Path, tenant: str) -> tuple[Label, ...]:
    """Labels with the columns `time` (ISO or ms), `detection_class` (family @ source), `detection`, `verdict`,
    `would_close` (whether it would have been closed without a person), `by`, and perhaps `count` (so many equal
    labels in one row), `version` (the detection's), and `basis`: `all` where every case of the class was judged then,
    `drawn` where chance chose those that were, `chosen` (the default) where people did; those show misses alone.
    Raises WatchfloorError with the row.
    """
    rows = list(_rows(path))
    return tuple(
        _label(row, tenant, f"{path}, row {n}", copy)
        for n, row in enumerate(rows, 1)
        for copy in range(_count(row, f"{path}, row {n}"))
    )


def _count(row: dict[str, Any], where: str) -> int:
    try:
        return int(row.get("count") or 1)
    except ValueError:
        raise WatchfloorError(f"count {row['count']!r} is not a whole number", where=where) from None


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".csv":
            yield from csv.DictReader(io.StringIO(text))
        elif text.lstrip().startswith("["):
            yield from json.loads(text)
        else:
            yield from (json.loads(line) for line in text.splitlines() if line.strip())
    except (OSError, ValueError) as error:
        raise WatchfloorError(f"labels cannot be read: {error}", where=str(path)) from None


def _label(row: dict[str, Any], tenant: str, where: str, copy: int) -> Label:
    word = str(row.get("verdict", "")).lower().replace("_", "").replace("-", "").replace(" ", "")
    if word not in _WORDS:
        raise WatchfloorError(
            f"verdict {row.get('verdict')!r} is not known",
            where=where,
            do="Use malicious, benign_true_positive or false_positive",
        )
    try:
        time = _time(row.get("time", ""))
    except ValueError:
        raise WatchfloorError(f"time {row.get('time')!r} is not ISO 8601 or milliseconds", where=where) from None
    return Label.from_dict(
        {
            "tenant": tenant,
            "uid": short_id("label", tenant, where, word, str(copy)),
            "time": time,
            "detection_class": row.get("detection_class") or "",
            "detection": row.get("detection") or "",
            "verdict": _WORDS[word],
            "would_close": str(row.get("would_close", "")).lower() in _YES,
            "by": row.get("by") or "",
            "basis": _basis(row, where),
            "version": str(row.get("version") or ""),
        }
    )


def _basis(row: dict[str, Any], where: str) -> str:
    basis = str(row.get("basis") or "chosen").strip().lower()
    if basis not in get_args(Basis):
        raise WatchfloorError(f"basis {basis!r} is not known", where=where, do="Use all, drawn or chosen")
    return basis


def _time(value: Any) -> int:
    return int(value) if str(value).isdigit() else parse_iso(str(value))
