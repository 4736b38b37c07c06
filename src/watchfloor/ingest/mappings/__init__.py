"""Mappings: YAML that says how a product's records become OCSF events, compiled once into closures."""

from __future__ import annotations

from watchfloor.ingest.mappings.mapping import Mapping, load

__all__ = ["Mapping", "load"]
