"""One connection's rules, played in memory."""

from __future__ import annotations

import pytest

from natsd.auth.credentials import Credentials
from natsd.base.clock import SECOND_NS
from natsd.protocol.errors import CLIENT_CLOSED, SERVER_SHUTDOWN
from tests.session.memory import House, info_of

QUIET = '"verbose":false'
NEW = '"verbose":false,"protocol":1'


def test_a_client_is_greeted_with_its_own_number_and_address() -> None:
    house = House()
    first, second = house.client(), house.client(ip="::1")
    assert [info_of(client.greeting)["client_id"] for client in (first, second)] == [1, 2]
    assert info_of(second.greeting)["client_ip"] == "::1"
    assert list(house.roster.connections) == [1, 2]


def test_one_connection_too_many_is_greeted_told_and_closed() -> None:
    house = House()
    house.rules.max_connections = 1
    house.client()
    late = house.client()
    assert late.greeting.startswith(b"INFO ")
    assert late.greeting.endswith(b"\r\n-ERR 'maximum connections exceeded'\r\n")
    assert late.closed == (True, True)
    assert len(house.roster.connections) == 1
    assert house.roster.closed[0].reason == "Maximum Connections Exceeded"


def test_a_negative_limit_of_connections_lets_nobody_in() -> None:
    house = House()
    house.rules.max_connections = -1
    assert house.client().session.closed


def test_a_flood_of_refused_connections_is_logged_once_a_second() -> None:
    house = House()
    house.rules.max_connections = -1
    for _ in range(5):
        house.client()
    assert len(house.log.lines) == 1
    house.clock.move(1)
    house.client()
    assert len(house.log.lines) == 2


def test_before_connect_a_client_is_acknowledged_and_checked() -> None:
    client = House().client()
    assert client.say(b"SUB a 1\r\nPUB a 1\r\nx\r\nUNSUB 1\r\n") == b"+OK\r\n+OK\r\nMSG a 1 1\r\nx\r\n+OK\r\n"


@pytest.mark.parametrize(
    ("connect", "answer"),
    [
        ('"protocol":2', b"-ERR 'invalid client protocol'\r\n"),
        ('"protocol":-1', b"-ERR 'invalid client protocol'\r\n"),
        ('"no_responders":true', b"-ERR 'no responders requires headers support'\r\n"),
        ('"account":"A"', b"-ERR 'Authorization Violation'\r\n"),
        ('"new_account":true', b"-ERR 'Authorization Violation'\r\n"),
        ('"account":"A","protocol":2', b"-ERR 'Authorization Violation'\r\n"),
        ("", b""),
        ('"verbose":1', b""),
    ],
)
def test_a_connect_that_cannot_be_accepted_ends_the_connection(connect: str, answer: bytes) -> None:
    client = House().client()
    said = b"CONNECT {%b}\r\nPING\r\n" % connect.encode() if connect else b"CONNECT {\r\nPING\r\n"
    assert client.say(said) == answer
    assert client.session.closed
    assert client.closed == (True, True)


def test_connect_is_acknowledged_where_verbose_is_on_or_not_mentioned() -> None:
    house = House()
    assert house.client().say(b"CONNECT {}\r\n") == b"+OK\r\n"
    assert house.client().say(b'CONNECT {"verbose":false}\r\n') == b""


def test_no_responders_needs_headers_of_the_server_too() -> None:
    house = House()
    house.rules.headers = False
    client = house.client()
    assert client.say(b'CONNECT {"headers":true,"no_responders":true}\r\n').startswith(b"-ERR 'no responders requires")


def test_what_a_client_asked_for_reaches_the_kernel() -> None:
    session = (
        House().client('"verbose":false,"pedantic":false,"echo":false,"headers":true,"no_responders":true').session
    )
    inbound = session.inbound
    assert (inbound.verbose, inbound.pedantic, inbound.echo) == (False, False, False)
    assert (inbound.headers, inbound.no_responders, session.outbound.headers) == (True, True, True)


def test_a_second_connect_drops_the_subscriptions_and_keeps_what_it_does_not_mention() -> None:
    house = House()
    client = house.client(QUIET)
    client.say(b"SUB a 1\r\n")
    assert client.say(b'CONNECT {"echo":true}\r\nPUB a 1\r\nx\r\nPING\r\n') == b"PONG\r\n"
    assert len(house.account.sublist) == 0
    assert client.session.subscriptions == 0


