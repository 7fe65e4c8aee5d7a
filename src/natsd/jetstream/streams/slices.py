"""Long work on a stream in slices with other work between: lower limits, what nobody needs any more, the rest of a
stream that was deleted. What is little is done at once.

Whoever asked for it hears of it when it is done; what is seen meanwhile is a part of it. A server that ends in the
middle finds what is left to do in the configuration, and does it when it opens the stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.base.clock import Timers
    from natsd.base.steps import Steps
    from natsd.jetstream.streams.stream import Stream
    from natsd.store.contract import Limits, State

SLICE = 2048
"""Messages of one slice: up to about two milliseconds."""
FEWEST = 16
"""Messages of one slice where each takes a look at many consumers."""


class Slices:
    """Work on its way, which yields between its slices: the first one now, the others each time others have had their
    turn, then `on_end`."""

    __slots__ = ("_on_end", "_steps", "_timers")

    def __init__(self, timers: Timers, steps: Steps[None], on_end: Callable[[], None]) -> None:
        self._timers = timers
        self._steps = steps
        self._on_end = on_end
        self.run()

    def run(self) -> None:
        for _ in self._steps:
            self._timers.schedule(0, self.run)
            return
        self._on_end()


def lower(stream: Stream, limits: Limits, on_end: Callable[[], None]) -> None:
    """Have a stream hold to limits and ages; for what comes meanwhile there may still be more room."""
    stream.lowering += 1
    Slices(stream.home.timers, _lower(stream, limits), on_end)


def _lower(stream: Stream, limits: Limits) -> Steps[None]:
    number = stream.lowering
    for steps in (_approach(stream, limits), stream.expiry.renew()):
        for _ in steps:
            yield
            if stream.closed or stream.lowering != number:
                return


def _approach(stream: Stream, limits: Limits) -> Steps[None]:
    store = stream.store
    most = limits.max_msgs_per_subject
    state = store.state
    at = 1 if most > 0 and state.msgs - min(state.num_subjects, state.msgs // most) > SLICE else 0
    while at:
        too_many, at = store.crowded(most, at, SLICE)
        store.remove(too_many)
        stream.count_bytes()
        yield
    while (lowered := _next_limits(store.state, limits)) != limits:
        store.set_limits(lowered)
        stream.count_bytes()
        yield
    store.set_limits(limits)
    stream.count_bytes()


def _next_limits(state: State, limits: Limits) -> Limits:
    """Limits on the way down that a slice is between."""
    if limits.discard_new or not state.msgs:
        return limits
    msgs, size = limits.max_msgs, limits.max_bytes
    return limits._replace(
        max_msgs=max(msgs, state.msgs - SLICE) if msgs > 0 else msgs,
        max_bytes=max(size, state.bytes - SLICE * (state.bytes // state.msgs)) if size > 0 else size,
    )


def drop_unneeded(stream: Stream, on_end: Callable[[], None]) -> None:
    """Let go of what no consumer needs (interest retention)."""
    Slices(stream.home.timers, _drop_unneeded(stream), on_end)


def _drop_unneeded(stream: Stream) -> Steps[None]:
    store = stream.store
    at, last = store.first_seq, store.last_seq
    while at and at <= last and not stream.closed:
        most = max(SLICE // (2 + 2 * len(stream.consumers)), FEWEST)
        heads, at = store.scan(at, last, [], most, most)
        stream.drop_unneeded([head[0] for head in heads])
        if at:
            yield


def let_go(stream: Stream) -> None:
    """Free what a deleted stream that its store has disowned still holds."""
    Slices(stream.home.timers, _let_go(stream), _nothing)


def _let_go(stream: Stream) -> Steps[None]:
    store, dedupe = stream.store, stream.dedupe
    if store.state.msgs + len(dedupe) > SLICE:
        while store.first_seq <= store.last_seq:
            left = SLICE
            while left > 0 and store.first_seq <= store.last_seq:
                left -= store.purge(upto=store.first_seq + left)
            yield
        while dedupe.shrink(SLICE):
            yield
    store.purge()


def _nothing() -> None:
    """Nobody waits for the end."""
