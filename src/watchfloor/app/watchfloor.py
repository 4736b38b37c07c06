"""Watchfloor: one tenant's running product over one home."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from watchfloor.app.once import once
from watchfloor.app.parts import Clock, Parts, now
from watchfloor.app.settings import Settings
from watchfloor.core.case import Case
from watchfloor.core.verdict import Verdict
from watchfloor.store.accounts import Role
from watchfloor.store.home import Home

if TYPE_CHECKING:
    from watchfloor.app.collected import Collected
    from watchfloor.app.dead_letters import DeadLetters
    from watchfloor.app.desk import Desk
    from watchfloor.app.intake import Intake
    from watchfloor.app.live_sources import LiveSources
    from watchfloor.app.pipeline import Pipeline
    from watchfloor.app.rulebook import Rulebook
    from watchfloor.app.supervisor import Supervisor
    from watchfloor.improve.summary import Summary
    from watchfloor.improve.truth import Truth
    from watchfloor.integrations import Connection


class Watchfloor:
    """The product. `pipeline` is the machine's half, `desk` the people's, `intake` takes what is handed in live.

    Use as `with Watchfloor.open(home):`. Each of its parts is imported and made when first asked for.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    @once
    def pipeline(self) -> Pipeline:
        from watchfloor.app.pipeline import Pipeline

        return Pipeline(self.parts)

    @property
    def rulebook(self) -> Rulebook:
        return self.pipeline.rulebook

    @once
    def intake(self) -> Intake:
        from watchfloor.app.intake import Intake

        return Intake(self.parts, self.pipeline)

    @once
    def supervisor(self) -> Supervisor:
        from watchfloor.app.supervisor import Supervisor

        return Supervisor(self.parts)

    @once
    def desk(self) -> Desk:
        from watchfloor.app.desk import Desk

        return Desk(self)

    @once
    def live_sources(self) -> LiveSources:
        from watchfloor.app.live_sources import LiveSources

        return LiveSources(self.parts)

    @once
    def collected(self) -> Collected:
        from watchfloor.app.collected import Collected

        return Collected(self.parts)

    @once
    def dead_letters(self) -> DeadLetters:
        from watchfloor.app.dead_letters import DeadLetters

        return DeadLetters(self.parts, self.pipeline.keeper)

    @classmethod
    def open(
        cls,
        home: Path,
        settings: Settings | None = None,
        connections: Sequence[Connection] = (),
        *,
        tenant: str = "",
        clock: Clock = now,
    ) -> Self:
        """Open a home, making it where there is none. Settings and connections come from the home by default, and so
        does the tenant.

        A new home keeps the settings that it was made with.
        """
        opened = Home.open(home)
        if settings is None:
            settings = Settings.read(home)
            settings = settings.model_copy(update={"tenant": tenant}) if tenant else settings
        else:
            settings.keep(home)
        if not connections and settings.connections:
            from watchfloor.integrations import read_connections

            connections = read_connections(settings.connections)
        return cls(Parts(opened, settings, connections, clock))

    def close(self) -> None:
        self.parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_user(self, user: str, password: str, roles: tuple[Role, ...]) -> None:
        """Somebody who may log in, with a signing key of their own under the same password."""
        parts = self.parts
        parts.accounts.create(parts.tenant, user, password, roles)
        public = parts.keys.create(user, password)
        body = {"user": user, "roles": list(roles), "public_key": public}
        parts.ledger.append(
            parts.tenant, kind="user.added", subject=user, actor="watchfloor", body=body, time=parts.clock()
        )

    def summary(self, truth: Truth | None = None) -> Summary:
        """What all of the tenant's cases come to; against the truth where it is given."""
        from watchfloor.improve.summary import summarise

        parts = self.parts
        findings = {finding.uid: finding for finding in self.pipeline.findings()}
        cases = parts.documents.find(parts.tenant, Case, limit=None)
        verdicts = parts.documents.latest_each(parts.tenant, Verdict, [case.uid for case in cases])
        return summarise(cases, verdicts, findings, parts.policy.minutes_per_case, truth)
