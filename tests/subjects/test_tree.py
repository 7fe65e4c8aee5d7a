"""Many patterns at once, compared with one after the other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from natsd.subjects.match import matches
from natsd.subjects.tree import PatternTree

TOKENS = st.lists(st.sampled_from([b"a", b"b", b"*", b">", b""]), min_size=1, max_size=4)
SUBJECTS = st.builds(b".".join, TOKENS)


@given(st.lists(SUBJECTS, max_size=12), SUBJECTS)
def test_a_subject_is_sought_as_by_one_pattern_after_the_other(patterns: list[bytes], subject: bytes) -> None:
    assert PatternTree(patterns).matches(subject) == any(matches(pattern, subject) for pattern in patterns)


def test_a_subject_of_very_many_tokens_is_sought() -> None:
    deep = b".".join([b"a"] * 5000)
    tree = PatternTree([deep + b".>", b"*." + deep])
    assert [tree.matches(subject) for subject in (deep, deep + b".b", b"b." + deep)] == [False, True, True]
