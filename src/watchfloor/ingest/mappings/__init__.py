"""Mappings: YAML that says how a product's records become OCSF events, compiled into straight-line Python."""

from __future__ import annotations

from watchfloor.ingest.mappings.mapping import Mapping, load

__all__ = ["Mapping", "load"]
