"""Feeds the native and the plain kernel the same bytes in the same random splits and demands the same of both.

Compared after every read: the ops handed out, the bytes each connection would be sent, which connections ended, the
counters, and what a subject matches. `python -m tests.fuzz.differential --seconds 60 [--seed N]` runs it for longer;
a failure prints the seed that shows it again.
"""

from __future__ import annotations

import argparse
import random
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

from natsd.protocol import ops as op

if TYPE_CHECKING:
    from collections.abc import Callable

SUBJECTS = [
    b"a",
    b"b",
    b"a.b",
    b"a.b.c",
    b"a.c",
    b"b.b",
    b"x.y.z.w",
    b"_INBOX.q.1",
    b"a..b",
    b".a",
    b"a.",
    b"$SYS.x",
    b"_R_.x",
]
FILTERS = [*SUBJECTS[:8], b"*", b">", b"a.*", b"*.b", b"a.>", b"a.*.c", b"*.*", b"_INBOX.q.*", b"a.*.>", b"x.*.z.*"]
QUEUES = [b"", b"", b"q1", b"q2"]
RUBBISH = [
    b"\0",
    b"XYZ\r\n",
    b"PUBB a 1\r\n",
    b"SUB\r\n",
    b"PUB\r\n",
    b"+OKAY",
    b"-ERR 'x'\r\n",
    b"\r\n",
    b"HMSG a 1 1 1\r\n",
]
SIZES = [
    b"-1",
    b"+1",
    b"00",
    b"2147483648",
    b"9223372036854775808",
    b"999999999",
    b"1e3",
    b"0x1",
    b"",
    b"1 1 1 1",
    b"33",
]


