"""Who gets in, for every combination of what a file can say about it: compared with rules written here, and with Go.

Nobody gets in without credentials once there is any user, unless no_auth_user says so. The one exception is the Go
server's: a file in which nothing but the system account has users leaves the global account open, and only that.
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from natsd.base.chance import SeededChance
from natsd.base.clock import HandClock
from natsd.base.errors import OptionsError
from natsd.config.problems import ConfigError
from natsd.server.configure import load_file, make_options
from natsd.server.server import Server
from natsd.session.session import Session
from tests.certificates import Authority
from tests.places import GO_SERVERS, ServerProcess

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


class Case(NamedTuple):
    authorization: str
    accounts: str
    no_auth_user: str
    permissions: str

    def text(self) -> str:
        lines = [AUTHORIZATION[self.authorization], ACCOUNTS[self.accounts]]
        text = "\n".join(line.replace("%s", self.permissions) for line in lines)
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

    def silent(self) -> str:
        """The account that whoever says nothing gets into; empty for none."""
        if self.no_auth_user:
            return self.users[self.no_auth_user]
        if not self.users and self.authorization not in ("token", "user"):
            return "$G"
        only_system = self.accounts in ("system", "system_no_users", "named_system")
        return "$G" if only_system and not self.authorization else ""


CASES = [Case(*case) for case in product(AUTHORIZATION, ACCOUNTS, NO_AUTH_USERS, PERMISSIONS)]
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


def admitted(server: Server, words: dict[str, str], silent: bool = False) -> str:
    """The account that somebody gets into; empty for none. silent: without a CONNECT."""
    wire = Wire(server)
    start = b"" if silent else b"CONNECT %b\r\n" % json.dumps({"verbose": False, **words}).encode()
    wire.session.inbound.take_in(start + b"SUB x 1\r\nPING\r\n")
    if wire.session.closed:
        assert b"-ERR 'Authorization Violation'\r\n" in wire.said
        return ""
    assert wire.said.endswith(b"PONG\r\n")
    name = wire.session.account_name
    wire.session.on_eof()
    return name


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
        server = Server(options, clock=HandClock(), chance=SeededChance())
        assert admitted(server, {}) == case.silent(), case
        assert admitted(server, {}, silent=True) == case.silent(), case
        for name, account in case.users.items():
            assert admitted(server, {"user": name, "pass": name}) == account, case
            # An empty password is none, so that this is somebody who says nothing but his name.
            assert admitted(server, {"user": name, "pass": "wrong"}) == "", case
        if case.users:
            assert admitted(server, {"user": "stranger", "pass": "x"}) == "", case
            assert admitted(server, {"auth_token": "x"}) == "", case
    assert taken > 100


def test_flags_that_name_a_user_close_what_system_users_leave_open(tmp_path: Path) -> None:
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
        if case.permissions or not case.can_be:
            continue
        file.write_text(case.text())
        server = Server(make_options(load_file(str(file)), {}), clock=HandClock(), chance=SeededChance())
        theirs = FileProcess(GO_SERVERS[form], file)
        try:
            for words in CREDENTIALS:
                assert bool(admitted(server, words)) == goes_in(theirs, words), (case, words)
        finally:
            theirs.stop()


def goes_in(server: ServerProcess, words: dict[str, str]) -> bool:
    line = server.dial()
    line.send(b"CONNECT %b\r\nPING\r\n" % json.dumps({"verbose": False, **words}).encode())
    said = b""
    while b"PONG\r\n" not in said and b"-ERR" not in said:
        came = line.receive(5)
        assert came, said
        said += came
    line.close()
    return b"PONG\r\n" in said
