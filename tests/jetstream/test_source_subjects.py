"""What a source takes and what becomes of it: with very many filters the same as with few."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natsd.base.chance import SeededChance
from natsd.jetstream.streams import source_subjects as module
from natsd.jetstream.streams.source_subjects import SourceSubjects
from natsd.jetstream.streams.stream_config import Source, SubjectTransform

FILTERS = st.lists(st.sampled_from(["a", "a.*", "*.b", "a.b", "a.>", "*.*", ">", "b.*.c"]), max_size=12)
SUBJECTS = st.lists(st.sampled_from([b"a", b"b", b"c", b"*", b">", b""]), min_size=1, max_size=3).map(b".".join)


def made(filters: list[str]) -> SourceSubjects:
    changes = [SubjectTransform(src=one, dest=f"n{at}.>" if one == ">" else "") for at, one in enumerate(filters)]
    for at, one in enumerate(filters):
        if at % 3 and not one.endswith(">"):
            changes[at].dest = f"n{at}"
    return SourceSubjects(Source(name="O", subject_transforms=changes))


@given(FILTERS, SUBJECTS)
def test_what_is_taken_does_not_depend_on_how_it_is_found(filters: list[str], subject: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        found = []
        for few in (100, 0):
            patch.setattr(module, "FEW", few)
            subjects = made(filters)
            found.append((subjects.wants(subject), subjects.change(subject, SeededChance(1))))
    assert found[0] == found[1]


def test_very_many_transforms_are_made_as_they_are_needed() -> None:
    changes = [SubjectTransform(src=f"s.{number}.*", dest=f"t.{number}.$1") for number in range(1000)]
    subjects = SourceSubjects(Source(name="O", subject_transforms=changes))
    assert subjects.change(b"s.700.x", SeededChance(1)) == b"t.700.x"
    assert subjects.change(b"s.1000.x", SeededChance(1)) == b"s.1000.x"
    assert subjects.wants(b"s.999.x") and not subjects.wants(b"s.999")
    assert len(subjects._transforms) == 1


def test_one_filter_without_a_transform() -> None:
    subjects = SourceSubjects(Source(name="O", filter_subject="a.*"))
    assert subjects.filters == [b"a.*"]
    assert subjects.wants(b"a.b") and not subjects.wants(b"b")
    assert subjects.change(b"a.b", SeededChance(1)) == b"a.b"
