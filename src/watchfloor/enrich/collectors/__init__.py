"""Collectors by name. A new one is a class here; what it is asked stands at the top of its module."""

from __future__ import annotations

from watchfloor.core.context import Context
from watchfloor.core.intel import Intelligence
from watchfloor.enrich.collectors.base import Collector
from watchfloor.enrich.collectors.context import ContextCollector
from watchfloor.enrich.collectors.event import EventCollector
from watchfloor.enrich.collectors.events import Events
from watchfloor.enrich.collectors.findings import FindingsCollector
from watchfloor.enrich.collectors.history import HistoryCollector
from watchfloor.enrich.collectors.intel import IntelCollector
from watchfloor.enrich.collectors.labels import LabelsCollector
from watchfloor.enrich.collectors.traits import TraitsCollector
from watchfloor.enrich.past import Past
from watchfloor.store.lake_reader import LakeReader


def collectors_for(
    events: Events, reader: LakeReader, context: Context, intel: Intelligence, past: Past
) -> dict[str, Collector]:
    """Every collector of one tenant, by name. `reader` is a snapshot: what is written later is not seen."""
    found: tuple[Collector, ...] = (
        EventCollector(events),
        HistoryCollector(reader, context),
        ContextCollector(context),
        IntelCollector(intel),
        LabelsCollector(past),
        FindingsCollector(past),
        TraitsCollector(events, reader, context),
    )
    return {collector.name: collector for collector in found}
