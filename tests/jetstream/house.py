"""JetStream in memory: a clock moved by hand, no sockets, clients that are local subscriptions."""

from __future__ import annotations

import json
from typing import Any

from natsd.accounts.account import GLOBAL, Account
from natsd.base.chance import SeededChance
from natsd.base.clock import HandClock, Timers
from natsd.jetstream.jetstream import JetStream
from natsd.kernel import Road, Subscription
from natsd.store.memory import MemoryStore
from tests.session.memory import Lines

Got = tuple[bytes, "bytes | None", "bytes | None", bytes]
"""Subject, reply, header, payload."""


class Inbox:
    """A subscription that keeps what it gets."""

    def __init__(self, house: House, subject: str, queue: str = "") -> None:
        self._house = house
        self.name = subject
        self.got: list[Got] = []
        self._sub = Subscription(subject.encode(), b"", queue.encode() or None, handler=self.got.extend)
        house.account.sublist.insert(self._sub)

    def take(self) -> list[Got]:
        """What came since the last call."""
        self._house.settle()
        got, self.got[:] = list(self.got), []
        return got

    def payloads(self) -> list[bytes]:
        """The same, payloads only, with the first line of the header in place of a status."""
        return [payload or (header or b"").split(b"\r\n")[0] for _, _, header, payload in self.take()]

    def close(self) -> None:
        self._house.account.sublist.remove(self._sub)


class House:
    """JetStream of one account. `file` is a store in memory that outlives `reopen`."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.timers = self.clock.timers = Timers(self.clock)
        self.log = Lines()
        self.file = MemoryStore()
        self._inboxes = 0
        self._open()

    def _open(self) -> None:
        self.road = Road(1)
        self.road.busy = True
        self.account = Account(GLOBAL, self.road)
        self.jetstream = JetStream(
            MemoryStore(),
            self.file,
            clock=self.clock,
            timers=self.timers,
            chance=SeededChance(7),
            log=self.log,
            server_name="test",
        )
        self.home = self.jetstream.enable(self.account)

    def reopen(self) -> None:
        """Another server on what the store has, as after a crash."""
        self.timers = self.clock.timers = Timers(self.clock)
        self.file = _copy(self.file)
        self._open()

    def settle(self) -> None:
        """Let everything happen that happens now."""
        for _ in range(100):
            self.road.settle()
            due = self.timers.due_ns()
            if due is None or due > self.clock.now_ns():
                break
            self.timers.run()
        self.road.settle()

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.settle()
        self.clock.move(seconds)
        self.settle()

    def inbox(self, subject: str = "", queue: str = "") -> Inbox:
        """Somebody who listens."""
        self._inboxes += 1
        return Inbox(self, subject or f"_INBOX.{self._inboxes}", queue)

    def publish(self, subject: str, payload: bytes = b"", reply: str = "", header: bytes | None = None) -> None:
        self.account.sublist.publish(subject.encode(), reply.encode() or None, header, payload)
        self.settle()

    def ask(self, subject: str, body: object = None) -> dict[str, Any]:
        """The answer of the API."""
        inbox = self.inbox()
        payload = b"" if body is None else json.dumps(body).encode()
        self.publish("$JS.API." + subject, payload, inbox.name)
        (answer,) = inbox.take()
        inbox.close()
        found: dict[str, Any] = json.loads(answer[3])
        return found

    def stream(self, name: str = "S", **config: object) -> dict[str, Any]:
        given = {"name": name, "subjects": [f"{name.lower()}.>"]} | config
        answer = self.ask(f"STREAM.CREATE.{name}", given)
        assert "error" not in answer, answer
        return answer

    def consumer(self, name: str = "C", stream: str = "S", **config: object) -> dict[str, Any]:
        given = {"durable_name": name, "ack_policy": "explicit"} | config
        answer = self.ask(f"CONSUMER.CREATE.{stream}.{name}", {"stream_name": stream, "config": given})
        assert "error" not in answer, answer
        return answer

    def info(self, name: str = "C", stream: str = "S") -> dict[str, Any]:
        return self.ask(f"CONSUMER.INFO.{stream}.{name}")

    def numbers(self, name: str = "C", stream: str = "S") -> tuple[int, ...]:
        """Delivered and floor (consumer, stream), ack pending, redelivered, waiting, pending."""
        page = self.info(name, stream)
        delivered, floor = page["delivered"], page["ack_floor"]
        return (
            delivered["consumer_seq"],
            delivered["stream_seq"],
            floor["consumer_seq"],
            floor["stream_seq"],
            page["num_ack_pending"],
            page["num_redelivered"],
            page["num_waiting"],
            page["num_pending"],
        )

    def fill(self, count: int, subject: str = "s.a") -> None:
        for i in range(count):
            self.publish(subject, b"%d" % i)

    def pull(self, inbox: Inbox, body: object = None, name: str = "C", stream: str = "S") -> None:
        payload = b"" if body is None else json.dumps(body).encode()
        self.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}", payload, inbox.name)

    def fetch(self, batch: int, name: str = "C", stream: str = "S") -> list[Got]:
        """What there is now, at most so many, without the status at the end."""
        inbox = self.inbox()
        self.pull(inbox, {"batch": batch, "no_wait": True}, name, stream)
        got = [one for one in inbox.take() if one[1] is not None]
        inbox.close()
        return got

    def ack(self, got: Got, payload: bytes = b"+ACK") -> None:
        assert got[1] is not None
        self.publish(got[1].decode(), payload)


def _copy(store: MemoryStore) -> MemoryStore:
    """What a new server finds: the same messages and records, nobody's cursors and callbacks."""
    fresh = MemoryStore()
    for key, (config, stream) in store.streams().items():
        state = stream.state
        from natsd.store.contract import Limits

        copied = fresh.create(key, config, Limits(), max(state.first_seq, 1))
        seq = state.first_seq
        while seq <= state.last_seq:
            message = stream.load(seq)
            if message is not None:
                copied.append_at(seq, (message[1], None, message[2], message[3]), message[4])
            seq += 1
        copied.skip(state.last_seq)
        for name, saved in store.consumer_configs(key).items():
            fresh.configure_consumer(key, name, saved)
        for name in stream.consumers():
            for record in stream.consumer_records(name):
                copied.save_consumer(name, record, checkpoint=False)
    return fresh


def reply_numbers(got: Got) -> tuple[int, ...]:
    """deliveries, stream sequence, consumer sequence, pending."""
    assert got[1] is not None
    parts = got[1].split(b".")
    return int(parts[4]), int(parts[5]), int(parts[6]), int(parts[8])
