"""Kills a server while clients publish and acknowledge, again and again; nothing that was promised may be missing.

1. Every acknowledged message is there under its sequence, with its bytes; every sequence once; no message twice.
2. A consumer goes on where it was: what it had confirmed as acknowledged never comes again, all else does.
3. A message of the work queue that was confirmed is gone; those that were not are there.
4. Of an atomic batch all is there, one behind the other, or nothing; where it was acknowledged, all.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .server import Victim
from .wire import Gone, Wire

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

IN_FLIGHT = (1, 20, 500)
AT_ONCE = 256
API = "$JS.API"
KEPT = 20000
"""Messages of the stream that are looked at again; older ones are purged."""


class Ledger:
    """What was promised, over all lives of the server."""

    def __init__(self) -> None:
        self.sent = 0
        self.acked: dict[int, bytes] = {}  # by sequence, of those that are still kept
        self.queued: dict[int, bytes] = {}
        self.confirmed: set[int] = set()
        self.finished: set[int] = set()  # of the work queue
        self.maybe_finished: set[int] = set()
        self.purged = 0
        self.batches: dict[str, int] = {}  # acknowledged ones, and where each ends
        self.sent_batches = 0
        self.lost: list[str] = []
        self.total_acked = self.total_confirmed = 0


class Cycles:
    """Lives and deaths of one server directory."""

    def __init__(self, directory: Path, chance: Random, shortest_s: float = 0.02) -> None:
        self._directory = directory
        self._shortest_s = shortest_s
        self._chance = chance
        self.ledger = Ledger()
        self.count = 0

    def run(self, cycles: int, seconds: float = 1e9) -> None:
        """AssertionError where a promise was broken."""
        until = time.monotonic() + seconds
        while self.count < cycles and time.monotonic() < until:
            self._live()
            self.count += 1
        self._look_back()

    def _look_back(self) -> None:
        victim = Victim(self._directory)
        try:
            wire = victim.connect()
            self._check(wire)
            self._check_consumer(wire)
            wire.close()
        finally:
            victim.kill()

    def _live(self) -> None:
        """One life: see that all is there, go on with everything, be killed."""
        victim = Victim(self._directory)
        try:
            if self.count and self._chance.random() < 0.1:  # killed while it opens
                time.sleep(self._chance.random() * 0.5)
                return
            wire = victim.connect()
            if self.count:
                self._check(wire)
            else:
                self._create(wire)
            wire.close()
            works = [self._publish, self._consume, self._work, self._batch]
            threads = [threading.Thread(target=self._until_killed, args=(work, victim)) for work in works]
            for thread in threads:
                thread.start()
            time.sleep(self._shortest_s + self._chance.random() ** 2 * 0.6)
            victim.kill()
            for thread in threads:
                thread.join()
        finally:
            victim.kill()
        assert not self.ledger.lost, self.ledger.lost[:5]

    def _until_killed(self, work: Any, victim: Victim) -> None:
        try:
            with suppress(Gone):
                wire = Wire(victim.port)
                try:
                    work(wire)
                finally:
                    wire.close()
        except Exception as error:  # noqa: BLE001  (told to whoever waits for the thread)
            self.ledger.lost.append(repr(error))

    def _create(self, wire: Wire) -> None:
        common = {"storage": "file", "allow_direct": True}
        queue = {"retention": "workqueue", "compression": "s2"}
        for name, more in (("S", {}), ("W", queue), ("B", {"allow_atomic": True})):
            made = wire.request(
                f"{API}.STREAM.CREATE.{name}", {"name": name, "subjects": [f"{name}.>"], **common, **more}
            )
            assert "error" not in made, made
            config = {"durable_name": "c", "ack_policy": "explicit", "max_ack_pending": 100000, "ack_wait": 10**9}
            made = wire.request(f"{API}.CONSUMER.CREATE.{name}.c", {"stream_name": name, "config": config})
            assert "error" not in made, made

    # What goes on while it lives

    def _publish(self, wire: Wire) -> None:
        ledger, most = self.ledger, self._chance.choice(IN_FLIGHT)
        waiting: dict[int, tuple[str, bytes]] = {}
        while True:
            out = []
            while len(waiting) < most:
                ledger.sent += 1
                name = "W" if ledger.sent % 8 == 0 else "S"
                payload = b"%d:" % ledger.sent + b"x" * self._chance.choice((0, 10, 100, 100, 3000))
                number, data = wire.ask(f"{name}.{ledger.sent % 50}", payload)
                waiting[number] = name, payload
                out.append(data)
            if out:
                wire.send(b"".join(out))
            for number, _, _, body in wire.read(1):
                if number not in waiting:
                    continue
                name, payload = waiting.pop(number)
                ack = json.loads(body)
                assert "error" not in ack, ack
                known = ledger.acked if name == "S" else ledger.queued
                assert ack["seq"] not in known, f"{name} gave sequence {ack['seq']} twice"
                known[ack["seq"]] = payload
                ledger.total_acked += 1

    def _consume(self, wire: Wire) -> None:
        self._fetch(wire, "S", self.ledger.confirmed, self.ledger.confirmed)

    def _work(self, wire: Wire) -> None:
        self._fetch(wire, "W", self.ledger.finished, self.ledger.maybe_finished)

    def _batch(self, wire: Wire) -> None:
        ledger = self.ledger
        while True:
            ledger.sent_batches += 1
            name, most = f"b{ledger.sent_batches}", self._chance.choice((1, 3, 50, 700))
            for number in range(1, most + 1):
                header = f"NATS/1.0\r\nNats-Batch-Id: {name}\r\nNats-Batch-Sequence: {number}\r\n"
                header += "Nats-Batch-Commit: 1\r\n\r\n" if number == most else "\r\n"
                payload = f"{name}:{number}:{most}:{'x' * self._chance.choice((0, 100, 3000))}"
                reply = f" {wire.inbox}.0" if number == most else ""
                sizes = f"{len(header)} {len(header) + len(payload)}"
                wire.send(f"HPUB B.{number % 5}{reply} {sizes}\r\n{header}{payload}\r\n".encode())
            while not (got := wire.read(1)):
                pass
            ack = json.loads(got[0][3])
            assert "error" not in ack, ack
            ledger.batches[name] = ack["seq"]

    def _fetch(self, wire: Wire, name: str, done: set[int], asked: set[int]) -> None:
        """Take messages and have every other one's acknowledgement confirmed."""
        while True:
            _, data = wire.ask(f"{API}.CONSUMER.MSG.NEXT.{name}.c", b'{"batch":50,"expires":200000000}')
            wire.send(data)
            confirming: dict[int, int] = {}
            until = time.monotonic() + 0.3
            while time.monotonic() < until or confirming:
                out = []
                for number, reply, _, body in wire.read(0.05):
                    if number in confirming:
                        assert not body, body
                        done.add(confirming.pop(number))
                        self.ledger.total_confirmed += 1
                    elif reply.startswith("$JS.ACK."):
                        seq = int(reply.split(".")[-4])
                        assert seq not in done, f"{name} delivered {seq} again, which was confirmed"
                        if seq % 2:
                            if asked is not done:
                                asked.add(seq)
                            number, data = wire.ask(reply, b"+ACK")
                            confirming[number] = seq
                            out.append(data)
                if out:
                    wire.send(b"".join(out))

    # What has to be there

    def _check(self, wire: Wire) -> None:
        ledger = self.ledger
        for name, known in (("S", ledger.acked), ("W", ledger.queued)):
            info = wire.request(f"{API}.STREAM.INFO.{name}")
            assert "error" not in info, info
            state = info["state"]
            there = self._read_all(wire, name, max(state["first_seq"], ledger.purged + 1 if name == "S" else 1), state)
            if name == "S":
                missing = [seq for seq in known if seq > ledger.purged and there.get(seq) != known[seq]]
                assert not missing, f"acknowledged and not there: {missing[:10]} of {state}"
                assert len(there) == state["messages"], (len(there), state)
                assert not state.get("num_deleted"), state
            else:
                gone = ledger.finished | ledger.maybe_finished
                missing = [seq for seq in known if seq not in gone and there.get(seq) != known[seq]]
                assert not missing, f"acknowledged, not worked on and not there: {missing[:10]} of {state}"
                back = ledger.finished & set(there)
                assert not back, f"confirmed and there again: {sorted(back)[:10]}"
                for seq in [seq for seq in known if seq not in there]:
                    del known[seq]
            twice = len(there) - len({payload.split(b":")[0] for payload in there.values()})
            assert not twice, f"{twice} messages are there twice"
        self._check_batches(wire)
        self._trim(wire)

    def _check_batches(self, wire: Wire) -> None:
        state = wire.request(f"{API}.STREAM.INFO.B")["state"]
        there = self._read_all(wire, "B", state["first_seq"], state)
        expected = (b"", 0, 0)  # of the batch at hand: its name, its last number, how many it has
        for seq in sorted(there):
            name, number, most = there[seq].split(b":")[:3]
            if expected[1] == expected[2]:
                expected = (name, 0, int(most))
            assert (name, int(number), int(most)) == (expected[0], expected[1] + 1, expected[2]), (seq, expected)
            expected = (name, int(number), int(most))
        assert expected[1] == expected[2], f"the last batch is not whole: {expected}"
        for batch, seq in self.ledger.batches.items():
            assert there.get(seq, b"").startswith(f"{batch}:".encode()), f"acknowledged and not there: {batch}"
        done = wire.request(f"{API}.STREAM.PURGE.B", {})
        assert done.get("success"), done
        self.ledger.batches.clear()

    def _trim(self, wire: Wire) -> None:
        ledger = self.ledger
        last = max(ledger.acked, default=0)
        if last - ledger.purged > KEPT:
            upto = last - KEPT // 4
            done = wire.request(f"{API}.STREAM.PURGE.S", {"seq": upto + 1})
            assert done.get("success"), done
            ledger.purged = upto
            ledger.acked = {seq: payload for seq, payload in ledger.acked.items() if seq > upto}
            ledger.confirmed.difference_update([seq for seq in ledger.confirmed if seq <= upto])

    def _read_all(self, wire: Wire, name: str, first: int, state: dict[str, Any]) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        seq = first
        while seq <= state["last_seq"] and state["messages"]:
            number, data = wire.ask(f"{API}.DIRECT.GET.{name}", json.dumps({"seq": seq, "batch": AT_ONCE}).encode())
            wire.send(data)
            ended = False
            until = time.monotonic() + 60
            while not ended:
                assert time.monotonic() < until, f"no end of a direct get of {name} from {seq}"
                for answered, _, header, payload in wire.read(0.1):
                    if answered != number:
                        continue
                    fields = dict(line.split(b": ", 1) for line in header.split(b"\r\n") if b": " in line)
                    if b"Nats-Sequence" in fields:
                        at = int(fields[b"Nats-Sequence"])
                        assert at not in found, f"{name} gave {at} twice"
                        found[at] = payload
                        seq = at + 1
                    else:
                        ended = True
                        if header.startswith(b"NATS/1.0 404"):
                            return found
        return found

    def _check_consumer(self, wire: Wire) -> None:
        """All that was never confirmed comes in the end."""
        ledger = self.ledger
        state = wire.request(f"{API}.STREAM.INFO.S")["state"]
        wanted = set(range(max(state["first_seq"], 1), state["last_seq"] + 1)) - ledger.confirmed
        until = time.monotonic() + 60
        while wanted and time.monotonic() < until:
            _, data = wire.ask(f"{API}.CONSUMER.MSG.NEXT.S.c", b'{"batch":1000,"expires":1000000000}')
            wire.send(data)
            left = 1000
            while left and time.monotonic() < until:
                for _, reply, header, _ in wire.read(0.1):
                    if reply.startswith("$JS.ACK."):
                        seq = int(reply.split(".")[-4])
                        assert seq not in ledger.confirmed, f"delivered {seq} again, which was confirmed"
                        wanted.discard(seq)
                        wire.send(b"PUB %s 4\r\n+ACK\r\n" % reply.encode())
                        left -= 1
                    elif header:
                        left = 0
            info = wire.request(f"{API}.CONSUMER.INFO.S.c")
            if not info["num_pending"] and not info["num_ack_pending"]:
                break
        # An acknowledgement that was sent and not confirmed may have counted.
        late = {seq for seq in wanted if seq % 2 == 0}
        assert not late, f"never delivered again: {sorted(late)[:10]}"
