"""Enrich: look-ups -> evidence, from the lake, business context, threat intelligence, labels and events themselves."""

from watchfloor.enrich.collectors import collectors_for
from watchfloor.enrich.collectors.base import Collector, Found, LocalCollector
from watchfloor.enrich.collectors.events import Events
from watchfloor.enrich.enricher import Enricher, EvidenceSink
from watchfloor.enrich.past import Past

__all__ = ["Collector", "Enricher", "Events", "EvidenceSink", "Found", "LocalCollector", "Past", "collectors_for"]
