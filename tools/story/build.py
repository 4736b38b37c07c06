"""Writes src/watchfloor/content/story, or (`--check`) says whether what is there is what would be written."""

from __future__ import annotations

import argparse
import gzip
import sys
from pathlib import Path

from tools.story import context, intel, labels, truth
from tools.story.attacks import insider, leaked_key, phishing, ransomware, spray, web_shell
from tools.story.benign import (
    aws,
    cloud_office,
    correspondence,
    everyday,
    noise,
    people,
    planned,
    red_team,
    routine,
    scanner,
)
from tools.story.readme import readme_file
from tools.story.recorder import Story, Written, finish

_BACKGROUND = (everyday.write, aws.write, cloud_office.write, correspondence.write, noise.write, routine.write)
_PLANNED = (scanner.write, planned.roll_out, planned.maintenance, red_team.write, people.write)
_ATTACKS = (phishing.write, ransomware.write, leaked_key.write, insider.write, web_shell.write, spray.write)
TARGET = Path(__file__).resolve().parents[2] / "src" / "watchfloor" / "content" / "story"


def tell() -> list[Written]:
    """The whole story, in memory."""
    story = Story()
    for part in (*_BACKGROUND, *_PLANNED, *_ATTACKS):
        part(story)
    return finish(story)


def files() -> dict[str, bytes]:
    """Every file of the story by its path below the story's folder."""
    written = tell()
    found = {f"records/{one.path}": one.stored for one in written}
    found |= {
        "context/company.yaml": context.company_file(),
        "context/assets.yaml": context.assets_file(),
        "context/identities.yaml": context.identities_file(),
        "context/windows.yaml": context.windows_file(),
        "intel/indicators.csv": intel.csv_list(),
        "intel/harmless.json": intel.harmless(),
        "intel/bundle.json": intel.bundle(),
        "labels.csv": labels.labels_file(),
        "truth.yaml": truth.truth_file(written),
        "README.md": readme_file(written),
    }
    return found


def _content(path: str, stored: bytes) -> bytes:
    # Other builds of zlib pack the same content into other bytes: compare what a reader gets.
    return gzip.decompress(stored) if path.endswith(".gz") else stored


def differences(target: Path = TARGET) -> list[str]:
    """What differs between the folder and what would be written; empty when nothing does."""
    wanted = files()
    there = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    found = [f"{path}: should not be there" for path in sorted(there - set(wanted))]
    found += [f"{path}: is missing" for path in sorted(set(wanted) - there)]
    for path in sorted(there & set(wanted)):
        if _content(path, (target / path).read_bytes()) != _content(path, wanted[path]):
            found.append(f"{path}: differs")
    return found


def write(target: Path = TARGET) -> None:
    """Replace the folder's files by those of the story."""
    wanted = files()
    for path in sorted(target.rglob("*"), reverse=True):
        if path.is_file() and path.relative_to(target).as_posix() not in wanted:
            path.unlink()
    for name, stored in wanted.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(stored)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.story", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the committed story differs")
    if not parser.parse_args().check:
        write()
        return 0
    found = differences()
    for line in found:
        print(f"story: {line}; run `python -m tools.story`", file=sys.stderr)
    return 1 if found else 0
