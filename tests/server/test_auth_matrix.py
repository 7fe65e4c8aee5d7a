"""Who gets in, for every combination of what a file can say about it: compared with rules written here, and with Go.

Nobody gets in without credentials once there is any user, unless no_auth_user says so; that holds for users of the
system account alone too, where the Go server leaves the global account open. Nor does a reload open anything.
"""

from __future__ import annotations

import json
import random
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from natsd.base.chance import SeededChance
from natsd.base.clock import HandClock
from natsd.base.errors import OptionsError
from natsd.config.problems import ConfigError
from natsd.server.configure import load_file, make_options
from natsd.server.server import Server
from natsd.session.session import Session
from tests.certificates import Authority
from tests.places import GO_SERVERS, PATIENCE_S, ServerProcess

AUTHORIZATION = {
    "": "",
    "empty": "authorization {}",
    "time": "authorization {timeout: 2}",
    "token": "authorization {token: tok}",
    "user": "authorization {user: one, password: one}",
    "users": "authorization {users: [{user: one, password: one%s}]}",
}
ACCOUNTS = {
    "": "",
    "names": "accounts: [A]",
    "empty": "accounts {A {}}",
    "users": "accounts {A {users: [{user: two, password: two%s}]}}",
    "system": "accounts {'$SYS' {users: [{user: sys, password: sys%s}]}}",
    "system_no_users": "accounts {'$SYS' {}}",
    "system_and_empty": "accounts {'$SYS' {users: [{user: sys, password: sys%s}]}, A {}}",
    "system_and_users": "accounts {'$SYS' {users: [{user: sys, password: sys%s}]}, "
    "A {users: [{user: two, password: two%s}]}}",
    "named_system": "accounts {S {users: [{user: sys, password: sys%s}]}}, system_account: S",
}
NO_AUTH_USERS = ("", "one", "two", "sys")
PERMISSIONS = ("", ", permissions: {subscribe: {deny: nothing}}")
OTHER_WAYS_IN = ", allowed_connection_types: [WEBSOCKET, MQTT]"
"""Of a user that no plain client may be, as no_auth_user or otherwise."""


class Case(NamedTuple):
    authorization: str
    accounts: str
    no_auth_user: str
    rights: str

    def text(self) -> str:
        lines = [AUTHORIZATION[self.authorization], ACCOUNTS[self.accounts]]
        text = "\n".join(line.replace("%s", self.rights) for line in lines)
        return text + (f"\nno_auth_user: {self.no_auth_user}" if self.no_auth_user else "") + "\n"

    @property
    def users(self) -> dict[str, str]:
        """Users that the file has, with their accounts."""
        found = {"one": "$G"} if self.authorization == "users" else {}
        if "users" in self.accounts and not self.accounts.endswith("no_users"):
            found["two"] = "A"
        if self.accounts in ("system", "system_and_empty", "system_and_users"):
            found["sys"] = "$SYS"
        if self.accounts == "named_system":
            found["sys"] = "S"
        return found

    @property
    def can_be(self) -> bool:
        """Whether such a file is taken."""
        of_accounts = set(self.users) - {"one"}
        if self.authorization in ("token", "user") and of_accounts:
            return False
        return not self.no_auth_user or self.no_auth_user in self.users

    def known(self, name: str) -> str:
        """The account that a user of the file gets into; empty for none."""
        return "" if self.rights == OTHER_WAYS_IN else self.users[name]

    def silent(self) -> str:
        """The account that whoever says nothing gets into; empty for none."""
        if self.no_auth_user:
            return self.known(self.no_auth_user)
        return "$G" if not self.users and self.authorization not in ("token", "user") else ""

    def lets_in_there(self, words: dict[str, str], here: bool) -> bool:
        """Whether the Go server, which makes a user for who says nothing where only $SYS is there, lets somebody in."""
        if self.authorization or self.no_auth_user:
            return here
        if self.accounts in ("system", "named_system"):
            return here or not words
        return here and (self.accounts != "system_no_users" or not words)


