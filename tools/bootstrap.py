"""Make .venv and install Watchfloor into it from a lock file. Standard library only.

usage: python3 tools/bootstrap.py runtime|extras|dev|fuzz      (each is a lock file of locks/)

Needs Python 3.11 to 3.13. Does nothing when the lock and the project file are those of the last run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"


def say(text: str) -> None:
    print(f"bootstrap: {text}", file=sys.stderr, flush=True)


def fail(text: str) -> None:
    say(text)
    sys.exit(1)


def ensure_pip_source() -> None:
    """Debian ships python3 without ensurepip; its own package brings it."""
    if importlib.util.find_spec("ensurepip"):
        return
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if shutil.which("apt-get") and (not prefix or shutil.which("sudo")):
        say(f"this Python has no ensurepip; installing {package} with apt-get")
        for step in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "install", "-y", package]):
            if subprocess.run([*prefix, *step], stdout=sys.stderr, check=False).returncode:
                break
        else:
            return
    fail(f"this Python cannot make a virtual environment. Run: apt-get install {package}")


def make_venv() -> None:
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        found = ".".join(map(str, sys.version_info[:2]))
        fail(f"Python 3.11 to 3.13 is needed, found {found}. Name one with: make PYTHON=python3.12")
    ensure_pip_source()
    say(f"making {VENV.name} with Python {sys.version.split()[0]}")
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)


def stamp(lock: Path) -> str:
    digest = hashlib.sha256(lock.read_bytes() + (ROOT / "pyproject.toml").read_bytes())
    return digest.hexdigest()


def install(kind: str) -> None:
    lock = ROOT / "locks" / f"{kind}.txt"
    want = stamp(lock)
    done = VENV / f".installed-{kind}"
    if done.exists() and done.read_text() == want:
        return
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    say(f"installing the {kind} dependencies from locks/{lock.name} (about a minute)")
    subprocess.run([*pip, "install", "--require-hashes", "-r", str(lock)], check=True, cwd=ROOT)
    # Hatchling is a build tool, not a dependency of the product, so it stays in pip's own build environment.
    subprocess.run([*pip, "install", "--no-deps", "--editable", "."], check=True, cwd=ROOT)
    done.write_text(want)


def main() -> None:
    kinds = sorted(lock.stem for lock in (ROOT / "locks").glob("*.txt"))
    if len(sys.argv) != 2 or sys.argv[1] not in kinds:
        fail(f"usage: python3 tools/bootstrap.py {'|'.join(kinds)}")
    if not PYTHON.exists():
        make_venv()
    try:
        install(sys.argv[1])
        subprocess.run([str(PYTHON), str(ROOT / "tools" / "native.py")], check=True, cwd=ROOT)
    except subprocess.CalledProcessError as error:
        fail(f"{' '.join(map(str, error.cmd[:6]))} ... failed; its own message stands above")


if __name__ == "__main__":
    main()
