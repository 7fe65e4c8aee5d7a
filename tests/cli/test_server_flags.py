"""The flags of nats-server: Go's grammar, and what each sets."""

from __future__ import annotations

import pytest

from natsd.base.tls_options import TlsOptions
from natsd.cli.server_flags import FLAGS, LATER, CommandLine, FlagError, parse, parse_int, usage


@pytest.mark.parametrize("args", [["-p", "4333"], ["-p=4333"], ["--p", "4333"], ["--port", "4333"], ["--port=4333"]])
def test_all_spellings_of_a_flag_are_equal(args: list[str]) -> None:
    assert parse(args).options == {"port": 4333}


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.names[0])
def test_every_name_of_a_flag_means_the_same(flag: object) -> None:
    names, kind = flag.names, flag.kind  # type: ignore[attr-defined]
    given = {"text": "1", "int": "1", "bool": "true"}[kind]

    def meaning(line: CommandLine) -> tuple[object, ...]:
        return (line.options, line.show_help, line.show_version, line.config_file, line.check_config)

    assert len({repr(meaning(parse([f"-{name}={given}"]))) for name in names}) == 1


def test_options_get_the_values_of_their_flags() -> None:
    line = parse(
        "-a 127.0.0.1 -n one -P p.pid -m -1 -l s.log -user u -pass p -auth t -ports_file_dir d"
        " -client_advertise h:1 -max_traced_msg_len 9 -T=false".split()
    )
    assert line.options == {
        "host": "127.0.0.1",
        "server_name": "one",
        "pid_file": "p.pid",
        "http_port": -1,
        "log_file": "s.log",
        "user": "u",
        "password": "p",
        "token": "t",
        "ports_file_dir": "d",
        "client_advertise": "h:1",
        "max_traced_msg_len": 9,
        "logtime": False,
    }


@pytest.mark.parametrize(
    ("args", "debug", "trace"),
    [
        ("-D", True, None),
        ("-V", None, True),
        ("-DV", True, True),
        ("-DVV", True, True),
        ("-VV", None, True),
        ("--debug=false --trace=T", False, True),
        ("-DV=false -D -V", False, False),
        ("-D=false -DV", True, True),
        ("-VV=0 -DV", True, False),
    ],
)
def test_debug_and_trace_have_many_flags(args: str, debug: bool | None, trace: bool | None) -> None:
    options = parse(args.split()).options
    assert (options.get("debug"), options.get("trace")) == (debug, trace)


def test_the_last_of_several_wins() -> None:
    assert parse(["-p", "1", "--port=2"]).options == {"port": 2}


def test_a_value_may_look_like_a_flag() -> None:
    assert parse(["-p", "-1", "-n", "-D"]).options == {"port": -1, "server_name": "-D"}


def test_a_value_may_be_empty_or_hold_an_equals_sign() -> None:
    assert parse(["-n=", "-pass", "a=b", "--auth=c=d"]).options == {
        "server_name": "",
        "password": "a=b",
        "token": "c=d",
    }


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("+7", 7),
        ("-1", -1),
        ("0x1f", 31),
        ("0b101", 5),
        ("0o17", 15),
        ("017", 15),
        ("1_000", 1000),
        ("0_7", 7),
    ],
)
def test_numbers_are_read_as_go_reads_them(text: str, number: int) -> None:
    assert parse_int(text) == number


@pytest.mark.parametrize("text", ["", "-", "abc", "1.5", " 1", "1 ", "+-1", "1__0", "_1", "08", "٣", "1e3", "4222\n"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(FlagError, match=r"^invalid value .* for flag -p: parse error$"):
        parse([f"-p={text}"])


@pytest.mark.parametrize("text", [str(2**63), str(-(2**63) - 1), "9" * 100])
def test_a_number_over_64_bits_is_out_of_range(text: str) -> None:
    with pytest.raises(FlagError, match=rf'^invalid value "{text}" for flag -port: value out of range$'):
        parse(["--port", text])


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ("-x", "flag provided but not defined: -x"),
        ("--nope=1", "flag provided but not defined: -nope"),
        ("-p", "flag needs an argument: -p"),
        ("-D -name", "flag needs an argument: -name"),
        ("-D=maybe", 'invalid boolean value "maybe" for -D: parse error'),
        ("---p 1", "bad flag syntax: ---p"),
        ("-=1", "bad flag syntax: -=1"),
        ("serve", 'nats-server: unrecognized command: "serve"'),
        ("-D true", 'nats-server: unrecognized command: "true"'),
        ("-- -D", 'nats-server: unrecognized command: "-D"'),
        ("-", 'nats-server: unrecognized command: "-"'),
    ],
)
def test_what_cannot_be_understood_is_refused_in_go_s_words(args: str, text: str) -> None:
    with pytest.raises(FlagError) as refused:
        parse(args.split())
    assert str(refused.value) == text


def test_the_flags_of_tls_make_one_option() -> None:
    found = parse("-tlscert c.pem -tlskey k.pem -tlsverify -tlscacert a.pem".split()).options["tls"]
    assert isinstance(found, TlsOptions)
    assert (found.cert_file, found.key_file, found.ca_file, found.verify) == ("c.pem", "k.pem", "a.pem", True)
    assert "tls" in parse(["--tls"]).options


@pytest.mark.parametrize("args", ["-tls=false", "-tls=false -tlscert c.pem -tlskey k.pem", "-tlscert c.pem -tls=false"])
def test_tls_can_be_switched_off_whatever_else_is_said(args: str) -> None:
    assert parse(args.split()).options == {}


@pytest.mark.parametrize("name", sorted(LATER))
def test_a_flag_that_comes_later_is_refused_by_name(name: str) -> None:
    for args in ([f"-{name}"], [f"--{name}=x"], [f"-{name}", "x"]):
        with pytest.raises(FlagError) as refused:
            parse(args)
        assert str(refused.value) == f"nats-server: flag -{name} is not supported yet"


@pytest.mark.parametrize("args", ["-v", "--version", "version", "VERSION", "-v serve", "-p 1 -- version"])
def test_the_version_can_be_asked_for(args: str) -> None:
    line = parse(args.split())
    assert line.show_version and not line.show_help


@pytest.mark.parametrize("args", ["-h", "--help", "help", "-help serve"])
def test_help_can_be_asked_for(args: str) -> None:
    line = parse(args.split())
    assert line.show_help and not line.show_version


def test_an_error_comes_before_the_version() -> None:
    with pytest.raises(FlagError):
        parse(["-v", "-p", "x"])


def test_utc_is_an_option() -> None:
    line = parse(["-logtime_utc"])
    assert line.options == {"logtime_utc": True}


def test_no_arguments_ask_for_nothing() -> None:
    line = parse([])
    assert line.options == {} and not line.show_help and not line.show_version and not line.check_config


def test_the_usage_names_every_flag_once() -> None:
    text = usage()
    words = text.replace(",", " ").split()
    for flag in FLAGS:
        for name in flag.names:
            assert words.count(("-" if len(name) < 3 else "--") + name) == 1, name
        assert flag.help in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_no_flag_is_both_there_and_still_to_come() -> None:
    assert not LATER & {name for flag in FLAGS for name in flag.names}
