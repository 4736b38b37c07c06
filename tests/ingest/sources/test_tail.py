"""Files that grow: every line comes, through every kind of rotation, restarts at any moment, and none needs luck."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.ingest.sources.hands import HandInMemory, running, until
from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.sources.tail import Files, Tail


def config(*paths: object, **more: Any) -> Tail:
    return Tail.from_dict({"name": "t", "kind": "tail", "paths": [str(p) for p in paths], "every": 0.01, **more})


def read_all(files: Files, into: list[bytes]) -> None:
    """One round, as `Tail.run` does it."""
    files.look()
    for file in files.grown():
        while (piece := files.read(file)) is not None:
            into.append(piece.content)
            file.state = piece.then


STEPS = st.lists(
    st.sampled_from(["line", "line", "half", "read", "read", "rename", "copy", "pack", "restart", "again", "long"]),
    max_size=40,
)


@settings(deadline=None, max_examples=60)
@given(STEPS)
@example(["read", "read", "line", "read", "copy", "line"])  # truncated, and grown to the same length
def test_every_line_comes_through_any_rotation_and_restart(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log, written, came = folder / "a.log", [], []
        log.touch()
        follow = config(folder / "a.log*", quiet=1e9)
        files, kept = Files(follow, {}), {}
        turn, half = 0, b""

        def append(data: bytes) -> None:
            with log.open("ab") as out:
                out.write(data)

        for number, step in enumerate(steps):
            text = b"%d said %d" % (number, number * 7)
            if step in ("line", "long"):
                body = text + b"x" * (3_000 if step == "long" else 0)
                append(body + b"\n")
                written.append(half + body)
                half = b""
            elif step == "half":
                append(text)
                half += text
            elif step == "read":
                read_all(files, came)
                kept = files.checkpoint()
            elif step == "restart":  # what was read since the last keeping is read again
                files.close()
                files = Files(follow, kept)
            elif step == "again":
                files.look()
            elif not half:  # rotation, between two lines
                turn += 1
                target = folder / f"a.log.{turn}"
                if step == "copy":
                    shutil.copyfile(log, target)
                    os.truncate(log, 0)
                elif step == "rename":
                    log.rename(target)
                    log.touch()
                else:
                    packed = target.with_name(target.name + ".gz")
                    packed.write_bytes(gzip.compress(log.read_bytes()))
                    os.utime(packed, (1, 1))
                    log.unlink()
                    log.touch()
        read_all(files, came)
        files.close()
        lines = b"".join(came).split(b"\n")
        assert set(written) <= set(lines)
        assert set(lines) - {b""} <= set(written)


def test_without_a_restart_and_without_copies_no_line_comes_twice(tmp_path: Path) -> None:
    log, came = tmp_path / "a.log", []
    files = Files(config(tmp_path), {})
    for number in range(30):
        with log.open("ab") as out:
            out.write(b"line %d\n" % number)
        if number % 3 == 0:
            read_all(files, came)
        if number % 7 == 6:
            log.rename(tmp_path / f"a.log.{number}")
    read_all(files, came)
    assert sorted(b"".join(came).split(b"\n")[:-1]) == sorted(b"line %d" % n for n in range(30))
    files.close()


def test_a_file_that_left_the_folder_is_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    log, came = tmp_path / "logs" / "a.log", []
    files = Files(config(tmp_path / "logs"), {})
    log.write_bytes(b"one\n")
    read_all(files, came)
    out = log.open("ab")
    log.rename(tmp_path / "elsewhere")
    out.write(b"two\nand its la")
    out.close()
    for _ in range(10):  # the writer is given time to end its line
        read_all(files, came)
    assert b"".join(came) == b"one\ntwo\nand its la"
    files.close()


def test_truncated_and_written_beyond_where_it_was_it_is_another_file(tmp_path: Path) -> None:
    log, came = tmp_path / "a.log", []
    files = Files(config(log), {})
    log.write_bytes(b"old one\nold two\n")
    read_all(files, came)
    with log.open("r+b") as out:
        out.truncate(0)
        out.write(b"new one, longer than both were\n")
    read_all(files, came)
    assert b"".join(came).endswith(b"old two\nnew one, longer than both were\n")
    files.close()


def test_the_lines_that_name_the_columns_lead_each_piece(tmp_path: Path) -> None:
    zeek, table = tmp_path / "conn.log", tmp_path / "users.csv"
    files, came = Files(config(zeek), {}), []
    head = b"#separator \\x09\n#fields\tts\tuid\n"
    zeek.write_bytes(head + b"1\ta\n")
    read_all(files, came)
    with zeek.open("ab") as out:
        out.write(b"2\tb\n")
    read_all(files, came)
    assert came == [head + b"1\ta\n", head + b"2\tb\n"]
    files.close()
    files, came = Files(config(table, header_lines=1, form="csv"), {}), []
    table.write_bytes(b"user,action\nana,login\n")
    read_all(files, came)
    with table.open("ab") as out:
        out.write(b"bo,logout\n")
    read_all(files, came)
    assert came[1] == b"user,action\nbo,logout\n"
    files.close()


def test_a_link_is_not_followed_unless_told_to(tmp_path: Path) -> None:
    secret, folder = tmp_path / "shadow", tmp_path / "logs"
    secret.write_bytes(b"root:x\n")
    folder.mkdir()
    (folder / "a.log").symlink_to(secret)
    os.mkfifo(folder / "pipe.log")
    for follow, expected in ((False, []), (True, [b"root:x\n"])):
        came: list[bytes] = []
        files = Files(config(folder, follow_links=follow), {})
        read_all(files, came)
        assert came == expected
        files.close()


def test_a_damaged_packed_file_gives_what_can_be_read_and_a_dead_letter(tmp_path: Path) -> None:
    packed = tmp_path / "a.log.1.gz"
    noise = b"".join(b"line %d %s\n" % (n, os.urandom(20).hex().encode()) for n in range(2_000))
    packed.write_bytes(gzip.compress(noise)[:-4_000])
    os.utime(packed, (1, 1))

    async def main() -> HandInMemory:
        hand = HandInMemory()
        async with running(config(tmp_path), hand):
            await until(lambda: any(offset for _, offset, _ in hand.kept.get("files", {}).values()))
        return hand

    hand = asyncio.run(main())
    text = b"".join(content for content, form in hand.parcels if not form)
    assert noise.startswith(text)
    assert len(text) > 50_000
    assert any(record[:2] == b"\x1f\x8b" for record in hand.records())  # the dead letter has its bytes


def test_what_was_put_is_kept_after_it_and_a_second_run_reads_nothing_again(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"one\ntwo\n")

    async def main(kept: dict[str, Any], ready: str) -> HandInMemory:
        hand = HandInMemory(kept)
        async with running(config(log, quiet=0.01), hand):
            await until(lambda: ready.encode() in b"".join(content for content, _ in hand.parcels))
            await until(lambda: hand.order[-1] == "keep")
        return hand

    first = asyncio.run(main({}, "two"))
    assert first.order[0] == "put"
    with log.open("ab") as out:
        out.write(b"three, without an end")
    second = asyncio.run(main(first.kept, "end"))
    assert [content for content, _ in second.parcels] == [b"three, without an end"]


def test_relative_paths_are_refused() -> None:
    with pytest.raises(WatchfloorError, match="absolute"):
        config("logs/*.log")
