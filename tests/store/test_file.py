"""The store on disk, beyond what every store does: order, failures, space, both forms on one directory."""

from __future__ import annotations

import errno
import os
import select
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random

import pytest

from natsd.store import FORM, Log, file
from natsd.store.contract import Limits, StoreError
from natsd.store.file import FileStore
from natsd.store.memory import MemoryStore

from .operations import operation, perform, seen

MESSAGE = (b"a", None, None, b"x" * 100)


def settle(store: FileStore) -> None:
    assert select.select([store.fileno()], [], [], 20)[0]
    store.settle()


def test_durable_reaches_the_position_and_is_told(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    told: list[int] = []
    store.on_durable = lambda: told.append(store.durable)
    stream = store.create("A/s", b"{}", Limits())
    stream.append([MESSAGE], 1)
    position = store.position
    assert store.durable < position
    while store.durable < position:
        settle(store)
    assert told[-1] == position
    store.close()


def test_small_writes_find_the_file_as_large_as_it_was(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    stream = store.create("A/s", b"{}", Limits())
    sizes = set()
    for at in range(50):
        stream.append([MESSAGE], at + 1)
        assert store.wait()
        sizes.add(sum(path.stat().st_size for path in tmp_path.glob("*.seg")))
    assert len(sizes) == 1, "each sync that changes the size of a file has to write that too"
    assert sizes.pop() > 50 * 100
    store.close()
    again = FileStore(tmp_path)
    assert again.damage == []
    assert again.streams()["A/s"][1].state.msgs == 50
    again.close()


def test_a_header_is_known_of_whenever_it_came(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    stream = store.create("A/s", b"{}", Limits())
    stream.append([MESSAGE], 1)
    assert not stream.headed
    stream.append([(b"a", None, b"NATS/1.0\r\nNats-Msg-Id: 1\r\n\r\n", b"")], 2)
    assert stream.headed
    store.close()
    again = FileStore(tmp_path)
    assert again.streams()["A/s"][1].headed
    again.close()


def test_what_a_turn_appends_can_be_given_to_the_disk_at_its_end(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    asked: list[FileStore] = []
    store.postpone = asked.append
    first, second = store.create("a", b"", Limits()), store.create("b", b"", Limits())
    first.append([(b"s", None, None, b"one")], 1)
    second.append([(b"s", None, None, b"two")], 1)
    assert asked == [store]
    before = store.durable
    store.run_batch()
    assert store.wait()
    assert store.durable == store.position > before
    first.append([(b"s", None, None, b"three")], 1)
    assert asked == [store, store]
    store.close()
    store.run_batch()
    again = FileStore(tmp_path)
    assert {key: stream.state.msgs for key, (_, stream) in again.streams().items()} == {"a": 2, "b": 1}
    again.close()


def test_what_comes_alone_is_with_the_disk_before_the_turn_ends(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    stream = store.create("A/s", b"{}", Limits())
    store.wait()
    told: list[int] = []
    store.on_durable = lambda: told.append(store.durable)
    turns: list[FileStore] = []
    store.postpone = turns.append
    writes = store.log.writes
    stream.append([MESSAGE], 1)
    assert store.log.writes == writes, "what is not alone waits for the rest of its turn"
    stream.append([MESSAGE], 2, alone=True)
    assert turns == [store]
    deadline = time.monotonic() + 20
    while store.log.writes == writes and time.monotonic() < deadline:
        time.sleep(0.001)
    assert store.log.writes > writes
    assert told == []
    store.run_batch()
    while store.durable < store.position:
        settle(store)
    assert told[-1] == store.position
    store.close()


def test_the_disk_tells_again_of_what_comes_after_a_message_alone(tmp_path: Path) -> None:
    store = FileStore(tmp_path, sync_interval_s=120)
    stream = store.create("A/s", b"{}", Limits())
    store.wait()
    store.postpone = lambda _: None
    for at in range(100):
        stream.append([MESSAGE], at + 1, alone=True)
        if at % 2:
            stream.append([MESSAGE], at + 1)
        store.run_batch()
        while store.durable < store.position:
            settle(store)  # fails where nothing becomes readable
    store.close()
    again = FileStore(tmp_path)
    assert again.streams()["A/s"][1].state.msgs == 150
    again.close()


def test_a_directory_has_one_store_at_a_time(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    with pytest.raises(StoreError, match="in use"):
        FileStore(tmp_path)
    store.close()
    FileStore(tmp_path).close()


def test_a_store_that_syncs_by_the_clock_acknowledges_what_is_written(tmp_path: Path) -> None:
    store = FileStore(tmp_path, sync_interval_s=3600)
    stream = store.create("A/s", b"{}", Limits())
    stream.append([MESSAGE] * 10, 1)
    assert store.wait()
    assert store.log.synced < store.position
    store.close()
    again = FileStore(tmp_path)
    assert again.streams()["A/s"][1].state.msgs == 10
    again.close()


def test_too_much_that_is_not_synced_is_congestion(tmp_path: Path) -> None:
    store = FileStore(tmp_path, most_unsynced=5000)
    stream = store.create("A/s", b"{}", Limits())
    assert not store.congested
    seen_congested = False
    for _ in range(200):
        stream.append([MESSAGE] * 100, 1)
        seen_congested = seen_congested or store.congested
    assert seen_congested
    assert store.wait()
    assert not store.congested
    store.close()


@pytest.mark.parametrize("seed", range(4))
def test_what_was_done_is_there_after_opening_again(seed: int, tmp_path: Path) -> None:
    chance = Random(1000 + seed)
    model = MemoryStore()
    store = FileStore(tmp_path, segment_bytes=4096)
    for now in range(1, 200):
        given = operation(chance, now)
        given[3][1] = 1.0  # bytes are counted otherwise in memory
        perform(model, given)
        perform(store, given)
        if chance.random() < 0.1:
            store.wait()
            store.settle()
        if chance.random() < 0.05:
            store.close()
            store = FileStore(tmp_path, segment_bytes=4096)
            assert not store.damage
        assert seen(store) == seen(model), given
    store.close()


def test_overwritten_messages_give_their_space_back(tmp_path: Path) -> None:
    store = FileStore(tmp_path, segment_bytes=16384)
    cold = store.create("A/cold", b"{}", Limits())
    hot = store.create("A/hot", b"{}", Limits(max_msgs_per_subject=1))
    keys = [b"k.%d" % n for n in range(20)]
    for turn in range(300):
        if turn % 10 == 0:
            cold.append([(b"cold", None, b"NATS/1.0\r\n\r\n", b"%d" % turn)], turn + 1)
        hot.append([(key, None, None, b"%d" % turn * 20) for key in keys], turn + 1)
        store.wait()
        store.settle()
    for _ in range(200):
        store.settle()
        store.wait()
    store.log.wait()  # for what was decided to be done too: durable does not say that
    expected = seen(store)
    written = store.position >> 32
    left = list(tmp_path.glob("*.seg"))
    assert written > 20
    assert len(left) <= 10
    assert expected["A/cold"][1][0] == 30
    store.close()
    again = FileStore(tmp_path, segment_bytes=16384)
    assert not again.damage
    assert seen(again) == expected
    again.close()


def slowly(monkeypatch: pytest.MonkeyPatch, slow_ns: int) -> None:
    """Have every sync of the native form take longer."""
    if FORM == "native":
        monkeypatch.setattr(file, "Log", partial(Log, slow_ns=slow_ns))


def test_space_comes_back_while_the_disk_has_something_to_write_all_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowly(monkeypatch, 1_000_000)
    store = FileStore(tmp_path, segment_bytes=16384)
    stream = store.create("A/s", b"{}", Limits(max_msgs=10))
    while store.position >> 32 < 200:
        stream.append([MESSAGE] * 20, 1)
        while store.log.unwritten > 60_000:
            settle(store)
        store.settle()
    assert len(list(tmp_path.glob("*.seg"))) < 100
    store.close()


def test_what_is_synced_by_the_clock_is_synced_while_the_disk_is_busy_too(tmp_path: Path) -> None:
    store = FileStore(tmp_path, sync_interval_s=0.01)
    stream = store.create("A/s", b"{}", Limits(max_msgs=10))
    begun = store.log.synced
    large = (b"a", None, None, bytes(1 << 20))
    for _ in range(500):
        stream.append([large] * 2, 1)
        while store.log.unwritten > 8 << 20:
            settle(store)
        store.settle()
        if store.log.synced > begun:
            break
    assert store.log.synced > begun
    store.close()


def test_an_erased_message_is_not_in_any_file(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    stream = store.create("A/s", b"{}", Limits())
    stream.append([(b"a", None, b"NATS/1.0\r\nkey: hushhush\r\n\r\n", b"a secret to forget"), MESSAGE], 1)
    store.wait()
    assert any(b"a secret to forget" in path.read_bytes() for path in tmp_path.glob("*.seg"))
    assert stream.remove([1], erase=True) == 1
    store.close()
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"secret" not in content
    assert b"hushhush" not in content
    again = FileStore(tmp_path)
    assert not again.damage
    assert again.streams()["A/s"][1].load(1) is None
    assert again.streams()["A/s"][1].load(2) is not None
    again.close()


def test_a_message_that_cannot_be_read_back_is_given_up_and_named(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.create("A/s", b"{}", Limits()).append([(b"a", None, None, b"one"), (b"a", None, None, b"two")], 1)
    store.close()
    store = FileStore(tmp_path)
    stream = store.streams()["A/s"][1]
    path = tmp_path / "00000001.seg"
    path.write_bytes(path.read_bytes().replace(b"one", b"0ne"))
    with pytest.raises(StoreError, match="cannot be read back"):
        stream.load(1)
    assert stream.load(2) == (2, b"a", None, b"two", 1)
    store.settle()
    assert stream.load(1) is None
    assert [(damage.stream, damage.first_seq, damage.last_seq) for damage in store.damage] == [("A/s", 1, 1)]
    assert stream.state.msgs == 1
    store.close()


def test_a_message_that_the_system_does_not_let_be_read_is_not_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(tmp_path)
    store.create("A/s", b"{}", Limits()).append([MESSAGE, MESSAGE], 1)
    store.close()
    store = FileStore(tmp_path)
    stream = store.streams()["A/s"][1]
    cursor = stream.cursor([], 1)
    told: list[str] = []
    store.on_damage = told.append

    def refuse(*_: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as context:
        context.setattr(os, "open", refuse)
        for attempt in (lambda: stream.load(1), lambda: cursor.take(2), lambda: stream.remove([2], erase=True)):
            with pytest.raises(StoreError, match="segment 1 cannot be read: Too many open files"):
                attempt()
        for _ in range(3):
            store.settle()
    assert [message[0] for message in cursor.take(2)] == [1, 2]
    assert (stream.state.msgs, store.damage, told, store.failure) == (2, [], [], "")
    store.close()


def test_what_is_found_unreadable_while_the_store_is_open_is_told(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.create("A/s", b"{}", Limits()).append([MESSAGE, MESSAGE], 1)
    store.close()
    store = FileStore(tmp_path)
    told: list[str] = []
    store.on_damage = told.append
    os.truncate(tmp_path / "00000001.seg", 100)
    with pytest.raises(StoreError, match="cannot be read back"):
        store.streams()["A/s"][1].load(2)
    store.settle()
    assert told == ["stream 'A/s' lost messages 2 to 2: they cannot be read back"]
    store.close()


def test_the_native_form_reads_ahead_for_who_reads_on(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.create("A/s", b"{}", Limits()).append([MESSAGE] * 10, 1)
    store.close()
    store = FileStore(tmp_path)
    stream = store.streams()["A/s"][1]
    assert stream.load(1)
    assert stream.load(2)
    os.truncate(tmp_path / "00000001.seg", 100)  # what is still known was read before
    known = 0
    for seq in range(3, 11):
        with suppress(StoreError):
            known += stream.load(seq) is not None
    assert known == (8 if FORM == "native" else 0)
    store.close()


def test_whoever_reads_ahead_of_the_disk_reads_nothing_that_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file that is as long as it will be, and a disk that is slow: what was appended last is zeros in it for a while.
    (tmp_path / "spare-00000001").write_bytes(bytes(4 << 20))
    slowly(monkeypatch, 300_000_000)
    store = FileStore(tmp_path, segment_bytes=4 << 20, cache_bytes=0)
    stream = store.create("A/s", b"{}", Limits())
    message = (b"a", None, None, b"x" * 1000)
    stream.append([message] * 1020, 1)
    assert store.wait()
    store.settle()
    stream.append([message], 1)
    stream.append([message] * 2500, 1)
    assert store.position >> 32 == 1
    for seq in range(920, 1000):
        assert stream.load(seq) == (seq, *message[:1], *message[2:], 1)
    assert store.wait()
    store.settle()
    stream.append([message] * 1500, 1)
    assert store.wait()
    store.settle()
    for seq in range(1000, 1200):
        assert stream.load(seq) == (seq, *message[:1], *message[2:], 1)
    store.close()


FAILING = """
import resource, select, sys
from natsd.store.contract import Limits, StoreError
from natsd.store.file import FileStore
store = FileStore(sys.argv[1])
told = []
store.on_failed = told.append
stream = store.create("A/s", b"{}", Limits())
store.wait()
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
durable = 0
for n in range(400):
    try:
        stream.append([(b"a", None, None, b"x" * 100)] * 3, 1)
    except StoreError as error:
        print("refused", error)
        break
    select.select([store.fileno()], [], [], 0.5)
    store.settle()
    assert store.durable >= durable
    durable = store.durable
assert store.durable < store.position
print("told", len(told), told)
store.close()
"""


def test_a_disk_that_fails_stops_the_store(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FAILING, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "File too large" in done.stdout
    assert done.stdout.startswith("refused")
    assert "told 1" in done.stdout
    again = FileStore(tmp_path)
    assert not again.damage
    assert again.streams()["A/s"][1].state.msgs > 10
    again.close()


def test_a_store_without_memory_for_a_message_stores_nothing_any_more(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    told: list[str] = []
    store.on_failed = told.append
    stream = store.create("A/s", b"{}", Limits(max_msgs=2))
    stream.append([MESSAGE] * 2, 1)

    def greedy(_: list[int]) -> None:
        raise MemoryError("no memory for the rest")

    stream.on_removed = greedy  # called amid an append, when the message is in the log
    with pytest.raises(MemoryError):
        stream.append([MESSAGE], 2)
    stream.on_removed = None
    with pytest.raises(StoreError, match="no memory for the rest"):
        stream.append([MESSAGE], 3)
    assert told == [store.failure]
    store.close()
    again = FileStore(tmp_path)
    assert not again.damage
    assert [message[0] for message in again.streams()["A/s"][1].load_many([1, 2, 3, 4])] == [2, 3]
    again.close()


CROWDED = """
import os, resource, sys, threading, time
from natsd.store.contract import Limits
from natsd.store.file import FileStore
store = FileStore(sys.argv[1], segment_bytes=4096, cache_bytes=0)
stream = store.create("A/s", b"{}", Limits(max_msgs=300))
stream.append([(b"a", None, None, b"x" * 100)], 1)
store.wait()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
threading.Timer(1, lambda: [os.close(fd) for fd in taken[:2]]).start()
for n in range(600):
    stream.append([(b"a", None, None, b"%d" % n * 30)], 1)
    store.wait()
    store.settle()
assert not store.failure, store.failure
assert not store.damage, store.damage
assert store.durable == store.position
assert stream.state.msgs == 300
print(store.position >> 32)
"""


def test_a_process_with_too_many_open_files_goes_on_storing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CROWDED, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10
    again = FileStore(tmp_path, segment_bytes=4096)
    assert not again.damage
    assert again.streams()["A/s"][1].state.msgs == 300
    again.close()


OTHER = """
import sys
from natsd.store.contract import Limits
from natsd.store.file import FileStore
from natsd.store import FORM, Log, file
store = FileStore(sys.argv[1], segment_bytes=4096)
stream = store.streams()["A/s"][1]
assert not store.damage
assert [message[3] for message in stream.load_many(list(range(1, 61)))] == [b"%d" % n for n in range(1, 61)]
assert stream.consumer_records("c") == [b"state", b"delta"]
stream.append([(b"b", None, b"NATS/1.0\\r\\n\\r\\n", b"from the other form")], 99)
store.close()
print(FORM)
"""


def test_both_forms_read_the_same_directory(tmp_path: Path) -> None:
    store = FileStore(tmp_path, segment_bytes=4096)
    stream = store.create("A/s", b"{}", Limits())
    for n in range(1, 61):
        stream.append([(b"a", None, None, b"%d" % n)], n)
    stream.save_consumer("c", b"state", checkpoint=True)
    stream.save_consumer("c", b"delta", checkpoint=False)
    store.close()
    environment = {**os.environ, "NATSD_PLAIN": "1" if FORM == "native" else "0"}
    arguments = [sys.executable, "-c", OTHER, str(tmp_path)]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert FORM == "plain" or done.stdout == "plain\n"
    again = FileStore(tmp_path, segment_bytes=4096)
    assert not again.damage
    assert again.streams()["A/s"][1].load(61) == (61, b"b", b"NATS/1.0\r\n\r\n", b"from the other form", 99)
    again.close()
