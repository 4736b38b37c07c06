"""The spool: acknowledged means on the disk, in order, nothing twice, nothing lost; and it says when it is full."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from watchfloor.core.errors import RefusedError, WatchfloorError
from watchfloor.store.spool import Parcel, Spool, SpoolFullError, Waiting


def parcel(n: int, size: int = 10) -> Parcel:
    return Parcel("hec/a", 1_000 + n, str(n).encode().ljust(size, b"."), "hec")


def test_what_is_put_is_taken_in_order_and_gone_when_done(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    assert spool.put("acme", parcel(1), parcel(2)).result() == 2
    assert spool.put("acme", parcel(3)).result() == 3
    taken = spool.take("acme", 2)
    assert [one.seq for one in taken] == [1, 2]
    assert [one.parcel for one in taken] == [parcel(1), parcel(2)]
    assert spool.take("acme", 2) == taken, "until it is done it stays"
    spool.done("acme", taken)
    assert [one.parcel for one in spool.take("acme", 9)] == [parcel(3)]
    assert spool.waiting("acme") == Waiting(1, 10)
    spool.close()


def test_it_is_all_there_after_closing_and_numbers_go_on(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    spool.put("acme", *(parcel(n) for n in range(5)))
    spool.close()
    spool = Spool(tmp_path / "spool.db")
    assert spool.waiting("acme") == Waiting(5, 50)
    spool.done("acme", spool.take("acme", 5))
    assert spool.put("acme", parcel(6)).result() == 6, "a number is never given twice, though its parcel is gone"
    spool.close()


def test_numbers_go_on_after_the_file_was_lost(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", after=41)
    assert spool.put("acme", parcel(1)).result() == 42
    spool.close()


def test_when_full_it_takes_nothing_and_says_so(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", most_parcels=3, most_bytes=100)
    spool.put("acme", parcel(1), parcel(2)).result()
    with pytest.raises(SpoolFullError, match="2 parcels wait"):
        spool.put("acme", parcel(3), parcel(4))
    with pytest.raises(SpoolFullError):
        spool.put("acme", parcel(3, size=90))
    assert spool.waiting("acme") == Waiting(2, 20)
    spool.put("other", parcel(5)).result()
    spool.done("acme", spool.take("acme", 1))
    spool.put("acme", parcel(3), parcel(4)).result()
    spool.close()


def test_a_batch_is_bounded_in_bytes_but_never_empty(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    spool.put("acme", *(parcel(n, size=100) for n in range(4))).result()
    assert len(spool.take("acme", 10, 250)) == 2
    assert len(spool.take("acme", 10, 1)) == 1
    assert len(spool.take("acme", 1, 1, upto=3)) == 3, "a batch that was begun is given whole"
    spool.close()


def test_tenants_have_each_their_own(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    spool.put("acme", parcel(1)).result()
    spool.put("other", parcel(2)).result()
    (mine,) = spool.take("acme", 9)
    spool.done("other", [mine])
    assert spool.take("acme", 9) == [mine]
    with pytest.raises(RefusedError):
        spool.put("../acme", parcel(3))
    spool.close()


def test_one_process_has_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    with pytest.raises(WatchfloorError, match="another process"):
        Spool(tmp_path / "spool.db")
    spool.close()
    Spool(tmp_path / "spool.db").close()


def test_a_file_that_is_none_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "spool.db").write_bytes(b"no database at all, but long enough" * 100)
    with pytest.raises(WatchfloorError, match="cannot open the spool"):
        Spool(tmp_path / "spool.db")


def test_a_disk_that_refuses_is_told_to_the_sender_and_the_next_goes_through(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    spool.put("acme", parcel(1)).result()
    other = sqlite3.connect(tmp_path / "spool.db")
    other.execute("CREATE TRIGGER no BEFORE INSERT ON parcels BEGIN SELECT RAISE(ABORT, 'no room'); END")
    other.commit()
    with pytest.raises(WatchfloorError, match="no room"):
        spool.put("acme", parcel(2)).result()
    assert spool.waiting("acme") == Waiting(1, 10)
    other.execute("DROP TRIGGER no")
    other.commit()
    other.close()
    assert spool.put("acme", parcel(3)).result() == 2
    assert [one.parcel for one in spool.take("acme", 9)] == [parcel(1), parcel(3)]
    spool.close()


def test_many_threads_put_at_the_same_time(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    seqs: list[int] = []

    def put(start: int) -> None:
        for n in range(start, start + 100):
            seqs.append(spool.put("acme", parcel(n)).result())

    threads = [threading.Thread(target=put, args=(t * 100,)) for t in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seqs) == list(range(1, 801))
    assert {one.parcel.received_at - 1_000 for one in spool.take("acme", 1_000)} == set(range(800))
    spool.close()


def test_waiting_for_something_ends_when_it_comes(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    assert not spool.wait("acme", 0)
    threading.Timer(0.05, lambda: spool.put("acme", parcel(1))).start()
    assert spool.wait("acme", 60)
    spool.close()


WRITER = """
import sys
from pathlib import Path
from watchfloor.store.spool import Parcel, Spool
spool = Spool(Path(sys.argv[1]))
n = 0
while True:
    futures = [spool.put("acme", Parcel("s", n + i, b"x" * 100)) for i in range(50)]
    for i, future in enumerate(futures):
        future.result()
        print(n + i, flush=True)
    n += 50
