"""Builds the running product from a home and its settings; the only place where rooms meet."""

from watchfloor.app.settings import Settings
from watchfloor.app.watchfloor import Watchfloor

__all__ = ["Settings", "Watchfloor"]
