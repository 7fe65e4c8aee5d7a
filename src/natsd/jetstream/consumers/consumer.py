"""A consumer: a place in a stream, what was delivered from it, and what became of that.

What is next and how it gets out is in delivery.py, who waits for it in pull.py and push.py, what is to be tried again
in redelivery.py, the figures in consumer_state.py. Here these are put together, and what happens elsewhere comes in:
messages of the stream, acknowledgements, time. After each such event what changed is saved as one record (`save`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.clock import MS_NS
from natsd.jetstream import headers
from natsd.jetstream.consumers.consumer_clock import Disuse, Pause
from natsd.jetstream.consumers.consumer_events import LIMITS_REASON, ConsumerEvents
from natsd.jetstream.consumers.consumer_start import first_place
from natsd.jetstream.consumers.consumer_state import ConsumerState
from natsd.jetstream.consumers.delivery import Delivery
from natsd.jetstream.consumers.pins import Pins
from natsd.jetstream.consumers.pull import PullQueue
from natsd.jetstream.consumers.push import PushTarget
from natsd.jetstream.consumers.redelivery import Redelivery
from natsd.subjects.match import is_subset
from natsd.subjects.tree import PatternTree

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.base.clock import Timer
    from natsd.jetstream.consumers.consumer_config import ConsumerConfig
    from natsd.jetstream.streams.stream import Stream
    from natsd.store.contract import Cursor, Message


class Consumer:
    """One consumer of one stream. created_ns, delivered_ns, acked_ns: wall clock. pull is None where it pushes, and
    push where it does not. begun: whether it may deliver.
    """

    __slots__ = (
        "_ack_timer",
        "_backoff",
        "_beat_timer",
        "_filters",
        "_removed",
        "_sampled",
        "_wait_timer",
        "_wanted",
        "ack_prefix",
        "acked_ns",
        "begun",
        "closed",
        "config",
        "created_ns",
        "cursor",
        "delivered_ns",
        "delivery",
        "disuse",
        "events",
        "home",
        "name",
        "pause",
        "persistent",
        "pins",
        "pull",
        "push",
        "redelivery",
        "state",
        "stream",
        "__weakref__",
    )

    def __init__(
        self, stream: Stream, config: ConsumerConfig, created_ns: int, records: list[bytes], name: str
    ) -> None:
        """records: what the store kept of it, empty for a new one. name: also where nobody gave it one."""
        self.stream = stream
        self.home = stream.home
        self.config = config
        self.name = name
        self.created_ns = created_ns
        self.closed = False
        self.begun = False
        self.delivered_ns = self.acked_ns = 0
        self.ack_prefix = b"$JS.ACK.%b.%b." % (stream.name.encode(), self.name.encode())
        self.persistent = stream.config.storage == "file" and not config.mem_storage and not config.direct
        self.events = ConsumerEvents(self)
        self.state = ConsumerState(config.ack_policy != "none")
        self.redelivery = Redelivery(self.state, config.ack_wait)
        now = self.home.clock.now_ns()
        queue = PullQueue(self.home.sublist, config.max_waiting, now)
        queue.prioritized = config.priority_policy == "prioritized"
        self.push = PushTarget(self) if config.is_push else None
        self.pull = None if config.is_push else queue
        self.pins = Pins(self, queue)
        self.delivery = Delivery(self)
        self._filters = [subject.encode() for subject in config.filters]
        self._wanted = PatternTree(self._filters)
        self._backoff = config.backoff
        self._removed: list[int] = []
        self._sampled: dict[int, int] = {}
        self._ack_timer: Timer | None = None
        self._wait_timer: Timer | None = None
        self._beat_timer: Timer | None = None
        self.pause = Pause(self)
        self.cursor: Cursor = self._open(records)
        self.disuse = Disuse(self)

    def __repr__(self) -> str:
        return f"<Consumer {self.stream.name} > {self.name}>"

    # Its life.

    def _open(self, records: list[bytes]) -> Cursor:
        store, state = self.stream.store, self.state
        if records:
            for record in records:
                state.apply(record)
            state.changes = []
            state.delivered_stream = min(state.delivered_stream, store.last_seq)
            cursor = store.cursor(self._filters, state.delivered_stream + 1)
            missing = [seq for seq in state.pending if store.load(seq) is None]
            if missing:
                state.ack(missing)
            if state.pending:
                self.redelivery.watch(self.home.clock.now_ns(), list(state.pending))
            return cursor
        start, seq, skip = first_place(self.stream, self.config)
        state.start(start)
        self.delivery.skips.set(skip)
        return store.cursor(self._filters, seq)

    def start(self) -> None:
        """Set what runs by the clock, and look for somebody to deliver to."""
        self.home.consumers.add(self)
        self._set_ack_timer()
        self.pause.configure()
        if self.push is not None:
            self.look()
            if self.config.idle_heartbeat:
                self._beat_timer = self.home.timers.schedule(self.config.idle_heartbeat, self._on_beat)
        else:
            self.disuse.count()
        self.save()

    def begin(self) -> None:
        """Deliver from now on: whoever asked for a new one has heard that it is there."""
        self.begun = True
        self.pump()

    def close(self) -> None:
        """Stop; what is stored stays."""
        if self.closed:
            return
        if self.pull is not None:
            self.pull.end(409, b"Server Shutdown", left=True)
        self._stop()

    def delete(self) -> None:
        """Go: its stream is deleted, or it is removed itself."""
        if self.closed:
            return
        self.events.deleted()
        if self.pull is not None:
            self.pull.end(409, b"Consumer Deleted")
        self._stop()

    def remove(self, on_end: Callable[[], None] = lambda: None) -> None:
        """Be deleted and let the stream know. on_end: called when what nobody needs without it is gone too."""
        if not self.closed:
            self.delete()
            self.stream.remove_consumer(self.name, on_end)

    def _stop(self) -> None:
        self.save()
        self.closed = True
        self.home.consumers.discard(self)
        self.stream.unwatch(self)
        self.cursor.close()
        self.delivery.close()
        self.pins.close()
        self.pause.stop()
        self.disuse.stop()
        for timer in (self._ack_timer, self._wait_timer, self._beat_timer):
            if timer is not None:
                timer.cancel()

    def update(self, config: ConsumerConfig) -> None:
        """Be as `config` says from now on, which was checked against what was before."""
        old, self.config = self.config, config
        self.redelivery.wait_ns = config.ack_wait
        self._backoff = config.backoff
        if self.push is not None and config.deliver_subject != old.deliver_subject:
            self.push.subject = config.deliver_subject.encode()
            self.home.consumers.on_moved(self, old.deliver_subject.encode())
            if self.state.pending:
                self.redelivery.queue([seq for seq in self.state.pending if not self.redelivery.is_queued(seq)])
        if self.push is not None:
            self.push.group = config.deliver_group.encode()
            self.look()
        if self.pull is not None:
            self.pull.prioritized = config.priority_policy == "prioritized"
        if config.ack_wait != old.ack_wait:
            self._set_ack_timer()
        if config.inactive_threshold != old.inactive_threshold:
            self.disuse.configure()
            self.disuse.count()
        if config.pause_until_ns != old.pause_until_ns:
            self.pause.configure()
            self.events.paused()
        if sorted(config.filters) != sorted(old.filters):
            self._filters = [subject.encode() for subject in config.filters]
            self._wanted = PatternTree(self._filters)
            self.cursor.refilter(self._filters)
            self.stream.on_interest()
        self.delivery.configure()

    def reset(self, seq: int) -> None:
        """Begin anew at `seq`, as if nothing had been delivered."""
        self.redelivery.clear()
        self._sampled.clear()
        self.state.start(seq)
        self.delivery.skips.set([])
        self.cursor.seek(max(seq, 1))
        self.delivered_ns = self.acked_ns = 0
        self.save()

    # What the stream asks and says.

    def needs(self, seq: int) -> bool:
        """Whether a message has to be kept for it (interest and work queue retention)."""
        state = self.state
        if seq in state.redelivered or seq in state.pending:
            return True
        waits = seq > state.floor_stream
        if self.config.ack_policy == "explicit":
            waits = seq > max(state.delivered_stream, state.floor_stream)
        if not waits:
            return False
        return not self._filters or self.stream.store.next_match(seq, self._filters, seq) is not None

    def wants(self, subject: bytes) -> bool:
        """Whether a subject is one of those it is about."""
        return not self._filters or self._wanted.matches(subject)

    def on_visible(self, last_seq: int) -> None:
        """Messages up to `last_seq` may be delivered."""
        if self.delivery.num_pending:
            self.pump()

    def on_removed(self, seqs: list[int]) -> None:
        """Messages went without it."""
        self.delivery.skips.on_removed(seqs)
        state = self.state
        if not state.pending and not state.redelivered:
            return
        pending = state.pending
        lost = [seq for seq in seqs if seq in pending or seq in state.redelivered]
        if lost:
            was_full = self.delivery.full
            told = [(seq, pending[seq], state.deliveries(seq)) for seq in lost if seq in pending]
            state.ack(lost)
            self._forget(lost)
            self.acked_ns = self.home.clock.wall_ns()
            if not self.stream.purging:
                for seq, consumer_seq, deliveries in told:
                    self.events.terminated(seq, consumer_seq, deliveries, LIMITS_REASON)
            self.save()
            if was_full:
                # Not at once: the store is amid what it does.
                self.home.consumers.wake(self)

    def on_purged(self, subject: str) -> None:
        """The stream was purged of a subject, of everything where that is empty."""
        store, state = self.stream.store, self.state
        start = store.first_seq
        if subject:
            purged = subject.encode("utf-8", "surrogateescape")
            if self._filters and all(is_subset(pattern, purged) for pattern in self._filters):
                found = store.next_match(start, [purged])
                start = store.last_seq + 1 if found is None else found[0]
            elif self._filters and not any(is_subset(purged, pattern) for pattern in self._filters):
                return
        self.delivery.skips.on_purged(start)
        if self.cursor.next_seq < start:
            self.cursor.seek(start)
        if not self.delivery.skips:
            state.delivered_stream = max(state.delivered_stream, self.cursor.next_seq - 1)
        gone = [seq for seq in (*state.pending, *state.redelivered) if seq < start]
        if gone:
            state.ack(gone)
            self._forget(gone)
            self.acked_ns = self.home.clock.wall_ns()
        if state.pending:
            state.floor_stream = max(state.floor_stream, start - 1)
        else:
            state.floor_seq, state.floor_stream = state.delivered_seq, state.delivered_stream
        state.note_all()
        self.save()

    def on_config(self) -> None:
        """The stream's configuration has changed."""
        self.delivery.configure()

    # Delivery.

    def pump(self) -> None:
        """Deliver what can be delivered now, and save what changed."""
        self.delivery.run()
        self.save()
        self._attend()

    def _attend(self) -> None:
        """Have the stream tell of new messages only while somebody waits for them."""
        if self.closed:
            return
        waits = self.push.active if self.push is not None else self.pull is not None and bool(self.pull.requests)
        if waits:
            self.stream.watch(self)
        else:
            self.stream.unwatch(self)

    def reply_of(self, deliveries: int, seq: int, time_ns: int, behind: int) -> bytes:
        """The acknowledgement subject of a message."""
        numbers = (deliveries, seq, self.state.delivered_seq + 1, time_ns, behind)
        return self.ack_prefix + b"%d.%d.%d.%d.%d" % numbers

    def reply_size(self, message: Message) -> int:
        """How long the acknowledgement subject of a message just delivered is."""
        numbers = (1, message[0], self.state.delivered_seq, message[4], self.delivery.num_pending)
        return len(self.ack_prefix) + len(b"%d.%d.%d.%d.%d" % numbers)

    def on_delivered(self, seqs: list[int]) -> None:
        """These went out for the first time."""
        clock = self.home.clock
        self.delivered_ns = clock.wall_ns()
        self.state.deliver(seqs)
        if self.state.tracks:
            now = clock.now_ns()
            self.redelivery.watch(now, seqs)
            if self._ack_timer is None or not self._ack_timer.active:
                self._set_ack_timer()
            if self._samples:
                self._sampled.update(dict.fromkeys(seqs, now))
        elif self.stream.config.retention != "limits":
            self._removed += self.stream.on_acked(self, seqs)

    def on_redelivered(self, seq: int, deliveries: int) -> None:
        """This one went out again, for the `deliveries`th time."""
        clock = self.home.clock
        now = clock.now_ns()
        self.delivered_ns = clock.wall_ns()
        self.state.redeliver(seq, deliveries - 1)
        if self._samples:
            self._sampled[seq] = now
        self.wait_for(seq, self._patience(deliveries), now)

    def _patience(self, deliveries: int) -> int:
        """How long to wait for the acknowledgement of a message that was delivered so often."""
        if self._backoff:
            return self._backoff[min(deliveries, len(self._backoff)) - 1]
        return self.config.ack_wait

    def wait_for(self, seq: int, wait_ns: int, now_ns: int) -> None:
        """Deliver a pending message again after so long."""
        if wait_ns:
            self.redelivery.watch_one(seq, now_ns + wait_ns)
            self._set_ack_timer()

    def on_nobody(self) -> None:
        """Nobody took a message at the deliver subject."""
        self.look()
        if self.push is not None and self.push.active:
            # A subscription is there and takes nothing, such as one that echoes are kept from: try again later.
            self.push.active = False

    def give_up(self, seq: int, deliveries: int, *, tell: bool = True) -> None:
        """A message was delivered as often as may be; it is pending no more."""
        if tell:
            self.events.gave_up(seq, deliveries)
        self._sampled.pop(seq, None)
        self.state.give_up(seq, deliveries)

    def on_lost(self, seq: int) -> None:
        """A message that was to be delivered again is not there any more."""
        consumer_seq = self.state.pending.get(seq, 0)
        deliveries = self.state.deliveries(seq)
        self._sampled.pop(seq, None)
        if self.state.ack([seq]):
            self.events.terminated(seq, consumer_seq, deliveries, LIMITS_REASON)

    # Acknowledgements.

    @property
    def _samples(self) -> bool:
        """Whether some acknowledgements are told of; those that are for many messages never are."""
        return self.config.ack_policy == "explicit" and self.config.sampling > 0

    @property
    def acks_plainly(self) -> bool:
        """Whether of an acknowledgement nothing counts but which message it is about."""
        return self.config.ack_policy == "explicit" and not self.config.sample_freq

    def ack_one(self, seq: int, consumer_seq: int, deliveries: int) -> None:
        """A message is done with; what it was delivered as is told with the sample."""
        if self.config.ack_policy != "explicit":
            self.ack_upto(consumer_seq, seq)
            return
        if self._samples:
            self._sample(seq, consumer_seq, deliveries)
        self.ack([seq])

    def ack(self, seqs: list[int]) -> None:
        """Messages are done with. What the stream may let go of goes with the record."""
        state, stream = self.state, self.stream
        late: list[int] = []
        if state.redelivered and stream.config.retention != "limits":
            late = [seq for seq in seqs if seq in state.redelivered and seq not in state.pending]
        done = state.ack(seqs)
        self._after_acks(done, late)

    def ack_upto(self, consumer_seq: int, seq: int) -> None:
        """Everything up to a message is done with."""
        state = self.state
        if consumer_seq <= state.floor_seq or seq <= state.floor_stream:
            return
        done = state.ack_upto(min(consumer_seq, state.delivered_seq), seq)
        self._after_acks(done, [])

    def _after_acks(self, done: list[int], late: list[int]) -> None:
        was_full = self.delivery.full
        self.acked_ns = self.home.clock.wall_ns()
        self._forget(done)
        if self.pull is not None:
            self.pull.last_ns = self.home.clock.now_ns()
        elif self.disuse.counting:
            self.disuse.count()
        if self.stream.config.retention != "limits" and (done or late):
            self._removed += self.stream.on_acked(self, done + late)
        self.save()
        if was_full and done:
            self.pump()

    def _forget(self, seqs: list[int]) -> None:
        if self._sampled:
            for seq in seqs:
                self._sampled.pop(seq, None)
        if len(self.redelivery):
            for seq in seqs:
                self.redelivery.unqueue(seq)
        self.redelivery.trim()

    def _sample(self, seq: int, consumer_seq: int, deliveries: int) -> None:
        """Tell of some acknowledgements how long they took."""
        if seq in self.state.pending and self.home.chance.below(100) < self.config.sampling:
            now = self.home.clock.now_ns()
            self.events.acked(seq, consumer_seq, deliveries, now - self._sampled.get(seq, now))

    def refuse(self, seq: int, consumer_seq: int, deliveries: int, delay_ns: int | None) -> None:
        """-NAK: deliver it again, now or after a while."""
        state = self.state
        if not state.floor_seq < consumer_seq <= state.delivered_seq + 1 or seq not in state.pending:
            return
        self.events.refused(seq, consumer_seq, deliveries)
        if delay_ns is not None:
            self.wait_for(seq, max(delay_ns, 1), self.home.clock.now_ns())
            return
        self.redelivery.queue([seq])
        self.pump()

    def progress(self, seq: int) -> None:
        """+WPI: somebody works on it still."""
        if seq in self.state.pending and not self.redelivery.is_queued(seq):
            self.wait_for(seq, self._patience(self.state.deliveries(seq)), self.home.clock.now_ns())

    def terminate(self, seq: int, consumer_seq: int, deliveries: int, reason: str) -> None:
        """+TERM: never deliver it again."""
        if self.config.ack_policy == "explicit":
            self.ack([seq])
        else:
            self.ack_upto(consumer_seq, seq)
        self.events.terminated(seq, consumer_seq, deliveries, reason)

    # Time.

    def _set_ack_timer(self) -> None:
        due = self.redelivery.due_ns()
        timer = self._ack_timer
        if timer is not None and timer.active:
            if due and timer.due_ns <= due:
                return
            timer.cancel()
        if due:
            delay = max(due - self.home.clock.now_ns(), MS_NS)
            self._ack_timer = self.home.timers.schedule(delay, self._on_ack_deadline)

    def _on_ack_deadline(self) -> None:
        most = self.config.max_deliver
        again = []
        for seq in self.redelivery.take_due(self.home.clock.now_ns()):
            # As in the Go server, the last of several deliveries is seen to be it when the next one is tried.
            if most == 1:
                self.give_up(seq, 1)
            else:
                again.append(seq)
        self.redelivery.queue(again)
        self.redelivery.trim()
        self.pump()
        self._set_ack_timer()

    def sweep(self, *, ended: bool) -> None:
        """Look after the waiting requests, and be called again when the next one is due."""
        pull = self.pull
        if pull is None:
            return
        now = self.home.clock.now_ns()
        if pull.needs_sweep(now, ended=ended):
            pull.sweep(now, ended=ended, heartbeat=self.heartbeat())
        due, timer = pull.due_ns, self._wait_timer
        if timer is not None and timer.active:
            if due and timer.due_ns <= due:
                return
            timer.cancel()
        if due:
            self._wait_timer = self.home.timers.schedule(max(due - now, 0), self._on_wait)

    def _on_wait(self) -> None:
        # As in the Go server, by the clock those that do not wait end also where acknowledgements are what is missing.
        self.sweep(ended=True)
        self._attend()

    def heartbeat(self) -> bytes:
        """The header block of an idle heartbeat."""
        state = self.state
        stream_seq = max(self.cursor.next_seq - 1, 0)
        return headers.status(
            100,
            b"Idle Heartbeat",
            Nats_Last_Consumer=b"%d" % state.delivered_seq,
            Nats_Last_Stream=b"%d" % stream_seq,
        )

    def _on_beat(self) -> None:
        push, interval = self.push, self.config.idle_heartbeat
        if push is None or self.closed:
            return
        now = self.home.clock.now_ns()
        if now - push.sent_ns >= interval and push.active:
            push.beat(self.heartbeat(), now)
            if self.config.ack_policy == "flow_control" and self.state.pending and not push.flow_subject:
                push.ask()
        rest = interval - (now - push.sent_ns) if push.active else interval
        self._beat_timer = self.home.timers.schedule(rest if rest > 0 else interval, self._on_beat)

    def look(self) -> None:
        """See whether somebody listens at the deliver subject, and act on it."""
        push = self.push
        if push is None:
            return
        was, push.active = push.active, push.has_interest()
        if push.active:
            self.disuse.stop()
            if not was:
                self.home.consumers.wake(self)
        elif not self.disuse.counting:
            self.disuse.count()
        if was != push.active:
            self._attend()

    # What is kept.

    def save(self) -> None:
        """Hand what changed to the store, and with it the messages that may go."""
        state = self.state
        removed, self._removed = self._removed, []
        if state.changes or removed:
            store = self.stream.store
            if self.persistent and state.changes:
                record, checkpoint = state.take_record()
                store.save_consumer(self.name, record, checkpoint=checkpoint, removed=removed or None)
            else:
                state.changes = []
                if removed:
                    store.remove(removed)
            if removed:
                self.stream.count_bytes()
        self.stream.hold(self, bool(state.pending or state.redelivered or self.delivery.skips))
