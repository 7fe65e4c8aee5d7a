"""A stream: its configuration, its messages, and the consumers that read them.

Order of what happens to messages, which nothing may change:
1. They are stored in the order in which they came, whatever subjects the stream has.
2. They become visible, and are acknowledged, when the store says that they are safe (Commits).
3. Consumers are told of visible messages once per batch, after the acknowledgements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from natsd.jetstream import headers
from natsd.jetstream.dates import render_date
from natsd.jetstream.errors import ApiError
from natsd.jetstream.streams import slices, sourcing
from natsd.jetstream.streams.dedupe import Dedupe
from natsd.jetstream.streams.direct import Direct
from natsd.jetstream.streams.expiry import Expiry
from natsd.jetstream.streams.publishing import Publishing
from natsd.jetstream.streams.schedules import Schedules
from natsd.jetstream.streams.stream_config import StreamConfig, save_config
from natsd.kernel import Subscription
from natsd.store.contract import Limits
from natsd.store.reading import batches

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.jetstream.home import Home
    from natsd.store.contract import StreamStore

MOST_DELETED = 1 << 20
"""So many removed sequences are named at most where somebody asks for them."""


class StreamConsumer(Protocol):
    """What a stream knows of its consumers.

    needs: whether it still has to see a message or have it acknowledged (interest and work queue retention).
    wants: whether a subject is one of those it is about.
    """

    name: str

    def needs(self, seq: int) -> bool: ...

    def wants(self, subject: bytes) -> bool: ...

    def on_visible(self, last_seq: int) -> None: ...

    def on_removed(self, seqs: list[int]) -> None: ...

    def on_purged(self, subject: str) -> None:
        """The stream was purged of a subject, of everything where that is empty."""

    def on_config(self) -> None:
        """The stream's configuration has changed."""

    def close(self) -> None:
        """Stop; the server ends or the account loses JetStream."""

    def delete(self) -> None:
        """The stream is deleted: tell whoever waits, and stop."""


