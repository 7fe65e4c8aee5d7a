"""What is to be delivered again, and when: deadlines of acknowledgements, and the queue of what missed them.

First deliveries share one waiting time, so a whole batch is one entry of a queue. Everything else (tried again, told
to wait longer, refused with a delay) has a deadline of its own. What was acknowledged is dropped when it surfaces.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from natsd.jetstream.consumers.consumer_state import ConsumerState

SPARE = 1024
"""So many entries that mean nothing any more are kept before they are thrown away."""


class Redelivery:
    """Deadlines by the monotonic clock. wait_ns: for first deliveries, 0: they have no deadline."""

    __slots__ = ("_batches", "_heap", "_own", "_queue", "_queued", "_state", "wait_ns")

    def __init__(self, state: ConsumerState, wait_ns: int) -> None:
        self._state = state
        self.wait_ns = wait_ns
        self._batches: deque[tuple[int, list[int]]] = deque()  # when delivered, which
        self._own: dict[int, int] = {}
        self._heap: list[tuple[int, int]] = []
        self._queue: deque[int] = deque()
        self._queued: set[int] = set()

    def __len__(self) -> int:
        """How many wait to be delivered again now."""
        return len(self._queued)

    def clear(self) -> None:
        """Forget everything."""
        self._batches.clear()
        self._own.clear()
        self._heap.clear()
        self._queue.clear()
        self._queued.clear()

    # Deadlines.

    def watch(self, now_ns: int, seqs: list[int]) -> None:
        """These were delivered for the first time."""
        if self.wait_ns:
            self._batches.append((now_ns, seqs))

    def watch_one(self, seq: int, deadline_ns: int) -> None:
        """This one has a deadline of its own; it is queued no longer."""
        self.unqueue(seq)
        self._own[seq] = deadline_ns
        heappush(self._heap, (deadline_ns, seq))
        if len(self._heap) > 2 * len(self._own) + SPARE:
            self._heap = sorted((due, seq) for seq, due in self._own.items())

    def trim(self) -> None:
        """Let go of what nobody waits for any more; cheap, for after acknowledgements."""
        pending, batches = self._state.pending, self._batches
        if not pending:
            self.clear()
            return
        floor = self._state.floor_stream
        while batches and batches[0][1][-1] <= floor:
            batches.popleft()
        if len(self._own) > 64 and len(self._own) > 2 * len(pending):
            self._own = {seq: due for seq, due in self._own.items() if seq in pending}
            self._heap = sorted((due, seq) for seq, due in self._own.items())

    def due_ns(self) -> int:
        """When something may be due next, 0 for never."""
        heap, own = self._heap, self._own
        while heap and own.get(heap[0][1]) != heap[0][0]:
            heappop(heap)
        due = self._batches[0][0] + self.wait_ns if self._batches else 0
        if heap and (not due or heap[0][0] < due):
            due = heap[0][0]
        return due

    def take_due(self, now_ns: int) -> list[int]:
        """The pending messages whose deadline is over, ascending; they have none any more."""
        pending, own, heap, batches = self._state.pending, self._own, self._heap, self._batches
        due: list[int] = []
        while batches and batches[0][0] + self.wait_ns <= now_ns:
            for seq in batches.popleft()[1]:
                if seq in pending and seq not in own and seq not in self._queued:
                    due.append(seq)
        while heap and heap[0][0] <= now_ns:
            deadline, seq = heappop(heap)
            if own.get(seq) == deadline:
                del own[seq]
                if seq in pending:
                    due.append(seq)
        due.sort()
        return due

    # The queue.

    def queue(self, seqs: list[int]) -> None:
        """These are to be delivered again, after those that are queued already."""
        for seq in seqs:
            self._own.pop(seq, None)
            if seq not in self._queued:
                self._queued.add(seq)
                self._queue.append(seq)
        if len(self._queue) > 2 * len(self._queued) + SPARE:
            self._queue = deque(dict.fromkeys(seq for seq in self._queue if seq in self._queued))

    def unqueue(self, seq: int) -> None:
        """It is not to be delivered again after all."""
        self._queued.discard(seq)

    def is_queued(self, seq: int) -> bool:
        return seq in self._queued

    def next(self) -> int:
        """The next one to deliver, 0 for none; it stays in the queue."""
        queue, queued = self._queue, self._queued
        while queue:
            if queue[0] in queued:
                return queue[0]
            queue.popleft()
        return 0

    def pop(self) -> None:
        """The one that `next` gave is taken out."""
        self._queued.discard(self._queue.popleft())
