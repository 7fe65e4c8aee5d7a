"""The client's scanner, in every form that is built here: events, splits, rubbish, counting."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from natsd.kernel import _plain_client

FORMS: dict[str, Any] = {"plain": _plain_client.ClientScanner}
try:
    from natsd.kernel import _native_client

    FORMS["native"] = _native_client.ClientScanner
except ImportError:
    pass

Event = tuple[Any, ...]


@pytest.fixture(params=sorted(FORMS))
def scanner(request: pytest.FixtureRequest) -> Any:
    return FORMS[request.param]()


def render(event: Event) -> bytes:
    if event[0] != "MSG":
        words = {"INFO": b"INFO ", "ERR": b"-ERR '", "OK": b"+OK", "PING": b"PING", "PONG": b"PONG"}
        return words[event[0]] + (event[1] if len(event) > 1 else b"") + (b"'" if event[0] == "ERR" else b"") + b"\r\n"
    _, sid, subject, reply, header, payload = event
    words_out = [subject, b"%d" % sid, *([reply] if reply else [])]
    if header is None:
        return b"MSG %b %d\r\n%b\r\n" % (b" ".join(words_out), len(payload), payload)
    sizes = (len(header), len(header) + len(payload))
    return b"HMSG %b %d %d\r\n%b%b\r\n" % (b" ".join(words_out), *sizes, header, payload)


def feed(scanner: Any, stream: bytes, cuts: list[int]) -> list[Event]:
    events: list[Event] = []
    at = 0
    for cut in [*sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]:
        events += scanner.feed(stream[at:cut])
        at = cut
    return events


WORD = st.binary(min_size=1, max_size=12).map(lambda raw: bytes(33 + byte % 94 for byte in raw))
MESSAGE = st.tuples(
    st.just("MSG"),
    st.integers(0, 10**17),
    WORD,
    st.none() | WORD,
    st.none() | st.binary(max_size=30),
    st.binary(max_size=60) | st.sampled_from([b"\r\n", b"MSG a 1 3\r\nabc\r\n", b"PING\r\n"]),
)
OTHER = st.sampled_from(
    [("PING",), ("PONG",), ("OK",), ("INFO", b'{"server_id":"X"}'), ("ERR", b"Slow Consumer"), ("ERR", b"it's bad")]
)
EVENTS = st.lists(MESSAGE | OTHER, max_size=12)
CUTS = st.lists(st.integers(0, 5000), max_size=10)


@pytest.mark.parametrize("form", sorted(FORMS))
@given(events=EVENTS, cuts=CUTS)
@settings(max_examples=150, deadline=None)
def test_any_split_of_a_stream_gives_the_same_events(form: str, events: list[Event], cuts: list[int]) -> None:
    stream = b"".join(map(render, events))
    assert feed(FORMS[form](), stream, cuts) == events


@pytest.mark.parametrize("form", sorted(FORMS))
@given(events=EVENTS, cuts=CUTS)
@settings(max_examples=100, deadline=None)
def test_skimming_counts_what_feeding_delivers(form: str, events: list[Event], cuts: list[int]) -> None:
    stream = b"".join(map(render, events))
    scanner = FORMS[form]()
    messages = size = at = 0
    others: list[Event] = []
    for cut in [*sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]:
        some, their_bytes, rest = scanner.skim(stream[at:cut])
        messages += some
        size += their_bytes
        others += rest
        at = cut
    wanted = [event for event in events if event[0] == "MSG"]
    assert messages == len(wanted)
    assert size == sum(len(event[4] or b"") + len(event[5]) for event in wanted)
    assert others == [event for event in events if event[0] != "MSG"]


@pytest.mark.skipif(len(FORMS) < 2, reason="the native kernel is not built")
@given(stream=st.binary(max_size=200) | st.lists(WORD | st.sampled_from([b"MSG", b" ", b"\r\n", b"3"])).map(b" ".join))
@settings(max_examples=200, deadline=None)
def test_both_forms_agree_on_garbage(stream: bytes) -> None:
    outcomes = []
    for form in sorted(FORMS):
        try:
            outcomes.append(FORMS[form]().feed(stream))
        except ValueError:
            outcomes.append("rubbish")
    assert outcomes[0] == outcomes[1]


def test_every_byte_may_come_alone(scanner: Any) -> None:
    stream = b"MSG a.b 7 r.1 5\r\nhello\r\nHMSG c 8 12 12\r\nNATS/1.0\r\n\r\n\r\nPING\r\n"
    events = [event for byte in stream for event in scanner.feed(bytes([byte]))]
    assert events == [
        ("MSG", 7, b"a.b", b"r.1", None, b"hello"),
        ("MSG", 8, b"c", None, b"NATS/1.0\r\n\r\n", b""),
        ("PING",),
    ]


def test_a_message_may_have_no_payload(scanner: Any) -> None:
    assert scanner.feed(b"MSG a 1 0\r\n\r\n") == [("MSG", 1, b"a", None, None, b"")]


def test_blanks_and_tabs_between_words_do_not_matter(scanner: Any) -> None:
    assert scanner.feed(b"MSG  a\t1   2 \r\nhi\r\n") == [("MSG", 1, b"a", None, None, b"hi")]


def test_verbs_may_be_in_lower_case_and_lines_end_in_lf(scanner: Any) -> None:
    assert scanner.feed(b"ping\n-err 'x'\nmsg a 1 1\nz\r\n") == [
        ("PING",),
        ("ERR", b"x"),
        ("MSG", 1, b"a", None, None, b"z"),
    ]


def test_a_control_character_belongs_to_the_subject(scanner: Any) -> None:
    assert scanner.feed(b"MSG a\x0bb 1 1\r\nz\r\n") == [("MSG", 1, b"a\x0bb", None, None, b"z")]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_kind_of_bytes_is_taken(scanner: Any, kind: Any) -> None:
    (event,) = scanner.feed(kind(b"MSG a 1 2\r\nhi\r\n"))
    assert event == ("MSG", 1, b"a", None, None, b"hi")
    assert type(event[5]) is bytes


def test_a_large_payload_is_not_searched_again_with_every_piece(scanner: Any) -> None:
    payload = b"\n" * (1 << 22)
    stream = b"MSG a 1 %d\r\n%b\r\n" % (len(payload), payload)
    events: list[Event] = []
    for at in range(0, len(stream), 4096):
        events += scanner.feed(stream[at : at + 4096])
    assert events == [("MSG", 1, b"a", None, None, payload)]


def test_a_line_that_repeats_and_one_that_differs_are_told_apart(scanner: Any) -> None:
    stream = b"MSG a 1 2\r\nhi\r\n" * 3 + b"MSG a 2 2\r\nho\r\n" + b"MSG a 1 2\r\nhi\r\n"
    assert [event[1] for event in scanner.feed(stream)] == [1, 1, 1, 2, 1]
    assert scanner.skim(stream) == (5, 10, [])


def test_many_different_lines_are_all_right(scanner: Any) -> None:
    stream = b"".join(b"MSG s.%d 1 1\r\nx\r\n" % number for number in range(5000))
    assert [event[2] for event in scanner.feed(stream)] == [b"s.%d" % number for number in range(5000)]


RUBBISH = [
    b"HTTP/1.1 400 Bad Request\r\n",
    b"\r\n",
    b"MSG\r\n",
    b"MSG a 1\r\n",
    b"MSG a 1 r 2 3\r\n",
    b"MSG a x 1\r\n",
    b"MSG a 1 -1\r\n",
    b"MSG a 1 +1\r\n",
    b"MSG a -1 1\r\n",
    b"MSG a 1 1_0\r\n",
    b"MSG a 1 2147483648\r\n",
    b"MSG a 1 9223372036854775808\r\n",
    b"MSG a 99999999999999999999 1\r\n",
    b"HMSG a 1 5\r\n",
    b"HMSG a 1 6 5\r\n",
    b"HMSG a 1 -1 5\r\n",
    b"HMSG a 1 r s 1 2\r\n",
    b"MSG a 1 2\r\nabcd\r\n",
    b"MSG a 1 2\r\nab\n\n",
]


@pytest.mark.parametrize("stream", RUBBISH)
@pytest.mark.parametrize("split", [False, True])
def test_rubbish_raises(scanner: Any, stream: bytes, split: bool) -> None:
    with pytest.raises(ValueError):
        for piece in [bytes([byte]) for byte in stream] if split else [stream]:
            scanner.feed(piece)


@pytest.mark.parametrize("stream", RUBBISH)
def test_rubbish_raises_while_skimming(scanner: Any, stream: bytes) -> None:
    with pytest.raises(ValueError):
        scanner.skim(stream)


def test_the_offending_line_is_named(scanner: Any) -> None:
    with pytest.raises(ValueError, match="SMTP ready"):
        scanner.feed(b"220 SMTP ready\r\n")


@pytest.mark.parametrize("split", [False, True])
def test_a_line_without_an_end_is_not_kept_for_ever(scanner: Any, split: bool) -> None:
    line = b"INFO " + b"x" * (_plain_client.MAX_LINE_BYTES + 1)
    with pytest.raises(ValueError):
        if split:
            for at in range(0, len(line), 65536):
                scanner.feed(line[at : at + 65536])
        scanner.feed(line + b"\r\n")
