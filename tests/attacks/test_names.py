"""Names and subjects from outside: no blank, line end or empty token of theirs gets into the protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from natsd.base.errors import OptionsError
from natsd.config.problems import ConfigError
from natsd.server.configure import load_file
from natsd.server.options import Options
from tests.memory import MemoryLine, MemoryPlace

EVIL = ("a b", "a\tb", "a\r\nPING", "a\nMSG x 1 0", "a\r", " a", "a ", "a..b", ".a", "a.", "", "a.>.b")
"""None of them is a subject."""
NOT_IN_A_NAME = ("a b", "a\tb", "a\r\nPING", "a\nMSG x 1 0", "\x00a", "a\x7f")


def login(place: MemoryPlace, user: str) -> MemoryLine:
    line = MemoryLine(place)
    line.send(f'CONNECT {{"verbose":false,"headers":true,"user":"{user}","pass":"p"}}\r\n'.encode())
    line.receive(0)
    return line


def well_formed(data: bytes) -> bool:
    """Whether bytes are whole messages and PONGs and nothing else."""
    while data:
        line, found, data = data.partition(b"\r\n")
        words = line.split(b" ")
        if not found or line in (b"PING", b"PONG"):
            continue
        if words[0] not in (b"MSG", b"HMSG") or not words[-1].isdigit() or b"\n" in line or b"\r" in line:
            return False
        if len([word for word in words if word]) not in ((4, 5) if words[0] == b"MSG" else (5, 6)):
            return False
        size = int(words[-1])
        if data[size : size + 2] != b"\r\n":
            return False
        data = data[size + 2 :]
    return True


@pytest.mark.parametrize("name", [*NOT_IN_A_NAME, "x.y", "*", ">", "a..b", "$G.x", "é"])
def test_events_of_an_account_are_whole_messages_whatever_its_name(name: str) -> None:
    users = {"users": [{"user": "u", "password": "p"}]}
    system = {"users": [{"user": "s", "password": "p"}]}
    place = MemoryPlace([], {"accounts": {name: users, "$SYS": system}})
    watcher = login(place, "s")
    watcher.send(b"SUB $SYS.ACCOUNT.> 1\r\nSUB $SYS.SERVER.> 2\r\nPING\r\n")
    heard = watcher.receive(0) or b""
    one = login(place, "u")
    one.send(b"PUB $SYS.REQ.USER.INFO x 0\r\n\r\nPUB $SYS.REQ.ACCOUNT.PING.CONNZ x 0\r\n\r\nSUB y 1\r\n")
    one.close()
    place.wait(1)
    heard += watcher.receive(0) or b""
    assert well_formed(heard), heard
    for subject in (b"$SYS.REQ.SERVER.PING.ACCOUNTZ", b"$SYS.REQ.ACCOUNT.PING.STATZ", b"$SYS.REQ.SERVER.PING.CONNZ"):
        watcher.send(b"SUB r 3\r\nPUB %b r 0\r\n\r\n" % subject)
        place.wait(1)
        answer = watcher.receive(0) or b""
        assert answer and well_formed(answer), answer


@pytest.mark.parametrize("name", ["", "$G"])
def test_no_account_is_the_global_one_under_another_name(tmp_path: Path, name: str) -> None:
    file = tmp_path / "server.conf"
    file.write_text(f'accounts {{"{name}" {{users: [{{user: u, password: p}}]}}}}\n')
    with pytest.raises(ConfigError):
        load_file(str(file))
    with pytest.raises(OptionsError):
        Options(accounts={name: {"users": [{"user": "u", "password": "p"}]}}).check()


@pytest.mark.parametrize("subject", EVIL)
def test_no_subject_of_a_configuration_is_anything_else(subject: str) -> None:
    user = {"user": "u", "password": "p"}
    exporter = {"exports": [{"stream": ">"}, {"service": "s.>"}], "users": [user]}
    wrong: list[dict[str, Any]] = [
        {"mappings": {subject: "x"}},
        {"mappings": {"x": subject}},
        {"mappings": {"x": [{"destination": subject, "weight": 50}]}},
        {"accounts": {"A": {"mappings": {subject: "x"}}}},
        {"accounts": {"A": {"mappings": {"x": subject}}}},
        {"accounts": {"A": {"exports": [{"stream": subject}]}}},
        {"accounts": {"A": {"exports": [{"service": subject}]}}},
        {"accounts": {"A": exporter, "B": {"imports": [{"stream": {"account": "A", "subject": subject}}]}}},
        {"accounts": {"A": exporter, "B": {"imports": [{"service": {"account": "A", "subject": subject}}]}}},
    ]
    if subject:  # nothing given is the same as not being there
        stream, service = {"account": "A", "subject": "x"}, {"account": "A", "subject": "s.x"}
        wrong += [
            {"accounts": {"A": exporter, "B": {"imports": [{"stream": stream, "to": subject}]}}},
            {"accounts": {"A": exporter, "B": {"imports": [{"service": service, "to": subject}]}}},
        ]
        if not subject.endswith("."):  # a prefix may bring its dot along
            wrong += [{"accounts": {"A": exporter, "B": {"imports": [{"stream": stream, "prefix": subject}]}}}]
    for options in wrong:
        with pytest.raises(OptionsError):
            MemoryPlace([], options)


@pytest.mark.parametrize(
    "rule", ["a b c", "a\tb\tc", "a\r\nb c", " ", "\t", "a..b", "a.>.b", "", "  a   b  ", "a  ", "a\x00b"]
)
@pytest.mark.parametrize("place", ["publish", "subscribe"])
@pytest.mark.parametrize("list_name", ["allow", "deny"])
def test_a_rule_of_blanks_is_refused_or_is_about_one_subject(
    tmp_path: Path, place: str, list_name: str, rule: str
) -> None:
    """The panic of 2026 about blanks in permissions: here such a rule is an error, or means what it says."""
    rights = {place: {list_name: [rule]}}
    try:
        server = MemoryPlace([], {"users": [{"user": "u", "password": "p", "permissions": rights}]})
    except OptionsError:
        return
    line = login(server, "u")
    line.send(b"SUB zz 1\r\nPUB zz 1\r\nx\r\nPING\r\n")
    told = line.receive(0) or b""
    # A list of rules that are about other subjects: allowed elsewhere means not here, denied elsewhere means here.
    assert (b"Permissions Violation" in told) is (list_name == "allow"), told


@pytest.mark.parametrize("data", [b"SUB a\x00b 1", b"SUB a\rb 1", b"SUB \x7f 1", b"SUB a\xff 1", b"SUB a q\x00 1"])
def test_what_a_client_puts_into_a_subject_stays_within_it(data: bytes) -> None:
    place = MemoryPlace([], {})
    line, other = MemoryLine(place), MemoryLine(place)
    for one in (line, other):
        one.send(b'CONNECT {"verbose":false}\r\n')
        one.receive(0)
    subject = data.split(b" ")[1]
    line.send(data + b"\r\nPING\r\n")
    line.receive(0)
    other.send(b"PUB " + subject + b" 1\r\nx\r\nPING\r\n")
    other.receive(0)
    heard = line.receive(0) or b""
    assert heard in (b"", b"MSG " + subject + b" 1 1\r\nx\r\n")
