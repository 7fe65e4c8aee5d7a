"""What pages, answers and events hold, key by key and type by type, beside a Go server that has led the same life."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.places import GO_SERVERS, PATIENCE_S, ServerProcess, Servers, TcpLine

NEWEST = next((name for name in GO_SERVERS if name.startswith("go-2.1")), "")
USERS = [
    {"user": "sys", "password": "p", "account": "$SYS"},
    {
        "user": "a",
        "password": "p",
        "account": "A",
        "permissions": {
            "publish": {"allow": ["foo", "$SYS.REQ.USER.INFO"], "deny": ["x"]},
            "subscribe": {"allow": ["foo", "_INBOX.>"], "deny": ["y"]},
            "allow_responses": {"max": 3, "expires": 60},
        },
    },
    {"user": "b", "password": "p", "account": "B"},
]
KINDS = (
    "IDZ STATSZ VARZ SUBSZ CONNZ ROUTEZ GATEWAYZ LEAFZ ACCOUNTZ JSZ HEALTHZ PROFILEZ IPQUEUESZ RAFTZ EXPVARZ".split()
)
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("$SYS.REQ.SERVER.PING", {}),
    *((f"$SYS.REQ.SERVER.PING.{kind}", {}) for kind in KINDS),
    ("$SYS.REQ.SERVER.PING.CONNZ", {"auth": True, "subscriptions_detail": True, "state": 2}),
    ("$SYS.REQ.SERVER.PING.CONNZ", {"sort": "x"}),
    ("$SYS.REQ.SERVER.PING.SUBSZ", {"subscriptions": True}),
    ("$SYS.REQ.SERVER.PING.ACCOUNTZ", {"account": "A"}),
    ("$SYS.REQ.SERVER.PING.ACCOUNTZ", {"account": "$SYS"}),
    ("$SYS.REQ.SERVER.PING.HEALTHZ", {"stream": "x", "details": True}),
    *((f"$SYS.REQ.ACCOUNT.A.{kind}", {}) for kind in "SUBSZ CONNZ LEAFZ JSZ INFO STATZ CONNS".split()),
    ("$SYS.REQ.ACCOUNT.PING.STATZ", {}),
    ("$SYS.REQ.ACCOUNT.NSUBS", {"acc": "A", "subject": "foo"}),
    ("$SYS.REQ.USER.INFO", {}),
]
PAGES = [
    "varz", "connz", "connz?subs=1&auth=1", "connz?subs=detail&auth=1&state=all", "connz?state=closed", "subsz",
    "subsz?subs=1", "subsz?subs=1&test=foo", "accountz", "accountz?acc=A", "accountz?acc=$SYS", "accstatz",
    "accstatz?unused=1", "healthz", "leafz", "routez", "gatewayz", "jsz", "jsz?acc=A&streams=1", "ipqueuesz",
    "connz?acc=A&sort=subs", "connz?cid=1", "connz?user=a", "connz?limit=1&offset=1", "debug/vars",
]  # fmt: skip
DIFFERENT = re.compile(
    r"""(.*/)?(feature_flags|gomemlimit|git_commit|stalls|memstats|stalled_clients)(/.*)?
    |.*/subscriptions_list_detail\[\]/account(_tag)?  # of closed connections
    |(/data)?/(System|Timers|SendQ|Half).*
    |/data/profile
    |.*/http_req_stats/.*
    """,
    re.VERBOSE,
)
"""What docs/differences.md says is different, and what is there now and then; paths of keys."""


class User:
    """A client of one user, which can ask and keeps what it was told."""

    def __init__(self, server: ServerProcess, user: str, password: str = "p") -> None:
        self.line: TcpLine = server.dial()
        self.rest = b""
        connect = {
            "verbose": False, "pedantic": False, "headers": True, "no_responders": True, "protocol": 1, "name": "n",
            "lang": "py", "version": "1", "user": user, "pass": password,
        }  # fmt: skip
        self.line.send(b"CONNECT " + json.dumps(connect).encode() + b"\r\nPING\r\n")
        self.messages: list[tuple[str, Any]] = []
        self.read_until(b"PONG" if password == "p" else b"-ERR")

    def read_until(self, word: bytes) -> None:
        """Take in all messages up to a line that begins with this."""
        while True:
            line, found, rest = self.rest.partition(b"\r\n")
            if found:
                words = line.split()
                if words[0] in (b"MSG", b"HMSG"):
                    size = int(words[-1])
                    if len(rest) >= size + 2:
                        body = rest[int(words[-2]) if words[0] == b"HMSG" else 0 : size]
                        self.messages.append((words[1].decode(), json.loads(body) if body else None))
                        self.rest = rest[size + 2 :]
                        if word == b"MSG" and words[1] == b"_INBOX.x":
                            return
                        continue
                else:
                    self.rest = rest
                    if line.startswith(word):
                        return
                    continue
            data = self.line.receive(PATIENCE_S)
            assert data, f"no {word!r} in {self.rest!r}"
            self.rest += data

    def say(self, data: bytes) -> None:
        self.line.send(data + b"PING\r\n")
        self.read_until(b"PONG")

    def ask(self, subject: str, body: dict[str, Any]) -> Any:
        data = json.dumps(body).encode() if body else b""
        self.line.send(f"PUB {subject} _INBOX.x {len(data)}\r\n".encode() + data + b"\r\n")
        self.read_until(b"MSG")
        return self.messages.pop()[1]


class Life:
    """The same things done to a server, and what it says of them."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.system = User(server, "sys")
        self.system.say(b"SUB _INBOX.x 1\r\n")
        self.watcher = User(server, "sys")
        self.watcher.say(b"SUB $SYS.ACCOUNT.> 1\r\nSUB $SYS.SERVER.> 2\r\n")
        self.a = User(server, "a")
        self.a.say(b"SUB foo 1\r\nSUB _INBOX.x 2\r\nPUB foo 2\r\n{}\r\n")
        gone = User(server, "b")
        gone.say(b"SUB foo 1\r\n")
        gone.line.close()
        User(server, "a", "wrong").line.close()
        self.system.line.send(b"PUB $SYS.REQ.SERVER.PING.STATSZ 0\r\n\r\n")
        names = set()
        while not {"CONNECT", "DISCONNECT", "ERR", "CONNS", "STATSZ"} <= names:
            self.watcher.say(b"")
            names = {subject.split(".")[-1] for subject, _ in self.watcher.messages}

    def events(self) -> dict[str, Any]:
        """By subject, without the server's id; several of one kind as a list."""
        found: dict[str, Any] = {}
        for subject, event in self.watcher.messages:
            name = re.sub(r"\.N[A-Z0-9]{55}\.", ".ID.", subject)
            if name.startswith(("$SYS.ACCOUNT.A", "$SYS.ACCOUNT.B", "$SYS.SERVER")):
                found.setdefault(name, []).append(event)
        return found


