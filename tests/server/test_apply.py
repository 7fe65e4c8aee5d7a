"""A reload of a server that runs: what takes effect, on sockets of the loopback interface."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from natsd.base.errors import OptionsError
from natsd.server.apply import Surroundings
from natsd.server.options import Options
from natsd.server.server import Server
from tests.server.test_server import Lines, Peer, play

A = {"user": "a", "password": "b"}
LOGIN = b'CONNECT {"verbose":false,"protocol":1,"user":"a","pass":"b"}\r\nPING\r\n'


def change(server: Server, **options: Any) -> None:
    server.reload(Options(**{"host": "127.0.0.1", "port": -1, **options}))


async def login(server: Server) -> Peer:
    peer = await Peer.dial(server)
    peer.say(LOGIN)
    assert await peer.line() == b"PONG\r\n"
    await peer.line()
    return peer


def test_limits_are_those_of_the_new_options_at_once() -> None:
    async def story(server: Server, lines: Lines) -> None:
        big, long = await Peer.dial(server), await Peer.dial(server)
        await big.connect()
        await long.connect()
        change(server, max_payload=3, max_control_line=10, ping_interval_s=7, ping_max=9, write_deadline_s=4)
        assert b'"max_payload":3' in (await Peer.dial(server)).info
        assert (server.roster.rules.ping_interval_ns, server.roster.rules.ping_max) == (7 * 10**9, 9)
        big.say(b"PUB foo 5\r\nhello\r\n")
        assert await big.rest() == b"-ERR 'Maximum Payload Violation'\r\n"
        long.say(b"SUB foo.bar.baz.bau 1\r\n")
        assert await long.rest() == b"-ERR 'maximum control line exceeded'\r\n"

    text = play(story).text
    assert "[INF] Reloaded: max_payload = 3\n" in text
    assert text.index("Reloaded: max_control_line") < text.index("Reloaded server configuration")


def test_connections_above_a_lowered_limit_are_closed_the_newest_first() -> None:
    async def story(server: Server, lines: Lines) -> None:
        first, second, third = [await Peer.dial(server) for _ in range(3)]
        for peer in (first, second, third):
            await peer.connect()
        change(server, max_connections=1)
        for peer in (second, third):
            assert await peer.rest() == b"-ERR 'maximum connections exceeded'\r\n"
        first.say(b"PING\r\n")
        assert await first.line() == b"PONG\r\n"
        assert b"INFO" in (await Peer.dial(server)).info

    text = play(story).text
    assert "[INF] Closed 2 connections to fall within max_connections\n[INF] Reloaded: max_connections = 1\n" in text


def test_what_may_not_change_leaves_everything_as_it_was() -> None:
    async def story(server: Server, lines: Lines) -> None:
        before = server.options
        for options in (
            {"max_payload": 5, "max_pending": 1 << 21},
            {"max_payload": 1 << 30},
            {"users": [A], "no_auth_user": "a"},
            {"tls": natsd_tls("missing.pem")},
            {"mappings": {"a": 5}},
        ):
            with pytest.raises(OptionsError):
                change(server, **options)
            assert server.options is before
        assert server.road.max_payload == 1 << 20
        assert not server.roster.credentials.required
        assert "Reloaded" not in lines.text

    play(story)


def natsd_tls(name: str) -> Any:
    from natsd.base.tls_options import TlsOptions

    return TlsOptions(cert_file=name, key_file=name)


def test_what_stands_around_the_server_can_refuse_too() -> None:
    class Refusing(Surroundings):
        def prepare(self, options: Options, changed: set[str]) -> None:
            raise OptionsError(f"no {sorted(changed)}")

    async def story(server: Server, lines: Lines) -> None:
        with pytest.raises(OptionsError, match="max_payload"):
            server.reload(Options(host="127.0.0.1", port=-1, max_payload=5), Refusing())
        assert server.road.max_payload == 1 << 20

    play(story)


def test_users_come_and_go() -> None:
    async def story(server: Server, lines: Lines) -> None:
        anonymous = await Peer.dial(server)
        await anonymous.connect()
        change(server, users=[A, {"user": "c", "account": "C"}])
        assert await anonymous.rest() == b"-ERR 'Authorization Violation'\r\n"
        peer = await login(server)
        assert b'"auth_required":true' in peer.info
        assert set(server.accounts) == {"$G", "$SYS", "C"}
        change(server, users=[A])
        assert set(server.accounts) == {"$G", "$SYS"}
        peer.say(b"PING\r\n")
        assert await peer.line() == b"PONG\r\n"
        change(server)
        assert await peer.rest() == b""
        assert b"auth_required" not in (await Peer.dial(server)).info

    play(story)


def test_rights_that_stay_the_same_keep_their_compiled_form() -> None:
    async def story(server: Server, lines: Lines) -> None:
        users = [{**A, "permissions": {"publish": ["a"], "subscribe": {"deny": ["b"]}}}]
        change(server, users=users)
        await login(server)
        rights = server.roster.credentials.rights_of("a")
        change(server, users=users)
        assert server.roster.credentials.rights_of("a") is rights
        change(server, users=[{**A, "permissions": {"publish": ["c"]}}])
        assert server.roster.credentials.rights_of("a") is not rights

    play(story)


def test_mappings_change_for_those_who_are_there() -> None:
    async def story(server: Server, lines: Lines) -> None:
        peer = await Peer.dial(server)
        await peer.connect()
        peer.say(b"SUB bar 1\r\nSUB baz 2\r\nPUB foo 0\r\n\r\n")
        assert (await peer.line(), await peer.line()) == (b"MSG bar 1 0\r\n", b"\r\n")
        change(server, mappings={"foo": "baz"})
        peer.say(b"PUB foo 0\r\n\r\n")
        assert (await peer.line(), await peer.line()) == (b"MSG baz 2 0\r\n", b"\r\n")
        change(server)
        peer.say(b"PUB foo 0\r\n\r\nPING\r\n")
        assert await peer.line() == b"PONG\r\n"

    play(story, mappings={"foo": "bar"})


def test_the_address_that_is_advertised_changes_for_those_who_come() -> None:
    async def story(server: Server, lines: Lines) -> None:
        change(server, client_advertise="a.b:77")
        assert b'"host":"a.b","port":77' in (await Peer.dial(server)).info
        change(server)
        assert b'"host":"127.0.0.1","port":%d' % server.port in (await Peer.dial(server)).info

    text = play(story).text
    assert "[INF] Reload: client_advertise = a.b:77\n" in text


def test_the_trace_begins_and_ends_for_those_who_are_there() -> None:
    async def story(server: Server, lines: Lines) -> None:
        server.log.tracing = True
        peer = await Peer.dial(server)
        await peer.connect()
        change(server, trace=True)
        peer.say(b"SUB one 1\r\nPING\r\n")
        await peer.line()
        await asyncio.sleep(0)
        change(server, trace=False)
        peer.say(b"SUB two 1\r\nPING\r\n")
        await peer.line()

    text = play(story).text
    assert "<<- [SUB one 1]" in text and "SUB two" not in text


def test_the_date_and_the_digest_are_those_of_the_last_reload() -> None:
    async def story(server: Server, lines: Lines) -> None:
        before = server.loaded
        change(server, config_digest="sha256:x")
        assert server.loaded > before
        assert server.options.config_digest == "sha256:x"

    assert play(story).text.count("[INF] Reloaded server configuration (sha256:x)\n") == 1


def accounts(**more: dict[str, Any]) -> dict[str, Any]:
    """A exports a stream and a service, B imports both unless it is told otherwise."""
    given: dict[str, Any] = {
        "A": {"users": [{"user": "a", "password": "p"}], "exports": [{"stream": "out.>"}, {"service": "ask"}]},
        "B": {
            "users": [{"user": "b", "password": "p"}],
            "imports": [
                {"stream": {"account": "A", "subject": "out.>"}},
                {"service": {"account": "A", "subject": "ask"}},
            ],
        },
    }
    for name, block in more.items():
        given[name] = {**given.get(name, {"users": [{"user": name.lower(), "password": "p"}]}), **block}
    return given


async def enter(server: Server, user: str) -> Peer:
    peer = await Peer.dial(server)
    peer.say(b'CONNECT {"verbose":false,"user":"%b","pass":"p"}\r\nPING\r\n' % user.encode())
    assert await peer.line() == b"PONG\r\n"
    return peer


async def hears(peer: Peer) -> list[bytes]:
    """The messages that have come, by their first two words."""
    peer.say(b"PING\r\n")
    found = []
    while (line := await peer.line()) != b"PONG\r\n":
        if line.startswith(b"MSG"):
            found.append(line.split()[1])
            await peer.line()
    return found


def test_imports_are_those_of_the_new_options_for_subscriptions_that_are_there() -> None:
    async def story(server: Server, lines: Lines) -> None:
        a, b = await enter(server, "a"), await enter(server, "b")
        a.say(b"SUB ask 1\r\n")
        b.say(b"SUB out.* 1\r\nSUB in.> 2\r\n")
        await hears(b)

        async def crosses() -> tuple[list[bytes], list[bytes]]:
            a.say(b"PUB out.x 1\r\nx\r\n")
            b.say(b"PUB ask 1\r\nx\r\n")
            await hears(b)
            await hears(a)
            a.say(b"PUB out.x 1\r\nx\r\n")
            await hears(a)
            heard_b = await hears(b)
            b.say(b"PUB ask 1\r\nx\r\n")
            await hears(b)
            return await hears(a), heard_b

        assert await crosses() == ([b"ask"], [b"out.x"])
        change(server, accounts=accounts(B={"imports": []}))
        assert await crosses() == ([], [])
        prefixed = [{"stream": {"account": "A", "subject": "out.>"}, "prefix": "in"}]
        change(server, accounts=accounts(B={"imports": prefixed}))
        assert await crosses() == ([], [b"in.out.x"])
        change(server, accounts=accounts())
        assert await crosses() == ([b"ask"], [b"out.x"])
        with pytest.raises(OptionsError, match="does not export"):
            change(server, accounts=accounts(A={"exports": []}))
        assert await crosses() == ([b"ask"], [b"out.x"])

    play(story, accounts=accounts())


def test_an_account_that_is_gone_takes_its_connections_with_it_and_nobody_elses() -> None:
    async def story(server: Server, lines: Lines) -> None:
        b, c = await enter(server, "b"), await enter(server, "c")
        account = server.accounts["B"]
        change(server, accounts=accounts())
        assert await c.rest() == b""
        assert server.accounts["B"] is account and set(server.accounts) == {"$G", "$SYS", "A", "B"}
        assert await hears(b) == []

    play(story, accounts=accounts(C={}))


def test_limits_and_mappings_of_an_account_hold_for_those_who_are_there() -> None:
    async def story(server: Server, lines: Lines) -> None:
        first, second = await enter(server, "c"), await enter(server, "c")
        first.say(b"SUB n 1\r\n")
        await hears(first)
        limits = {"max_connections": 1, "max_payload": 2, "max_subscriptions": 1}
        change(server, accounts=accounts(C={"limits": limits, "mappings": {"m": "n"}}))
        assert await second.rest() == b"-ERR 'maximum account active connections exceeded'\r\n"
        first.say(b"PUB m 1\r\nx\r\n")
        assert await hears(first) == [b"n"]
        first.say(b"SUB z 2\r\n")
        assert await first.line() == b"-ERR 'maximum subscriptions exceeded'\r\n"
        first.say(b"PUB m 3\r\nxyz\r\n")
        assert await first.rest() == b"-ERR 'Maximum Payload Violation'\r\n"
        change(server, accounts=accounts(C={}))
        third, _ = await enter(server, "c"), await enter(server, "c")
        third.say(b"SUB m 1\r\nPUB m 3\r\nxyz\r\n")
        assert await hears(third) == [b"m"]

    play(story, accounts=accounts(C={}))


def test_the_first_users_of_the_system_account_shut_out_whoever_says_nothing() -> None:
    async def story(server: Server, lines: Lines) -> None:
        peer = await Peer.dial(server)
        await peer.connect()
        peer.say(b"SUB x 1\r\n")
        assert await hears(peer) == []
        change(server, accounts={"$SYS": {"users": [{"user": "s", "password": "p"}]}})
        assert await peer.rest() == b"-ERR 'Authorization Violation'\r\n"
        assert "[WRN] Only the system account has users" in lines.text
        later = await Peer.dial(server)
        later.say(b'CONNECT {"verbose":false}\r\n')
        assert await later.rest() == b"-ERR 'Authorization Violation'\r\n"

    play(story)


def test_reloads_leave_nothing_behind() -> None:
    import gc
    from collections import Counter

    from natsd.accounts.account import Account
    from natsd.accounts.services import ServiceImport

    async def story(server: Server, lines: Lines) -> None:
        await enter(server, "b")

        def held(steps: range) -> Counter[type]:
            for step in steps:
                imports = {} if step % 2 else {"B": {"imports": []}}
                change(server, accounts=accounts(**{f"C{step}": {}}, **imports))
            gc.collect()
            return Counter(kind for one in gc.get_objects() if (kind := type(one)) in (Account, ServiceImport))

        assert held(range(2)) == held(range(2, 30))

    play(story, accounts=accounts())