def test_with_credentials_nothing_goes_before_connect() -> None:
    house = House(Credentials(token="t"))
    client = house.client()
    assert info_of(client.greeting)["auth_required"] is True
    assert client.say(b"PING\r\n") == b"-ERR 'Authorization Violation'\r\n"
    assert house.roster.closed[0].reason == "Authentication Failure"


def test_the_right_token_opens_the_gate() -> None:
    client = House(Credentials(token="t")).client()
    assert client.say(b'CONNECT {"auth_token":"t"}\r\nPING\r\n') == b"+OK\r\nPONG\r\n"


def test_a_second_connect_is_checked_again_with_what_was_said_before() -> None:
    house = House(Credentials(token="t"))
    assert house.client('"auth_token":"t"').say(b'CONNECT {"verbose":true}\r\n') == b"+OK\r\n"
    client = house.client('"auth_token":"t"')
    assert client.say(b'CONNECT {"auth_token":"no"}\r\n') == b"-ERR 'Authorization Violation'\r\n"


def test_failed_logins_are_logged_without_secrets() -> None:
    house = House(Credentials(token="t"))
    house.client('"auth_token":"wrong"')
    house.client('"user":"u\\"","pass":"wrong"')
    house.client('"lang":"go"')
    assert house.log.lines == [
        'ERR 1.2.3.4:5000 - cid:1 - authentication error - Token "[REDACTED]"',
        'ERR 1.2.3.4:5000 - cid:2 - authentication error - User "u\\""',
        "ERR 1.2.3.4:5000 - cid:3 - authentication error",
    ]


def test_who_does_not_authenticate_in_time_is_closed() -> None:
    house = House(Credentials(token="t"))
    client = house.client()
    house.clock.move(1.9)
    assert client.heard() == b""
    house.clock.move(0.1)
    assert client.heard() == b"-ERR 'Authentication Timeout'\r\n"
    assert client.session.reason == "Authentication Timeout"
    assert len(house.timers) == 0


def test_connect_stops_the_authentication_timer() -> None:
    house = House(Credentials(token="t"))
    client = house.client('"auth_token":"t"')
    house.clock.move(2)
    assert not client.session.closed


def test_the_label_in_the_log_tells_who_it_is() -> None:
    house = House()
    assert house.client().session.label == "1.2.3.4:5000 - cid:1"
    assert house.client('"name":"n"', ip="::1").session.label == '[::1]:5000 - cid:2 - "n"'
    full = house.client('"name":"n","lang":"go","version":"1.2","user":"u"').session
    assert full.label == '1.2.3.4:5000 - cid:3 - "v1.2:go:n" - "$G/user:u"'
    assert house.client('"lang":"go","auth_token":"t"').session.label == '1.2.3.4:5000 - cid:4 - "go" - "$G/token"'


# Subscriptions.


def test_a_subscription_gets_messages_until_it_is_given_up() -> None:
    house = House()
    client = house.client(QUIET)
    assert client.say(b"SUB a.* 1\r\nPUB a.b 1\r\nx\r\nUNSUB 1\r\nPUB a.b 1\r\ny\r\n") == b"MSG a.b 1 1\r\nx\r\n"
    assert house.account.sublist.count == 0


@pytest.mark.parametrize("subject", [b"a..b", b".", b"a.>.b", b">.a"])
def test_an_invalid_subject_is_refused_and_the_connection_goes_on(subject: bytes) -> None:
    client = House().client()
    assert client.say(b"SUB %b 1\r\nSUB a 1\r\n" % subject) == b"-ERR 'Invalid Subject'\r\n+OK\r\n"


def test_a_sid_in_use_keeps_its_first_subject() -> None:
    client = House().client()
    assert client.say(b"SUB a 1\r\nSUB b 1\r\nPUB b 0\r\n\r\nPUB a 0\r\n\r\n") == (
        b"+OK\r\n+OK\r\n+OK\r\n+OK\r\nMSG a 1 0\r\n\r\n"
    )
    assert client.session.subscriptions == 1


def test_the_servers_own_queue_group_is_refused() -> None:
    house = House()
    client = house.client(QUIET)
    assert client.say(b"SUB a _sys_ 1\r\n") == (
        b'-ERR \'Permissions Violation for Subscription to "a" using queue "_sys_"\'\r\n'
    )
    assert 'Subject "a", Queue: "_sys_", SID 1' in house.log.lines[0]


