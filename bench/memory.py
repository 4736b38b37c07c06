"""The most memory that reading and normalising one large file takes, by format; each in a process of its own.

The files are made here, records of 6 KB, and removed again. What no reader can take (one endless line, zeros) must end
in a dead letter, not in memory.

usage: .venv/bin/python bench/memory.py [--mb 2000] [PART OF A NAME]
"""

from __future__ import annotations

import argparse
import gzip
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

FILL = "x" * 6_000
BLOCK = b"a" * 1_000_000


def conn(n: int) -> str:
    source = f'"id.orig_h":"10.0.{n >> 8 & 255}.{n & 255}","id.orig_p":{n % 65_000}'
    rest = f'"id.resp_h":"203.0.113.9","id.resp_p":443,"proto":"tcp","conn_state":"SF","note":"{FILL}"'
    return f'{{"ts":{1_700_000_000 + n},"uid":"C{n}",{source},{rest}}}'


def row(n: int) -> str:
    return f'2024-01-01T00:00:{n % 60:02d}Z,10.0.0.{n % 255},203.0.113.9,user{n},"{FILL}"'


def login(n: int) -> str:
    who = f"Failed password for invalid user u{n} from 203.0.113.{n % 255} port 22 ssh2"
    return f"Jan  1 00:00:{n % 60:02d} host{n % 9} sshd[{n % 60_000}]: {who} {FILL}"


def mail(n: int) -> str:
    return (
        f"From a@example.com Thu Jan  1 00:00:00 2024\nFrom: a@example.com\nMessage-ID: <{n}@example.com>\n\n{FILL}\n"
    )


def written(head: str, between: str, tail: str, record: Callable[[int], str]) -> Callable[[int], Iterator[bytes]]:
    """Pieces of a file of so many bytes."""

    def pieces(size: int) -> Iterator[bytes]:
        yield head.encode()
        n = done = 0
        while done < size:
            piece = (between if n else "") + record(n)
            n, done = n + 1, done + len(piece)
            yield piece.encode()
        yield tail.encode()

    return pieces


def blocks(head: bytes, block: bytes, tail: bytes) -> Callable[[int], Iterator[bytes]]:
    def pieces(size: int) -> Iterator[bytes]:
        yield head
        for _ in range(size // len(block)):
            yield block
        yield tail

    return pieces


LINES = written("", "\n", "\n", conn)
FORMATS: dict[str, Callable[[int], Iterator[bytes]]] = {
    "lines.jsonl": LINES,
    "lines.jsonl.gz": LINES,
    "lines.zip": LINES,
    "array.json": written("[\n", ",\n", "\n]\n", conn),
    "document.json": written('{"Records": [', ",", "]}", conn),
    "table.csv": written("time,src_ip,dst_ip,user,message\n", "\n", "\n", row),
    "syslog.log": written("", "\n", "\n", login),
    "mail.mbox": written("", "\n", "\n", mail),
    "one-line.txt": blocks(b"", BLOCK, b""),
    "one-text.json": blocks(b'{"a":"', BLOCK, b'"}'),
    "zeros.bin": blocks(b"", bytes(len(BLOCK)), b""),
}


def make(file: Path, pieces: Iterator[bytes]) -> None:
    if file.suffix == ".zip":
        with (
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
            archive.open("a", "w") as out,
        ):
            out.writelines(pieces)
    elif file.suffix == ".gz":
        with gzip.open(file, "wb", compresslevel=1) as out:
            out.writelines(pieces)
    else:
        with file.open("wb") as out:
            out.writelines(pieces)


def normalized(file: Path) -> tuple[int, float, int, str]:
    """Exit code, CPU seconds, peak resident bytes and the last line of `watchfloor normalize`."""
    with tempfile.TemporaryFile() as said:
        command = [sys.executable, "-m", "watchfloor.cli", "normalize", str(file)]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        last = said.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
    return child.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, last


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wanted", nargs="?", default="", metavar="PART OF A NAME")
    parser.add_argument("--mb", type=int, default=2_000, help="size of each file before packing")
    asked = parser.parse_args()
    print(f"{'file of ' + format(asked.mb, ',') + ' MB':<20}{'peak MB':>9}{'CPU s':>8}{'exit':>6}  says")
    with tempfile.TemporaryDirectory() as scratch:
        for name, pieces in FORMATS.items():
            if asked.wanted.lower() in name:
                file = Path(scratch) / name
                make(file, pieces(asked.mb * 1_000_000))
                code, seconds, peak, last = normalized(file)
                print(f"{name:<20}{peak / 1e6:>9.0f}{seconds:>8.0f}{code:>6}  {last}", flush=True)
                file.unlink()


if __name__ == "__main__":
    main()
