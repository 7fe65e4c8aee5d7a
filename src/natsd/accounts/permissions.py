"""What one user may publish and subscribe to, compiled: answers for the kernel to remember.

1. Deny goes before allow. Without an allow list everything is allowed that is not denied.
2. A subscription has to lie within one rule of allow; a wider one is refused. One that lies within a rule of deny is
   refused, a wider one is taken and its deliveries are filtered.
3. A rule "subject queue" counts for queue subscriptions of a group that the queue word matches. Where such rules cover
   the subject of a queue subscription, they alone say whether it is allowed; a deny without a queue is never undone.
4. A published subject is matched as it is: wildcards in it are ordinary tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.kernel import Verdicts
from natsd.subjects.valid import ANY_REST, ANY_TOKEN, has_wildcard, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from natsd.accounts.users import Permissions, ResponseRules, SubjectRules
    from natsd.kernel import Road

    Tokens = list[bytes]


def covers(wide: Tokens, narrow: Tokens) -> bool:
    """Whether every subject that the second pattern matches is matched by the first."""
    last = len(wide) - 1
    for at, token in enumerate(wide):
        if token == ANY_REST and at == last:
            return len(narrow) > at
        if at >= len(narrow):
            return False
        other = narrow[at]
        if other == ANY_REST and at == len(narrow) - 1:
            return False
        if token not in (ANY_TOKEN, other):
            return False
    return len(wide) == len(narrow)


def overlaps(one: Tokens, other: Tokens) -> bool:
    """Whether some subject is matched by both patterns."""
    for at in range(min(len(one), len(other))):
        a, b = one[at], other[at]
        if a == ANY_REST or b == ANY_REST:
            return True
        if a != b and ANY_TOKEN not in (a, b):
            return False
    return len(one) == len(other)


class Subjects:
    """A set of patterns."""

    __slots__ = ("_literal", "_wide", "patterns")

    def __init__(self, subjects: Iterable[bytes]) -> None:
        self.patterns = [tokens(subject) for subject in dict.fromkeys(subjects)]
        self._literal = frozenset(
            b".".join(pattern) for pattern in self.patterns if ANY_TOKEN not in pattern and ANY_REST not in pattern
        )
        self._wide = [pattern for pattern in self.patterns if ANY_TOKEN in pattern or ANY_REST in pattern]

    def match(self, subject: bytes) -> bool:
        """Whether a message on `subject` is matched; wildcards in it are ordinary tokens."""
        if subject in self._literal:
            return True
        given = tokens(subject)
        return b"" not in given and any(_takes(pattern, given) for pattern in self._wide)

    def cover(self, pattern: Tokens) -> bool:
        """Whether one of these alone matches whatever `pattern` does."""
        return any(covers(mine, pattern) for mine in self.patterns)

    def overlap(self, pattern: Tokens) -> bool:
        """Whether some subject is matched by one of these and by `pattern`."""
        return any(overlaps(mine, pattern) for mine in self.patterns)


def _takes(pattern: Tokens, given: Tokens) -> bool:
    last = len(pattern) - 1
    for at, token in enumerate(pattern):
        if at >= len(given):
            return False
        if token == ANY_REST and at == last:
            return True
        if token not in (ANY_TOKEN, given[at]):
            return False
    return len(pattern) == len(given)


class QueueRule:
    """One rule "subject queue"."""

    __slots__ = ("_queue", "pattern", "queue")

    def __init__(self, subject: bytes, queue: bytes) -> None:
        self.pattern = tokens(subject)
        self.queue = queue
        self._queue = tokens(queue) if has_wildcard(queue) else None

    def names(self, queue: bytes) -> bool:
        """Whether it is about this queue group."""
        return queue == self.queue or (self._queue is not None and covers(self._queue, tokens(queue)))


class SubscribeRules:
    """A list of rules for subscriptions, with queue groups and without."""

    __slots__ = ("plain", "queued")

    def __init__(self, rules: Iterable[str]) -> None:
        plain: list[bytes] = []
        self.queued: list[QueueRule] = []
        for rule in rules:
            words = rule.encode().split()
            if len(words) == 1:
                plain.append(words[0])
            else:
                self.queued.append(QueueRule(words[0], words[1]))
        self.plain = Subjects(plain)


class Rights:
    """The rights of one user, shared by all connections of it."""

    __slots__ = (
        "_filters",
        "_publish_allow",
        "_publish_deny",
        "_road",
        "_subscribe_allow",
        "_subscribe_deny",
        "permissions",
        "responses",
    )

    def __init__(self, permissions: Permissions, road: Road) -> None:
        self.permissions = permissions
        self.responses: ResponseRules | None = permissions.responses
        self._road = road
        publish: SubjectRules | None = permissions.publish
        subscribe: SubjectRules | None = permissions.subscribe
        self._publish_allow: Subjects | None = None
        self._publish_deny: Subjects | None = None
        if publish is not None:
            if publish.allow is not None:
                self._publish_allow = Subjects(rule.encode() for rule in publish.allow)
            if publish.deny:
                self._publish_deny = Subjects(rule.encode() for rule in publish.deny)
        self._subscribe_allow: SubscribeRules | None = None
        self._subscribe_deny: SubscribeRules | None = None
        if subscribe is not None:
            if subscribe.allow is not None:
                self._subscribe_allow = SubscribeRules(subscribe.allow)
            if subscribe.deny:
                self._subscribe_deny = SubscribeRules(subscribe.deny)
        # By which of the rules with a queue count: as many as the rules make, whatever groups clients think of.
        self._filters: dict[tuple[int, ...], Verdicts] = {}

    @property
    def limits_publish(self) -> bool:
        """Whether there is anything that may not be published."""
        return self._publish_allow is not None or self._publish_deny is not None

    def may_publish(self, subject: bytes) -> bool:
        """Whether a message may be published on a subject, replies that are allowed for a while aside."""
        if self._publish_allow is not None and not self._publish_allow.match(subject):
            return False
        return self._publish_deny is None or not self._publish_deny.match(subject)

    def may_subscribe(self, subject: bytes, queue: bytes | None) -> bool:
        """Whether there may be such a subscription."""
        pattern = tokens(subject)
        allow, deny = self._subscribe_allow, self._subscribe_deny
        if allow is not None:
            allowed = allow.plain.cover(pattern)
            if queue is not None and allow.queued:
                about = [rule for rule in allow.queued if covers(rule.pattern, pattern)]
                if about:
                    allowed = any(rule.names(queue) for rule in about)
            if not allowed:
                return False
        if deny is None:
            return True
        if deny.plain.cover(pattern):
            return False
        return queue is None or not any(rule.names(queue) and covers(rule.pattern, pattern) for rule in deny.queued)

    def may_deliver(self, subject: bytes, queue: bytes | None) -> bool:
        """Whether no deny keeps a message from a subscription that there may be."""
        deny = self._subscribe_deny
        if deny is None:
            return True
        if deny.plain.match(subject):
            return False
        if queue is None or not deny.queued:
            return True
        given = tokens(subject)
        return not any(rule.names(queue) and _takes(rule.pattern, given) for rule in deny.queued)

    def filter(self, subject: bytes, queue: bytes | None) -> Verdicts | None:
        """What a subscription's deliveries are to be filtered by; None where no deny can meet them."""
        deny = self._subscribe_deny
        if deny is None or not has_wildcard(subject):
            return None
        pattern = tokens(subject)
        key: tuple[int, ...] = ()
        if queue is not None:
            key = tuple(at for at, rule in enumerate(deny.queued) if rule.names(queue))
        if not deny.plain.overlap(pattern) and not any(overlaps(deny.queued[at].pattern, pattern) for at in key):
            return None
        found = self._filters.get(key)
        if found is None:
            group = queue if key else None

            def may_deliver(subject: bytes) -> bool:
                return self.may_deliver(subject, group)

            found = self._filters[key] = Verdicts(may_deliver, self._road.seed)
        return found