def test_more_tokens_than_allowed_are_refused() -> None:
    house = House()
    house.rules.max_sub_tokens = 2
    client = house.client(QUIET)
    assert client.say(b"SUB a.b 1\r\nSUB a.b.c 2\r\n") == (
        b"-ERR 'Permissions Violation for Subscription to \"a.b.c\", too many tokens'\r\n"
    )
    assert client.session.subscriptions == 1


@pytest.mark.parametrize("of_account", [False, True])
def test_more_subscriptions_than_allowed_are_refused_and_the_connection_goes_on(of_account: bool) -> None:
    house = House()
    if of_account:
        house.account.max_subscriptions = 1
    else:
        house.rules.max_subscriptions = 1
    client = house.client(QUIET)
    assert client.say(b"SUB a 1\r\nSUB b 2\r\nSUB a 1\r\n") == b"-ERR 'maximum subscriptions exceeded'\r\n" * 2
    assert client.say(b"UNSUB 1\r\nSUB b 2\r\nPING\r\n") == b"PONG\r\n"


def test_unsubscribing_after_some_messages() -> None:
    client = House().client(QUIET)
    heard = client.say(b"SUB a 1\r\nUNSUB 1 2\r\n" + b"PUB a 1\r\nx\r\n" * 3)
    assert heard == b"MSG a 1 1\r\nx\r\n" * 2
    assert client.session.subscriptions == 0


def test_unsubscribing_after_fewer_messages_than_it_had_ends_it_at_once() -> None:
    client = House().client(QUIET)
    client.say(b"SUB a 1\r\nUNSUB 1 9\r\n" + b"PUB a 0\r\n\r\n" * 2)
    assert client.say(b"UNSUB 1 2\r\nPUB a 0\r\n\r\n") == b""
    assert client.session.subscriptions == 0


@pytest.mark.parametrize("limit", [b"0", b"-1", b"x", b"99999999999"])
def test_unsubscribing_with_a_limit_that_is_none_ends_it_at_once(limit: bytes) -> None:
    client = House().client(QUIET)
    assert client.say(b"SUB a 1\r\nUNSUB 1 %b\r\nPUB a 0\r\n\r\n" % limit) == b""


def test_a_sid_is_free_again_right_after_its_last_message() -> None:
    client = House().client(QUIET)
    heard = client.say(b"SUB a 1\r\nUNSUB 1 1\r\nPUB a 1\r\nx\r\nSUB b 1\r\nPUB b 1\r\ny\r\n")
    assert heard == b"MSG a 1 1\r\nx\r\nMSG b 1 1\r\ny\r\n"
    assert [sub.subject for sub in client.session.subs.values()] == [b"b"]


def test_giving_up_an_unknown_subscription_is_acknowledged() -> None:
    assert House().client().say(b"UNSUB 7\r\n") == b"+OK\r\n"


# PING, PONG and INFO.


def test_after_the_first_ping_a_new_client_gets_one_more_info() -> None:
    house = House()
    client = house.client(NEW)
    heard = client.say(b"PING\r\n")
    assert heard.startswith(b"PONG\r\nINFO ")
    fields = info_of(heard)
    assert (fields["connect_info"], fields["remote_account"]) == (True, "$G")
    assert "acc_is_sys" not in fields
    assert client.say(b"PING\r\n") == b"PONG\r\n"


def test_an_old_client_gets_the_pong_alone() -> None:
    assert House().client(QUIET).say(b"PING\r\n") == b"PONG\r\n"


def test_a_ping_before_connect_does_not_count_as_the_first() -> None:
    client = House().client()
    assert client.say(b"PING\r\n") == b"PONG\r\n"
    assert client.say(b'CONNECT {"verbose":false,"protocol":1}\r\nPING\r\n').startswith(b"PONG\r\nINFO ")


def test_a_client_of_the_system_account_is_told_so() -> None:
    house = House()
    house.roster.account = house.system_account
    fields = info_of(house.client(NEW).say(b"PING\r\n"))
    assert (fields["remote_account"], fields["acc_is_sys"]) == ("$SYS", True)