"""


@pytest.mark.chaos
def test_killed_in_the_middle_everything_acknowledged_is_there_once(tmp_path: Path) -> None:
    for life in range(5):
        path = tmp_path / f"{life}.db"
        with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(300 * (life + 1))]
            os.kill(process.pid, signal.SIGKILL)
            said += process.stdout.read().splitlines()
        acknowledged = {int(line) for line in said if line.strip()}
        spool = Spool(path)
        kept = [one.parcel.received_at for one in spool.take("acme", 10**6, 10**9)]
        assert len(kept) == len(set(kept)) == spool.waiting("acme").parcels
        assert acknowledged <= set(kept)
        spool.close()


class SpoolMachine(RuleBasedStateMachine):
    """Any order of putting, working off and restarting, beside a list that does the same."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "spool.db"
        self.spool = Spool(self.path)
        self.model: list[tuple[int, Parcel]] = []
        self.given = 0

    @rule(contents=st.lists(st.binary(max_size=40), max_size=5))
    def put(self, contents: list[bytes]) -> None:
        parcels = [Parcel("s", n, content, "json") for n, content in enumerate(contents)]
        last = self.spool.put("acme", *parcels).result()
        self.model += [(self.given + n, p) for n, p in enumerate(parcels, 1)]
        self.given += len(parcels)
        assert last == self.given

    @rule(most=st.integers(1, 5), size=st.integers(1, 60))
    def work_off(self, most: int, size: int) -> None:
        taken = self.spool.take("acme", most, size)
        assert [tuple(one) for one in taken] == self.model[: len(taken)]
        assert len(taken) <= most
        assert bool(taken) == bool(self.model)
        self.spool.done("acme", taken)
        del self.model[: len(taken)]

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def done_again(self, data: Any) -> None:
        """A batch that was begun before a restart is asked for whole."""
        upto = data.draw(st.sampled_from([seq for seq, _ in self.model]))
        assert [tuple(one) for one in self.spool.take("acme", 1, 1, upto=upto)] == [
            m for m in self.model if m[0] <= upto
        ]

    @rule()
    def restart(self) -> None:
        self.spool.close()
        self.spool = Spool(self.path)

    @invariant()
    def counts(self) -> None:
        waiting = Waiting(len(self.model), sum(len(p.content) for _, p in self.model))
        assert self.spool.waiting("acme") == waiting
        assert self.spool.last == self.given

    def teardown(self) -> None:
        self.spool.close()
        self.folder.cleanup()


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
