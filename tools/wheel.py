"""Hatch's hook: a wheel made where there is a C compiler has the native core in it; elsewhere it is pure Python."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))
import native


class NativeCore(BuildHookInterface):  # type: ignore[type-arg,misc]
    """Builds the core and names the wheel after what it runs on. An editable install is built by tools/native.py."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        if why := native.missing():
            self.app.display_warning(f"the native core is left out: {why}")
            return
        built = native.build()
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["artifacts"].append(str(built.relative_to(self.root)))
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{platform}"
