"""The configuration language, without any option in it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from natsd.config import parser
from natsd.config.parser import MAX_NESTING, parse_file, parse_text
from natsd.config.problems import ConfigError
from tests.config.readings import complaints_of_parsing, parse, world


@pytest.mark.parametrize(
    "text", ["port: 4222", "port = 4222", "port 4222", "port\n4222\n", "port=4222;", "{port: 4222}", '"port": 4222']
)
def test_a_key_and_its_value_have_many_forms(text: str) -> None:
    assert parse(text) == {"port": 4222}


@pytest.mark.parametrize("separator", ["\n", "\r\n", ";", ",", " # remark\n", " // remark\n", ", # remark\n"])
def test_pairs_are_separated_by_line_ends_commas_and_semicolons(separator: str) -> None:
    assert parse(f"a: 1{separator}b: 2") == {"a": 1, "b": 2}
    assert parse(f"m {{a: 1{separator}b: 2}}") == {"m": {"a": 1, "b": 2}}


@pytest.mark.parametrize("text", ["", "  \n", "# only\n// remarks", "{}", "{ # x\n }"])
def test_there_may_be_nothing(text: str) -> None:
    assert parse(text) == {}


def test_json_is_a_configuration() -> None:
    assert parse('{"a": 1, "b": {"c": [1, 2.5, "x", true, {"d": "e"}]},\n "f": []}') == {
        "a": 1,
        "b": {"c": [1, 2.5, "x", True, {"d": "e"}]},
        "f": [],
    }


def test_outer_braces_mean_nothing_and_more_may_follow() -> None:
    assert parse("{{a: 1}, b: 2}{c: 3}\nd: 4\n}") == {"a": 1, "b": 2, "c": 3, "d": 4}


def test_the_last_of_equal_keys_counts() -> None:
    assert parse("a: 1\na: {b: 2, b: 3}") == {"a": {"b": 3}}


@pytest.mark.parametrize(
    "text", ["[a, b]", "[a b\n]".replace(" ", ","), "[\n a\n b\n]", "[a,b,]", "[a # x\n b // y\n]"]
)
def test_lists_are_separated_by_commas_and_line_ends(text: str) -> None:
    assert parse(f"x: {text}") == {"x": ["a", "b"]}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("true", True),
        ("YES", True),
        ("On", True),
        ("false", False),
        ("No", False),
        ("OFF", False),
        ("truely", "truely"),
        ("0", 0),
        ("-17", -17),
        ("9223372036854775807", 2**63 - 1),
        ("1k", 1000),
        ("1kb", 1024),
        ("1Ki", 1024),
        ("1KiB", 1024),
        ("2m", 2_000_000),
        ("2mb", 2 << 20),
        ("3g", 3_000_000_000),
        ("3GB", 3 << 30),
        ("1t", 10**12),
        ("1tb", 1 << 40),
        ("1p", 10**15),
        ("1pib", 1 << 50),
        ("1e", 10**18),
        ("1eb", 1 << 60),
        ("-8kib", -8192),
        ("1.5", 1.5),
        ("-0.25", -0.25),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1:4222", "127.0.0.1:4222"),
        ("4222/tcp", "4222/tcp"),
        ("5xyz", "5xyz"),
        ("2s", "2s"),
        ("1h30m", "1h30m"),
        ("1m30s", "1m30s"),
        ("-1m30s", "-1m30s"),
        ("1e9", "1e9"),
        ("10kilo", "10kilo"),
        ("nats://a:b@host:4222/", "nats://a:b@host:4222/"),
        ("/var/log/nats.log", "/var/log/nats.log"),
        ("#remark", "#remark"),
        ("a#b", "a#b"),
        ("$2a$11$abc./xyz", "$2a$11$abc./xyz"),
        ('"2016-05-04T18:53:41Z"', "2016-05-04T18:53:41Z"),
        ("2016-05-04T18:53:41Z", datetime(2016, 5, 4, 18, 53, 41, tzinfo=UTC)),
        (r'"\t\n\r\"\\\x41\xe2\x82\xac"', '\t\n\r"\\A€'),
        (r"a\tb\x20c", "a\tb c"),
        ("'\\x41 \"{}[]#'", '\\x41 "{}[]#'),
        ('"two\nlines"', "two\nlines"),
        ('"#{}[]();,"', "#{}[]();,"),
        ("(\none ( two )\n three)\n)", "\none ( two )\n three)\n"),
    ],
)
def test_values(word: str, value: object) -> None:
    assert parse(f"a: {word}\nb: 1") == {"a": value, "b": 1}
    assert parse(f"a: {word}") == {"a": value}


def test_bytes_that_are_no_text_are_kept() -> None:
    assert parse(r'a: "\xff"') == {"a": "\udcff"}
    files = world()
    files.read = lambda path: b"\xef\xbb\xbfa: '\xff\xc3\xa4'"
    assert parse_file("x.conf", files)["a"].value == "\udcffä"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a", '1:1: "a" has no value'),
        ("a:", '1:1: "a" has no value'),
        ("a = \nb: 1", '1:1: "a" has no value'),
        ("a: ]", '1:1: "a" has no value'),
        ("m {a: , b: 1}", '1:4: "a" has no value'),
        ("m {a: }", '1:4: "a" has no value'),
        (": 1", '1:1: a key is missing before ":"'),
        ("m { = 1}", '1:5: a key is missing before "="'),
        ("m {{a: 1}}", '1:4: a key is expected here, not "{"'),
        ("a: 1,, b: 2", '1:6: a key is expected here, not ","'),
        ("m { ] }", '1:5: a key is expected here, not "]"'),
        ("a: 1 b: 2", '1:6: unexpected "b" behind a value'),
        ("a: 1 /", '1:6: unexpected "/" behind a value'),
        ('a: "b" c', '1:8: unexpected "c" behind a value'),
        ("a: [b;c]", '1:6: unexpected ";" behind a value'),
        ("a: [b c]", '1:7: unexpected "c" behind a value'),
        ("a: [1,,2]", '1:7: an element is expected here, not ","'),
        ("a: [/b]", "1:5: in a list a value that begins with a slash needs quotes"),
        ("}\na: 1", '1:1: "}" without a "{" before it'),
        ("x\n  1\n m {a: 1", '3:4: this "{" is never closed'),
        ("{ a: 1", '1:1: this "{" is never closed'),
        ("a: [1", '1:4: this "[" is never closed'),
        ("a: [1,", '1:4: this "[" is never closed'),
        ("m {", '1:3: this "{" is never closed'),
        ('a: "b', "1:4: the quote that begins here is never closed"),
        ("a: 'b", "1:4: the quote that begins here is never closed"),
        ('"a: 1', "1:1: the quote that begins here is never closed"),
        ("a: don't", "1:7: a string with quotes or a backslash at its end needs quotes around it"),
        ("a: b\\", "1:5: a string with quotes or a backslash at its end needs quotes around it"),
        ("a: (\nb )\n", '1:4: this block has no end: a ")" alone on its line'),
        (r'a: "b\qc"', r'1:6: "\q" is no escape'),
        (r'a: "b\x4"', r"1:6: \x needs two hexadecimal digits behind it"),
        ("a: .5", "1:4: a number begins with a digit, not with a dot"),
        ("a: -b", '1:4: "-b" is neither a number nor a date'),
        ("a: 1-2", '1:4: "1-2" is neither a number nor a date'),
        ("a: 1.x", '1:4: "1.x" is neither a number nor a date'),
        ("a: 1.5s", '1:4: "1.5s" is neither a number nor a date'),
        ("a: -5x", '1:4: "-5x" is neither a number nor a date'),
        ("a: 5kbb", '1:4: "5kbb" has a suffix that is no size'),
        ("a: 9223372036854775808", "does not fit into 64 bits"),
        ("a: 10e", "does not fit into 64 bits"),
        ("a: 99999999999999999999999999999999999999", "does not fit into 64 bits"),
        ("a: 2016-13-04T18:53:41Z", "is no date"),
        ("a: 1\nb: \0", "2:4: a NUL character"),
        ("a: $b", "1:4: variable $b is set neither before this place nor in the environment"),
        ("include\nx", "1:8: include needs the name of a file"),
        ("include 5", "include needs the name of a file"),
        ("include 'x", "1:9: the quote that begins here is never closed"),
        ("include x.conf", "1:1: cannot include x.conf: no such file or directory"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, complaint: str) -> None:
    told = complaints_of_parsing(text)
    assert len(told) == 1 and told[0].startswith("main.conf:") and complaint in told[0]


def test_mistakes_that_leave_the_rest_readable_are_told_together() -> None:
    told = complaints_of_parsing("a: $x\ninclude y\nb: 5kbb\nc: $a\nd {")
    assert [line.split(":")[1] for line in told] == ["1", "2", "3", "4", "5"]


def test_values_know_their_places() -> None:
    settings = parse_text("\n\ta: 1\n  m { 'b' : [x,\n  {y: z}] }", "f")
    b = settings["m"].value["b"]  # type: ignore[index, call-overload]
    places = [(setting.file, setting.line, setting.column) for setting in (settings["a"], settings["m"], b, *b.value)]
    assert places == [("f", 2, 2), ("f", 3, 3), ("f", 3, 8), ("f", 3, 14), ("f", 4, 3)]


# Variables.


def test_a_variable_is_looked_for_from_the_inside_out() -> None:
    assert parse("x: 1\na {x: 2, b {c: $x}}\nd: $x") == {"x": 1, "a": {"x": 2, "b": {"c": 2}}, "d": 1}


def test_a_variable_is_what_was_set_before_it() -> None:
    assert parse("x: 1\na: $x\nx: 2\nb: [$x, {c: $x}]") == {"x": 2, "a": 1, "b": [2, {"c": 2}]}
    assert complaints_of_parsing("a: $x\nx: 1")
    assert complaints_of_parsing("a {x: 1}\nb: $x")


def test_a_variable_may_be_a_map_or_a_list() -> None:
    assert parse("p {allow: [a, b]}\nq: $p") == {"p": {"allow": ["a", "b"]}, "q": {"allow": ["a", "b"]}}


def test_what_a_variable_refers_to_is_marked() -> None:
    settings = parse_text("x: 1\ny: $x\nz: 2")
    assert [settings[key].used for key in "xyz"] == [True, False, False]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("secret", "secret"),
        ("'5'", "5"),
        ("[1, a, {b: c}]", [1, "a", {"b": "c"}]),
        ("true", True),
        ("1kb", 1024),
    ],
)
def test_a_variable_of_the_environment_is_read_as_a_value(text: str, value: object) -> None:
    assert parse("a: $NAME", environment={"NAME": text}) == {"a": value}


def test_variables_of_the_environment_may_refer_to_each_other_but_not_in_a_circle() -> None:
    assert parse("a: $A", environment={"A": "$B", "B": "7"}) == {"a": 7}
    assert complaints_of_parsing("a: $A", environment={"A": "$B", "B": "[$A]"})
    chain = {f"V{at}": f"$V{at + 1}" for at in range(500)}
    assert complaints_of_parsing("a: $V0", environment=chain)


def test_a_bad_value_in_the_environment_is_not_quoted() -> None:
    told = complaints_of_parsing("a: $TOKEN", environment={"TOKEN": "'s3cret' 'canary'"})
    assert told == ["main.conf:1:4: the value of variable $TOKEN in the environment cannot be read as a value"]


def test_an_empty_variable_of_the_environment_is_no_value() -> None:
    assert complaints_of_parsing("token: $TOKEN", environment={"TOKEN": ""})


# Includes.


@pytest.mark.parametrize(
    "form", ["include sub/a.conf", "include 'sub/a.conf'", 'INCLUDE "./sub/a.conf";', "include sub/a.conf;"]
)
def test_an_included_file_is_as_if_it_stood_there(form: str) -> None:
    assert parse(f"x: 1\n{form}\ny: $b", {"sub/a.conf": "a: 1\nb: 2"}) == {"x": 1, "a": 1, "b": 2, "y": 2}
    assert parse(f"m {{x: 1\n{form}\ny: $b}}", {"sub/a.conf": "a: 1\nb: 2"}) == {"m": {"x": 1, "a": 1, "b": 2, "y": 2}}


def test_includes_are_relative_to_the_including_file() -> None:
    files = {"sub/a.conf": "include b.conf", "sub/b.conf": "include ../c.conf", "c.conf": "z: 1"}
    assert parse("include sub/a.conf", files) == {"z": 1}


def test_an_included_file_does_not_see_the_variables_around_it() -> None:
    assert complaints_of_parsing("x: 1\ninclude a.conf", {"a.conf": "b: $x"}) == [
        "a.conf:1:4: variable $x is set neither before this place nor in the environment"
    ]


def test_mistakes_in_an_included_file_have_its_name() -> None:
    assert complaints_of_parsing("include a.conf\nb: $c", {"a.conf": "\n x: ["}) == [
        'a.conf:2:5: this "[" is never closed',
        "main.conf:2:4: variable $c is set neither before this place nor in the environment",
    ]


def test_files_cannot_include_each_other_in_a_circle() -> None:
    files = {"a.conf": "include b.conf", "b.conf": "m {include ./a.conf\n}", "c.conf": "include main.conf"}
    assert complaints_of_parsing("include a.conf", files) == ["b.conf:1:4: ./a.conf is being included by way of itself"]
    main = world({"main.conf": "include c.conf", **files})
    with pytest.raises(ConfigError, match=r"c.conf:1:1: main.conf is being included by way of itself"):
        parse_file("main.conf", main)


# Bounds.


def test_a_file_that_cannot_be_read_is_an_error_of_the_system() -> None:
    with pytest.raises(FileNotFoundError):
        parse_file("none.conf", world())


@pytest.mark.parametrize("text", ["{" * 10_000, "a:" + "[" * 10_000, "a {" * 10_000, "[" * 10_000])
def test_nesting_is_bounded(text: str) -> None:
    assert len(complaints_of_parsing(text)) == 1


def test_nesting_may_be_as_deep_as_the_bound() -> None:
    depth = MAX_NESTING
    assert parse("a:" + "[" * depth + "]" * depth)
    assert complaints_of_parsing("a:" + "[" * (depth + 1) + "]" * (depth + 1))


def test_nesting_by_way_of_variables_is_bounded() -> None:
    text = "v0: [1]\n" + "".join(f"v{at}: [[[[$v{at - 1}]]]]\n" for at in range(1, 100))
    assert any("nested deeper" in line for line in complaints_of_parsing(text))


def test_nesting_by_way_of_includes_is_bounded() -> None:
    files = {f"f{at}.conf": "m {n {o {p {q {r {include " + f"f{at + 1}.conf" + "\n}}}}}}" for at in range(30)}
    files["f30.conf"] = "x: 1"
    assert any(
        "nested deeper" in line or "levels deep" in line for line in complaints_of_parsing("include f0.conf", files)
    )


def test_includes_have_a_depth() -> None:
    files = {f"f{at}.conf": f"include f{at + 1}.conf" for at in range(100)}
    assert any("levels deep" in line for line in complaints_of_parsing("include f0.conf", files))


def test_values_that_multiply_by_variables_are_bounded() -> None:
    text = "v0: [1, 1]\n" + "".join(f"v{at}: [$v{at - 1}, $v{at - 1}]\n" for at in range(1, 64))
    assert any("values" in line for line in complaints_of_parsing(text))


def test_files_that_multiply_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "MAX_FILES", 50)
    files = {f"f{at}.conf": f"include f{at + 1}.conf\n" * 2 for at in range(18)} | {"f18.conf": "x: 1"}
    assert any("files are included" in line for line in complaints_of_parsing("include f0.conf", files))


def test_bytes_and_values_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "MAX_BYTES", 100)
    assert "larger than 100 bytes" in complaints_of_parsing("a: '" + "x" * 100 + "'")[0]
    monkeypatch.setattr(parser, "MAX_BYTES", 1000)
    monkeypatch.setattr(parser, "MAX_VALUES", 10)
    assert "more than 10 values" in complaints_of_parsing("a: [1,1,1,1,1,1,1,1,1,1,1,1]")[0]
