"""History the plain way: a look at every event for every question. The oracle of the lake's index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, tzinfo
from itertools import pairwise
from typing import Any

import numpy as np

from watchfloor.core.event import Event
from watchfloor.core.facets import FOLDED, NUMBER_FACETS, facets, plain_user

HOUR, DAY = 3_600_000, 86_400_000


def value(event: Event, facet: str) -> Any:
    return getattr(event, facet) if facet in ("layer", "mapping") else facets(event)[facet]


def spelled(facet: str, wanted: Any) -> set[Any]:
    values = wanted if isinstance(wanted, list) else [wanted]
    if facet in NUMBER_FACETS:
        return {int(v) for v in values}
    if facet in ("user", "target_user"):
        return {plain_user(str(v)) for v in values}
    return {str(v).lower() if facet in FOLDED else str(v) for v in values}


def matching(events: Iterable[Event], match: Mapping[str, Any]) -> list[Event]:
    wanted = {facet: spelled(facet, values) for facet, values in match.items()}
    return [event for event in events if all(value(event, facet) in some for facet, some in wanted.items())]


def query(
    events: Iterable[Event], match: Mapping[str, Any], measures: list[str], *, since: int, before: int, zone: tzinfo
) -> dict[str, Any]:
    everything = [event for event in events if since <= event.time < before]
    found = matching(everything, match)
    times = [event.time for event in found]
    days = len({time // DAY for time in times})
    all_days = len({event.time // DAY for event in everything})

    def distinct(facet: str, some: Iterable[Event]) -> set[Any]:
        return {value(event, facet) for event in some} - {None}

    answer: dict[str, Any] = {
        "population": {
            "events": len(everything),
            "hosts": len(distinct("host", everything)),
            "users": len(distinct("user", everything)),
            "days": all_days,
        }
    }
    for measure in measures:
        name, _, of = measure.partition(":")
        match name:
            case "count":
                answer[measure] = len(found)
            case "first" | "last":
                answer[measure] = (min if name == "first" else max)(times, default=None)
            case "days":
                answer[measure] = days
            case "days_share":
                answer[measure] = round(days / all_days, 3) if all_days else None
            case "hours":
                hours = Counter(datetime.fromtimestamp(time // HOUR * 3_600, zone).hour for time in times)
                answer[measure] = [hours[hour] for hour in range(24)]
            case "idle_days" | "hour_share" | "rhythm":
                answer[measure] = MORE[name](times, before, zone)
            case "within":
                answer[measure] = sum(time >= before - int(of) * HOUR for time in times)
            case "distinct":
                answer[measure] = len(distinct(of, found))
            case "peers":
                rest = {facet: wanted for facet, wanted in match.items() if facet != of}
                others = distinct(of, matching(everything, rest)) - spelled(of, match[of])
                answer[measure] = len(others)
            case "top":
                counts = Counter(v for event in found if (v := value(event, of)) is not None)
                best = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))[:5]
                answer[measure] = [{"value": v, "count": n} for v, n in best]
    return answer


def idle_days(times: list[int], before: int, zone: tzinfo) -> int | None:
    return (before - max(times)) // DAY if times else None


def hour_share(times: list[int], before: int, zone: tzinfo) -> float | None:
    if not times or before > 2**60:
        return None
    now = datetime.fromtimestamp(before // HOUR * 3_600, zone).hour
    near = [(datetime.fromtimestamp(time // HOUR * 3_600, zone).hour - now) % 24 in (23, 0, 1) for time in times]
    return round(sum(near) / len(near), 3)


def rhythm(times: list[int], before: int, zone: tzinfo) -> dict[str, Any]:
    seconds = sorted({time // 1_000 for time in sorted(times)[-200:]})
    gaps = [after - first for first, after in pairwise(seconds)]
    if not gaps:
        return {"n": 0, "median": None, "spread": None}
    low, median, high = (float(value) for value in np.percentile(gaps, (25, 50, 75)))
    return {"n": len(gaps), "median": round(median), "spread": round((high - low) / median, 3)}


MORE: dict[str, Callable[[list[int], int, tzinfo], Any]] = {
    "idle_days": idle_days,
    "hour_share": hour_share,
    "rhythm": rhythm,
}


def previous(events: Iterable[Event], match: Mapping[str, Any], before: int) -> str | None:
    found = matching((event for event in events if event.time < before), match)
    return max(((event.time, event.uid) for event in found), default=(0, None))[1]
