"""Tokens, users with passwords and with nkeys, the user of those who say nothing: one door."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from itertools import product

import pytest

from natsd.accounts.users import User
from natsd.auth.certificate import Certificate, parse_name
from natsd.auth.credentials import Credentials
from natsd.keys.nkey import render_public
from natsd.protocol.connect import Connect


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
    assert (credentials.admit(said(token=given)) is not None) is admitted


@pytest.mark.parametrize(
    ("user", "password", "admitted"),
    [("derek", "pä", True), ("derek", "", False), ("Derek", "pä", False), ("", "pä", False), ("derek", "pä ", False)],
)
def test_user_and_password_have_to_be_the_same(user: str, password: str, admitted: bool) -> None:
    credentials = Credentials(user="derek", password="pä")
    assert credentials.required
    assert (credentials.admit(said(user=user, password=password)) is not None) is admitted


def test_a_user_may_have_no_password() -> None:
    assert Credentials(user="derek").admit(said(user="derek"))
    assert not Credentials(user="derek").admit(said(user="derek", password="x"))


def test_with_both_set_the_token_decides_alone() -> None:
    credentials = Credentials(token="t", user="u", password="p")
    assert credentials.admit(said(token="t"))
    assert not credentials.admit(said(user="u", password="p"))


def with_users(*users: User, no_auth_user: str = "", token: str = "") -> Credentials:
    return Credentials(users=[(user, None) for user in users], no_auth_user=no_auth_user, token=token, salt=b"salt")


ANNA = User("anna", "secret", account="A")
BERT = User("bert", "word", connection_types=["WEBSOCKET"])


def test_a_user_is_admitted_by_its_own_password_into_its_own_account() -> None:
    credentials = with_users(ANNA, User("carl", "other"))
    admission = credentials.admit(said(user="anna", password="secret"))
    assert admission is not None
    assert (admission.user, admission.account) == ("anna", "A")
    assert credentials.admit(said(user="anna", password="other")) is None
    assert credentials.admit(said(user="dora", password="secret")) is None
    assert credentials.admit(said()) is None


def test_a_user_is_bound_to_its_connection_types() -> None:
    credentials = with_users(BERT, no_auth_user="bert")
    assert credentials.admit(said(user="bert", password="word")) is None
    assert credentials.admit(said(user="bert", password="word"), "WEBSOCKET") is not None
    assert credentials.admit(said()) is None
    assert credentials.admit(said(), "WEBSOCKET") is not None


def test_a_user_that_wants_a_proxy_is_never_let_in_without_one() -> None:
    credentials = with_users(User("p", "p", proxy_required=True), no_auth_user="p")
    assert credentials.admit(said(user="p", password="p")) is None
    assert credentials.admit(said()) is None


def test_who_says_nothing_becomes_the_no_auth_user_and_who_says_something_does_not() -> None:
    credentials = with_users(ANNA, User("nobody", "unknown"), no_auth_user="nobody")
    assert credentials.required
    assert not credentials.announced
    admission = credentials.admit(said())
    assert admission is not None and admission.user == "nobody"
    for words in ({"user": "nobody"}, {"password": "x"}, {"token": "x"}, {"user": "anna"}):
        assert credentials.admit(said(**words)) is None


def test_a_hash_as_password_of_the_no_auth_user_does_not_shut_it_out() -> None:
    credentials = with_users(User("nobody", "$2a$04$" + "x" * 53), no_auth_user="nobody")
    assert credentials.admit(said()) is not None


def signed(nonce: str) -> tuple[str, bytes]:
    from nacl.signing import SigningKey

    key = SigningKey(bytes(range(32)))
    return render_public("user", bytes(key.verify_key)), key.sign(nonce.encode()).signature


@pytest.mark.parametrize("encode", [b64encode, lambda raw: urlsafe_b64encode(raw).rstrip(b"=")])
def test_an_nkey_user_signs_the_nonce_it_was_given(encode: object) -> None:
    nkey, signature = signed("n" * 15)
    credentials = with_users(User(nkey=nkey, account="A"))
    assert credentials.needs_nonce
    words = {"nkey": nkey, "signature": encode(signature).decode()}  # type: ignore[operator]
    admission = credentials.admit(said(**words), nonce="n" * 15)
    assert admission is not None and (admission.nkey, admission.account) == (nkey, "A")
    assert credentials.admit(said(**words), nonce="m" * 15) is None
    assert credentials.admit(said(**words), nonce="") is None


@pytest.mark.parametrize("signature", ["", "x", "A" * 86, "A" * 85, "A" * 88, "\u00e4" * 86, "=" * 88, "A" * 100_000])
def test_a_signature_of_any_odd_shape_is_refused(signature: str) -> None:
    nkey, _ = signed("n" * 15)
    credentials = with_users(User(nkey=nkey))
    assert credentials.admit(said(nkey=nkey, signature=signature), nonce="n" * 15) is None
    assert credentials.admit(said(nkey="U" * 56, signature=signature), nonce="n" * 15) is None


def test_an_nkey_user_may_be_the_no_auth_user() -> None:
    nkey, _ = signed("")
    admission = with_users(User(nkey=nkey), ANNA, no_auth_user=nkey).admit(said())
    assert admission is not None and admission.nkey == nkey


SINGLE = [{}, {"token": "t"}, {"user": "u", "password": "p"}]
USERS = [(), (ANNA,), (User("root", "r", account="$SYS"),), (User(nkey=signed("")[0]),)]


@pytest.mark.parametrize(("single", "users"), list(product(SINGLE, USERS)))
def test_nobody_gets_in_without_saying_anything_once_there_is_any_secret(
    single: dict[str, str], users: tuple[User, ...]
) -> None:
    credentials = Credentials(users=[(user, None) for user in users], **single)  # type: ignore[arg-type]
    assert credentials.required is bool(single or users)
    assert (credentials.admit(said()) is None) is credentials.required
    for words in ({"user": "x"}, {"token": "x"}, {"nkey": "x"}, {"user": "", "password": "p"}):
        assert (credentials.admit(said(**words)) is None) is credentials.required


def test_only_plain_passwords_are_worth_a_warning() -> None:
    assert Credentials(user="u", password="p").plaintext
    assert not Credentials(user="u", password="$2a$04$" + "x" * 53).plaintext
    assert with_users(ANNA).plaintext
    assert not with_users(User(nkey=signed("")[0])).plaintext


def of(*names: str) -> Certificate:
    """A client's certificate with these names."""
    certificate = Certificate(None)
    certificate.names = list(names)
    return certificate


def test_a_certificate_may_name_its_user_by_its_subject() -> None:
    credentials = with_users(User("CN=anna,O=x"), User("O=y,CN=bert"))
    for subject, user in (("CN=anna,O=x", "CN=anna,O=x"), ("CN=bert,O=y", "O=y,CN=bert"), ("CN=anna", None)):
        certificate = of()
        certificate.subject = parse_name(subject)
        admission = credentials.admit(said(), certificate=certificate)
        assert (admission and admission.user) == user


def test_where_certificates_name_users_what_is_said_does_not() -> None:
    cert_user = User("mail@host", account="M")
    credentials = with_users(ANNA, BERT, cert_user, no_auth_user="anna")
    for words in ({}, {"user": "anna"}, {"user": "bert"}):
        admission = credentials.admit(said(**words), certificate=of("nobody", "mail@host", "anna"))
        assert admission is not None and admission.user == "mail@host"
    for names in ([], ["nobody"], ["bert"]):
        assert credentials.admit(said(user="anna", password="secret"), certificate=of(*names)) is None
        assert credentials.admit(said(), certificate=of(*names)) is None
    assert credentials.admit(said(), certificate=of("anna")) is None
    assert credentials.admit(said(password="secret"), certificate=of("anna")) is not None
