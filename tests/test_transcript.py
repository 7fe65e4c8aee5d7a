"""The player of transcripts sees what is wrong: a test that cannot fail would show nothing."""

from __future__ import annotations

import pytest

from tests.memory import MemoryPlace
from tests.transcript import Malformed, Mismatch, Player, Transcript, misfit, plain


def play(text: str) -> None:
    Player(Transcript("here", text), MemoryPlace([], {})).play()


def refused(text: str) -> str:
    with pytest.raises(Mismatch) as caught:
        play(text)
    return str(caught.value)


SUBSCRIBED = "# Title\na> SUB foo 1\nb> SUB foo 2\nc> PUB foo 2\nc> hi\n"


def test_a_true_dialogue_passes() -> None:
    play(SUBSCRIBED + "a< MSG foo 1 2\na< hi\nb< MSG foo 2 2\nb< hi\nall< quiet\n")


def test_a_wrong_line_is_seen() -> None:
    assert "line 6: a wanted b'MSG foo 9 2" in refused(SUBSCRIBED + "a< MSG foo 9 2\n")


def test_a_wrong_payload_is_seen() -> None:
    assert "wanted b'ho" in refused(SUBSCRIBED + "a< MSG foo 1 2\na< ho\n")


def test_a_message_that_never_comes_is_seen() -> None:
    assert "got b''" in refused("# Title\na> SUB foo 1\na< MSG foo 1 2\n")


def test_silence_that_is_broken_is_seen() -> None:
    assert "b should be quiet" in refused(SUBSCRIBED + "a< MSG foo 1 2\na< hi\nb< quiet\n")


def test_what_is_left_at_the_end_is_seen() -> None:
    assert "at the end b has" in refused(SUBSCRIBED + "a< MSG foo 1 2\na< hi\n")


def test_a_connection_that_stays_open_is_seen() -> None:
    assert "should be closed, is open" in refused("# Title\na> PONG\na< closed\n")


def test_a_connection_that_was_closed_is_not_quiet() -> None:
    assert "was closed" in refused("# Title\na> PUB foo x\na< quiet\n")


def test_words_before_the_end_are_seen() -> None:
    assert "closed after b\"-ERR 'Unknown" in refused("# Title\na> NONSENSE\na< closed\n")


def test_one_of_two_gets_the_whole_block() -> None:
    group = "# Title\na> SUB foo q 1\nb> SUB foo q 1\nc> PUB foo 2\nc> hi\n"
    play(group + "a|b< MSG foo 1 2\na|b< hi\nall< quiet\n")
    assert "should be quiet" in refused(SUBSCRIBED + "a|b< /MSG foo . 2/\na|b< hi\nall< quiet\n")


def test_a_hidden_pong_takes_nothing_away() -> None:
    published = "# Title\na> SUB foo 1\na> PING\nb> PUB foo 6\nb> PONG\\r\\n\n"
    play(published + "a< PONG\na< MSG foo 1 6\na< PONG\\r\\n\nall< quiet\n")


def test_a_ping_of_the_server_is_passed_over_unless_it_is_the_point() -> None:
    play("# Title\na> PING\na< PONG\nwait 3000ms\na> PING\na< PONG\nall< quiet\n")
    play("# Title\na> PING\na< PONG\nwait 3000ms\na< PING\n")


@pytest.mark.parametrize(
    ("want", "why"),
    [
        ('INFO {"proto": 1}', ""),
        ('INFO {"proto": 2}', "proto is 1, wanted 2"),
        ('INFO {"proto": true}', "proto is 1, wanted True"),
        ('INFO {"host": "~10[.].*"}', ""),
        ('INFO {"host": "~11[.].*"}', "host is '10.0.0.1', wanted '~11[.].*'"),
        ('INFO {"port": "*", "nonce": null}', ""),
        ('INFO {"nonce": "*"}', "nonce is missing"),
        ('INFO {"port": null}', "port should be absent, is 4222"),
        ("/INFO .*0[.]1.*/", ""),
        ("/INFO/", "does not match /INFO/"),
    ],
)
def test_patterns_tell_what_does_not_fit(want: str, why: str) -> None:
    assert misfit(want, b'INFO {"proto":1,"host":"10.0.0.1","port":4222} ') == why


def test_text_stands_for_bytes() -> None:
    assert plain(r"a\tb\x00\xff\\ {{xy*3}} ü") == b"a\tb\x00\xff\\ xyxyxy \xc3\xbc"
    with pytest.raises(Malformed):
        plain(r"\q")


@pytest.mark.parametrize(
    "text", ["a> PING\n", "# Title\n", "# Title\na> PING\nflags: -D\n", "# Title\nflag: -D\na> PING\n"]
)
def test_a_file_that_is_no_transcript_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        Transcript("here", text)


@pytest.mark.parametrize(
    ("versions", "fitting", "unfitting"),
    [
        ("2.12+", [(2, 12, 0), (2, 15, 1), (3, 0)], [(2, 11, 9), (2, 9, 10)]),
        ("-2.11", [(2, 9, 10), (2, 11, 17)], [(2, 12, 0)]),
    ],
)
def test_versions_bound_a_rule(versions: str, fitting: list[tuple[int, ...]], unfitting: list[tuple[int, ...]]) -> None:
    transcript = Transcript("here", f"# Title\nversions: {versions}\na> PING\n")
    assert all(transcript.wants(version) for version in fitting)
    assert not any(transcript.wants(version) for version in unfitting)
