"""Rules for publishing and subscribing, against what brute force says."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from natsd.accounts.permissions import Rights, Subjects, covers, overlaps
from natsd.accounts.users import as_permissions
from natsd.kernel import FORM, Road
from natsd.subjects.match import matches
from tests.kernel.conftest import load

UNIVERSE = [b".".join(words) for n in range(1, 5) for words in product((b"a", b"b", b"z"), repeat=n)]
"""Every subject of up to four tokens, one of which no rule knows; patterns have at most three."""


def rights(**given: object) -> Rights:
    return Rights(as_permissions(given), Road(1))


def reached(pattern: bytes) -> frozenset[bytes]:
    return frozenset(subject for subject in UNIVERSE if matches(pattern, subject))


PATTERNS = [
    b".".join((*words, *end))
    for n in range(3)
    for words in product((b"a", b"b", b"*"), repeat=n)
    for end in ((b"a",), (b"*",), (b">",))
]
REACHED = {pattern: reached(pattern) for pattern in PATTERNS}


def test_covering_and_overlapping_are_what_every_subject_says() -> None:
    for one, other in product(PATTERNS, repeat=2):
        assert covers(one.split(b"."), other.split(b".")) is (REACHED[other] <= REACHED[one]), (one, other)
        assert overlaps(one.split(b"."), other.split(b".")) is bool(REACHED[other] & REACHED[one]), (one, other)


def test_a_set_matches_what_one_of_its_patterns_matches() -> None:
    subjects = Subjects([b"a", b"a.*", b"b.>"])
    for subject in [*UNIVERSE, b"a..b", b"a.*", b"*", b">", b"", b"b.>"]:
        assert subjects.match(subject) is any(matches(one, subject) for one in (b"a", b"a.*", b"b.>")) or subject == b""


def test_without_rules_everything_is_allowed() -> None:
    free = rights()
    assert not free.limits_publish
    assert free.may_publish(b"a")
    assert free.may_subscribe(b">", b"q")
    assert free.filter(b">", None) is None


def test_an_empty_allow_list_allows_nothing() -> None:
    closed = rights(publish=[], subscribe=[])
    assert closed.limits_publish
    assert not closed.may_publish(b"a")
    assert not closed.may_subscribe(b"a", None)


@pytest.mark.parametrize(
    ("subject", "allowed"),
    [("a.b", True), ("a.c", False), ("a.b.c", False), ("b", False), ("a.*", True), ("a.>", True)],
)
def test_a_published_subject_is_taken_as_it_is(subject: str, allowed: bool) -> None:
    assert rights(publish={"allow": "a.*", "deny": "a.c"}).may_publish(subject.encode()) is allowed


@pytest.mark.parametrize(
    ("subject", "queue", "allowed"),
    [
        (b"a", None, True),
        (b"a", b"q1", False),
        (b"a", b"v1.x", True),
        (b"a", b"v1.x.y", False),
        (b"b", b"q1", True),
        (b"c", b"q1", False),
        (b"c", b"q2", True),
        (b"c", None, True),
        (b"d", b"q2", False),
        (b"d", None, False),
    ],
)
def test_a_rule_with_a_queue_word_is_about_those_groups(subject: bytes, queue: bytes | None, allowed: bool) -> None:
    some = rights(subscribe={"allow": ["a", "a v1.*", "b", "c"], "deny": ["c q1", "d q1", "d"]})
    assert some.may_subscribe(subject, queue) is allowed


def test_only_a_subscription_that_meets_a_deny_is_filtered_and_filters_are_shared() -> None:
    some = rights(subscribe={"deny": ["a.b", "a.c q*", "a.d q1"]})
    assert some.filter(b"a.b", None) is None
    assert some.filter(b"b.>", None) is None
    assert some.filter(b"a.>", None) is some.filter(b"*.b", b"other") is some.filter(b"a.*", b"third")
    assert some.filter(b"a.>", b"q1") is not some.filter(b"a.>", b"q2")
    wide = some.filter(b"a.>", b"q1")
    assert wide is not None
    assert [wide.allows(b"a." + token) for token in (b"b", b"c", b"d", b"e")] == [False, True, False, True]


QUEUES = [None, "q1", "q2", "v.q1"]
RULES = st.lists(st.sampled_from(PATTERNS).map(bytes.decode), max_size=3)
QUEUE_RULES = st.lists(
    st.builds(
        lambda subject, queue: f"{subject.decode()} {queue}",
        st.sampled_from(PATTERNS),
        st.sampled_from(["q1", "q2", "*", "v.*", ">"]),
    ),
    max_size=2,
)
FORMS = ["native", "plain"] if FORM == "native" else ["plain"]


def queue_fits(word: str, queue: str) -> bool:
    return word == queue or matches(word.encode(), queue.encode())


def judge_subscription(
    allow: list[str] | None,
    allow_queued: list[str],
    deny: list[str],
    deny_queued: list[str],
    subject: bytes,
    queue: str,
) -> bool:
    """Brute force: what rule by rule and subject by subject says of a subscription."""
    mine = REACHED[subject]

    def about(rules: list[str]) -> list[str]:
        return [rule for rule in rules if mine <= REACHED[rule.split()[0].encode()]]

    if allow is not None:
        allowed = bool(about(allow))
        if queue and about(allow_queued):
            allowed = any(queue_fits(rule.split()[1], queue) for rule in about(allow_queued))
        if not allowed:
            return False
    if about(deny):
        return False
    return not (queue and any(queue_fits(rule.split()[1], queue) for rule in about(deny_queued)))


class Taker:
    """One connection that only takes."""

    def on_output(self) -> None:
        pass


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    allow=st.none() | RULES,
    allow_queued=QUEUE_RULES,
    deny=RULES,
    deny_queued=QUEUE_RULES,
    wanted=st.lists(st.tuples(st.sampled_from(PATTERNS), st.sampled_from(QUEUES)), min_size=1, max_size=4),
)
def test_what_is_delivered_is_what_the_rules_permit_no_more_and_no_less(
    form: str,
    allow: list[str] | None,
    allow_queued: list[str],
    deny: list[str],
    deny_queued: list[str],
    wanted: list[tuple[bytes, str | None]],
) -> None:
    kernel = load(form)
    road = kernel.Road(1)
    sublist = kernel.Sublist(road)
    rules: dict[str, object] = {"deny": [*deny, *deny_queued]}
    if allow is not None:
        rules["allow"] = [*allow, *allow_queued]
    permissions = as_permissions({"subscribe": rules})
    user = Rights(permissions, road)
    subs = []
    for at, (subject, queue) in enumerate(wanted):
        group = queue.encode() if queue else None
        accepted = user.may_subscribe(subject, group)
        assert accepted is judge_subscription(allow, allow_queued, deny, deny_queued, subject, queue or "")
        if accepted:
            # Groups of one each: every member has its own name, so that each shows what it is given.
            outbound = kernel.Outbound(road, Taker())
            sub = kernel.Subscription(subject, b"%d" % at, None, outbound)
            sub.filter = user.filter(subject, group)
            sublist.insert(sub)
            subs.append((sub, queue, outbound))
    for subject in [*UNIVERSE, *UNIVERSE[:10]]:
        before = [sub.delivered for sub, _, _ in subs]
        road.publish(sublist, subject, None, None, b"x")
        for (sub, queue, _), count in zip(subs, before, strict=True):
            denied = any(matches(rule.encode(), subject) for rule in deny) or (
                queue is not None
                and any(
                    matches(rule.split()[0].encode(), subject) and queue_fits(rule.split()[1], queue)
                    for rule in deny_queued
                )
            )
            permitted = matches(sub.subject, subject) and not denied
            assert sub.delivered - count == permitted, (sub.subject, queue, subject)
    road.settle()


@settings(max_examples=150, deadline=None)
@given(allow=st.none() | RULES, deny=RULES)
def test_what_may_be_published_is_what_every_rule_says(allow: list[str] | None, deny: list[str]) -> None:
    rules: dict[str, object] = {"deny": deny} if allow is None else {"allow": allow, "deny": deny}
    user = rights(publish=rules)
    for subject in UNIVERSE:
        allowed = allow is None or any(matches(rule.encode(), subject) for rule in allow)
        assert user.may_publish(subject) is (allowed and not any(matches(rule.encode(), subject) for rule in deny))


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=100, deadline=None)
@given(
    members=st.lists(
        st.tuples(st.sampled_from(PATTERNS), RULES, st.lists(st.sampled_from(["> q", "a q", "*.b w", "a.> *"]))),
        min_size=1,
        max_size=4,
    )
)
def test_a_group_s_message_goes_to_one_member_that_may_have_it_wherever_there_is_one(
    form: str, members: list[tuple[bytes, list[str], list[str]]]
) -> None:
    kernel = load(form)
    road = kernel.Road(3)
    sublist = kernel.Sublist(road)
    subs = []
    for subject, deny, deny_queued in members:
        user = Rights(as_permissions({"subscribe": {"deny": [*deny, *deny_queued]}}), road)
        if user.may_subscribe(subject, b"q"):
            sub = kernel.Subscription(subject, b"1", b"q", kernel.Outbound(road, Taker()))
            sub.filter = user.filter(subject, b"q")
            sublist.insert(sub)
            fits = [rule.split()[0] for rule in deny_queued if queue_fits(rule.split()[1], "q")]
            subs.append((sub, [*deny, *fits]))
    for subject in UNIVERSE:
        before = [sub.delivered for sub, _ in subs]
        taken = road.publish(sublist, subject, None, None, b"x")
        given_to = [sub.delivered - count for (sub, _), count in zip(subs, before, strict=True)]
        may = [
            matches(sub.subject, subject) and not any(matches(rule.encode(), subject) for rule in denied)
            for sub, denied in subs
        ]
        assert sum(given_to) == taken == any(may)
        assert all(permitted for permitted, count in zip(may, given_to, strict=True) if count)
    road.settle()
