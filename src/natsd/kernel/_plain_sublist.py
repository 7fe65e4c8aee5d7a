"""Plain form of an account's subscriptions: which there are, which match a subject, and delivery to them.

Subscriptions without wildcards stand in a table by subject, the others in a trie of tokens. Results of matching are
cached by published subject: a literal subscription that comes or goes drops one entry, a wildcard one drops all.

A result lists, in this order: the literal ones, then the trie depth first with `>` before `*` before the token itself;
queue groups of one name are one group wherever they subscribed. Both forms of the kernel keep the order, so that they
deliver alike for one seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.kernel._plain_interest import Leaf, Twig, has_wildcard
from natsd.kernel._plain_shadow import ANSWERS, Carrier, Shadow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from natsd.kernel._plain_interest import Subscription
    from natsd.kernel._plain_road import Outbound, Road

    Published = tuple[bytes, bytes | None, bytes | None, bytes]
    Stored = tuple[int, bytes, bytes | None, bytes, int]
    Groups = list[list[Subscription]]
    Match = tuple[list[Subscription], Groups, bytes]

CACHE_SUBJECTS = 65536  # results kept at most
CACHE_REFERENCES = 1 << 21  # subscriptions named in them at most
PLAIN = (b"", b"+ACK", b"+OK")  # what an acknowledgement says that only acknowledges
MOST_DIGITS = 18


class Sublist:
    """One account's subscriptions. `road` gives queue picks and takes local batches."""

    __slots__ = (
        "_cache",
        "_literal",
        "_references",
        "_trie",
        "cache_hits",
        "count",
        "in_bytes",
        "in_msgs",
        "inserts",
        "mapper",
        "matches",
        "on_changed",
        "out_bytes",
        "out_msgs",
        "removes",
        "road",
    )

    def __init__(self, road: Road) -> None:
        self.road = road
        self.mapper: Callable[[bytes], tuple[bytes, bool]] | None = None
        # Told the subject of each subscription that came or went; may take note only, for it is called amid deliveries.
        self.on_changed: Callable[[bytes], None] | None = None
        self.count = 0
        self.in_msgs = 0  # from connections of the account
        self.in_bytes = 0
        self.out_msgs = 0  # to connections of the account
        self.out_bytes = 0
        self.inserts = 0
        self.removes = 0
        self.matches = 0
        self.cache_hits = 0
        self._literal: dict[bytes, Leaf] = {}
        self._trie = Twig()
        self._cache: dict[bytes, Match] = {}
        self._references = 0

    def __len__(self) -> int:
        return self.count

    @property
    def cache_count(self) -> int:
        """How many results the cache holds."""
        return len(self._cache)

    def clear_cache(self) -> None:
        """Forget every result; for when `mapper` or its rules change."""
        self._cache.clear()
        self._references = 0

    def insert(self, sub: Subscription) -> None:
        """Add a subscription; its subject is valid (the caller's business)."""
        if has_wildcard(sub.subject):
            twig = self._trie
            for token in sub.subject.split(b"."):
                kid = twig.kids.get(token)
                if kid is None:
                    kid = twig.kids[token] = Twig()
                twig = kid
            leaf = twig.leaf
            if leaf is None:
                leaf = twig.leaf = Leaf()
            self.clear_cache()
        else:
            leaf = self._literal.get(sub.subject)
            if leaf is None:
                leaf = self._literal[sub.subject] = Leaf()
            self._forget(sub.subject)
        where = leaf.plain if sub.queue is None else leaf.groups.setdefault(sub.queue, [])
        sub.slot = len(where)
        where.append(sub)
        self.count += 1
        self.inserts += 1
        if self.on_changed is not None:
            self.on_changed(sub.subject)

    def _forget(self, subject: bytes) -> None:
        # Mapping lets one subject be delivered as another, so with it a single entry cannot be told.
        if self.mapper is not None:
            self.clear_cache()
        elif self._cache.pop(subject, None) is None:
            return

    def remove(self, sub: Subscription) -> bool:
        """Take a subscription out; False where it was not in."""
        if sub.slot < 0:
            return False
        path: list[Twig] = []
        tokens: list[bytes] = []
        wildcard = has_wildcard(sub.subject)
        if wildcard:
            tokens = sub.subject.split(b".")
            twig = self._trie
            for token in tokens:
                path.append(twig)
                kid = twig.kids.get(token)
                if kid is None:
                    return False
                twig = kid
            leaf = twig.leaf
        else:
            leaf = self._literal.get(sub.subject)
        if leaf is None:
            return False
        where = leaf.plain if sub.queue is None else leaf.groups.get(sub.queue, [])
        slot = sub.slot
        if slot >= len(where) or where[slot] is not sub:
            return False
        last = where.pop()
        if last is not sub:
            where[slot] = last
            last.slot = slot
        sub.slot = -1
        sub.closed = True
        if sub.queue is not None and not where:
            del leaf.groups[sub.queue]
        if wildcard:
            self.clear_cache()
            if not leaf.plain and not leaf.groups:
                twig.leaf = None
                for parent, token in zip(reversed(path), reversed(tokens), strict=True):
                    kid = parent.kids[token]
                    if kid.kids or kid.leaf is not None:
                        break
                    del parent.kids[token]
        else:
            self._forget(sub.subject)
            if not leaf.plain and not leaf.groups:
                del self._literal[sub.subject]
        self.count -= 1
        self.removes += 1
        sub.outbound = None
        if self.on_changed is not None:
            self.on_changed(sub.subject)
        return True

    def match(self, subject: bytes) -> tuple[list[Subscription], Groups]:
        """Plain subscriptions and queue groups that a message on `subject` reaches (no mapping applied)."""
        plain: list[Subscription] = []
        groups: dict[bytes, list[Subscription]] = {}

        def add(leaf: Leaf) -> None:
            plain.extend(leaf.plain)
            for queue, members in leaf.groups.items():
                groups.setdefault(queue, []).extend(members)

        tokens = subject.split(b".")
        if b"" in tokens:
            return [], []
        leaf = self._literal.get(subject)
        if leaf is not None:
            add(leaf)
        if self._trie.kids:
            last = len(tokens)
            # A stack instead of recursion: a subject may have thousands of tokens.
            stack: list[tuple[Twig, int, bool]] = [(self._trie, 0, False)]
            while stack:
                twig, at, full = stack.pop()
                if full or at == last:
                    if twig.leaf is not None:
                        add(twig.leaf)
                    continue
                kids = twig.kids
                kid = kids.get(tokens[at])
                if kid is not None and tokens[at] not in (b"*", b">"):
                    stack.append((kid, at + 1, False))
                kid = kids.get(b"*")
                if kid is not None:
                    stack.append((kid, at + 1, False))
                kid = kids.get(b">")
                if kid is not None:
                    stack.append((kid, at + 1, True))
        return plain, list(groups.values())

    def has_interest(self, subject: bytes) -> bool:
        """Whether anybody would get a message of the server's own on `subject`."""
        plain, groups, _ = self._own_match(subject)
        return bool(plain or groups)

    def _own_match(self, subject: bytes) -> Match:
        return self.look_up(subject) if self.mapper is None else (*self.match(subject), subject)

    def look_up(self, subject: bytes) -> Match:
        """The cached result for a published subject: plain, groups, and the subject to deliver as."""
        self.matches += 1
        found = self._cache.get(subject)
        if found is not None:
            self.cache_hits += 1
            return found
        deliver_as, keep = (subject, True) if self.mapper is None else self.mapper(subject)
        plain, groups = self.match(deliver_as)
        found = (plain, groups, deliver_as)
        if keep and not subject.startswith(b"$JS.ACK."):  # the subject of an acknowledgement does not come again
            self._references += len(plain) + sum(map(len, groups))
            if len(self._cache) >= CACHE_SUBJECTS or self._references > CACHE_REFERENCES:
                self.clear_cache()
                self._references = len(plain) + sum(map(len, groups))
            self._cache[subject] = found
        return found

    def publish(self, subject: bytes, reply: bytes | None, header: bytes | None, payload: bytes) -> int:
        """Deliver a message of the server's own, which no mapping changes; returns how many took it."""
        return self.deliver(self._own_match(subject), reply, header, payload, _sizes(header, payload), None)

    def bring(
        self,
        subject: bytes,
        reply: bytes | None,
        header: bytes | None,
        payload: bytes,
        skip: Outbound | None = None,
    ) -> int:
        """Deliver a message of another account; mappings hold for it. Returns how many took it.

        skip: a connection that is not to get it.
        """
        return self.deliver(self.look_up(subject), reply, header, payload, _sizes(header, payload), skip, True)

    def publish_acks(
        self, batch: list[Published], start: int, n: int, prefix: bytes, first_seq: int, suffix: bytes
    ) -> None:
        """Answer those of batch[start : start + n] that have a reply: the i-th with prefix, first_seq + i, suffix."""
        for i, (_, reply, _, _) in enumerate(batch[start : start + n]):
            if reply is not None:
                self.publish(reply, None, None, b"%b%d%b" % (prefix, first_seq + i, suffix))

    def plain_acks(
        self, batch: list[Published], start: int, prefix: bytes, last: int, seqs: list[int], replies: list[bytes]
    ) -> int:
        """Gather plain acknowledgements from batch[start] on; returns the place of the first message that is none.

        One has prefix, deliveries, sequence and more for its subject, and says nothing, +ACK or +OK. Those of sequences
        from 1 to `last` are added to seqs, the replies that they ask for to replies; others are passed over.
        """
        if start < 0:
            raise ValueError(f"a batch has no place {start}")
        size = len(prefix)
        for at in range(start, len(batch)):
            subject, reply, _, payload = batch[at]
            if payload not in PLAIN or not subject.startswith(prefix):
                return at
            tokens = subject[size:].split(b".", 2)
            if len(tokens) < 3 or not tokens[1].isdigit() or len(tokens[1]) > MOST_DIGITS:
                return at
            seq = int(tokens[1])
            if 0 < seq <= last:
                seqs.append(seq)
                if reply:
                    replies.append(reply)
        return max(start, len(batch))

    def deliver_as(self, to: bytes, subject: bytes, reply: bytes | None, header: bytes | None, payload: bytes) -> int:
        """Give a message to those who listen to `to`, with `subject` on its line; returns how many took it."""
        return self._deliver_as(self._own_match(to), subject, reply, header, payload)

    def deliver_stored(
        self, to: bytes, messages: list[Stored], ack_prefix: bytes, delivery: int, first_dseq: int, first_pending: int
    ) -> int:
        """Give stored messages to those who listen to `to`, until nobody takes one; returns how many were taken.

        The reply of the i-th: ack_prefix, then delivery, its sequence, first_dseq + i, its time, first_pending - i.
        """
        found = self._own_match(to)
        for i, (seq, subject, header, payload, time_ns) in enumerate(messages):
            reply = b"%b%d.%d.%d.%d.%d" % (ack_prefix, delivery, seq, first_dseq + i, time_ns, first_pending - i)
            if not self._deliver_as(found, subject, reply, header, payload):
                return i
        return len(messages)

    def _deliver_as(
        self, found: Match, subject: bytes, reply: bytes | None, header: bytes | None, payload: bytes
    ) -> int:
        plain, groups, to = found
        return self.deliver((plain, groups, subject), reply, header, payload, _sizes(header, payload), None, to=to)

    def deliver(
        self,
        found: Match,
        reply: bytes | None,
        header: bytes | None,
        payload: bytes,
        sizes: bytes,
        skip: Outbound | None,
        brought: bool = False,
        to: bytes | None = None,
    ) -> int:
        """Give one message to every plain subscription and to one member of each group; returns how many took it.

        sizes: the size words of its line, as they were sent. skip: a connection that is not to get it.
        brought: it came from another account, and no stream takes it to a third.
        to: the subject it was matched by, where the one on its line is another.
        """
        plain, groups, subject = found
        frames: list[bytes | None] = [None, None]  # the frame after the sid: for MSG and for HMSG receivers
        n = 0
        for sub in plain:
            if self._give(sub, skip, subject, reply, header, payload, sizes, frames, brought, to):
                n += 1
        for members in groups:
            start = self.road.pick(len(members))
            for i in range(len(members)):
                sub = members[(start + i) % len(members)]
                if self._give(sub, skip, subject, reply, header, payload, sizes, frames, brought, to):
                    n += 1
                    break
        return n

    def _give(
        self,
        sub: Subscription,
        skip: Outbound | None,
        subject: bytes,
        reply: bytes | None,
        header: bytes | None,
        payload: bytes,
        sizes: bytes,
        frames: list[bytes | None],
        brought: bool,
        to: bytes | None,
    ) -> bool:
        if sub.closed:
            return False
        if sub.filter is not None and not sub.filter.allows(subject):
            return False
        outbound = sub.outbound
        handler = sub.handler
        if isinstance(handler, Shadow):
            origin = handler.origin
            if brought or origin.closed or origin.outbound is None or (to is None and subject.startswith(ANSWERS)):
                return False
            if handler.names is not None and to is None:
                subject = handler.names.name(subject)
            return self._give(origin, skip, subject, reply, header, payload, sizes, frames, False, to)
        if isinstance(handler, Carrier):
            if to is None:
                taken = handler.carry(subject, reply, header, payload) > 0
            else:
                taken = handler.carry(to, reply, header, payload, subject) > 0
            sub.delivered += taken
            return taken
        if outbound is None:
            lead = sub.lead or sub
            sub.delivered += 1
            if not lead.batch:
                self.road.add_handler(lead)
            lead.batch.append((subject, reply, header, payload))
            self.road.gathered += 1
        else:
            if outbound.closed or outbound is skip:
                return False
            sub.delivered += 1
            if outbound.replies is not None and reply is not None:
                outbound.replies.append(reply)
            with_header = header is not None and outbound.headers
            frame = frames[with_header]
            if frame is None:
                frame = frames[with_header] = _frame_end(
                    reply, header if with_header else None, payload, sizes if with_header or header is None else None
                )
            size = len(payload) + (len(header) if with_header and header is not None else 0)
            head = (b"HMSG " if with_header else b"MSG ") + subject + b" " + sub.sid + b" "
            outbound.put(head + frame, size)
            self.road.out_msgs += 1
            self.road.out_bytes += size
            self.out_msgs += 1
            self.out_bytes += size
            if self.road.trace is not None:
                line = head + frame[: frame.index(b"\r\n")]
                whole = header + payload if with_header and header is not None else payload
                self.road.trace.append((outbound.owner, b"->>", line, whole))
        if sub.max and sub.delivered >= sub.max:
            # One that a shadow stands for is in another list; its owner takes it out.
            if not self.remove(sub):
                sub.closed = True
            if outbound is not None:
                self.road.add_ended(outbound.owner, sub)
        return True

    def stats(self) -> dict[str, int | float]:
        """The figures /subsz shows."""
        fanouts = [len(plain) + sum(map(len, groups)) for plain, groups, _ in self._cache.values()]
        return {
            "num_subscriptions": self.count,
            "num_cache": len(self._cache),
            "num_inserts": self.inserts,
            "num_removes": self.removes,
            "num_matches": self.matches,
            "cache_hit_rate": self.cache_hits / self.matches if self.matches else 0.0,
            "max_fanout": max(fanouts, default=0),
            "avg_fanout": sum(fanouts) / len(fanouts) if fanouts else 0.0,
        }

    def subscriptions(self) -> Iterator[Subscription]:
        """Every subscription, in no order; the list must not change meanwhile."""
        leaves = list(self._literal.values())
        stack = [self._trie]
        while stack:
            twig = stack.pop()
            if twig.leaf is not None:
                leaves.append(twig.leaf)
            stack.extend(twig.kids.values())
        for leaf in leaves:
            yield from leaf.plain
            for members in leaf.groups.values():
                yield from members


def _sizes(header: bytes | None, payload: bytes) -> bytes:
    """The size words of a message's line."""
    return b"%d" % len(payload) if header is None else b"%d %d" % (len(header), len(header) + len(payload))


def _frame_end(reply: bytes | None, header: bytes | None, payload: bytes, sizes: bytes | None) -> bytes:
    """What follows the sid; sizes None: they are not as they were sent, since the header is stripped."""
    reply_part = b"" if reply is None else reply + b" "
    if sizes is None:
        sizes = b"%d" % len(payload)
    return b"%b%b\r\n%b%b\r\n" % (reply_part, sizes, header or b"", payload)
