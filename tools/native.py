"""Build the native core of the Sigma engine beside its sources. Standard library only.

usage: .venv/bin/python tools/native.py [--force]

Does nothing when the core is newer than its sources. Without a C compiler or Python's headers it says so in one line
and ends well: the engine's plain path runs everywhere.
"""

from __future__ import annotations

import importlib.machinery
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "src" / "watchfloor" / "detect" / "sigma" / "native"
FLAGS = ("-O2", "-std=c11", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra")


def sources(folder: Path) -> list[Path]:
    """The C sources in a folder."""
    return sorted(folder.glob("*.c"))


def missing() -> str:
    """Why nothing can be built here, or ""."""
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")[0]
    if not shutil.which(compiler):
        return f"there is no C compiler ({compiler}); Debian: apt-get install gcc"
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        return "Python's headers are absent; Debian: apt-get install python3-dev"
    if ".abi3.so" not in importlib.machinery.EXTENSION_SUFFIXES:
        return "this Python loads no .abi3.so"
    return ""


def build(folder: Path = FOLDER, flags: tuple[str, ...] = ()) -> Path:
    """Build the core of a folder. Raises subprocess.CalledProcessError."""
    built = folder / "_core.abi3.so"
    making = built.with_name(f"{built.name}.{os.getpid()}")
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")
    include = f"-I{sysconfig.get_paths()['include']}"
    try:
        subprocess.run([*compiler, *FLAGS, *flags, include, *map(str, sources(folder)), "-o", str(making)], check=True)
        making.replace(built)  # a process that has the old one loaded keeps it
    finally:
        making.unlink(missing_ok=True)
    return built


def is_fresh(folder: Path = FOLDER) -> bool:
    """Whether the core is newer than all it is built from."""
    built = folder / "_core.abi3.so"
    parts = [*sources(folder), *folder.glob("*.h"), Path(__file__)]
    return built.exists() and built.stat().st_mtime > max(part.stat().st_mtime for part in parts)


def main() -> None:
    if is_fresh() and "--force" not in sys.argv:
        return
    if why := missing():
        print(f"native: the core is left out: {why}. Detection runs on the plain path.", file=sys.stderr)
        return
    try:
        print(f"native: built {build().name}", file=sys.stderr)
    except subprocess.CalledProcessError:
        print("native: the compiler failed (see above). Detection runs on the plain path.", file=sys.stderr)


if __name__ == "__main__":
    main()