CASES = [Case(*case) for case in product(AUTHORIZATION, ACCOUNTS, NO_AUTH_USERS, (*PERMISSIONS, OTHER_WAYS_IN))]
SILENCE: tuple[dict[str, Any], ...] = (
    {},
    {"user": "", "pass": "", "auth_token": ""},
    {"user": None, "pass": None, "auth_token": None, "nkey": None, "sig": None},
    {"nkey": "", "sig": "", "jwt": ""},
    {"jwt": "x.y.z"},
)
"""Ways of saying nothing of oneself that counts."""
WISHES: tuple[dict[str, Any], ...] = ({"account": "A", "new_account": True}, {"account": "A"}, {"account": "$SYS"})
"""What a client may ask for and never gets."""
CREDENTIALS = (
    {},
    {"user": "one", "pass": "one"},
    {"user": "two", "pass": "two"},
    {"user": "sys", "pass": "sys"},
    {"user": "sys", "pass": "wrong"},
    {"user": "one"},
    {"auth_token": "tok"},
    {"auth_token": "wrong"},
    {"user": "nats-", "pass": ""},
)


class Wire:
    """A session's way to nobody."""

    def __init__(self, server: Server) -> None:
        self.said = b""
        self.session = Session(server.roster, self, "127.0.0.1", 1)
        self.session.open()
        server.road.settle()

    def on_output(self) -> None:
        self.said += self.session.outbound.take()

    def on_blocked(self) -> None:
        raise AssertionError("memory is never full")

    def pause(self, receivers: list[object]) -> bool:
        return False

    def close(self, *, flush: bool, linger: bool) -> None:
        self.said += self.session.outbound.take()


def enter(server: Server, words: dict[str, Any], silent: bool = False) -> Wire:
    """Somebody who introduces himself; silent: without a CONNECT."""
    wire = Wire(server)
    start = b"" if silent else b"CONNECT %b\r\n" % json.dumps({"verbose": False, **words}).encode()
    wire.session.inbound.take_in(start + b"SUB x 1\r\nPING\r\n")
    return wire


def admitted(server: Server, words: dict[str, Any], silent: bool = False) -> str:
    """The account that somebody gets into; empty for none."""
    wire = enter(server, words, silent)
    if wire.session.closed:
        assert b"-ERR 'Authorization Violation'\r\n" in wire.said
        return ""
    assert wire.said.endswith(b"PONG\r\n")
    name = wire.session.account_name
    wire.session.on_eof()
    return name


def check(server: Server, case: Case) -> None:
    """Who gets into a server of this file, and who does not."""
    for words in SILENCE:
        assert admitted(server, words) == case.silent(), (case, words)
    for words in WISHES:
        assert admitted(server, words) in ("", case.silent()), (case, words)
    assert admitted(server, {}, silent=True) == case.silent(), case
    for name in case.users:
        assert admitted(server, {"user": name, "pass": name}) == case.known(name), case
        # An empty password is none, so that this is somebody who says nothing but his name.
        for wrong in ("wrong", "", name.upper(), f"{name} "):
            assert admitted(server, {"user": name, "pass": wrong}) == "", (case, wrong)
    if case.users:
        assert admitted(server, {"user": "stranger", "pass": "x"}) == "", case
        assert admitted(server, {"auth_token": "x"}) == "", case
    if case.authorization == "token":
        assert admitted(server, {"auth_token": "tok"}) == "$G", case
        assert admitted(server, {"auth_token": "to"}) == "", case
    if case.authorization == "user":
        assert admitted(server, {"user": "one", "pass": "one"}) == "$G", case
        assert admitted(server, {"user": "one", "pass": "on"}) == "", case
    for name in case.users if case.rights == PERMISSIONS[1] else ():
        wire = enter(server, {"user": name, "pass": name})
        wire.session.inbound.take_in(b"SUB nothing 2\r\nSUB something 3\r\n")
        server.road.settle()
        assert wire.said.endswith(b"-ERR 'Permissions Violation for Subscription to \"nothing\"'\r\n"), case
        wire.session.on_eof()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("certificates")
    certificate, key = Authority(folder).sign("server")
    return f"tls {{cert_file: '{certificate}', key_file: '{key}'}}\nallow_non_tls: true\n"


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_nobody_gets_in_whom_the_file_does_not_know(tmp_path: Path, tls: str, secure: bool) -> None:
    file = tmp_path / "server.conf"
    taken = 0
    for case in CASES:
        file.write_text(case.text() + (tls if secure else ""))
        try:
            options = make_options(load_file(str(file)), {})
        except (ConfigError, OptionsError):
            assert not case.can_be, case
            continue
        assert case.can_be, case
        taken += 1
        check(Server(options, clock=HandClock(), chance=SeededChance()), case)
    assert taken > 150


