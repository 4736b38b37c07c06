"""Settings: where a tenant's content and context lie. What changes a decision is policy, not a setting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from watchfloor import content
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.noun import Noun, Tenant
from watchfloor.core.policy import Policy

FILE = "watchfloor.yaml"
_YAML = (".yaml", ".yml")


class Settings(Noun):
    """One tenant's settings, from `watchfloor.yaml` in its home or from a command's options."""

    tenant: Tenant = "default"
    rules: tuple[Path, ...] = ()
    shipped_rules: bool = True
    mappings: tuple[Path, ...] = ()
    questions: tuple[Path, ...] = ()
    """Files and folders of an owner's own questions, asked beside those that come with Watchfloor."""
    context: Path | None = None
    intel: tuple[Path, ...] = ()
    labels: Path | None = None
    connections: Path | None = None
    policy: str = "default"
    """A shipped preset's name, or a path to a YAML file."""

    @classmethod
    def read(cls, home: Path) -> Settings:
        """The settings of a home; the defaults where it has none. Relative paths are relative to the home."""
        file = home / FILE
        if not file.exists():
            return cls()
        found = list(content.documents(file))  # all of it: what cannot be read is an error, wherever it stands
        if len(found) > 1:
            raise WatchfloorError("holds more than one YAML document", where=str(file), do="Make it one")
        try:
            return cls.model_validate(found[0].data if found else {})._with_paths(lambda path: home / path)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(map(str, first["loc"]))
            raise WatchfloorError(
                f"{key}: {first['msg']}", where=str(file), do="See docs/reference/settings.md"
            ) from None

    def keep(self, home: Path) -> None:
        """Write these settings into a home that has none, so that it is the same home when it is opened again."""
        file = home / FILE
        if file.exists():
            return
        data = self._with_paths(Path.resolve).model_dump(mode="json", exclude_defaults=True)
        if data:
            file.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")

    def _with_paths(self, change: Callable[[Path], Path]) -> Settings:
        """These settings with every path changed; a shipped policy's name is no path."""
        update: dict[str, Any] = {}
        for name, value in self:
            if isinstance(value, Path):
                update[name] = change(value)
            elif isinstance(value, tuple):
                update[name] = tuple(map(change, value))
        if self.policy.endswith(_YAML):
            update["policy"] = str(change(Path(self.policy)))
        return self.model_copy(update=update)


def read_policy(name: str) -> Policy:
    """A policy by a shipped preset's name or by the path of a YAML file."""
    path = Path(name) if name.endswith(_YAML) else content.folder("policies") / f"{name}.yaml"
    if not path.is_file():
        shipped = ", ".join(sorted(p.stem for p in content.folder("policies").glob("*.yaml")))
        raise WatchfloorError(f"no policy {name!r}", do=f"Name a YAML file or one of: {shipped}")
    for document in content.documents(path):
        return Policy.from_dict(document.data)
    raise WatchfloorError("an empty policy", where=str(path))
