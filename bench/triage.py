"""Triage measured: verdicts on public data, with what was learned from other companies, beside plain baselines.

usage: .venv/bin/python bench/triage.py [ait|cats|guide|secrl|mail|speed ...] [--data FOLDER]
FOLDER: laid out as its README says (default $WATCHFLOOR_DATA, else ../shared/data); other companies, sets, incidents
and mails may be put there. Protocols and what the figures are not: docs/explanation/accuracy.md
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

PARTS = {
    "ait": "cases of simulated companies: what closes, which attack steps stay, what stands on top",
    "cats": "labelled alert sets: does risk put attacks first",
    "guide": "incidents graded by analysts: grades for organisations and incidents not seen",
    "secrl": "alerts of several incidents, mixed: back into their incidents",
    "mail": "ham and spam, as they are and neutralised",
    "speed": "time a case, and as history grows",
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="bench/triage.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("WATCHFLOOR_DATA", "../shared/data")))
    asked = parser.parse_args(arguments)
    for name in asked.parts or PARTS:
        print(f"\n== {name}: {PARTS[name]}", flush=True)
        began = time.process_time()
        import_module(f"triage_{name}").main(asked.data)
        print(f"-- {name}: {time.process_time() - began:.0f} s of CPU", flush=True)


if __name__ == "__main__":
    main()