class Owner:
    """One connection of one form: applies the ops as simply as can be, and keeps what it saw."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seen: list[Any] = []
        self.subs: dict[bytes, Any] = {}
        self.ended = False
        self.filter: Any = None
        self.noted: set[bytes] = set()
        self.out = world.road_module.Outbound(world.road, self)
        self.inn = world.inbound_module.Inbound(world.road, self.out, world.sublist, self)

    def on_ops(self, ops: list[tuple[Any, ...]]) -> None:
        for item in ops:
            code = item[0]
            # How much of the offending bytes a snippet shows depends on where they were split.
            self.seen.append(item[:2] if code == op.BAD and item[1] != op.BAD_MAX_PAYLOAD else item)
            if code == op.CONNECT:
                flags = item[1]
                self.inn.gate = False
                self.inn.verbose = b"v" in flags
                self.inn.pedantic = b"p" in flags
                self.inn.echo = b"e" not in flags
                self.inn.headers = self.out.headers = b"h" in flags
                self.inn.no_responders = b"n" in flags
                self.inn.publish_check = (lambda subject: not subject.startswith(b"b")) if b"c" in flags else None
                self.inn.reply_check = self.may_reply if b"r" in flags else None
                self.out.replies = [] if b"r" in flags else None
                self.filter = None
                if b"f" in flags:
                    self.filter = self.world.verdicts_module.Verdicts(
                        lambda subject: not subject.startswith(b"a.b"), self.world.road.seed
                    )
            elif code == op.SUB:
                _, subject, queue, sid = item
                old = self.subs.get(sid)
                if (old is None or old.closed) and b".." not in subject:
                    sub = self.world.interest_module.Subscription(subject, sid, queue, self.out)
                    sub.filter = self.filter
                    self.subs[sid] = sub
                    self.world.sublist.insert(sub)
            elif code == op.UNSUB:
                sub = self.subs.get(item[1])
                if sub is not None:
                    if item[2] > sub.delivered:
                        sub.max = item[2]
                    else:
                        self.subs.pop(item[1])
                        self.seen.append(self.world.sublist.remove(sub))
            elif code == op.PING:
                self.inn.first_ping = False
                self.out.append(b"PONG\r\n")
            elif code == op.EARLY:
                self.inn.gate = False
            elif code in (op.BAD, op.ERR):
                self.end()
                return

    def end(self) -> None:
        self.ended = True
        self.inn.close()
        self.out.close()
        for sub in self.subs.values():
            self.world.sublist.remove(sub)
        self.subs.clear()

    def on_output(self) -> None:
        self.seen.append(self.out.take())

    def on_replies(self) -> None:
        if self.out.replies:
            self.seen.append(("replies", self.out.replies))
            self.noted.update(self.out.replies)
            self.out.replies = []

    def may_reply(self, subject: bytes) -> bool:
        self.on_replies()
        if subject not in self.noted:
            return False
        self.noted.remove(subject)
        return True

    def on_unsubscribed(self, sub: Any) -> None:
        self.seen.append(("ended", sub.sid))
        if self.subs.get(sub.sid) is sub:
            del self.subs[sub.sid]

    def on_slow(self) -> None:
        self.seen.append("slow")
        self.end()

    def on_stalled(self, receivers: list[Any]) -> None:
        self.seen.append(("stalled", len(receivers)))


class World:
    """One form of the kernel with a few connections and a local subscriber."""

    def __init__(self, form: str, seed: int, connections: int, *, gate: bool, mapped: bool) -> None:
        self.road_module = import_module(f"natsd.kernel._{form}_road")
        self.sublist_module = import_module(f"natsd.kernel._{form}_sublist")
        self.interest_module = import_module(f"natsd.kernel._{form}_interest")
        self.inbound_module = import_module(f"natsd.kernel._{form}_inbound")
        self.verdicts_module = import_module(f"natsd.kernel._{form}_verdicts")
        self.road = self.road_module.Road(seed)
        self.road.max_control_line = 256
        self.road.max_payload = 5000
        self.road.max_pending = 40000
        self.road.stall_bytes = 3000
        self.road.reserved_subjects = (b"_GR_.?", b"$NRG.")
        self.road.reserved_replies = (b"_R_.", b"$JS.ACK.?")
        self.sublist = self.sublist_module.Sublist(self.road)
        if mapped:
            self.sublist.mapper = lambda subject: (b"a.b" if subject == b"b" else subject, subject != b"a.c")
        self.local: list[Any] = []
        self.sublist.insert(self.interest_module.Subscription(b"a.b.*", b"", None, None, self.local.append))
        self.owners = [Owner(self) for _ in range(connections)]
        for owner in self.owners:
            owner.inn.gate = gate

    def state(self, subjects: list[bytes]) -> Any:
        """Everything the two forms must agree on."""
        matches = []
        for subject in subjects:
            plain, groups = self.sublist.match(subject)
            matches.append(([s.sid for s in plain], [[s.sid for s in members] for members in groups]))
        road = self.road
        return (
            [
                (o.seen, o.ended, o.out.pending, o.out.out_msgs, o.out.out_bytes, o.inn.in_msgs, o.inn.in_bytes)
                for o in self.owners
            ],
            self.local,
            matches,
            (road.in_msgs, road.in_bytes, road.out_msgs, road.out_bytes),
            (len(self.sublist), self.sublist.inserts, self.sublist.removes),
            sorted((s.sid, s.subject, s.delivered) for s in self.sublist.subscriptions()),
        )


def command(rng: random.Random) -> bytes:
    """One thing a client might say; now and then hostile."""
    kind = rng.random()
    if kind < 0.35:
        body = rng.choice(
            [b"", b"x", b"\r\n", b"hello", rng.randbytes(rng.randrange(0, 90)), b"z" * rng.randrange(0, 5001)]
        )
        reply = rng.choice([b"", b"", b" _INBOX.q.1", b" $JS.ACK.x", b" r", b" b", b" b.b"])
        line = b"PUB %b%b %d" % (rng.choice(SUBJECTS), reply, len(body))
        return _blanks(rng, line) + b"\r\n" + body + b"\r\n"
    if kind < 0.45:
        header = b"NATS/1.0\r\nk: v\r\n\r\n" if rng.random() < 0.9 else b""
        body = rng.randbytes(rng.randrange(0, 40))
        reply = rng.choice([b"", b" _INBOX.q.1"])
        line = b"HPUB %b%b %d %d" % (rng.choice(SUBJECTS), reply, len(header), len(header) + len(body))
        return _blanks(rng, line) + b"\r\n" + header + body + b"\r\n"
    if kind < 0.65:
        queue = rng.choice(QUEUES)
        words = [b"SUB", rng.choice(FILTERS), *([queue] if queue else []), b"%d" % rng.randrange(12)]
        return _blanks(rng, b" ".join(words)) + b"\r\n"
    if kind < 0.75:
        most = rng.choice([b"", b"", b" 1", b" 3", b" 0", b" -1"])
        return b"UNSUB %d%b\r\n" % (rng.randrange(12), most)
    if kind < 0.85:
        return rng.choice([b"PING\r\n", b"PONG\r\n", b"ping\n", b"PING junk\r\n", b"+OK\r\n", b"pInG\r\n"])
    if kind < 0.93:
        flags = bytes(c for c in b"vpehncfr" if rng.random() < 0.4)
        return b"CONNECT {%b}\r\n" % flags
    if kind < 0.95:
        return b"INFO {}\r\n"
    if kind < 0.97:
        size = rng.choice(SIZES)
        return rng.choice([b"PUB a %b\r\n", b"HPUB a %b 5\r\n", b"HPUB a 3 %b\r\n", b"UNSUB 1 %b\r\n"]) % size
    if kind < 0.985:
        n = rng.choice([250, 251, 252, 255, 256, 257, 300])
        return rng.choice([b"SUB %b 1\r\n", b"PUB %b 0\r\n\r\n", b"CONNECT %b\r\n"]) % (b"s" * n)
    return rng.choice(RUBBISH)


def service(rng: random.Random) -> Callable[[Any], Any]:
    """One thing a service beside the road might do; called with a sublist."""
    inbox = rng.choice(FILTERS)
    kind = rng.randrange(3)
    if kind == 0:
        batch = [
            (b"s", rng.choice([None, b"_INBOX.q.%d" % rng.randrange(3), *SUBJECTS]), None, b"")
            for _ in range(rng.randrange(6))
        ]
        start, n, seq = rng.randrange(3), rng.randrange(6), rng.choice([1, 9, 1 << 63])
        return lambda sublist: sublist.publish_acks(batch, start, n, b'{"seq":', seq, b"}")
    header = rng.choice([None, b"NATS/1.0\r\n\r\n"])
    if kind == 1:
        reply = rng.choice([None, b"r"])
        return lambda sublist: sublist.deliver_as(inbox, b"a.b", reply, header, b"x" * 30)
    messages = [
        (1 << rng.randrange(64), rng.choice(SUBJECTS), header, rng.randbytes(rng.randrange(900)), rng.randrange(3))
        for _ in range(rng.randrange(6))
    ]
    pending = rng.randrange(10)
    return lambda sublist: sublist.deliver_stored(inbox, messages, b"$JS.ACK.S.C.", 1, 7, pending)


def _blanks(rng: random.Random, line: bytes) -> bytes:
    if rng.random() < 0.1:
        line = line.replace(b" ", rng.choice([b"  ", b"\t", b" \t ", b" " * 30]))
    if rng.random() < 0.1:
        line = line.lower() if rng.random() < 0.5 else line.swapcase()
    return line + (b" " if rng.random() < 0.03 else b"")


def run(seed: int) -> None:
    """One random scene, played to both forms; raises AssertionError where they differ."""
    rng = random.Random(seed)
    count = rng.randrange(1, 5)
    settings = {"gate": rng.random() < 0.2, "mapped": rng.random() < 0.2}
    worlds = [World(form, seed + 1, count, **settings) for form in ("native", "plain")]
    friendly = rng.random() < 0.7
    for world in worlds:
        if friendly:
            for owner in world.owners:
                owner.inn.take_in(b"CONNECT {h}\r\n")
    for _ in range(rng.randrange(1, 40)):
        who = rng.randrange(count)
        stream = b"".join(command(rng) for _ in range(rng.randrange(1, 8)))
        if rng.random() < 0.1:
            at = rng.randrange(len(stream))
            stream = stream[:at] + rng.randbytes(rng.randrange(3)) + stream[at + rng.randrange(3) :]
        at = 0
        while at < len(stream):
            n = rng.choice([1, 2, 3, rng.randrange(1, 40), rng.randrange(1, 4000), len(stream)])
            piece = stream[at : at + n]
            at += n
            for world in worlds:
                owner = world.owners[who]
                if not owner.ended:
                    owner.inn.take_in(piece)
        if rng.random() < 0.2:
            deliver = service(rng)
            taken = [deliver(world.sublist) for world in worlds]
            assert taken[0] == taken[1], f"seed {seed}: native and plain deliver to {taken} subscriptions"
            for world in worlds:
                world.road.settle()
        states = [world.state(SUBJECTS) for world in worlds]
        assert states[0] == states[1], (
            f"seed {seed}: native and plain differ after {stream!r}:\n{states[0]}\n{states[1]}"
        )
        for world in worlds:
            world.local.clear()
            for owner in world.owners:
                owner.seen.clear()


def main() -> None:
    """Run scene after scene until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None, help="play this one scene only")
    options = parser.parse_args()
    if options.seed is not None:
        run(options.seed)
        return
    seed = first = time.time_ns() % 1_000_000_000
    until = time.monotonic() + options.seconds
    while time.monotonic() < until:
        run(seed)
        seed += 1
    print(f"{seed - first} scenes, from seed {first}: native and plain agree")


if __name__ == "__main__":
    main()
