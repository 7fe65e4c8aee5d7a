"""`nats publish`: bodies, headers, templates, what it says and how it ends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.commands import Denying, Nats
else:
    Nats = Denying = Any


def test_the_body_comes_from_stdin_when_something_is_piped_in(nats: Nats) -> None:
    listener = nats.sub("in", "--count", "1")
    result = nats.run("pub", "in", stdin=b"from\nstdin\n")
    assert result.err == 'Reading payload from STDIN\nPublished 11 bytes to "in"\n'
    assert listener.finish().out == '[#1] Received on "in"\nfrom\nstdin\n\n'


def test_nothing_piped_in_is_an_empty_message(nats: Nats) -> None:
    listener = nats.sub("in", "--count", "1")
    assert 'Published 0 bytes to "in"\n' in nats.run("pub", "in").err
    assert listener.finish().out == '[#1] Received on "in"\nnil body\n\n'


def test_an_empty_body_does_not_touch_stdin(nats: Nats) -> None:
    result = nats.run("pub", "in", "", stdin=b"not read")
    assert result.err == 'Published 0 bytes to "in"\n'
    forced = nats.run("pub", "in", "ignored", "--force-stdin", stdin=b"read")
    assert forced.err == 'Reading payload from STDIN\nPublished 4 bytes to "in"\n'


def test_a_message_a_line(nats: Nats) -> None:
    listener = nats.sub("line", "--count", "3")
    sender = nats.start("pub", "line", "--send-on", "newline", stdin=True)
    sender.write(b"one\ntw")
    # Each line leaves as soon as it is there.
    listener.wait_for("one", "out")
    sender.write(b"o\r\nthree")
    assert 'Published 5 bytes to "line"' in sender.finish().err
    assert listener.finish().out == "".join(
        f'[#{number}] Received on "line"\n{body}\n\n' for number, body in enumerate(("one", "two", "three"), 1)
    )


def test_headers_and_reply_subject(nats: Nats) -> None:
    listener = nats.sub("h", "--count", "1")
    nats.run("pub", "h", "x", "-H", "B:2", "-H", "a: 1", "--header=B:3", "--reply", "back")
    assert listener.finish().out == '[#1] Received on "h" with reply "back"\nB: 2\na: 1\nB: 3\n\nx\n\n'


def test_templates_are_filled_in(nats: Nats) -> None:
    listener = nats.sub("t.*", "--count", "2")
    result = nats.run("pub", "t.{{Count}}", "{{.Count}} {{ID}} {{Random 3 3}}", "-H", "N:{{Cnt}}", "--count", "2")
    assert re.fullmatch(r'(Published 28 bytes to "t\.[12]"\n){2}', result.err)
    for number, part in enumerate(re.split(r"\n\n(?=\[)", listener.finish().out), 1):
        assert re.fullmatch(
            rf'\[#{number}\] Received on "t\.{number}"\nN: {number}\n\n{number} \w{{22}} [A-Za-z0-9]{{3}}\n*', part
        )


def test_a_template_that_is_none_is_sent_as_it_is(nats: Nats) -> None:
    listener = nats.sub("t", "--count", "2")
    result = nats.run("pub", "t", "{{Nothing}}")
    assert result.err == 'Could not parse body template: function "Nothing" not defined\nPublished 11 bytes to "t"\n'
    assert nats.run("pub", "t", "{{Count}}", "--no-templates").err == 'Published 9 bytes to "t"\n'
    assert re.findall(r"\{\{\w+\}\}", listener.finish().out) == ["{{Nothing}}", "{{Count}}"]


def test_bytes_that_are_no_text_pass(nats: Nats) -> None:
    listener = nats.sub("bin", "--count", "2")
    payload = bytes(range(256))
    nats.run("pub", "bin", stdin=payload)
    nats.run("pub", "bin", b"\xc3\x28")
    head = '[#%d] Received on "bin"\n'
    assert listener.finish().raw_out == b"%b%b\n\n%b\xc3\x28\n\n" % (
        (head % 1).encode(),
        payload,
        (head % 2).encode(),
    )


def test_many_messages_show_a_bar_instead_of_lines(nats: Nats) -> None:
    listener = nats.sub("many", "--count", "50", "--subjects-only")
    result = nats.run("pub", "many", "{{Count}}", "--count", "50")
    assert re.fullmatch(r"100% \[=+\] \[50 in \d+s; [\d,]+/s\]\n", result.err)
    assert listener.finish().out.count("Received") == 50


def test_a_pause_between_messages(nats: Nats) -> None:
    result = nats.run("pub", "slow", "x", "--count", "3", "--sleep", "50ms")
    assert result.code == 0 and result.err.count("Published") == 3


def test_quiet_says_nothing(nats: Nats) -> None:
    result = nats.run("pub", "q", "-q", stdin=b"x")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert nats.run("pub", "q", "x", "--quiet", "--count", "30").err == ""


def test_a_violation_is_noticed(nats: Nats, denying: Denying) -> None:
    result = nats.run("pub", "secret", "x", "-s", denying.url)
    assert result.code == 5
    assert result.err == 'nats: error: nats: Permissions Violation for Publish to "secret"\n'
    assert nats.run("pub", "secret", "x", "--count", "30", "-s", denying.url).code == 5


def test_a_message_that_is_too_long_is_refused(nats: Nats) -> None:
    result = nats.run("pub", "big", stdin=bytes(1048577))
    assert result.code == 1
    assert result.err.splitlines()[-1] == (
        "nats: error: nats: maximum payload exceeded: 1,048,577 bytes, the server takes 1,048,576"
    )


@pytest.mark.parametrize("subject", ["a b", "", "a..b", "a\nb"])
def test_a_subject_that_cannot_be_is_a_usage_error(nats: Nats, subject: str) -> None:
    result = nats.run("pub", subject, "x")
    assert result.code == 2 and "invalid subject" in result.err and result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["pub"], "missing argument 'SUBJECT'"),
        (["pub", "a", "b", "c"], "unexpected extra argument"),
        (["pub", "a", "b", "-H", "novalue"], 'invalid header "novalue", write it as Key:Value'),
        (["pub", "a", "b", "-H", "a b:c"], "invalid header"),
        (["pub", "a", "b", "--count", "0"], "at least 1"),
        (["pub", "a", "b", "--sleep", "5"], "a unit is missing: try 5s"),
        (["pub", "a", "b", "--nonsense"], "--nonsense"),
        (["pub", "a", "b", "--send-on", "full-moon"], "full-moon"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(nats: Nats, args: list[str], text: str) -> None:
    result = nats.run(*args)
    assert result.code == 2 and result.out == ""
    assert result.err.startswith("nats: error: ") and text in result.err and result.err.count("\n") == 1
