"""Drift: whether the cases that come now are such as those that were labelled. Pure, and exact in its false alarms.

Each new case is ranked among all that came since the class began by how rare its kind is; chance breaks ties (the
case's place in the draw). As long as cases are exchangeable, these ranks are uniform and independent, whatever the
kinds and their shares (conformal p-values: Vovk, Gammerman & Shafer 2005). On rare kinds becoming frequent, and on the
usual ones displacing all others, is staked; what is staked restarts at 1 (an e-detector: Shin, Ramdas & Rinaldo 2022).
So at height h a class that stays as it is has its first false alarm after h cases or more, on average; with several
streams their mean is an e-detector, too. Cases of one kind come in bursts, and are then not exchangeable: of a kind and
day only the first, second, fourth, eighth ... is counted.
"""

from __future__ import annotations

from collections.abc import Mapping

from watchfloor.core.closing import Stream

RARE, USUAL = (0.2, 0.5), (0.5,)
"""Exponents e of the bets e * p ** (e - 1): on small ranks (rare kinds), and on large ones."""
_KINDS = 512
_OTHER = "(others)"
_LEAST = 1e-9


def seen(stream: Stream, kind: str, day: str, chance: float) -> Stream:
    """The stream with one more case of a kind; `chance` is uniform on [0, 1) and known to nobody beforehand."""
    today = dict(stream.today) if stream.day == day else {}
    today[kind] = today.get(kind, 0) + 1
    changed = stream.model_copy(update={"day": day, "today": today})
    if today[kind] & (today[kind] - 1):
        return changed
    counts = dict(stream.counts)
    kind = kind if kind in counts or len(counts) < _KINDS else _OTHER
    counts[kind] = counts.get(kind, 0) + 1
    p = _rank(counts, kind, chance)
    bets = [e * p ** (e - 1) for e in RARE] + [e * (1 - p) ** (e - 1) for e in USUAL]
    before = stream.stakes or (1.0,) * len(bets)
    stakes = tuple(max(1.0, held) * bet for held, bet in zip(before, bets, strict=True))
    return changed.model_copy(update={"counts": counts, "stakes": stakes})


def height(streams: Mapping[str, Stream]) -> float:
    """What was staked on the mix having changed, the mean over streams; 1 where nothing speaks for it."""
    found = [sum(one.stakes) / len(one.stakes) if one.stakes else 1.0 for one in streams.values()]
    return sum(found) / len(found) if found else 1.0


def calm(stream: Stream) -> Stream:
    """The stream with nothing staked: when a class begins to close, what was before is what it is measured by."""
    return stream.model_copy(update={"stakes": ()})


def telling(streams: Mapping[str, Stream]) -> str:
    """The name of the stream that says most."""
    return max(sorted(streams), key=lambda name: sum(streams[name].stakes), default="")


def _rank(counts: Mapping[str, int], kind: str, chance: float) -> float:
    mine = counts[kind]
    rarer = sum(count for count in counts.values() if count < mine)
    alike = sum(count for count in counts.values() if count == mine)
    rank = (rarer + chance * alike) / sum(counts.values())
    return min(max(rank, _LEAST), 1 - _LEAST)