@pytest.fixture(scope="module")
def lives() -> Iterator[tuple[Life, Life]]:
    if not NEWEST:
        pytest.skip("no newer Go nats-server on PATH and none named by NATS_SERVER_GO")
    servers = Servers()
    flags, options = ["--server_name", "one"], {"users": USERS}
    yield (
        Life(servers.start(NEWEST, flags, options, fresh=True)),
        Life(servers.start("natsd", flags, options, fresh=True)),
    )
    servers.stop()


def shape(value: Any, path: str = "") -> dict[str, str]:
    """Every path of keys to its type; the members of a list are one, the keys of maps by name too."""
    if isinstance(value, dict):
        found = {path or "/": "object"}
        for key, item in value.items():
            found |= shape(item, f"{path}/{key}")
        return found
    if isinstance(value, list):
        found = {path: "list"}
        for item in value:
            for inner, kind in shape(item, path + "[]").items():
                found[inner] = kind if kind != "null" else found.get(inner, kind)
        return found
    kind = "null" if value is None else "number" if type(value) in (int, float) else type(value).__name__
    return {path: kind}


def assert_alike(go: Any, ours: Any) -> None:
    theirs, mine = shape(go), shape(ours)
    missing = {path: kind for path, kind in theirs.items() if mine.get(path) != kind}
    extra = {path: kind for path, kind in mine.items() if path not in theirs}
    for paths in (missing, extra):
        for path in list(paths):
            if DIFFERENT.fullmatch(path):
                del paths[path]
    assert (missing, extra) == ({}, {})


@pytest.mark.parametrize("path", PAGES)
def test_pages_hold_what_go_s_hold(lives: tuple[Life, Life], path: str) -> None:
    assert_alike(*(life.server.page(path) for life in lives))


@pytest.mark.parametrize(("subject", "body"), REQUESTS)
def test_answers_hold_what_go_s_hold(lives: tuple[Life, Life], subject: str, body: dict[str, Any]) -> None:
    assert_alike(*(life.system.ask(subject, body) for life in lives))


def test_a_user_is_told_what_go_tells_it(lives: tuple[Life, Life]) -> None:
    go, ours = (life.a.ask("$SYS.REQ.USER.INFO", {})["data"] for life in lives)
    for permissions in (go["permissions"], ours["permissions"]):
        permissions["publish"]["allow"].sort()
        permissions["subscribe"]["allow"].sort()
    assert ours["permissions"] == go["permissions"]
    assert {key: ours[key] for key in ("user", "account")} == {"user": "a", "account": "A"}


def test_events_hold_what_go_s_hold(lives: tuple[Life, Life]) -> None:
    go, ours = (life.events() for life in lives)
    assert go.keys() == ours.keys()
    for subject, events in go.items():
        assert_alike(events[:1], ours[subject][:1])
