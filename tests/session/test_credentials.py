"""A token, or a user with a password."""

from __future__ import annotations

import pytest

from natsd.protocol.connect import Connect
from natsd.session.credentials import Credentials


def said(**fields: str) -> Connect:
    connect = Connect()
    for name, value in fields.items():
        setattr(connect, name, value)
    return connect


def test_without_credentials_everybody_is_admitted() -> None:
    credentials = Credentials()
    assert not credentials.required
    assert credentials.admit(Connect())
    assert credentials.admit(said(user="anybody", password="x", token="y"))


@pytest.mark.parametrize(
    ("given", "admitted"), [("secret", True), ("", False), ("Secret", False), ("secret1", False), ("\ud800", False)]
)
def test_a_token_has_to_be_the_same(given: str, admitted: bool) -> None:
    credentials = Credentials(token="secret")
    assert credentials.required
    assert credentials.admit(said(token=given)) is admitted


@pytest.mark.parametrize(
    ("user", "password", "admitted"),
    [("derek", "pä", True), ("derek", "", False), ("Derek", "pä", False), ("", "pä", False), ("derek", "pä ", False)],
)
def test_user_and_password_have_to_be_the_same(user: str, password: str, admitted: bool) -> None:
    credentials = Credentials(user="derek", password="pä")
    assert credentials.required
    assert credentials.admit(said(user=user, password=password)) is admitted


def test_a_user_may_have_no_password() -> None:
    assert Credentials(user="derek").admit(said(user="derek"))
    assert not Credentials(user="derek").admit(said(user="derek", password="x"))


def test_with_both_set_the_token_decides_alone() -> None:
    credentials = Credentials(token="t", user="u", password="p")
    assert credentials.admit(said(token="t"))
    assert not credentials.admit(said(user="u", password="p"))
