"""Which stream has which subjects, compared with a look at all of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from natsd.jetstream.subject_index import SubjectIndex
from natsd.subjects.match import collide

TOKENS = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=3)
SUBJECTS = st.builds(lambda tokens, rest: ".".join([*tokens, *([">"] if rest else [])]), TOKENS, st.booleans())


@given(st.lists(SUBJECTS, max_size=12, unique=True), SUBJECTS, st.data())
def test_it_finds_what_a_scan_finds(subjects: list[str], asked: str, data: st.DataObject) -> None:
    index = SubjectIndex()
    names = {subject: f"S{number}" for number, subject in enumerate(subjects)}
    for subject, name in names.items():
        index.add(name, [subject])
    for subject in list(names):
        if data.draw(st.booleans()):
            index.remove([subject])
            del names[subject]
    wanted = {name for subject, name in names.items() if collide(subject.encode(), asked.encode())}
    assert index.matching(asked) == wanted
    assert (index.meets(asked) in wanted) if wanted else index.meets(asked) == ""
    for name in wanted:
        assert index.meets(asked, but=name) != name
