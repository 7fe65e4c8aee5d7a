"""Subject mappings of an account."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsd.accounts.account import GLOBAL, Account
from natsd.accounts.mappings import LOST, Mappings, parse_mappings
from natsd.base.chance import SeededChance
from natsd.base.errors import OptionsError
from natsd.kernel import Inbound, Outbound, Road, Subscription
from natsd.subjects.transform import covers

TOKEN = st.sampled_from(["a", "b", "*"])


@st.composite
def sources(draw: st.DrawFn) -> str:
    source = draw(st.lists(TOKEN, min_size=1, max_size=3))
    return ".".join(source + [">"] if draw(st.booleans()) else source)


def mappings(given: dict[str, Any], cluster: str = "", seed: int = 1) -> Mappings:
    return Mappings(parse_mappings(given, cluster), SeededChance(seed))


def drawn(given: object, times: int = 2000, cluster: str = "") -> Counter[bytes]:
    """How often each subject came out for messages on foo."""
    every = mappings({"foo": given}, cluster)
    return Counter(every.map(b"foo")[0] for _ in range(times))


def test_a_subject_that_no_source_covers_stays_for_good() -> None:
    every = mappings({"foo": "bar", "foo.*": "bar.$1"})
    assert every.map(b"other") == (b"other", True)
    assert every.map(b"foo.a.b") == (b"foo.a.b", True)


def test_a_plain_mapping_is_the_same_for_every_message() -> None:
    every = mappings({"foo": "bar", "foo.*": "bar.{{partition(10,1)}}.$1"})
    assert every.map(b"foo") == (b"bar", True)
    assert every.map(b"foo.orders") == (b"bar.0.orders", True)
    assert len(every) == 2


def test_a_random_mapping_is_decided_for_each_message() -> None:
    every = mappings({"foo": "bar.{{random(4)}}"})
    answers = [every.map(b"foo") for _ in range(100)]
    assert {subject for subject, _ in answers} == {b"bar.0", b"bar.1", b"bar.2", b"bar.3"}
    assert not any(keep for _, keep in answers)


def test_a_mapped_subject_is_not_mapped_again() -> None:
    assert mappings({"a": "b", "b": "a"}).map(b"a") == (b"b", True)


def test_weights_are_percentages_and_what_is_left_keeps_its_subject() -> None:
    counts = drawn([{"destination": "bar", "weight": 50}, {"destination": "baz", "weight": "30%"}], 5000)
    assert counts.keys() == {b"foo", b"bar", b"baz"}
    assert abs(counts[b"bar"] - 2500) < 150 and abs(counts[b"baz"] - 1500) < 150 and abs(counts[b"foo"] - 1000) < 150


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5).filter(lambda weights: sum(weights) <= 100))
def test_each_percentage_gets_its_share_of_the_numbers(weights: list[int]) -> None:
    class Counting:
        """Every number below a hundred in turn."""

        number = -1

        def take(self, count: int) -> bytes:
            raise AssertionError("no bytes are asked for")

        def below(self, limit: int) -> int:
            self.number += 1
            return self.number % limit

    given = [{"destination": f"d{at}", "weight": weight} for at, weight in enumerate(weights)]
    every = Mappings(parse_mappings({"foo": given}), Counting())
    counts = Counter(every.map(b"foo")[0] for _ in range(100))
    assert [counts[b"d%d" % at] for at in range(len(weights))] == weights
    assert counts[b"foo"] == 100 - sum(weights)


def test_a_part_is_lost_where_the_source_is_a_destination_itself() -> None:
    counts = drawn({"destination": "foo", "weight": 80})
    assert counts.keys() == {b"foo", LOST}
    assert abs(counts[LOST] - 400) < 80


def test_all_can_be_lost_for_good() -> None:
    assert mappings({"foo": {"dest": "foo", "weight": "0%"}}).map(b"foo") == (LOST, True)
    assert mappings({"foo.>": {"dest": "foo.>", "weight": 0}}).map(b"foo.a") == (LOST, True)


def test_a_wildcard_source_under_its_own_name_is_no_loss() -> None:
    assert mappings({"foo.*": {"dest": "foo.$1", "weight": 0}}).map(b"foo.a") == (b"foo.a", True)


def test_a_destination_without_weight_gets_nothing() -> None:
    assert mappings({"foo": [{"dest": "bar", "weight": 0}]}).map(b"foo") == (b"foo", True)
    assert mappings({"foo": [{"dest": "bar", "weight": 0}, {"dest": "baz", "weight": 100}]}).map(b"foo") == (
        b"baz",
        True,
    )


def test_a_source_without_destinations_keeps_its_subject_from_others() -> None:
    every = mappings({"foo.a": [], "foo.*": "bar.$1"})
    assert every.map(b"foo.a") == (b"foo.a", True)
    assert every.map(b"foo.b") == (b"bar.b", True)


def test_destinations_of_a_cluster_count_in_place_of_the_others_in_its_servers() -> None:
    given = [{"dest": "there", "weight": 100, "cluster": "east"}, {"dest": "here", "weight": 100}]
    assert drawn(given, 10).keys() == {b"here"}
    assert drawn(given, 10, "west").keys() == {b"here"}
    assert drawn(given, 10, "east").keys() == {b"there"}
    assert drawn(given[0], 10).keys() == {b"foo"}
    assert drawn({"dest": "there", "weight": 40, "cluster": "east"}, 500, "east").keys() == {b"foo", b"there"}


@pytest.mark.parametrize(
    ("subject", "expected"),
    [(b"a.b", b"literal"), (b"a.c", b"later"), (b"c.b", b"earlier"), (b"a.b.c", b"rest.b.c"), (b"c", b"all.c")],
)
def test_the_narrowest_source_counts_however_they_are_written_down(subject: bytes, expected: bytes) -> None:
    given = {"a.b": "literal", "a.*": "later", "*.b": "earlier", "a.>": "rest.>", ">": "all.>"}
    assert mappings(given).map(subject)[0] == expected
    assert mappings(dict(reversed(given.items()))).map(subject)[0] == expected


@given(st.lists(sources(), min_size=1, max_size=6, unique=True), st.randoms(), st.lists(TOKEN, min_size=1, max_size=4))
def test_the_order_of_sources_makes_no_difference(every: list[str], chance: Any, subject: list[str]) -> None:
    given = {source: f"{at}.>" if source.endswith(">") else str(at) for at, source in enumerate(every)}
    mixed = list(given.items())
    chance.shuffle(mixed)
    published = ".".join(subject).encode()
    answer = mappings(given).map(published)
    assert mappings(dict(mixed)).map(published) == answer
    covering = [source for source in every if covers(source.encode().split(b"."), published.split(b"."))]
    assert (answer[0] == published) == (not covering)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (["foo"], "['foo'] is no dictionary of sources"),
        ({1: "bar"}, "the source 1 is no string"),
        ({"a b": "c"}, "mappings: the source 'a b' is no valid subject"),
        ({"": "c"}, "the source '' is no valid subject"),
        ({"a..b": "c"}, "the source 'a..b' is no valid subject"),
        ({"foo": ""}, "mappings: transform of 'foo' to '': the destination is no valid subject"),
        ({"foo": "bar.$1"}, "mappings: transform of 'foo' to 'bar.$1': $1 needs a wildcard"),
        ({"foo": "\ud800"}, "the destination '\\ud800' is no text"),
        ({"foo": 5}, "mappings: 'foo': 5 is no destination with its weight"),
        ({"foo": ["bar"]}, "'bar' is no destination with its weight"),
        ({"foo": {"dest": "bar"}}, "has no weight"),
        ({"foo": {"weight": 5}}, "has no destination"),
        ({"foo": {"dest": 5, "weight": 5}}, "the destination 5 is no string"),
        ({"foo": {"dest": "bar", "weight": 5, "speed": 1}}, "and no 'speed'"),
        ({"foo": {"dest": "bar", "destination": "bar", "weight": 5}}, "a destination has two of destination"),
        ({"foo": {"dest": "bar", "weight": 5, "cluster": 1}}, "the cluster 1 is no string"),
        ({"foo": {"dest": "bar", "weight": 101}}, "mappings: 'foo': the weight 101 is not between 0 and 100"),
        ({"foo": {"dest": "bar", "weight": -1}}, "the weight -1 is not between 0 and 100"),
        ({"foo": {"dest": "bar", "weight": "-1"}}, "the weight '-1' is no percentage"),
        ({"foo": {"dest": "bar", "weight": "100 %"}}, "the weight '100 %' is no percentage"),
        ({"foo": {"dest": "bar", "weight": " 100"}}, "the weight ' 100' is no percentage"),
        ({"foo": {"dest": "bar", "weight": "\u0661"}}, "is no percentage"),
        ({"foo": {"dest": "bar", "weight": "9" * 5000}}, "is no percentage"),
        ({"foo": {"dest": "bar", "weight": 40.5}}, "the weight 40.5 is no percentage"),
        ({"foo": {"dest": "bar", "weight": True}}, "the weight True is no percentage"),
        ({"foo": [{"dest": "bar", "weight": 60}, {"dest": "baz", "weight": 50}]}, "'foo': the weights make 110"),
        ({"foo": [{"dest": "bar", "weight": 50}, {"dest": "bar", "weight": 50}]}, "'bar' is listed twice"),
    ],
)
def test_what_cannot_be_a_mapping_is_refused(given: Any, text: str) -> None:
    with pytest.raises(OptionsError) as refused:
        parse_mappings(given)
    assert text in str(refused.value)


def test_keys_of_a_destination_are_read_in_any_case() -> None:
    assert mappings({"foo": ({"Destination": "bar", "WEIGHT": "+100%"},)}).map(b"foo") == (b"bar", True)


def test_weights_of_clusters_are_added_apart() -> None:
    given = [{"dest": "a", "weight": 90, "cluster": "one"}, {"dest": "b", "weight": 90, "cluster": "two"}]
    assert len(parse_mappings({"foo": given})) == 1


def test_an_account_maps_from_the_next_message_on_and_stops_so() -> None:
    road = Road(1)
    account = Account(GLOBAL, road)
    taken: list[bytes] = []

    def take(batch: list[tuple[bytes, bytes | None, bytes | None, bytes]]) -> None:
        taken.extend(subject for subject, *_ in batch)

    account.sublist.insert(Subscription(b">", b"1", None, None, take))

    client = Inbound(road, Outbound(road, None), account.sublist, None)
    client.verbose = False

    def publish() -> bytes:
        client.take_in(b"PUB foo 0\r\n\r\n")
        return taken[-1]

    assert publish() == b"foo"
    every = mappings({"foo": "bar"})
    account.map_subjects(every)
    assert account.mappings is every
    assert publish() == b"bar"
    account.map_subjects(None)
    assert account.mappings is None
    assert publish() == b"foo"
