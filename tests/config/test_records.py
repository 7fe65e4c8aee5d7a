"""Records: comparable, and silent about secrets."""

from __future__ import annotations

from natsd.config.records import AccountRecord, Permissions, SubjectRules, TlsRecord, User


def test_records_are_equal_when_their_fields_are() -> None:
    assert User("a", "b", permissions=Permissions(SubjectRules(["x"]))) == User(
        "a", "b", permissions=Permissions(SubjectRules(["x"]))
    )
    assert User("a", "b") != User("a", "c")
    assert User("a") != SubjectRules()
    assert AccountRecord("A") == AccountRecord("A") != AccountRecord("B")


def test_a_record_does_not_show_its_secrets() -> None:
    shown = repr(User("a", "s3cret"))
    assert "s3cret" not in shown and "'a'" in shown


def test_a_user_is_named_by_its_nkey_or_its_name() -> None:
    assert (User("a").name, User(nkey="U1").name) == ("a", "U1")


def test_verify_and_map_is_verify_too() -> None:
    assert TlsRecord(verify_and_map=True).verify
