"""What happens to a consumer by the clock alone: it goes when nobody uses it, and a pause ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.clock import MS_NS, SECOND_NS
from natsd.base.whole import whole_of

if TYPE_CHECKING:
    from natsd.base.clock import Timer
    from natsd.jetstream.consumers.consumer import Consumer

EPHEMERAL_IDLE_NS = 5 * SECOND_NS


class Disuse:
    """Removes a consumer that was not used for `most_ns`; 0: never."""

    __slots__ = ("_consumer", "_timer", "most_ns")

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = whole_of(consumer)
        self._timer: Timer | None = None
        self.most_ns = 0
        self.configure()

    def configure(self) -> None:
        """How long it may be unused; what the configuration does not say is filled in."""
        config = self._consumer().config
        jitter = (100 + self._consumer().home.chance.below(900)) * MS_NS
        if not config.durable_name and config.inactive_threshold <= 0:
            config.inactive_threshold = EPHEMERAL_IDLE_NS
            self.most_ns = EPHEMERAL_IDLE_NS + jitter
        elif config.inactive_threshold > 0:
            self.most_ns = config.inactive_threshold + (0 if config.is_push else jitter)
        else:
            self.most_ns = 0

    @property
    def counting(self) -> bool:
        """Whether the time runs."""
        return self._timer is not None and self._timer.active

    def count(self, delay_ns: int = 0) -> None:
        """Let the time run anew: all of it, or `delay_ns`."""
        self.stop()
        if self.most_ns:
            self._timer = self._consumer().home.timers.schedule(delay_ns or self.most_ns, self._end)

    def stop(self) -> None:
        """Somebody uses it."""
        if self._timer is not None:
            self._timer.cancel()

    def _end(self) -> None:
        consumer = self._consumer()
        pull = consumer.pull
        if consumer.closed or not self.most_ns:
            return
        if pull is None:
            consumer.look()
            if consumer.push is not None and not consumer.push.active:
                consumer.remove()
            return
        now = consumer.home.clock.now_ns()
        unused = now - pull.last_ns
        if unused < self.most_ns:
            self.count(self.most_ns - unused)
            return
        pull.sweep(now, ended=True, heartbeat=consumer.heartbeat())
        # Whoever works on a message may still acknowledge it.
        due = consumer.redelivery.due_ns() if consumer.state.pending else 0
        if pull.requests:
            self.count()
        elif due + self.most_ns > now:
            self.count(due + self.most_ns - now)
        else:
            consumer.remove()


class Pause:
    """Keeps a consumer from delivering until a time that its configuration names."""

    __slots__ = ("_consumer", "_timer", "_until_ns")

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = whole_of(consumer)
        self._timer: Timer | None = None
        self._until_ns = 0

    @property
    def on(self) -> bool:
        """Whether it lasts."""
        return self._until_ns != 0 and self._until_ns > self._consumer().home.clock.wall_ns()

    def configure(self) -> None:
        """Look at what the configuration says."""
        self.stop()
        home = self._consumer().home
        self._until_ns = self._consumer().config.pause_until_ns
        rest = self._until_ns - home.clock.wall_ns()
        if rest > 0:
            self._timer = home.timers.schedule(rest, self._end)
        else:
            self._until_ns = 0

    def _end(self) -> None:
        self._until_ns = 0
        self._consumer().events.paused()
        self._consumer().pump()

    def stop(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()
