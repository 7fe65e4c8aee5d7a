"""A mirror or source whose origin is behind subjects: another account's JetStream by its exports, or another domain.

It asks there for a push consumer without acknowledgements, by `<api>.CONSUMER.CREATE.<stream>`, and stores what comes
to its deliver subject. Whenever something is missing, or nothing is heard for too long, it asks for a new one, from the
message behind the last that it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from natsd.base.clock import SECOND_NS
from natsd.jetstream.errors import ApiError
from natsd.jetstream.streams.sourcing import AGAIN_NS, Inflow
from natsd.kernel import Subscription

if TYPE_CHECKING:
    from natsd.base.clock import Timer
    from natsd.jetstream.streams.stream import Stream
    from natsd.jetstream.streams.stream_config import Source

    Delivered = tuple[bytes, bytes | None, bytes | None, bytes]

HEARTBEAT_NS = SECOND_NS
SILENCE_NS = 5 * SECOND_NS
RETRY_NS = 2 * SECOND_NS
CONTROL = b"NATS/1.0 100"
STALLED = b"\r\nNats-Consumer-Stalled: "


class RemoteInflow(Inflow):
    """One such stream. pending: how many messages there were still behind the last one."""

    __slots__ = ("_consumer_seq", "_subs", "_watch", "pending")

    def __init__(self, stream: Stream, source: Source, *, mirrors: bool) -> None:
        super().__init__(stream, source, mirrors=mirrors)
        self.pending = 0
        self._consumer_seq = 0
        self._subs: list[Subscription] = []
        self._watch: Timer | None = None

    @property
    def lag(self) -> int:
        return self.pending

    def start(self) -> None:
        """Ask for a consumer."""
        self._drop()
        external = self.source.external
        assert external is not None
        home = self.stream.home
        own = home.advisories.new_id()
        kind = "M" if self.mirrors else "S"
        deliver = f"{external.deliver}.{own}" if external.deliver else f"$JS.{kind}.{own}"
        answer = f"_INBOX.{home.advisories.new_id()}"
        self._subs = [
            Subscription(deliver.encode(), b"", handler=self._take),
            Subscription(answer.encode(), b"", handler=self._on_answer),
        ]
        for sub in self._subs:
            home.sublist.insert(sub)
        self._consumer_seq = 0
        body = {"stream_name": self.source.name, "config": self._config(own, deliver)}
        asked = f"{external.api or '$JS.API'}.CONSUMER.CREATE.{self.source.name}"
        taken = home.publish(asked.encode(), answer.encode(), None, msgspec.json.encode(body))
        self._wait(SILENCE_NS if taken else RETRY_NS)

    def _config(self, own: str, deliver: str) -> dict[str, Any]:
        source = self.source
        config: dict[str, Any] = {
            "name": f"JS_{'MIRROR' if self.mirrors else 'SRC'}_{own[:8]}",
            "deliver_subject": deliver,
            "deliver_policy": "all",
            "ack_policy": "none",
            "max_deliver": 1,
            "idle_heartbeat": HEARTBEAT_NS,
            "flow_control": True,
            "inactive_threshold": 10 * SECOND_NS,
            "mem_storage": True,
            "metadata": {"_nats.mirror.stream" if self.mirrors else "_nats.source.stream": self.stream.name},
        }
        last = self.stream.store.last_seq if self.mirrors else self.last_seq
        if last or source.opt_start_seq:
            config["deliver_policy"] = "by_start_sequence"
            config["opt_start_seq"] = last + 1 if last else source.opt_start_seq
        elif source.opt_start_time is not None:
            config["deliver_policy"] = "by_start_time"
            config["opt_start_time"] = source.opt_start_time
        wanted = [one.decode() for one in self.filters]
        if len(wanted) == 1:
            config["filter_subject"] = wanted[0]
        elif wanted:
            config["filter_subjects"] = wanted
        return config

    def attach(self, origin: Stream) -> None:
        """A stream of this account with the same name is another one."""

    def pump(self) -> None:
        """Messages come by themselves."""

    def detach(self) -> None:
        """Stop."""
        self._drop()

    def _drop(self) -> None:
        for sub in self._subs:
            self.stream.home.sublist.remove(sub)
        self._subs = []
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _wait(self, delay_ns: int) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._watch = self.stream.home.timers.schedule(delay_ns, self._on_silence)

    def _on_silence(self) -> None:
        self._watch = None
        if not self.stream.closed:
            self.start()

    def _on_answer(self, batch: list[Delivered]) -> None:
        for _, _, _, payload in batch:
            try:
                page = msgspec.json.decode(payload)
            except (msgspec.DecodeError, UnicodeDecodeError):
                page = None
            if isinstance(page, dict) and "error" not in page:
                self.error = None
                self.heard_ns = self.stream.home.clock.now_ns()
                continue
            self.error = ApiError(
                "MIRROR_CONSUMER_SETUP_FAILED" if self.mirrors else "SOURCE_CONSUMER_SETUP_FAILED",
                err=page["error"].get("description", "") if isinstance(page, dict) else "no answer that makes sense",
            )
            self._wait(RETRY_NS)

    def _take(self, batch: list[Delivered]) -> None:
        self.heard_ns = self.stream.home.clock.now_ns()
        self._wait(SILENCE_NS)
        last = self.stream.store.last_seq
        for subject, reply, header, payload in batch:
            if header is not None and header.startswith(CONTROL):
                self._control(reply, header)
            elif reply is None or not self._take_one(subject, reply, header, payload):
                break
        stream = self.stream
        if stream.store.last_seq > last:
            self._note()
            newest = stream.store.last_seq
            stream.when_durable(lambda: stream.show(newest))
            stream.count_bytes()

    def _control(self, reply: bytes | None, header: bytes) -> None:
        """Heartbeats and flow control: whoever asks whether there is room is told that there is."""
        if reply:
            self.stream.home.publish(reply, None, None, b"")
            return
        at = header.find(STALLED)
        if at >= 0:
            start = at + len(STALLED)
            self.stream.home.publish(header[start : header.index(b"\r\n", start)], None, None, b"")

    def _take_one(self, subject: bytes, reply: bytes, header: bytes | None, payload: bytes) -> bool:
        parts = reply.split(b".")[-5:]
        if len(parts) < 5 or not all(part.isdigit() for part in parts):
            return True
        _, seq, consumer_seq, time_ns, pending = (int(part) for part in parts)
        if consumer_seq != self._consumer_seq + 1:
            # Something was lost on the way.
            self._wait(0)
            return False
        message = (seq, subject, header, payload, time_ns)
        if seq > self.last_seq:
            if not self._store([message]):
                self._wait(AGAIN_NS)
                return False
        self._consumer_seq = consumer_seq
        self.pending = pending
        return True
