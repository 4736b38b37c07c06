"""Correlations over matches: what is counted, by group and time, and the findings that come of it."""

from watchfloor.detect.correlation.correlator import KEPT, Correlator, Hit
from watchfloor.detect.correlation.group import Group, Groups, MemoryGroups

__all__ = ["KEPT", "Correlator", "Group", "Groups", "Hit", "MemoryGroups"]