@pytest.mark.parametrize("seed", range(3))
def test_a_reload_lets_in_whom_a_start_would_and_shuts_out_the_others(tmp_path: Path, tls: str, seed: int) -> None:
    file = tmp_path / "server.conf"
    chance = random.Random(seed)
    secure = tls if seed else ""
    cases = [case for case in CASES if case.can_be]
    now = chance.choice(cases)
    file.write_text(now.text() + secure)
    server = Server(make_options(load_file(str(file)), {}), clock=HandClock(), chance=SeededChance())
    refused = 0
    for _ in range(60):
        # What a reload may not change is tried too, only less often.
        alike = [case for case in cases if fixed(case) == fixed(now)]
        case = chance.choice(alike if chance.random() < 0.8 else cases)
        before = [enter(server, words) for words in CREDENTIALS] + [enter(server, {}, silent=True)]
        file.write_text(case.text() + secure)
        options = make_options(load_file(str(file)), {})
        try:
            server.reload(options)
        except OptionsError as error:
            assert fixed(case) != fixed(now) and "config reload not supported" in str(error)
            refused += 1
            case = now
        server.road.settle()
        now = case
        for wire, words in zip(before, (*CREDENTIALS, {}), strict=True):
            # Whoever is still there is who he would be by the new file; he may have been sent away for coming again.
            if not wire.session.closed:
                assert admitted(server, words) == wire.session.account_name, (case, words)
                wire.session.on_eof()
        check(server, case)
    assert refused


def fixed(case: Case) -> tuple[str, bool]:
    """What a reload may not change."""
    return case.no_auth_user, case.accounts == "named_system"


def test_flags_that_name_a_user_leave_users_of_the_system_account_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "server.conf"
    file.write_text(ACCOUNTS["system"].replace("%s", ""))
    for flags in ({"user": "one", "password": "one"}, {"token": "tok"}):
        server = Server(make_options(load_file(str(file)), dict(flags)), clock=HandClock(), chance=SeededChance())
        assert admitted(server, {}) == admitted(server, {}, silent=True) == ""
        assert admitted(server, {"user": "sys", "pass": "sys"}) == "$SYS"


class FileProcess(ServerProcess):
    """A Go server with a file of its own."""

    def __init__(self, program: str, file: Path) -> None:
        super().__init__([program], ["-c", str(file)], {}, {})


@pytest.mark.parametrize(
    "form", list(GO_SERVERS) or [pytest.param("go", marks=pytest.mark.skip(reason="no Go server"))]
)
def test_the_go_server_lets_in_the_same(tmp_path: Path, form: str) -> None:
    file = tmp_path / "server.conf"
    for case in CASES:
        if case.rights or not case.can_be:
            continue
        file.write_text(case.text())
        server = Server(make_options(load_file(str(file)), {}), clock=HandClock(), chance=SeededChance())
        theirs = FileProcess(GO_SERVERS[form], file)
        try:
            for words in CREDENTIALS:
                wanted = case.lets_in_there(words, bool(admitted(server, words)))
                assert goes_in(theirs, words) == wanted, (case, words)
        finally:
            theirs.stop()


def goes_in(server: ServerProcess, words: dict[str, str]) -> bool:
    line = server.dial()
    line.send(b"CONNECT %b\r\nPING\r\n" % json.dumps({"verbose": False, **words}).encode())
    said = b""
    while b"PONG\r\n" not in said and b"-ERR" not in said:
        came = line.receive(PATIENCE_S)
        assert came, said
        said += came
    line.close()
    return b"PONG\r\n" in said
