"""Commands that ask the servers over the system account, against recorded answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from natsd.cli.nats.servers.server_list import compact_names
from natsd.cli.times import unix_seconds
from tests.cli.system import ID, OTHER_ID, SystemServer, connection, connz, server, statsz

if TYPE_CHECKING:
    from tests.cli.commands import Nats, Result
else:
    Nats = Result = Any

PING = "$SYS.REQ.SERVER.PING."
STATSZ = {PING + "STATSZ": [statsz("n2", OTHER_ID, 2, connections=1), statsz("n1", ID, 2)]}
ONE = {PING + "STATSZ": [statsz()]}
VARZ = {
    "server": server(),
    "data": {
        "server_id": ID,
        "server_name": "n1",
        "version": "2.12.0",
        "go": "go1.25",
        "host": "0.0.0.0",
        "port": 4222,
        "start": "2026-01-02T03:04:05.123456789Z",
        "now": "2026-01-02T03:05:05Z",
        "uptime": "1m0s",
        "max_connections": 65536,
        "max_payload": 1048576,
        "write_deadline": 10000000000,
        "tls_timeout": 2,
        "mem": 12582912,
        "cores": 4,
        "cpu": 1,
        "connections": 3,
        "in_msgs": 5000,
        "out_msgs": 6000,
        "in_bytes": 2048,
        "out_bytes": 4096,
        "slow_consumers": 1,
    },
}
CONNECT = {
    "type": "io.nats.server.advisory.v1.client_connect",
    "id": "EVENT1",
    "timestamp": "2026-01-02T03:04:05Z",
    "server": server(),
    "client": {"id": 9, "user": "bob", "acc": "APP", "name": "job", "lang": "go", "ver": "1.40", "host": "10.0.0.1"},
}
DISCONNECT = {
    **CONNECT,
    "type": "io.nats.server.advisory.v1.client_disconnect",
    "reason": "Client Closed",
    "received": {"msgs": 1200, "bytes": 2048},
    "sent": {"msgs": 0, "bytes": 0},
}
Ask = Callable[..., Result]


@pytest.fixture
def system() -> Iterator[SystemServer]:
    started = SystemServer({}, {})
    yield started
    started.close()


@pytest.fixture
def ask(nats: Nats, system: SystemServer) -> Ask:
    """Runs `nats` against the scripted server, which gives these answers."""

    def run(*args: str, answers: dict[str, list[dict[str, Any]]] | None = None) -> Result:
        system.answers = answers or {}
        return nats.run(*args, "-s", system.url, "--timeout", "2s", TZ="UTC")

    return run


@pytest.mark.parametrize(
    "args",
    [
        ["server", "list"],
        ["server", "ping"],
        ["server", "info"],
        ["server", "report", "connections"],
        ["server", "report", "cpu"],
        ["server", "request", "variables"],
        ["events"],
        ["top", "n1"],
    ],
)
def test_an_ordinary_account_is_told_what_is_missing(ask: Ask, args: list[str]) -> None:
    result = ask(*args)
    assert result.code == 1 and result.out == "" and result.err.count("\n") == 1
    assert result.err.startswith("nats: error: no server answered: $SYS.REQ.SERVER.")
    assert result.err.endswith("needs the privileges of the system account\n")


def test_a_user_who_may_not_ask_is_exit_code_5(nats: Nats, denying: Any) -> None:
    result = nats.run("server", "list", "-s", denying.url)
    assert result.code == 5 and "Permissions Violation" in result.err and "system account" in result.err


def test_list_shows_servers_and_clusters(ask: Ask) -> None:
    result = ask("server", "list", "--sort", "name", answers=STATSZ)
    assert result.code == 0
    lines = result.out.splitlines()
    assert "Server Overview" in lines[1]
    assert [cell.strip() for cell in lines[3].split("│")[1:-1]] == [
        "Name", "Cluster", "Host", "Version", "JS", "Conns", "Subs", "Routes", "GWs", "Mem", "CPU %", "Cores", "Slow",
        "Uptime", "RTT",
    ]  # fmt: skip
    first = [cell.strip() for cell in lines[5].split("│")[1:-1]]
    assert first[:13] == ["n1", "c1", "n1", "2.12.0", "no", "1,234", "56", "0", "0", "12 MiB", "12", "4", "0"]
    assert re.search(r"│ +│ 1 +│ 2 +│ +│ 0 +│ +1,235 │", result.out)
    assert re.search(r"│ c1 +│ +2 │ +0 │ +0 │ +1,235 │", result.out)


def test_list_as_json_and_too_few_servers(ask: Ask) -> None:
    result = ask("server", "ls", "-j", "3", answers=STATSZ)
    assert [one["server"]["name"] for one in json.loads(result.out)] == ["n2", "n1"]
    assert result.code == 1 and result.err == "Missing 1 server(s)\n"


def test_ping(ask: Ask) -> None:
    result = ask("server", "ping", "2", answers=STATSZ)
    assert result.code == 0
    assert re.fullmatch(
        r"n2 {58} rtt=\S+\nn1 {58} rtt=\S+\n\n---- ping statistics ----\n2 replies max: \S+ min: \S+ avg: \S+\n",
        result.out,
    )
    assert json.loads(ask("server", "ping", "-j", answers=STATSZ).out)[1]["id"] == ID


def test_info_of_the_connected_server_and_by_name(ask: Ask) -> None:
    answers = {**ONE, f"$SYS.REQ.SERVER.{ID}.VARZ": [VARZ]}
    result = ask("server", "info", answers=answers)
    assert result.code == 0 and ask("server", "info", "n1", answers=answers).out == result.out
    assert f"Server information for n1 ({ID})\n\nProcess Details:\n\n" in result.out
    for row in ("Maximum Connections: 65,536", "Maximum Payload: 1.0 MiB", "Messages: 5,000 in 6,000 out"):
        assert re.search(rf"^ +{row}$", result.out, re.MULTILINE)
    assert "Start Time: 2026-01-02 03:04:05\n" in result.out and "Write Deadline: 10.00s\n" in result.out
    colons = {line.index(": ") for line in result.out.splitlines() if line.startswith("  ") and ": " in line}
    assert len(colons) == 1
    assert json.loads(ask("server", "info", "-j", answers=answers).out)["data"]["server_name"] == "n1"
    unknown = ask("server", "info", "zz", answers=answers)
    assert unknown.code == 1 and unknown.err == 'nats: error: unknown server "zz" (there are: n1)\n'


def test_report_connections(ask: Ask, system: SystemServer) -> None:
    found = [connection(1, in_msgs=5), connection(2, subscriptions=3, name="job", out_bytes=2048), connection(3)]
    answers = {**ONE, PING + "CONNZ": [connz(*found)]}
    result = ask("server", "report", "connections", "2", "--account", "APP", answers=answers)
    assert result.code == 0 and "Top 2 Connections out of 3 by subs" in result.out
    rows = [line for line in result.out.splitlines() if "127.0.0.1" in line]
    assert "job" in rows[0] and "2.0 KiB" in rows[0] and len(rows) == 2
    subject, body = system.asked[-1]
    assert subject == PING + "CONNZ" and (body["acc"], body["auth"], body["state"]) == ("APP", True, 0)
    document = json.loads(ask("server", "report", "conns", "-j", "--sort", "in-msgs", answers=answers).out)
    assert document[0]["cid"] == 1 and document[0]["server"]["name"] == "n1"


def test_report_of_closed_connections_has_reasons(ask: Ask, system: SystemServer) -> None:
    found = [connection(1, reason="Client Closed"), connection(2, reason="Slow Consumer")]
    answers = {**ONE, PING + "CONNZ": [connz(*found)]}
    result = ask("server", "report", "connections", "--closed-reason", "slow", answers=answers)
    assert "Slow Consumer" in result.out and "Client Closed" not in result.out and "Reason" in result.out
    assert system.asked[-1][1]["state"] == 1


def test_connections_come_in_pages(ask: Ask, system: SystemServer) -> None:
    page = [connection(number) for number in range(1024)]

    class Pages(dict[str, list[dict[str, Any]]]):
        def get(self, subject: str, default: Any = None) -> Any:
            if subject != PING + "CONNZ":
                return ONE.get(subject)
            return [connz(*page)] if system.asked[-1][1]["offset"] == 0 else [connz(connection(5000))]

    result = ask("server", "report", "connections", "-j", "--top", "2000", answers=Pages(x=[]))
    assert len(json.loads(result.out)) == 1025
    assert [body["offset"] for subject, body in system.asked if subject.endswith("CONNZ")] == [0, 1024]


def test_report_accounts(ask: Ask) -> None:
    found = [connection(1, in_msgs=5, subscriptions=1), connection(2, in_msgs=6), connection(3, account="OTHER")]
    answers = {**ONE, PING + "CONNZ": [connz(*found)]}
    result = ask("server", "report", "accounts", answers=answers)
    assert re.search(r"│ APP +│ +2 │ +11 │ +0 │ +0 B │ +0 B │ +1 │", result.out)
    first, second = json.loads(ask("server", "report", "acct", "-j", "--sort", "conns", answers=answers).out)
    assert (first["account"], first["connections"], second["account"]) == ("APP", 2, "OTHER")


def test_report_cpu_and_mem(ask: Ask) -> None:
    answers = {PING + "STATSZ": [statsz("n1", ID, 2), statsz("long", OTHER_ID, 2, cpu=25, mem=6291456)]}
    result = ask("server", "report", "cpu", answers=answers)
    assert f"long: {'█' * 40} (25%)\n  n1: {'█' * 20} (12.5%)\n" in result.out
    assert (
        f"  n1: {'█' * 40} (12 MiB)\nlong: {'█' * 20} (6.0 MiB)\n"
        in ask("server", "report", "mem", answers=answers).out
    )
    assert json.loads(ask("server", "report", "cpu", "-j", "1", answers=answers).out) == [{"server": "long", "cpu": 25}]


def test_request_prints_a_line_per_server(ask: Ask, system: SystemServer) -> None:
    answers = {**STATSZ, PING + "VARZ": [VARZ, VARZ]}
    result = ask("server", "request", "variables", answers=answers)
    assert result.code == 0 and [json.loads(line) for line in result.out.splitlines()] == [VARZ, VARZ]
    answers = {**ONE, PING + "CONNZ": [connz(connection(1))]}
    flags = ["--filter-state", "closed", "--filter-user", "bob", "--subscriptions", "--limit", "5", "--name", "n"]
    assert ask("server", "req", "conn", *flags, answers=answers).code == 0
    assert system.asked[-1][1] == {
        "sort": "cid", "auth": True, "state": 1, "subscriptions": True, "subscriptions_detail": True, "user": "bob",
        "limit": 5, "offset": 0, "server_name": "n",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("accounts", "ACCOUNTZ"),
        ("ipqueue", "IPQUEUESZ"),
        ("raft", "RAFTZ"),
        ("gateways", "GATEWAYZ"),
        ("jetstream", "JSZ"),
        ("jetstream-health", "HEALTHZ"),
        ("leafnodes", "LEAFZ"),
        ("routes", "ROUTEZ"),
        ("subscriptions", "SUBSZ"),
    ],
)
def test_every_kind_of_request_has_its_subject(ask: Ask, kind: str, subject: str) -> None:
    answer = {"server": server(), "data": {}}
    result = ask("server", "request", kind, answers={**ONE, PING + subject: [answer]})
    assert (result.code, json.loads(result.out)) == (0, answer)


def test_kick(ask: Ask, system: SystemServer) -> None:
    answers = {**ONE, f"$SYS.REQ.SERVER.{ID}.KICK": [{"server": server()}]}
    assert ask("server", "request", "kick", "12", "n1", answers=answers).code == 0
    assert system.asked[-1] == (f"$SYS.REQ.SERVER.{ID}.KICK", {"cid": 12})


def test_an_error_of_a_server_is_told(ask: Ask) -> None:
    answer = {"server": server(), "error": {"code": 400, "description": "no such thing"}}
    result = ask("server", "request", "accounts", answers={**ONE, PING + "ACCOUNTZ": [answer]})
    assert result.code == 1 and result.err == "nats: error: n1: no such thing\n"


@pytest.mark.parametrize(
    ("flags", "code", "text"),
    [
        ([], 0, "OK n1 OK:cpu 1% OK:mem 12582912 OK:connections 3 OK:subscriptions 0 OK:uptime 59s |"),
        (["--conn-warn", "2", "--conn-critical", "10"], 1, "WARNING n1 Warn:connections 3, more than 2 "),
        (["--conn-warn", "9", "--conn-critical", "5"], 2, "CRITICAL n1 Crit:connections 3, less than 5 "),
        (["--mem-critical", "1MiB"], 2, "CRITICAL n1 Crit:mem 12582912, more than 1048576 "),
        (["--uptime-warn", "1h"], 1, "WARNING n1 Warn:uptime 59s, less than 3600s"),
        (["--auth-required"], 2, "CRITICAL n1 Crit:not authentication required "),
    ],
)
def test_check_server(ask: Ask, flags: list[str], code: int, text: str) -> None:
    answers = {**ONE, f"$SYS.REQ.SERVER.{ID}.VARZ": [VARZ]}
    result = ask("server", "check", "server", "--name", "n1", *flags, answers=answers)
    assert result.code == code and result.out.startswith(text)


def test_check_of_a_server_that_does_not_answer_is_unknown(ask: Ask) -> None:
    result = ask("server", "check", "server", "--name", "n1")
    assert result.code == 3 and result.out.startswith("UNKNOWN Server Unknown:no server answered")


def test_account_info(ask: Ask) -> None:
    user = {"user": "bob", "account": "APP", "permissions": {"publish": {"allow": ["a.>", "b"]}}}
    answers = {"$SYS.REQ.USER.INFO": [{"server": server(), "data": user}]}
    result = ask("account", "info", answers=answers)
    assert result.code == 0 and result.out.startswith("Account Information\n\n")
    for row in ("User: bob", "Account: APP", "Client ID: 7", "TLS Connection: no", "Publish Allow: a.>"):
        assert re.search(rf"^ +{re.escape(row)}$", result.out, re.MULTILINE)
    assert "JetStream is not supported in this account" in result.out
    document = json.loads(ask("account", "info", "-j", answers=answers).out)
    assert document["user"]["user"] == "bob" and document["jetstream"] is None and document["rtt"] > 0


def test_account_info_says_why_there_is_nothing_about_streams(ask: Ask) -> None:
    def refuse(err_code: int, text: str) -> dict[str, Any]:
        return {"$JS.API.INFO": [{"error": {"code": 503, "err_code": err_code, "description": text}}]}

    off = ask("account", "info", answers=refuse(10039, "JetStream not enabled for account")).out
    assert "\n   JetStream is not supported in this account\n" in off
    busy = ask("account", "info", answers=refuse(10008, "system temporarily unavailable"))
    words = "Could not obtain account information: system temporarily unavailable (10008)"
    assert busy.code == 0 and f"\n   {words}\n" in busy.out
    document = json.loads(ask("account", "info", "-j", answers=refuse(10008, "system temporarily unavailable")).out)
    assert document["jetstream"] is None and document["jetstream_error"] == words


def test_account_info_of_a_server_that_does_not_tell_users(nats: Nats, ask: Ask) -> None:
    result = ask("account", "info")
    assert result.code == 0 and "Connected URL: nats://" in result.out and "User:" not in result.out


def test_account_report_connections(ask: Ask) -> None:
    answers = {"$SYS.REQ.SERVER.PING.CONNZ": [connz(connection(1, name="mine"))]}
    assert "mine" in ask("account", "report", "connections", answers=answers).out
    assert json.loads(ask("account", "report", "conns", "-j", answers=answers).out)[0]["name"] == "mine"
    gone = [connection(1, name="slow", reason="Slow Consumer"), connection(2, name="left", reason="Client Closed")]
    answers = {"$SYS.REQ.SERVER.PING.CONNZ": [connz(*gone)]}
    found = json.loads(ask("account", "report", "conns", "-j", "--closed-reason", "slow", answers=answers).out)
    assert [one["name"] for one in found] == ["slow"]


def events(system: SystemServer) -> None:
    system.events = {"$SYS.ACCOUNT.APP.CONNECT": CONNECT, "$SYS.ACCOUNT.APP.DISCONNECT": DISCONNECT}


def test_events_as_blocks(ask: Ask, system: SystemServer) -> None:
    events(system)
    result = ask("events", "--count", "2", answers=ONE)
    assert "Listening for Client Connection events on $SYS.ACCOUNT.*.CONNECT\n" in result.err
    assert result.out.startswith("[03:04:05] [EVENT1] Client Connection\n\n")
    assert re.search(r"^ +Library Version: 1.40  language: go$", result.out, re.MULTILINE)
    assert re.search(r"^ +Reason: Client Closed$", result.out, re.MULTILINE)
    assert re.search(r"^ +Received: 1,200 messages \(2.0 KiB\)$", result.out, re.MULTILINE)


def test_events_in_short_as_json_and_filtered(ask: Ask, system: SystemServer) -> None:
    events(system)
    assert ask("events", "--short", "--count", "2", answers=ONE).out == (
        "03:04:05 [Connection] user: bob cid: 9 in account APP\n"
        "03:04:05 [Disconnection] user: bob cid: 9 in account APP: Client Closed\n"
    )
    found = ask("events", "-j", "--count", "1", "--filter", "disconnect", answers=ONE).out
    assert json.loads(found) == DISCONNECT
    wrapped = json.loads(ask("events", "--cloudevent", "--count", "1", answers=ONE).out)
    assert wrapped["specversion"] == "1.0" and wrapped["data"] == CONNECT and wrapped["source"] == f"urn:nats:{ID}"
    assert ask("events", "--filter", "(").code == 2


def test_events_on_own_subjects_need_no_system_account(ask: Ask, system: SystemServer) -> None:
    system.events = {"mine.x": {"a": 1}}
    result = ask("events", "--no-srv-advisory", "--subjects", "mine.>", "-j", "--count", "1")
    assert (result.code, json.loads(result.out)) == (0, {"a": 1})


def test_top(ask: Ask) -> None:
    answers = {
        **ONE,
        f"$SYS.REQ.SERVER.{ID}.VARZ": [VARZ],
        f"$SYS.REQ.SERVER.{ID}.CONNZ": [connz(connection(5, name="job", out_msgs=2048, lang="go", version="1.40"))],
    }
    result = ask("top", "n1", "--max-refresh", "2", answers=answers)
    assert result.code == 0 and result.out.count("Connections Polled: 1\n") == 2
    assert "NATS server version 2.12.0 (uptime: 1m0s)\nServer: n1\n" in result.out
    row = next(line.split() for line in result.out.splitlines() if "job" in line)
    assert row[:6] == ["127.0.0.1:50005", "5", "job", "0", "0", "2.0K"]
    result = ask("top", "n1", "-o", "-", "--delimiter", ",", answers=answers)
    assert (
        result.out.splitlines()[0].startswith("HOST,CID,NAME,SUBS") and "127.0.0.1:50005,5,job,0,0,2048," in result.out
    )
    assert json.loads(ask("top", "n1", "-j", "-r", "1", answers=answers).out)["connz"]["num_connections"] == 1


def test_times_and_names() -> None:
    assert unix_seconds("2026-01-02T03:04:05.123456Z") == unix_seconds("2026-01-02T04:04:05.123456+01:00")
    assert unix_seconds("2026-01-02T03:04:05.1Z") - unix_seconds("2026-01-02T03:04:05Z") == pytest.approx(0.1)
    assert unix_seconds("nonsense") == 0.0
    assert compact_names(["a.x.net", "b.x.net"]) == ["a", "b"]
    assert compact_names(["a.x.net"]) == ["a.x.net"]
    assert compact_names(["10.0.0.1", "10.0.0.2"]) == ["10.0.0.1", "10.0.0.2"]
