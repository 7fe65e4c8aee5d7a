"""What acks, statuses and answers of JetStream mean."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from natsd.client.bucket import BadBucket
from natsd.client.errors import ClientError
from natsd.client.jetstream import ApiError, JetStream, is_control, meta_of, read_answer, status_of
from natsd.client.key_value import BadKey, bucket_config, check_key, ttl_text
from natsd.client.message import Message, Subscription
from natsd.client.object_store import digest_text
from natsd.client.stored import payload_of, time_of


def message(reply: bytes | None = None, header: bytes | None = None, payload: bytes = b"") -> Message:
    owner: Any = None
    return Message(b"s", reply, header, payload, Subscription(owner, 1, "s", None, deque()))


def test_the_old_and_the_new_form_of_ack_subjects() -> None:
    old = meta_of(message(b"$JS.ACK.S.C.2.30.4.1700000000000000005.6"))
    new = meta_of(message(b"$JS.ACK.hub.hash.S.C.2.30.4.1700000000000000005.6.more"))
    for meta, domain in ((old, ""), (new, "hub")):
        assert meta is not None and (meta.stream, meta.consumer, meta.domain) == ("S", "C", domain)
        assert (meta.delivered, meta.stream_seq, meta.consumer_seq, meta.pending) == (2, 30, 4, 6)
        assert meta.time_ns == 1700000000000000005
    none = meta_of(message(b"$JS.ACK._.hash.S.C.1.1.1.1.1.x"))
    assert none is not None and none.domain == ""


@pytest.mark.parametrize("reply", [None, b"", b"_INBOX.1", b"$JS.ACK.S.C", b"$JS.ACK.S.C.a.b.c.d.e"])
def test_other_replies_say_nothing(reply: bytes | None) -> None:
    assert meta_of(message(reply)) is None


@pytest.mark.parametrize(
    ("header", "payload", "status"),
    [
        (b"NATS/1.0 404 No Messages\r\n\r\n", b"", 404),
        (b"NATS/1.0 100 Idle Heartbeat\r\nK: v\r\n\r\n", b"", 100),
        (b"NATS/1.0 404\r\n\r\n", b"data", 0),
        (b"NATS/1.0\r\nK: v\r\n\r\n", b"", 0),
        (None, b"", 0),
    ],
)
def test_a_status_has_no_payload(header: bytes | None, payload: bytes, status: int) -> None:
    assert status_of(message(None, header, payload)) == status


def test_an_error_in_an_answer_is_raised_with_its_codes() -> None:
    assert read_answer(b'{"seq": 1}') == {"seq": 1}
    with pytest.raises(ApiError, match=r"^stream not found \(10059\)$") as refused:
        read_answer(b'{"error":{"code":404,"err_code":10059,"description":"stream not found"}}')
    assert (refused.value.code, refused.value.err_code) == (404, 10059)
    for raw in (b"", b"[]", b"+OK"):
        with pytest.raises(ClientError):
            read_answer(raw)


def test_keys_and_buckets_that_can_be() -> None:
    assert check_key("a.b/c_d=e-1") and check_key("a.>", pattern=True)
    for key in ("", ".", "a.", ".a", "a b", "a*", "ä", "a\n"):
        with pytest.raises(BadKey):
            check_key(key)
    config = bucket_config("B", history=3, max_age=10**9, mirror={"name": "KV_A"})
    assert config["max_msgs_per_subject"] == 3 and config["duplicate_window"] == 10**9
    assert "subjects" not in config and config["mirror_direct"]
    with pytest.raises(BadBucket):
        bucket_config("a.b")


def test_times_to_live_are_whole_seconds() -> None:
    assert ttl_text(1_500_000_000) == "2s" and ttl_text(60 * 10**9) == "60s"
    with pytest.raises(ClientError):
        ttl_text(999)


def test_digests_times_and_payloads_as_they_are_stored() -> None:
    assert digest_text(b"\xff\xfe") == "SHA-256=__4="
    assert time_of("1970-01-01T00:00:01.5Z") == 1_500_000_000 and time_of("never") == 0
    assert payload_of({"data": "aGk=", "hdrs": "TkFUUy8xLjA="}) == (b"hi", b"NATS/1.0")
    assert payload_of({}) == (b"", None)


class Refusing:
    """A connection to a server that objects to everything."""

    def request(self, subject: str, payload: bytes, timeout_s: float) -> Message:
        return message(payload=b'{"error":{"code":400,"err_code":10003,"description":"bad request"}}')


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda js: js.stream_info("S"), "could not load Stream S"),
        (lambda js: js.create_consumer("S", {"name": "C"}), "could not create Consumer S > C"),
        (lambda js: js.get_message("S", seq=7), "could not load message 7 of Stream S"),
        (lambda js: js.get_message("S", last_by_subj="a.b"), "could not load the last message of a.b of Stream S"),
        (lambda js: js.consumer_names("S"), "could not list the Consumers of Stream S"),
    ],
)
def test_a_refused_request_says_what_could_not_be_done(ask: Any, words: str) -> None:
    connection: Any = Refusing()
    with pytest.raises(ApiError) as refused:
        ask(JetStream(connection))
    assert str(refused.value) == f"{words}: bad request (10003)" and refused.value.description == "bad request"
    with pytest.raises(ApiError, match=r"^bad request \(10003\)$"):
        JetStream(connection).account_info()


def test_what_a_push_consumer_says_of_itself_is_answered() -> None:
    said: list[tuple[str, bytes]] = []

    class Link:
        def publish(self, subject: str) -> None:
            said.append(("published", subject.encode()))

        def respond(self, message: Message) -> None:
            said.append(("answered", message.reply_bytes or b""))

    link: Any = Link()
    assert not is_control(link, message(b"$JS.ACK.S.C.1.1.1.1.1", None, b"data"))
    assert is_control(link, message(None, b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 3\r\n\r\n"))
    assert said == []
    assert is_control(link, message(b"$JS.FC.S.C.x", b"NATS/1.0 100 FlowControl Request\r\n\r\n"))
    stalled = b"NATS/1.0 100 Idle Heartbeat\r\nNats-Consumer-Stalled: $JS.FC.S.C.y\r\n\r\n"
    assert is_control(link, message(None, stalled))
    assert said == [("answered", b"$JS.FC.S.C.x"), ("published", b"$JS.FC.S.C.y")]
