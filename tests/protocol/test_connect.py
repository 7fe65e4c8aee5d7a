"""CONNECT: defaults, types and what may stand in its JSON."""

from __future__ import annotations

import pytest

from natsd.protocol.connect import FIELDS, Connect


def connect(raw: bytes) -> Connect:
    record = Connect()
    record.update(raw)
    return record


def test_before_connect_a_client_is_verbose_pedantic_and_gets_its_own_messages() -> None:
    bare = Connect()
    assert (bare.verbose, bare.pedantic, bare.echo) == (True, True, True)
    assert (bare.headers, bare.no_responders, bare.protocol) == (False, False, 0)


def test_missing_keys_keep_what_was() -> None:
    record = connect(b'{"verbose":false,"name":"x"}')
    assert (record.verbose, record.pedantic, record.echo, record.name) == (False, True, True, "x")
    record.update(b'{"echo":false}')
    assert (record.verbose, record.echo, record.name) == (False, False, "x")


def test_every_field_is_read() -> None:
    record = connect(
        b'{"verbose":false,"pedantic":false,"echo":false,"headers":true,"no_responders":true,"protocol":1,'
        b'"name":"n","lang":"l","version":"v","user":"u","pass":"p","auth_token":"t","account":"a","new_account":true,'
        b'"nkey":"U","sig":"s"}'
    )
    assert [getattr(record, name) for name in Connect.__slots__] == [
        "a", False, True, "l", "n", True, "U", True, "p", False, 1, "s", "t", "u", False, "v",
    ]  # fmt: skip


def test_null_changes_nothing() -> None:
    record = connect(b'{"verbose":null,"protocol":null,"name":null,"import":null}')
    assert (record.verbose, record.protocol, record.name) == (True, 0, "")
    record.update(b"null")
    assert record.verbose


def test_keys_are_compared_without_case_and_the_last_one_counts() -> None:
    assert connect(b'{"VERBOSE":false}').verbose is False
    assert connect(b'{"name":"a","Name":"b"}').name == "b"


def test_unknown_keys_may_hold_anything() -> None:
    assert connect(b'{"x":{"verbose":5},"y":[1.5],"":true}').verbose is True


WRONG = {str: [b"5", b"true", b"[]", b"{}"], bool: [b"1", b'"true"', b"[]"], int: [b"1.0", b'"1"', b"true", b"1e0"]}


@pytest.mark.parametrize("key", FIELDS)
def test_a_known_key_of_another_type_is_refused(key: str) -> None:
    field = FIELDS[key][0]
    wrong = [b"5"] if not field else WRONG[type(getattr(Connect(), field))]
    for value in wrong:
        with pytest.raises(ValueError, match="wrong type"):
            connect(b'{"%b":%b}' % (key.encode(), value))


@pytest.mark.parametrize("number", [b"9223372036854775808", b"-9223372036854775809"])
def test_a_number_beyond_64_bits_is_refused(number: bytes) -> None:
    with pytest.raises(ValueError, match="wrong type"):
        connect(b'{"protocol":%b}' % number)


@pytest.mark.parametrize(
    "value", [b"{}", b'{"allow":["a"],"deny":null}', b'{"Allow":[],"other":5}', b'{"deny":[null]}']
)
def test_import_and_export_are_permissions(value: bytes) -> None:
    connect(b'{"import":%b,"export":%b}' % (value, value))


@pytest.mark.parametrize("value", [b"[]", b'{"allow":5}', b'{"allow":"a"}', b'{"deny":[5]}', b'"a"'])
def test_import_that_is_no_permission_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="wrong type"):
        connect(b'{"import":%b}' % value)


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b'"x"', b"5", b"true", b'{"x":NaN}', b'{"x":5} y', b'{"name":"a\tb"}']
)
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="."):
        connect(raw)


def test_text_that_is_none_is_mended() -> None:
    assert connect(b'{"name":"\xff\xfe"}').name == "\ufffd\ufffd"
    assert connect(b'{"name":"\\ud800x"}').name == "\ufffdx"
    assert connect('{"name":"é\\ud83d\\ude00"}'.encode()).name == "é😀"
