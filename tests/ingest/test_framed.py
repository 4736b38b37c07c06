"""Messages of queues: each is whole, whatever is in it, and is told from the next."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.core.record import Record
from watchfloor.ingest import Unreadable
from watchfloor.ingest.readers import framed, read_parcel


def read(*messages: bytes) -> list[Any]:
    return [
        item for parcel in framed.join(messages) for item in read_parcel("acme", "kafka/k", parcel, form="framed", at=1)
    ]


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=20))
def test_messages_come_apart_as_they_were_joined(messages: list[bytes]) -> None:
    assert [message for parcel in framed.join(messages) for message in framed.split(parcel)] == messages


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=8))
def test_no_message_reaches_into_another(messages: list[bytes]) -> None:
    alone = [item for message in messages for item in read(message)]
    together = read(*messages)
    assert [(item.raw, type(item)) for item in together] == [(item.raw, type(item)) for item in alone]


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        (b'{"a": 1}', [{"a": 1}]),
        (b'{\n "a": 1\n}\n', [{"a": 1}]),
        (b'{"a": 1}\n{"a": 2}', [{"a": 1}, {"a": 2}]),
        (b'{"records": [{"a": 1}, {"a": 2}]}', [{"a": 1}, {"a": 2}]),
        (b'[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
        (b"Traceback:\n  line 1\n  line 2", [{"message": "Traceback:\n  line 1\n  line 2"}]),
        (gzip.compress(b'{"a": 1}', mtime=0), [{"a": 1}]),
    ],
)
def test_a_message_is_read_by_what_it_contains(message: bytes, wanted: list[Any]) -> None:
    items = read(b"before", message, b"after")
    assert [item.data for item in items[1:-1]] == wanted


def test_a_record_of_several_lines_keeps_its_very_bytes() -> None:
    message = b'{\n  "text": "a\\nb"\r\n}'
    assert [item.raw for item in read(message, b"one\r\ntwo\n")] == [message, b"one\r\ntwo\n"]


def test_what_cannot_be_read_is_a_dead_letter_with_its_own_bytes_and_its_neighbours_are_read() -> None:
    bad = b"\x00\x01\x02 avro"
    before, letter, after = read(b'{"a": 1}', bad, b'{"a": 2}')
    assert isinstance(letter, Unreadable)
    assert (letter.raw, letter.form) == (bad, "message")
    assert isinstance(before, Record)
    assert isinstance(after, Record)
    (again,) = read_parcel("acme", "kafka/k", letter.raw, form=letter.form)
    assert isinstance(again, Unreadable), "read again as the one message that it is"
    assert again.raw == bad


@pytest.mark.parametrize("content", [b"9:short", b"x", b"-1:a", b"99999999999999999999:a", b"3:abc4"])
def test_a_parcel_that_was_not_joined_is_one_dead_letter_with_all_of_its_bytes(content: bytes) -> None:
    *_, letter = read_parcel("acme", "kafka/k", content, form="framed")
    assert isinstance(letter, Unreadable)
    assert letter.raw == content


def test_a_parcel_is_bounded_and_so_is_a_message() -> None:
    messages = [b"a" * (3 << 20)] * 3 + [b"b" * (40 << 20)]
    parcels = list(framed.join(messages))
    assert [len(parcel) >> 20 for parcel in parcels] == [3, 3, 3, 16, 16, 8]
    assert b"".join(message for parcel in parcels for message in framed.split(parcel)) == b"".join(messages)
