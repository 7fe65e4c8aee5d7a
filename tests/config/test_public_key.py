"""Nkeys in a configuration."""

from __future__ import annotations

import pytest

from natsd.config.public_key import is_public_key, is_seed

USER = "UCARKS2E3KVB7YORL2DG34XLT7PUCOL2SVM7YXV6ETHLW6Z46UUJ2VZ3"
ACCOUNT = "AC5GRL36RQV7MJ2GT6WQSCKDKJKYTK4T2LGLWJ2SEJKRDHFOQQWGGFQL"
SEED = "SUAEL6RU3BSDAFKOHNTEOK5Q6FTM5FTAMWVIKBET6FHPO4JRII3CYELVNM"


def test_keys_are_of_a_kind() -> None:
    assert is_public_key(USER, "user") and is_public_key(ACCOUNT, "account")
    assert is_public_key(USER) and is_public_key(USER, "account", "user")
    assert not is_public_key(USER, "account") and not is_public_key(SEED)
    assert is_seed(SEED, "user") and not is_seed(SEED, "account") and not is_seed(USER, "user")


@pytest.mark.parametrize(
    "text", ["", "U", "x", "ä" * 56, USER[:-1], USER + "A", USER.lower(), USER[:-1] + "A", "=" * 56]
)
def test_what_is_no_key_is_none(text: str) -> None:
    assert not is_public_key(text) and not is_seed(text, "user")
