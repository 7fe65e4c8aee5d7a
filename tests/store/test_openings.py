"""A directory that is opened again and again, closed or killed at any moment, by one form or the other: nothing that
was acknowledged goes, and nothing whose removal was acknowledged is there again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from natsd.store import FORM
from natsd.store.contract import Limits
from natsd.store.file import FileStore

ROUNDS = 4 * int(os.environ.get("NATSD_CRASH_ROUNDS", "2"))
MANY = 1_000_000 if ROUNDS > 8 and FORM != "plain" else 20_000

WRITER = """
import os, random, select, sys
from natsd.store.contract import Limits
from natsd.store.file import FileStore
directory, segment_bytes, seed, most = sys.argv[1], *map(int, sys.argv[2:5])
chance = random.Random(seed)
say = lambda *words: os.write(1, (" ".join(map(str, words)) + "\\n").encode())
store = FileStore(directory, segment_bytes=segment_bytes)
say("opened", len(store.damage))
found = store.streams()
stream = found["A/s"][1] if "A/s" in found else store.create("A/s", b"{}", Limits())
pending = []
def told():
    while pending and pending[0][0] <= store.durable:
        say(*pending.pop(0)[1:])
store.on_durable = told
def turn(wait_s=0):
    select.select([store.fileno()], [], [], wait_s)
    store.settle()
left = most
while left > 0:
    first = stream.last_seq + 1
    stream.append([(b"s.%d" % (n % 50), None, None, (b"%d." % n * 55)[:110]) for n in range(first, first + 256)], first)
    pending.append((store.position, "stored", first, first + 255))
    left -= 256
    turn()
    while store.congested:
        turn(1)
    often = 0.2 if most <= 20000 else 0.001
    if chance.random() < often / 4:
        store.compaction.finish()
    if chance.random() < often and stream.state.msgs:
        first = chance.randint(stream.first_seq, stream.last_seq)
        last = min(stream.last_seq, first + chance.choice([0, 5, 300, 2000]))
        if chance.random() < 0.3:
            first, last = 1, stream.first_seq + (stream.last_seq - stream.first_seq) // 4
        say("going", first, last)
        if first == 1:
            stream.purge(upto=last + 1)
        else:
            stream.remove(list(range(first, last + 1)))
        pending.append((store.position, "gone", first, last))
for _ in range(chance.choice([0, 20, 200])):
    turn(0.001)
say("closing")
store.close()
told()
"""


def live(directory: Path, segment_bytes: int, seed: int, most: int, plain: bool, kill_s: float) -> list[list[str]]:
    """One life of a writer, and what it said. kill_s: below 0, it is left to close."""
    environment = os.environ | {"NATSD_PLAIN": "1" if plain else "0"}
    arguments = [sys.executable, "-c", WRITER, str(directory), str(segment_bytes), str(seed), str(most)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment) as writer:
        assert writer.stdout is not None
        said = b""
        try:
            if kill_s >= 0:
                said = writer.stdout.readline()  # it is open
                time.sleep(kill_s)
                writer.kill()
            said += writer.stdout.read()
        except BaseException:
            writer.kill()  # it would go on, and complain that nobody listens
            raise
    assert kill_s >= 0 or writer.returncode == 0
    return [line.split() for line in said.decode().split("\n")[:-1]]


@pytest.mark.timeout(600)  # a minute in the plain form, several of them where much else runs
@pytest.mark.parametrize("segment_bytes", [8192, 1 << 20, 64 << 20])
def test_nothing_that_was_acknowledged_goes_however_often_it_is_opened(segment_bytes: int, tmp_path: Path) -> None:
    chance = Random(segment_bytes)
    directory = tmp_path / "store"
    there: set[int] = set()
    for round_ in range(ROUNDS):
        most = chance.choice([0, 0, 256, 4096]) if round_ else {8192: 4096, 1 << 20: 20_000}.get(segment_bytes, MANY)
        kill_s = chance.choice([-1.0, 0.0, 0.01, 0.1]) if round_ else -1.0
        plain = FORM == "plain" or chance.random() < 0.3
        unsure: set[int] = set()
        for what, *numbers in live(directory, segment_bytes, chance.randrange(1 << 30), most, plain, kill_s):
            span = range(int(numbers[0]), int(numbers[1]) + 1) if len(numbers) == 2 else range(0)
            assert what != "opened" or numbers == ["0"]
            if what == "stored":
                there.update(seq for seq in span if seq not in unsure)
            elif what == "going":
                unsure.update(span)
            elif what == "gone":
                there.difference_update(span)
        for read_only in (True, False) if round_ % 2 else (False,):
            store = FileStore(directory, segment_bytes=segment_bytes, read_only=read_only)
            assert not store.damage
            stream = store.streams()["A/s"][1]
            found = set()
            for first in range(stream.first_seq, stream.last_seq + 1, 1000):
                for message in stream.load_many(list(range(first, min(first + 999, stream.last_seq) + 1))):
                    assert message[3] == (b"%d." % message[0] * 55)[:110]
                    found.add(message[0])
            assert stream.state.msgs == len(found)
            assert stream.last_seq >= max(there, default=0)
            assert not {seq for seq in there - found if seq not in unsure}
            store.close()
        there = found


def test_a_segment_that_lost_its_name_in_a_crash_does_not_come_back_under_it(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    store = FileStore(first, segment_bytes=8192)
    store.create("A/s", b"{}", Limits())
    store.close()
    shutil.copytree(first, second)
    store = FileStore(first, segment_bytes=8192)
    stream = store.streams()["A/s"][1]
    for n in range(20):
        stream.append([(b"s", None, None, b"never %d" % n)], 1)
        assert store.wait()
    newest = sorted(first.glob("*.seg"))[-1]
    shutil.copy(newest, second / "spare-00000001")  # as before it was renamed
    store.close()
    store = FileStore(second, segment_bytes=8192)
    stream = store.streams()["A/s"][1]
    for n in range(3):
        stream.append([(b"s", None, None, b"there %d" % n)], 1)
        assert store.wait()
    assert (second / newest.name).exists()
    shutil.copytree(second, third)  # as a kill leaves it
    store.close()
    store = FileStore(third, segment_bytes=8192)
    assert [message[3] for message in store.streams()["A/s"][1].load_many(list(range(1, 21)))] == [
        b"there 0",
        b"there 1",
        b"there 2",
    ]
    store.close()