def test_later_infos_go_to_new_clients_past_their_first_pong_only() -> None:
    house = House()
    ready, unready, old, silent = house.client(NEW), house.client(NEW), house.client(QUIET), house.client()
    ready.say(b"PING\r\n")
    old.say(b"PING\r\n")
    house.roster.info.ldm = True
    house.roster.send_info()
    assert info_of(ready.heard())["ldm"] is True
    assert [client.heard() for client in (unready, old, silent)] == [b"", b"", b""]


def test_the_account_may_allow_smaller_payloads() -> None:
    house = House()
    house.account.max_payload = 10
    client = house.client(QUIET)
    assert info_of(client.greeting)["max_payload"] == 10
    assert client.say(b"PUB a 11\r\n") == b"-ERR 'Maximum Payload Violation'\r\n"
    assert "11 vs 10" in house.log.lines[-1]


def test_the_server_pings_soon_after_connect_and_measures_the_round_trip() -> None:
    house = House()
    client = house.client(QUIET)
    house.clock.move(1.9)
    assert client.heard() == b""
    house.clock.move(0.6)
    assert client.heard() == b"PING\r\n"
    sent_ns = client.session.ping_sent_ns
    house.clock.move(0.25)
    client.say(b"PONG\r\n")
    assert client.session.rtt_ns == house.clock.now_ns() - sent_ns
    assert client.session.pings_out == 0


def test_an_unasked_pong_is_ignored() -> None:
    client = House().client()
    assert client.say(b"PONG\r\nPING\r\n") == b"PONG\r\n"
    assert client.session.rtt_ns == 0


def test_a_client_that_does_not_answer_is_stale_after_the_pings_allowed() -> None:
    house = House()
    house.rules.ping_interval_ns = 10 * SECOND_NS
    client = house.client(QUIET)
    house.clock.move(13)
    assert client.heard() == b"PING\r\nPING\r\n"
    house.clock.move(10)
    assert client.heard() == b"-ERR 'Stale Connection'\r\n"
    assert client.session.reason == "Stale Connection"
    assert house.roster.stale_connections == 1


def test_one_that_never_spoke_is_pinged_after_a_whole_interval() -> None:
    house = House()
    client = house.client()
    house.clock.move(119)
    assert client.heard() == b""
    house.clock.move(1)
    assert client.heard() == b"PING\r\n"


@pytest.mark.parametrize("traffic", [b"PUB a 0\r\n\r\n", b"SUB a 1\r\n", b"UNSUB 1\r\n"])
def test_a_client_that_shows_itself_is_not_pinged(traffic: bytes) -> None:
    house = House()
    house.rules.ping_interval_ns = 10 * SECOND_NS
    client = house.client(QUIET)
    house.clock.move(3)
    client.say(b"PONG\r\n")
    for _ in range(5):
        house.clock.move(5)
        client.say(traffic)
        house.clock.move(5)
        assert client.heard() == b""
    house.clock.move(10)
    assert client.heard() == b"PING\r\n"


def test_the_round_trip_is_measured_again_every_hour_in_spite_of_traffic() -> None:
    house = House()
    house.rules.ping_interval_ns = 600 * SECOND_NS
    client = house.client(QUIET)
    house.clock.move(3)
    assert client.say(b"PONG\r\n") == b"PING\r\n"
    for _ in range(14):
        client.say(b"PUB a 0\r\n\r\n")
        house.clock.move(300)
    assert client.heard() == b"PING\r\n"


# Errors.


def test_an_unknown_verb_ends_the_connection_after_what_came_before() -> None:
    client = House().client(QUIET)
    assert client.say(b"SUB a 1\r\nPUB a 1\r\nx\r\nXYZ\r\nPING\r\n") == (
        b"MSG a 1 1\r\nx\r\n-ERR 'Unknown Protocol Operation'\r\n"
    )
    assert client.session.reason == "Protocol Violation"


@pytest.mark.parametrize("line", [b"SUB a", b"SUB a b c d", b"UNSUB 1 2 3", b"PUB a", b"PUB a -1", b"HPUB a 1 1"])
def test_arguments_that_cannot_be_read_end_the_connection_silently(line: bytes) -> None:
    client = House().client(QUIET)
    assert client.say(line + b"\r\nPING\r\n") == b""
    assert client.session.reason == "Protocol Violation"


def test_a_payload_over_the_limit_ends_the_connection_at_its_first_line() -> None:
    house = House()
    client = house.client(QUIET)
    assert client.say(b"PUB a 1048577\r\n") == b"-ERR 'Maximum Payload Violation'\r\n"
    assert client.session.reason == "Maximum Message Payload Exceeded"
    assert "1048577 vs 1048576" in house.log.lines[0]


