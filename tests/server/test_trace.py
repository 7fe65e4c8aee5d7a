"""The protocol trace."""

from __future__ import annotations

import pytest

from natsd.server.trace import REDACTED, redact, render, take


class Owner:
    label = "1.2.3.4:5 - cid:1"


def lines(direction: bytes, line: bytes, payload: bytes | None = None, max_payload: int = 0) -> list[str]:
    return list(render(Owner(), direction, line, payload, max_payload))


def test_a_line_names_the_connection_and_the_direction() -> None:
    assert lines(b"<<-", b"PING") == ["1.2.3.4:5 - cid:1 - <<- [PING]"]
    assert lines(b"->>", b"OK") == ["1.2.3.4:5 - cid:1 - ->> [OK]"]


def test_a_payload_has_a_line_of_its_own_with_escapes() -> None:
    assert lines(b"<<-", b"PUB a 3", b"a\n\xff")[1] == r'1.2.3.4:5 - cid:1 - <<- MSG_PAYLOAD: ["a\n\xff"]'
    assert lines(b"<<-", b"PUB a 0", b"")[1].endswith('MSG_PAYLOAD: [""]')


def test_a_long_payload_is_cut_where_a_length_is_given() -> None:
    assert lines(b"<<-", b"PUB a 5", b"hello", 3)[1].endswith('MSG_PAYLOAD: ["hel..."]')
    assert lines(b"<<-", b"PUB a 5", b"hello", 5)[1].endswith('MSG_PAYLOAD: ["hello"]')


@pytest.mark.parametrize("key", ["auth_token", "pass", "sig", "proxy_sig", "nkey", "jwt", "PASS"])
def test_secrets_of_a_connect_are_not_written(key: str) -> None:
    line = f'CONNECT {{"user":"u","{key}" : "se\\"cret","name":"n"}}'
    assert redact(line) == f'CONNECT {{"user":"u","{key}":"{REDACTED}","name":"n"}}'
    assert "cret" not in lines(b"<<-", line.encode())[0]


def test_a_secret_that_does_not_end_is_not_written_either() -> None:
    assert "cret" not in redact('CONNECT {"pass":"secret')


@pytest.mark.parametrize(
    "text",
    [
        '{"p\\u0061ss":"secret"}',
        '{"tls_key":"secret"}',
        '{"options":{"name":"secret"}}',
        '{"name":["secret"]}',
        '{"pass":{"a":"secret"}}',
        '{"pass":"x","Pass":"secret"}',
        '["secret"]',
        '"secret"',
        "secret",
        '{"import":{"allow":["secret"]}}',
    ],
)
def test_what_may_be_a_secret_is_not_written_in_any_form(text: str) -> None:
    assert "secret" not in redact(f"CONNECT {text}")


def test_half_a_character_does_not_get_into_the_log() -> None:
    assert redact('CONNECT {"name":"\\ud800é"}') == 'CONNECT {"name":"?é"}'


def test_what_was_noted_is_taken_once_and_in_order() -> None:
    notes = [(Owner(), b"<<-", b"PING", None), (Owner(), b"->>", b"PONG", None)]
    assert [line[-6:] for line in take(notes, 0)] == ["[PING]", "[PONG]"]
    assert notes == []


def test_of_messages_only_the_headers_are_shown_where_that_is_wanted() -> None:
    header = b"NATS/1.0\r\nA: b\r\n\r\n"

    def shown(line: bytes, payload: bytes, most: int = 0) -> list[str]:
        return [
            text.partition(" - ")[2][8:] for text in render(Owner(), b"<<-", line, payload, most, headers_only=True)
        ]

    size = len(header)
    assert shown(b"HPUB a %d %d" % (size, size + 5), header + b"hello")[1:] == [
        '<<- MSG_PAYLOAD: ["NATS/1.0\\r\\nA: b"]'
    ]
    assert shown(b"HMSG a 1 %d %d" % (size, size), header, 4)[1:] == ['<<- MSG_PAYLOAD: ["NATS..."]']
    assert shown(b"PUB a 5", b"hello") == ["<<- [PUB a 5]"]
    assert shown(b"HPUB a x 5", b"hello") == ["<<- [HPUB a x 5]"]
