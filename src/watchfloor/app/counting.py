"""What correlations have counted, kept beside the findings: `Documents` as the correlator's groups."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from watchfloor.core.errors import NotFoundError
from watchfloor.core.noun import Noun, Tenant
from watchfloor.detect.correlation import Group
from watchfloor.store.documents import Documents


class Counted(Noun):
    """How many events the groups of a correlation (`uid`) keep."""

    tenant: Tenant
    uid: str
    time: int
    entries: int = 0


class StoredGroups:
    """The groups of a tenant. Inside `Parts.together()` they are written with all else, or not at all.

    Nothing is remembered here: several processes may count for one tenant, each in its turn to write.
    """

    def __init__(self, documents: Documents, tenant: str) -> None:
        self.tenant = tenant
        self._documents = documents

    def get(self, uids: Sequence[str]) -> dict[str, Group]:
        known = sorted(self._documents.known(self.tenant, Group, uids))
        return {group.uid: group for group in self._documents.get_many(self.tenant, Group, known)}

    def put(self, correlation: str, groups: Sequence[Group]) -> None:
        self._grow(correlation, sum(len(group.entries) - group.before for group in groups))
        self._documents.put(self.tenant, *groups)
        for group in groups:
            group.before = len(group.entries)

    def remove(self, correlation: str, groups: Sequence[Group]) -> None:
        self._grow(correlation, -sum(group.before for group in groups))
        self._documents.remove(self.tenant, Group, [group.uid for group in groups])

    def between(self, correlation: str, since: int, before: int, limit: int | None = None) -> list[Group]:
        return self._documents.find(
            self.tenant, Group, status=correlation, since=since, before=before, limit=limit, newest_first=False
        )

    def size(self, correlation: str) -> int:
        return self._counted(correlation).entries

    def leave(self, used: Collection[str], before: int) -> None:
        """Let go of the groups of correlations that are not used any more, if they grew last before (ms)."""
        for one in self._documents.find(self.tenant, Counted, limit=None):
            if one.uid not in used:
                while old := self.between(one.uid, 0, before, limit=500):
                    self.remove(one.uid, old)

    def _counted(self, correlation: str) -> Counted:
        try:
            return self._documents.get(self.tenant, Counted, correlation)
        except NotFoundError:
            return Counted(tenant=self.tenant, uid=correlation, time=0)

    def _grow(self, correlation: str, by: int) -> None:
        if by:
            counted = self._counted(correlation)
            self._documents.put(self.tenant, counted.model_copy(update={"entries": counted.entries + by}))