def test_a_control_line_over_the_limit_ends_the_connection() -> None:
    client = House().client(QUIET)
    assert client.say(b"SUB %b 1\r\n" % (b"a" * 4100)) == b"-ERR 'maximum control line exceeded'\r\n"
    assert client.session.reason == "Maximum Control Line Exceeded"


def test_a_pedantic_client_is_told_of_a_subject_that_is_no_literal() -> None:
    client = House().client('"verbose":false,"pedantic":true')
    heard = client.say(b"SUB * 1\r\nPUB > 0\r\n\r\n")
    assert sorted(heard.split(b"\r\n")) == sorted([b"-ERR 'Invalid Publish Subject'", b"MSG > 1 0", b"", b""])
    assert not client.session.closed


def test_what_a_client_may_not_publish_is_refused_and_the_connection_goes_on() -> None:
    house = House()
    client = house.client(QUIET)
    client.session.inbound.publish_check = lambda subject: subject != b"no"
    house.road.reserved_replies = (b"_R_.",)
    assert client.say(b"PUB no 0\r\n\r\nPUB yes _R_.x 0\r\n\r\nPING\r\n") == (
        b"-ERR 'Permissions Violation for Publish to \"no\"'\r\n"
        b"-ERR 'Permissions Violation for Publish with Reply of \"_R_.x\"'\r\n"
        b"PONG\r\n"
    )
    assert [line.split(" - ", 2)[2] for line in house.log.lines] == [
        'Publish Violation - Subject "no"',
        'Publish Violation - Reply "_R_.x"',
    ]


def test_a_clients_own_err_ends_the_connection() -> None:
    house = House()
    client = house.client(QUIET)
    assert client.say(b"-ERR 'enough'\r\nPING\r\n") == b""
    assert client.session.reason == "Parse Error"
    assert house.log.lines == ["ERR 1.2.3.4:5000 - cid:1 - Client Error 'enough'"]


@pytest.mark.parametrize("info", [b"{}", b"null", b'{"x":1}'])
def test_a_clients_own_info_is_passed_over(info: bytes) -> None:
    assert House().client(QUIET).say(b"INFO %b\r\nPING\r\n" % info) == b"PONG\r\n"


@pytest.mark.parametrize("info", [b"x", b"[]", b"5", b""])
def test_a_clients_own_info_that_is_no_object_ends_the_connection(info: bytes) -> None:
    client = House().client(QUIET)
    assert client.say(b"INFO %b\r\nPING\r\n" % info) == b""
    assert client.session.reason == "Protocol Violation"


# The end.


def test_nothing_is_left_of_a_closed_connection_but_its_record() -> None:
    house = House()
    client = house.client('"verbose":false,"name":"n","lang":"go","version":"1","user":"u"')
    client.say(b"SUB a 1\r\nSUB b q 2\r\nPUB a 3\r\nabc\r\n")
    house.clock.move(1)
    client.session.on_eof()
    assert client.closed == (True, False)
    assert (len(house.roster.connections), len(house.account.sublist), len(house.timers)) == (0, 0, 0)
    assert house.account.connections == 0
    closed = house.roster.closed[0]
    assert (closed.cid, closed.reason, closed.kind, closed.type) == (1, CLIENT_CLOSED, "Client", "nats")
    assert (closed.ip, closed.port, closed.name, closed.lang, closed.version) == ("1.2.3.4", 5000, "n", "go", "1")
    assert (closed.in_msgs, closed.in_bytes, closed.out_msgs, closed.out_bytes) == (1, 3, 1, 3)
    assert (closed.subscriptions, closed.account_name, closed.user) == (2, "$G", "u")
    assert closed.stop_wall_ns - closed.start_wall_ns == SECOND_NS
    assert closed.start_wall_ns <= closed.last_wall_ns <= closed.stop_wall_ns


def test_closing_twice_counts_once() -> None:
    house = House()
    client = house.client()
    client.session.close(SERVER_SHUTDOWN)
    client.session.close(CLIENT_CLOSED)
    client.session.on_slow()
    client.session.on_deadline("late")
    assert [closed.reason for closed in house.roster.closed] == [SERVER_SHUTDOWN]
    assert house.roster.slow_consumers == 0


