"""`nats server check connection`, `passwd` and `mappings`: what needs no system account."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest

from natsd.cli.check import CRITICAL, OK, UNKNOWN, WARNING, Check

if TYPE_CHECKING:
    from tests.cli.commands import Denying, Nats
else:
    Nats = Denying = Any


EASY = [f"--{what}-{level}=1m" for what in ("connect", "rtt", "req") for level in ("warn", "critical")]


def test_a_good_connection_is_ok_in_one_line(nats: Nats) -> None:
    for _ in range(10):  # the limits are those of a machine that is not busy
        result = nats.run("server", "check", "connection")
        if result.code == OK:
            break
    assert result.code == OK
    number = r"\d+\.\d{4}s;0\.5000;1\.0000"
    assert re.fullmatch(
        rf"OK Connection OK:connected to {nats.url} in \S+ OK:rtt time \S+ OK:round trip took \d\.\d{{6}}s "
        rf"\| connect_time={number} rtt={number} request_time={number}\n",
        result.out,
    )


@pytest.mark.parametrize(
    ("flags", "code", "word"),
    [
        (["--connect-warn", "1ns"], 1, "WARNING Connection Warn:connected"),
        (["--rtt-critical", "1ns"], 2, "CRITICAL Connection Crit:rtt time"),
        (["--req-critical", "1ns", "--rtt-warn", "1ns"], 2, "CRITICAL Connection Crit:round trip"),
    ],
)
def test_a_slow_connection_is_a_warning_or_critical(nats: Nats, flags: list[str], code: int, word: str) -> None:
    result = nats.run("server", "check", "conn", *EASY, *flags)
    assert result.code == code and result.out.startswith(word)


def test_no_connection_is_critical(nats: Nats, nowhere: str) -> None:
    result = nats.run("server", "check", "connection", "-s", nowhere)
    assert result.code == 2 and result.out.startswith("CRITICAL Connection Crit:nats: no servers available")
    assert result.err == "" and result.out.count("\n") == 1


def test_a_user_who_may_not_ask_is_critical(nats: Nats, denying: Denying) -> None:
    result = nats.run("server", "check", "connection", "-s", denying.url, "--timeout", "1s")
    assert result.code == 2 and "Permissions Violation" in result.out


def test_what_keeps_from_checking_is_unknown(nats: Nats, tmp_path: Path) -> None:
    result = nats.run("server", "check", "connection", "--context", "none", XDG_CONFIG_HOME=str(tmp_path))
    assert result.code == 3 and result.out.startswith('UNKNOWN Connection Unknown:unknown context "none"')


def test_check_as_json_before_or_behind_the_check(nats: Nats) -> None:
    for args in (["--format", "json", "connection"], ["connection", "--format", "json"]):
        document = json.loads(nats.run("server", "check", *args, *EASY).out)
        assert (document["status"], document["check_suite"], document["check_name"]) == (
            "OK",
            "connection",
            "Connection",
        )
        assert [one["name"] for one in document["perf_data"]] == ["connect_time", "rtt", "request_time"]


def test_check_for_prometheus_always_ends_well(nats: Nats, nowhere: str) -> None:
    result = nats.run("server", "check", "connection", "--format", "prometheus", "-s", nowhere)
    assert result.code == 0
    assert result.out.endswith('nats_server_check_connection_status_code{item="Connection",status="CRITICAL"} 2\n')
    named = nats.run("server", "check", "connection", "--format", "prometheus", "--namespace", "mine").out
    assert re.search(r'^mine_connection_rtt\{item="Connection"\} [\d.e-]+$', named, re.MULTILINE)


def test_check_as_text_into_a_file(nats: Nats, tmp_path: Path) -> None:
    file = tmp_path / "out"
    result = nats.run("server", "check", "connection", "--format", "text", "--outfile", str(file), *EASY)
    assert (result.code, result.out) == (0, "")
    assert "Connection: OK" in file.read_text() and "request_time" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_worst_finding_decides() -> None:
    check = Check("s", "S")
    assert check.status == UNKNOWN
    check.fine.append("a")
    assert check.status == OK
    check.unknowns.append("x\ny")
    assert check.status == UNKNOWN
    check.warnings.append("b")
    assert check.status == WARNING
    check.criticals.append("c")
    assert check.status == CRITICAL
    assert check.render("nagios", "n") == "CRITICAL S Crit:c Warn:b Unknown:x y OK:a\n"


def test_passwd_hashes_what_it_is_given(nats: Nats) -> None:
    for flags, given, environment in (
        (["-p", "0123456789"], None, {}),
        ([], b"0123456789\n", {}),
        ([], None, {"PASSWORD": "0123456789"}),
    ):
        result = nats.run("server", "passwd", "-c", "4", *flags, stdin=given, **environment)
        assert result.code == 0 and result.out.startswith("$2a$04$")
        assert bcrypt.checkpw(b"0123456789", result.out.strip().encode())


def test_passwd_costs_eleven_and_makes_passwords_up(nats: Nats) -> None:
    result = nats.run("server", "passwd", "--generate")
    found = re.fullmatch(r"Generated password: (\w{22})\n +bcrypt hash: (\$2a\$11\$\S+)\n", result.out)
    assert found and bcrypt.checkpw(found[1].encode(), found[2].encode())


@pytest.mark.parametrize("password", ["ninechars", "x" * 73, "é" * 37])
def test_passwd_refuses_what_is_too_short_or_too_long(nats: Nats, password: str) -> None:
    result = nats.run("server", "passwd", "-p", password)
    assert result.code == 2 and result.out == "" and password not in result.err


def test_mappings(nats: Nats) -> None:
    assert nats.run("server", "mappings", "orders.*.*", "o.{{wildcard(2)}}.$1", "orders.a.b").out == "o.b.a\n"
    document = json.loads(nats.run("server", "mapping", "a.>", "b.>", "a.c", "-j").out)
    assert document == {"source": "a.>", "destination": "b.>", "subject": "a.c", "mapped": "b.c"}


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (["a.*", "b.$2", "a.x"], 2, "transform of"),
        (["a.*", "b.$1", "c.x"], 1, '"c.x" is not covered by "a.*"'),
        (["a.*", "b.$1"], 2, 'no answer to "Subject to map": there is no terminal to ask, give SUBJECT'),
    ],
)
def test_a_mapping_that_says_nothing(nats: Nats, args: list[str], code: int, text: str) -> None:
    result = nats.run("server", "mappings", *args)
    assert result.code == code and text in result.err and result.err.count("\n") == 1
