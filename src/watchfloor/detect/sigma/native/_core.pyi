from typing import Any

class Core:
    """See tables.c: tables by plain numbers, packed as unsigned ints of four bytes."""

    looked_at: int

    def __init__(
        self,
        callbacks: object,
        rules: int,
        decisive: tuple[tuple[int, str], ...],
        known: tuple[dict[str, int], ...],
        key: bytes,
        /,
    ) -> None: ...
    def add_field(self, places: tuple[tuple[int, str], ...], /) -> int: ...
    def add_leaf(
        self,
        what: int,
        how: int,
        raw: int,
        field: int,
        other: int,
        data: bytes,
        test: Any,
        required: bytes,
        shortest: int,
        start: int,
        /,
    ) -> int: ...
    def add_set(self, leaves: bytes, /) -> int: ...
    def add_rule(self, number: int, steps: bytes, /) -> None: ...
    def add_group(
        self,
        always: bytes,
        gates: tuple[tuple[int, bytes, bytes, bytes], ...],
        keyword_rules: bytes,
        keywords: tuple[bytes, ...],
        /,
    ) -> int: ...
    def scan(self, data: bytes, constants: bytes, form: int, /) -> list[tuple[int, tuple[int, ...] | bytes]]: ...
    def matches(
        self, event: object, original: dict[str, Any], ocsf: dict[str, Any], constants: bytes, /
    ) -> tuple[int, ...] | None: ...
    def costs(self) -> list[tuple[int, int]]: ...