def test_a_socket_that_fails_when_read_is_a_read_error() -> None:
    client = House().client()
    client.session.on_broken(104)
    assert client.session.reason == "Read Error"
    assert client.closed == (False, False)


def test_a_socket_that_fails_when_written_is_a_write_error() -> None:
    client = House().client()
    client.session.outbound.close()
    client.session.on_broken(32)
    assert client.session.reason == "Write Error"


def test_a_client_that_does_not_read_is_cut_at_max_pending_without_a_word() -> None:
    house = House()
    house.road.max_pending = 1000
    slow, fast = house.client(QUIET), house.client(QUIET)
    slow.say(b"SUB a 1\r\n")
    slow.on_output = lambda: None  # type: ignore[method-assign]
    fast.say(b"PUB a 400\r\n%b\r\n" % bytes(400) * 3)
    assert slow.session.reason == "Slow Consumer (Pending Bytes)"
    assert slow.closed == (False, False)
    assert (house.roster.slow_consumers_pending, house.account.slow_consumers) == (1, 1)
    assert house.log.lines == ["INF 1.2.3.4:5000 - cid:1 - Slow Consumer Detected: MaxPending of 1000 Exceeded"]
    assert fast.say(b"PING\r\n") == b"PONG\r\n"


def test_a_client_that_misses_the_write_deadline_is_cut_and_counted() -> None:
    house = House()
    client = house.client(QUIET)
    client.session.on_deadline("figures")
    assert client.session.reason == "Slow Consumer (Write Deadline)"
    assert (house.roster.slow_consumers_deadline, house.roster.slow_consumers) == (1, 1)
    assert house.log.lines == ["INF 1.2.3.4:5000 - cid:1 - Slow Consumer Detected: figures"]


def test_one_that_was_never_let_in_is_no_slow_consumer() -> None:
    house = House(Credentials(token="t"))
    client = house.client()
    client.session.on_deadline("figures")
    assert client.session.reason == "Slow Consumer (Write Deadline)"
    assert (house.roster.slow_consumers, house.log.lines) == (0, [])


def test_a_producer_is_paused_for_receivers_that_lag_and_the_stall_is_counted() -> None:
    house = House()
    house.road.stall_bytes = 100
    slow, fast = house.client(QUIET), house.client(QUIET)
    slow.say(b"SUB a 1\r\n")
    slow.on_output = lambda: None  # type: ignore[method-assign]
    fast.say(b"PUB a 400\r\n%b\r\n" % bytes(400))
    assert fast.paused == [slow.session.outbound]
    assert house.roster.stalls == 1


def test_a_blocked_socket_is_the_wires_business() -> None:
    client = House().client()
    client.session.on_blocked()
    assert client.blocked == 1


def test_debug_tells_when_connections_come_and_go() -> None:
    house = House(Credentials(token="t"), debugging=True)
    client = house.client()
    house.clock.move(3)
    assert client.session.closed
    assert [line.split(" - ")[-1] for line in house.log.lines] == [
        "Client connection created",
        "Authentication Timeout",
        "Client connection closed: Authentication Timeout",
    ]


def test_what_the_session_says_is_traced() -> None:
    house = House()
    client = house.client()
    house.road.trace = []
    client.say(b"SUB a..b 1\r\nPING\r\n")
    said = [(line, payload) for owner, direction, line, payload in house.road.trace if direction == b"->>"]
    assert said == [(b"-ERR 'Invalid Subject'", None), (b"PONG", None)]


def test_activity_is_dated_by_traffic_and_by_interest() -> None:
    house = House()
    client = house.client(QUIET)
    session = client.session
    house.clock.move(5)
    client.say(b"SUB a 1\r\n")
    subscribed = session.last_wall_ns
    assert subscribed == house.clock.wall_ns()
    house.clock.move(5)
    assert session.last_wall_ns == subscribed
    client.say(b"PUB b 0\r\n\r\n")
    assert session.last_wall_ns == house.clock.wall_ns()


def test_monitoring_reads_plain_figures() -> None:
    house = House()
    client = house.client(QUIET)
    client.say(b"SUB a 1\r\nPUB a 2\r\nhi\r\n")
    session = client.session
    assert (session.in_msgs, session.in_bytes, session.out_msgs, session.out_bytes) == (1, 2, 1, 2)
    assert (session.subscriptions, session.pending, session.account_name) == (1, 0, "$G")
