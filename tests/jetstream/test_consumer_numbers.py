"""A pull consumer against the rules written down naively: after every step all numbers and deliveries are the same."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.jetstream.house import Got, House, reply_numbers

WAIT_S = 1.0
SUBJECTS = ("s.a", "s.b", "t.a")

steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(0, 2)),
        st.tuples(st.just("fetch"), st.integers(1, 4)),
        st.tuples(st.just("ack"), st.integers(0, 9)),
        st.tuples(st.just("nak"), st.integers(0, 9)),
        st.tuples(st.just("term"), st.integers(0, 9)),
        st.tuples(st.just("delete"), st.integers(0, 9)),
        st.tuples(st.just("move"), st.integers(1, 3)),
        st.tuples(st.just("purge"), st.just(0)),
        st.tuples(st.just("reopen"), st.just(0)),
    ),
    max_size=40,
)


class Oracle:
    """What the numbers have to be, by looking through everything each time."""

    def __init__(self, subjects: tuple[str, ...], max_pending: int, max_deliver: int, all_below: bool) -> None:
        self.subjects = subjects
        self.max_pending = max_pending
        self.max_deliver = max_deliver
        self.all_below = all_below
        self.stored: dict[int, str] = {}
        self.last = 0
        self.next = 1
        self.delivered = (0, 0)
        self.floor = (0, 0)
        self.pending: dict[int, int] = {}
        self.due: dict[int, float] = {}
        self.tried: dict[int, int] = {}
        self.again: list[int] = []
        self.now = 0.0

    def publish(self, subject: str) -> None:
        self.last += 1
        self.stored[self.last] = subject

    def waiting(self) -> list[int]:
        return [seq for seq in sorted(self.stored) if seq >= self.next and self.stored[seq] in self.subjects]

    def fetch(self, count: int) -> list[tuple[int, int, int, int]]:
        got = []
        while len(got) < count:
            one = self._one()
            if one is None:
                break
            got.append(one)
        return got

    def _one(self) -> tuple[int, int, int, int] | None:
        while self.again:
            seq = self.again.pop(0)
            deliveries = self.tried.get(seq, 0) + 2
            if 0 < self.max_deliver < deliveries:
                self._give_up(seq, deliveries - 1)
                continue
            self.delivered = (self.delivered[0] + 1, self.delivered[1])
            self.tried[seq] = deliveries - 1
            self.due[seq] = self.now + WAIT_S
            return deliveries, seq, self.delivered[0], len(self.waiting())
        if len(self.pending) >= self.max_pending:
            return None
        waiting = self.waiting()
        if not waiting:
            self.next = max(self.next, self.last + 1)
            return None
        seq = waiting[0]
        self.next = seq + 1
        self.delivered = (self.delivered[0] + 1, seq)
        self.pending[seq] = self.delivered[0]
        self.due[seq] = self.now + WAIT_S
        return 1, seq, self.delivered[0], len(waiting) - 1

    def _give_up(self, seq: int, deliveries: int) -> None:
        self.tried[seq] = deliveries
        self.pending.pop(seq, None)
        self._raise_floor()

    def _raise_floor(self) -> None:
        if not self.pending:
            self.floor = self.delivered
            self.again = []
        else:
            seq = min(self.pending)
            if self.pending[seq] - 1 != self.floor[0]:
                self.floor = (self.pending[seq] - 1, seq - 1)

    def drop(self, seqs: list[int]) -> None:
        gone = [seq for seq in seqs if self.pending.pop(seq, 0)]
        for seq in seqs:
            self.tried.pop(seq, None)
        self.again = [seq for seq in self.again if seq not in gone]
        if gone:
            self._raise_floor()

    def ack(self, seq: int, consumer_seq: int) -> None:
        if not self.all_below:
            self.drop([seq])
        elif consumer_seq > self.floor[0] and seq > self.floor[1]:
            below = [pending for pending in self.pending if pending <= seq]
            for one in below:
                del self.pending[one]
            self.tried = {one: n for one, n in self.tried.items() if one > seq}
            self.again = [one for one in self.again if one not in below]
            self.floor = (consumer_seq, seq)

    def nak(self, seq: int, consumer_seq: int) -> None:
        if seq in self.pending and consumer_seq > self.floor[0] and seq not in self.again:
            self.again.append(seq)

    def delete(self, seq: int) -> None:
        if self.stored.pop(seq, None):
            self.drop([seq])

    def purge(self) -> None:
        if self.stored:
            self.stored.clear()
        first = self.last + 1
        self.next = max(self.next, first)
        self.delivered = (self.delivered[0], max(self.delivered[1], self.next - 1))
        self.pending.clear()
        self.tried.clear()
        self.again = []
        self.floor = self.delivered

    def move(self, seconds: float) -> None:
        end = self.now + seconds
        due = sorted(seq for seq in self.pending if seq not in self.again and self.due[seq] <= end)
        # Deadlines a moment apart are one moment here: all steps take whole seconds.
        for moment in sorted({self.due[seq] for seq in due}):
            for seq in due:
                if self.due[seq] == moment and seq in self.pending:
                    if self.max_deliver == 1:
                        self._give_up(seq, 1)
                    else:
                        self.again.append(seq)
        self.now = end

    def reopen(self) -> None:
        self.again = []
        for seq in self.pending:
            self.due[seq] = self.now + WAIT_S

    def numbers(self) -> tuple[int, ...]:
        tried = 0 if self.max_deliver == 1 else len(self.tried)
        return (*self.delivered, *self.floor, len(self.pending), tried, 0, len(self.waiting()))


@settings(max_examples=120, deadline=None)
@given(
    script=steps,
    filtered=st.booleans(),
    max_pending=st.sampled_from([2, 1000]),
    max_deliver=st.sampled_from([-1, 1, 2]),
    all_below=st.booleans(),
)
def test_all_numbers_follow_the_rules(
    script: list[tuple[str, int]], filtered: bool, max_pending: int, max_deliver: int, all_below: bool
) -> None:
    house = House()
    house.stream(subjects=["s.>", "t.>"])
    config = {"filter_subject": "s.*"} if filtered else {}
    house.consumer(
        ack_wait=10**9,
        max_ack_pending=max_pending,
        max_deliver=max_deliver,
        ack_policy="all" if all_below else "explicit",
        **config,
    )
    oracle = Oracle(SUBJECTS[:2] if filtered else SUBJECTS, max_pending, max_deliver, all_below)
    had: list[Got] = []
    for verb, number in script:
        if verb == "publish":
            house.publish(SUBJECTS[number], b"x")
            oracle.publish(SUBJECTS[number])
        elif verb == "fetch":
            got = house.fetch(number)
            assert [reply_numbers(one) for one in got] == oracle.fetch(number)
            had += got
        elif verb == "move":
            house.move(number + 0.01)
            oracle.move(number + 0.01)
        elif verb == "purge":
            house.ask("STREAM.PURGE.S")
            oracle.purge()
        elif verb == "reopen":
            house.reopen()
            oracle.reopen()
        elif verb == "delete":
            if number + 1 in oracle.stored:
                house.ask("STREAM.MSG.DELETE.S", {"seq": number + 1})
                oracle.delete(number + 1)
        elif had:
            one = had[number % len(had)]
            _, seq, consumer_seq, _ = reply_numbers(one)
            if verb == "nak":
                house.ack(one, b"-NAK")
                oracle.nak(seq, consumer_seq)
            else:
                house.ack(one, b"+TERM" if verb == "term" else b"+ACK")
                oracle.ack(seq, consumer_seq)
        assert house.numbers() == oracle.numbers(), (verb, number)