class Stream:
    """One stream of an account.

    visible_seq: the highest sequence that is safe; consumers read up to it and no further. created_ns: wall clock.
    inflows: what it is filled from; inflow_readers: what is filled from it.
    last_msg_id: of the last message, empty where it had none. purging: messages go because somebody said so.
    lowering: how often its limits were set since it was opened.
    """

    __slots__ = (
        "_commits",
        "_subs",
        "closed",
        "config",
        "consumers",
        "counted_bytes",
        "created_ns",
        "dedupe",
        "direct",
        "expiry",
        "holding",
        "home",
        "inflow_readers",
        "inflows",
        "last_msg_id",
        "last_time_ns",
        "lowering",
        "name",
        "publishing",
        "purging",
        "schedules",
        "store",
        "visible_seq",
        "watching",
        "__weakref__",
    )

    def __init__(self, home: Home, config: StreamConfig, store: StreamStore, created_ns: int) -> None:
        self.home = home
        self.config = config
        self.name = config.name
        self.store = store
        store.packs = config.compression == "s2"
        self._commits = home.commits(config.storage)  # where it is kept does not change
        self.created_ns = created_ns
        self.consumers: dict[str, StreamConsumer] = {}
        self.watching: dict[StreamConsumer, None] = {}
        self.holding: dict[StreamConsumer, None] = {}
        self.visible_seq = 0
        self.counted_bytes = 0
        self.last_msg_id = b""
        self.last_time_ns = 0
        self.closed = False
        self.purging = False
        self.lowering = 0
        self.dedupe = Dedupe(config.duplicate_window)
        self.expiry = Expiry(self)
        self.publishing = Publishing(self)
        self.schedules = Schedules(self)
        self.direct = Direct(self)
        self.inflows: list[sourcing.Inflow] = []
        self.inflow_readers: list[sourcing.Inflow] = []
        self._subs: list[Subscription] = []

    def __repr__(self) -> str:
        return f"<Stream {self.home.name} > {self.name}>"

    @property
    def key(self) -> str:
        """Its name in the store."""
        return self.home.key_of(self.name)

    # Its life.

    def open(self, *, recovering: bool = False) -> None:
        """Take messages from now on. recovering: it was there before the server started."""
        store = self.store
        store.on_removed = self._on_removed
        store.on_purged = self._on_purged
        store.set_limits(limits_of(self.config))
        state = store.state
        self.visible_seq = state.last_seq
        self.last_time_ns = state.last_time_ns
        self.count_bytes()
        if recovering:
            self._rebuild_dedupe()
        self.expiry.start()
        self.schedules.start()
        self._subscribe()
        self.direct.start()
        sourcing.start(self, recovering=recovering)

    def _subscribe(self) -> None:
        lead: Subscription | None = None
        for subject in self.config.subjects:
            sub = Subscription(subject.encode(), b"", handler=self.publishing.take)
            # One batch for all subjects: the order in which messages came must hold between them too.
            if lead is None:
                lead = sub
            else:
                sub.lead = lead
            self.home.sublist.insert(sub)
            self._subs.append(sub)

    def _unsubscribe(self) -> None:
        for sub in self._subs:
            self.home.sublist.remove(sub)
        self._subs.clear()

    def _rebuild_dedupe(self) -> None:
        window = self.config.duplicate_window
        store = self.store
        last = store.load(store.last_seq)
        if last is not None:
            self.last_msg_id = self.publishing.id_of(last[2])
        if window <= 0 or not store.headed:
            return
        for messages in batches(store, store.seq_at(self.home.clock.wall_ns() - window)):
            self.dedupe.note_many(
                [
                    (time_ns, msg_id, seq)
                    for seq, _, header, _, time_ns in messages
                    if header is not None and (msg_id := headers.msg_id_of(header))
                ]
            )

    def _stop(self) -> None:
        self.closed = True
        self._unsubscribe()
        self.publishing.close()
        self.direct.stop()
        self.expiry.stop()
        self.schedules.stop()
        sourcing.stop(self)

    def close(self) -> None:
        """Take nothing any more; what is stored stays."""
        self._stop()
        for consumer in list(self.consumers.values()):
            consumer.close()

    def delete(self) -> None:
        """Go, with all messages and consumers."""
        home = self.home
        self._stop()
        for consumer in list(self.consumers.values()):
            consumer.delete()
        for known in (self.consumers, self.watching, self.holding):
            known.clear()
        home.discard_stream(self)
        home.use(self.config.storage, -self.counted_bytes)
        self.counted_bytes = 0
        self.store.on_removed = self.store.on_purged = None
        home.commits(self.config.storage).store.disown(self.key)
        home.advisories.tell_of_stream(self.name, "delete")
        home.jetstream.leftovers.note()
        slices.let_go(self)

    def update(self, config: StreamConfig, on_end: Callable[[], None]) -> None:
        """Be as `config` says from now on, which stream_check.check_update has let through. on_end: called when what
        it has no room for is gone."""
        old, self.config = self.config, config
        home = self.home
        home.on_config(old, config)
        home.commits(config.storage).store.configure(self.key, save_config(config, self.created_ns))
        if old.subjects != config.subjects:
            self._unsubscribe()
            self._subscribe()
        self.store.packs = config.compression == "s2"
        self.dedupe.window_ns = config.duplicate_window
        if config.duplicate_window <= 0:
            self.dedupe.clear()
        self.publishing.configure()
        self.direct.start()
        if (old.allow_msg_schedules, old.sealed) != (config.allow_msg_schedules, config.sealed):
            self.schedules.start()
        sourcing.update(self, old)
        for consumer in list(self.consumers.values()):
            consumer.on_config()
        if old.retention != "interest":
            self.on_interest()
        home.advisories.tell_of_stream(self.name, "modify")
        slices.lower(self, limits_of(config), on_end)

    # What is stored.

    def check_store(self) -> None:
        """Raises ApiError where nothing is stored any more: what would be changed in part is better left alone."""
        if self._commits.store.failure:
            raise ApiError("STREAM_STORE_FAILED", err=self._commits.store.failure)

    def now_ns(self) -> int:
        """The wall clock for new messages, which never goes back within a stream."""
        now = self.home.clock.wall_ns()
        if now < self.last_time_ns:
            now = self.last_time_ns
        self.last_time_ns = now
        return now

    def when_durable(self, callback: Callable[[], None], refuse: Callable[[str], None] | None = None) -> None:
        """Call back when everything stored so far is safe; at once if it is. refuse: see `Commits.after`."""
        self._commits.after(callback, refuse)

    def show(self, seq: int) -> None:
        """Messages up to `seq` are safe: consumers may see them."""
        if seq > self.visible_seq and not self.closed:
            self.visible_seq = seq
            if self.watching or self.inflow_readers:
                self._commits.show(self)

    def tell_consumers(self) -> None:
        """Tell those consumers that somebody waits at how far they can read."""
        visible = self.visible_seq
        for consumer in list(self.watching):
            consumer.on_visible(visible)
        for reader in list(self.inflow_readers):
            reader.pump()

    def count_bytes(self) -> None:
        """Bring the account's usage up to date."""
        held = self.store.held_bytes
        if held != self.counted_bytes:
            self.home.use(self.config.storage, held - self.counted_bytes)
            self.counted_bytes = held

    def _on_removed(self, seqs: list[int]) -> None:
        for consumer in list(self.holding):
            consumer.on_removed(seqs)

    def _on_purged(self, first_seq: int) -> None:
        self.when_durable(lambda: self.show(first_seq - 1))

    def purge(self, *, subject: str = "", upto: int = 0, keep: int = 0) -> int:
        """Remove messages in one go; returns how many went."""
        store = self.store
        filters = [subject.encode("utf-8", "surrogateescape")] if subject and subject != ">" else None
        self.purging = True
        try:
            purged = store.purge(filters=filters, upto=upto, keep=keep)
        finally:
            self.purging = False
        self.tell_of_purge(subject)
        self.count_bytes()
        return purged

    def tell_of_purge(self, subject: str) -> None:
        """Tell the consumers that the stream was purged of a subject, of everything where that is empty."""
        for consumer in list(self.consumers.values()):
            consumer.on_purged(subject)

    def remove(self, seqs: list[int], *, erase: bool = False) -> int:
        """Remove single messages; returns how many there were."""
        removed = self.store.remove(seqs, erase=erase)
        self.count_bytes()
        return removed

    # Consumers.

    def add_consumer(self, consumer: StreamConsumer, saved: bytes | None = None) -> None:
        """Take a consumer in. saved: its configuration, to be kept by the store; None where the store has it."""
        self.consumers[consumer.name] = consumer
        if saved is not None:
            self._commits.store.configure_consumer(self.key, consumer.name, saved)

    def watch(self, consumer: StreamConsumer) -> None:
        """Tell a consumer of messages that become visible: somebody waits for them."""
        self.watching[consumer] = None

    def unwatch(self, consumer: StreamConsumer) -> None:
        """Tell it no more: nobody waits."""
        self.watching.pop(consumer, None)

    def hold(self, consumer: StreamConsumer, holds: bool) -> None:
        """Tell a consumer of messages that go, as long as it keeps some of them in mind."""
        if holds:
            self.holding[consumer] = None
        else:
            self.holding.pop(consumer, None)

    def remove_consumer(self, name: str, on_end: Callable[[], None]) -> None:
        """Let a consumer go, and with it the messages that only it needed (interest retention); then call `on_end`."""
        consumer = self.consumers.pop(name)
        self.watching.pop(consumer, None)
        self.holding.pop(consumer, None)
        self._commits.store.delete_consumer(self.key, name)
        if self.config.retention == "interest" and not self.closed:
            slices.drop_unneeded(self, on_end)
        else:
            on_end()

    def on_interest(self) -> None:
        """Consumers are about other subjects than before, or that counts since now."""
        if self.config.retention == "interest":
            slices.drop_unneeded(self, lambda: None)

    def drop_unneeded(self, seqs: list[int]) -> None:
        """Remove those of some messages that no consumer needs; of a work queue, all of them."""
        if self.config.retention == "interest":
            others = list(self.consumers.values())
            seqs = [seq for seq in seqs if not any(other.needs(seq) for other in others)]
        if seqs and not self.closed:
            self.remove(seqs)

    def on_acked(self, consumer: StreamConsumer, seqs: list[int]) -> list[int]:
        """Which of the messages that a consumer is done with nobody needs any more, and may go with its record.

        Empty under limits retention. The consumer hands them to `StreamStore.save_consumer(removed=...)`, then calls
        `count_bytes`.
        """
        retention = self.config.retention
        if retention == "limits":
            return []
        if retention == "workqueue" or len(self.consumers) == 1:
            return seqs
        others = [other for other in self.consumers.values() if other is not consumer]
        return [seq for seq in seqs if not any(other.needs(seq) for other in others)]

    # What is told of it.

    def state(self, *, deleted: bool = False) -> dict[str, Any]:
        """The `state` of answers."""
        state = self.store.state
        page: dict[str, Any] = {
            "messages": state.msgs,
            "bytes": state.bytes,
            "first_seq": state.first_seq if state.last_seq or state.first_seq > 1 or self.config.first_seq else 0,
            "first_ts": render_date(state.first_time_ns),
            "last_seq": state.last_seq,
            "last_ts": render_date(state.last_time_ns or (self.last_time_ns if state.last_seq else 0)),
        }
        if state.num_subjects:
            page["num_subjects"] = state.num_subjects
        if state.num_deleted:
            page["num_deleted"] = state.num_deleted
            if deleted:
                page["deleted"] = self.store.deleted(MOST_DELETED)
        page["consumer_count"] = len(self.consumers)
        return page

    def info(self, *, deleted: bool = False, dynamic: bool = True) -> dict[str, Any]:
        """What INFO, CREATE and UPDATE answer. dynamic: with the versions of this server in the metadata."""
        home = self.home
        config = self.config.as_dict()
        if dynamic:
            config["metadata"] = config.get("metadata", {}) | home.jetstream.dynamic_metadata
        page: dict[str, Any] = {
            "config": config,
            "created": render_date(self.created_ns),
            "state": self.state(deleted=deleted),
        }
        if home.domain:
            page["domain"] = home.domain
        page |= sourcing.info(self)
        page["ts"] = render_date(home.clock.wall_ns())
        return page


