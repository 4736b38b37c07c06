"""Writes compound files [MS-CFB] as Outlook's `.msg` are; olefile reads what it writes."""

from __future__ import annotations

import struct
from typing import Any

NONE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
Tree = dict[str, Any]
"""Name -> bytes of a stream, or the tree of a storage."""


def msg(properties: dict[str, str | bytes], *attachments: dict[str, str | bytes]) -> bytes:
    """A message by its properties' ids, and its attachments."""
    tree: Tree = {"__properties_version1.0": b"\0" * 32, **streams(properties)}
    for number, one in enumerate(attachments):
        tree[f"__attach_version1.0_#{number:08X}"] = {"__properties_version1.0": b"\0" * 8, **streams(one)}
    return compound(tree)


def streams(properties: dict[str, str | bytes]) -> Tree:
    return {
        f"__substg1.0_{uid}{'001F' if isinstance(value, str) else '0102'}": value.encode("utf-16-le")
        if isinstance(value, str)
        else value
        for uid, value in properties.items()
    }


def compound(tree: Tree) -> bytes:
    entries: list[list[Any]] = [["Root Entry", 5, NONE, NONE, NONE, END, 0]]
    mini, large, mini_fat, fat = b"", b"", list[int](), list[int]()

    def chain(table: list[int], count: int) -> int:
        start = len(table)
        table += [*range(start + 1, start + count), END]
        return start

    def add(inside: Tree, parent: int) -> None:
        nonlocal mini, large
        before = NONE
        for name, value in inside.items():
            number = len(entries)
            if isinstance(value, dict):
                entries.append([name, 1, NONE, NONE, NONE, 0, 0])
                add(value, number)
            else:
                unit = 64 if len(value) < 4096 else 512
                padded = value.ljust(-(-len(value) // unit) * unit, b"\0")
                start = chain(mini_fat if unit == 64 else fat, len(padded) // unit) if padded else END
                mini, large = (mini + padded, large) if unit == 64 else (mini, large + padded)
                entries.append([name, 2, NONE, NONE, NONE, start, len(value)])
            entries[number if before == NONE else before][3 if before != NONE else 2] = (
                number if before != NONE else NONE
            )
            if before == NONE:
                entries[parent][4] = number
            before = number

    add(tree, 0)
    body = large
    for place, data in ((0, mini), (1, struct.pack(f"<{len(mini_fat)}I", *mini_fat))):
        padded = data.ljust(-(-len(data) // 512) * 512, b"\xff" if place else b"\0")
        start = chain(fat, len(padded) // 512) if padded else END
        body += padded
        if place == 0:
            entries[0][5:] = [start, len(mini)]
        else:
            first_mini, count_mini = start, len(padded) // 512
    listed = b"".join(
        one[0].encode("utf-16-le").ljust(64, b"\0")
        + struct.pack("<HBBIII", len(one[0]) * 2 + 2, one[1], 1, *one[2:5])
        + bytes(36)
        + struct.pack("<IQ", *one[5:])
        for one in entries
    )
    listed = listed.ljust(-(-len(listed) // 512) * 512, b"\0")
    directory = chain(fat, len(listed) // 512)
    body += listed
    sectors = 1
    while sectors * 128 < len(fat) + sectors:
        sectors += 1
    where = list(range(len(fat), len(fat) + sectors))
    fat += [FAT] * sectors
    body += struct.pack(f"<{sectors * 128}I", *fat, *[NONE] * (sectors * 128 - len(fat)))
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<9I", 0, sectors, directory, 0, 4096, first_mini, count_mini, END, 0)
    return head + struct.pack("<109I", *where, *[NONE] * (109 - sectors)) + body
