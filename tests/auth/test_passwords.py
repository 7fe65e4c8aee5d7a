"""Passwords, plain and hashed."""

from __future__ import annotations

import pytest

from natsd.auth.passwords import Password, is_bcrypt


@pytest.mark.parametrize(
    ("secret", "hashed"),
    [
        ("$2a$11$" + "x" * 53, True),
        ("$2b$04$x", True),
        ("$2y$10$x", True),
        ("$2c$10$x", False),
        ("$2a$1$xx", False),
        ("$2a$aa$x", False),
        ("2a$10$xx", False),
        ("", False),
        ("$2a$10$", False),
    ],
)
def test_a_hash_is_known_by_its_beginning(secret: str, hashed: bool) -> None:
    assert is_bcrypt(secret) is hashed


def test_a_hash_admits_its_password_each_time_and_no_other() -> None:
    from bcrypt import gensalt, hashpw

    password = Password(hashpw(b"geheim", gensalt(4)).decode(), b"salt")
    for _ in range(2):
        assert password.check("geheim")
        assert not password.check("geheimer")
        assert not password.check("")


def test_a_long_password_counts_as_far_as_the_hash_looks() -> None:
    from bcrypt import gensalt, hashpw

    password = Password(hashpw(b"x" * 72, gensalt(4)).decode(), b"salt")
    assert password.check("x" * 100)
    assert not password.check("x" * 71)


@pytest.mark.parametrize("given", ["a", "", "\0", "\ud800", "x" * 100_000])
def test_a_broken_hash_admits_nobody(given: str) -> None:
    assert not Password("$2a$04$broken", b"salt").check(given)


def test_the_hash_itself_is_no_password() -> None:
    from bcrypt import gensalt, hashpw

    secret = hashpw(b"geheim", gensalt(4)).decode()
    assert not Password(secret, b"salt").check(secret)


def test_a_plain_password_may_hold_anything() -> None:
    assert Password("p\u00e4 \0", b"").check("p\u00e4 \0")
    assert not Password("a", b"").check("b")