def limits_of(config: StreamConfig) -> Limits:
    """What the store has to hold to."""
    new = config.discard == "new"
    return Limits(
        max_msgs=config.max_msgs,
        max_bytes=config.max_bytes,
        max_msgs_per_subject=config.max_msgs_per_subject,
        max_age_ns=config.max_age,
        discard_new=new,
        discard_new_per_subject=new and config.discard_new_per_subject,
    )


def create_stream(home: Home, config: StreamConfig, *, first_seq: int = 0) -> Stream:
    """A new stream with a checked configuration. Raises ApiError where the store cannot."""
    from natsd.store.contract import StoreError

    created_ns = home.clock.wall_ns()
    commits = home.commits(config.storage)
    if commits.store.failure:
        raise ApiError("STREAM_STORE_FAILED", err=commits.store.failure)
    first = first_seq or config.first_seq or 1
    try:
        store = commits.store.create(
            home.key_of(config.name), save_config(config, created_ns), limits_of(config), first
        )
    except StoreError as error:
        raise ApiError("STREAM_STORE_FAILED", err=error) from None
    stream = Stream(home, config, store, created_ns)
    home.add_stream(stream)
    stream.open()
    sourcing.on_created(stream)
    home.advisories.tell_of_stream(config.name, "create")
    return stream
