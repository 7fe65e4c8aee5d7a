"""Seeds and credentials files, and that nothing secret is in an error."""

from __future__ import annotations

import pytest

from natsd.keys.nkey import parse_public, verify
from natsd.keys.seed import Seed, find_seed, parse_credentials, parse_seed

# Made for these tests only: the secret is 32 bytes of 7.
SEED = "SUAAOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBZ5FE"
JWT = "eyJ0eXAi.eyJqdGki.c2ln"
CREDENTIALS = f"""-----BEGIN NATS USER JWT-----
{JWT}
------END NATS USER JWT------

************************* IMPORTANT *************************

-----BEGIN USER NKEY SEED-----
{SEED}
------END USER NKEY SEED------
"""


def test_a_seed_signs_for_its_public_key() -> None:
    seed = parse_seed(f" {SEED}\n")
    assert seed.kind == "user" and seed.public.startswith("U")
    assert verify(parse_public("user", seed.public), b"nonce", seed.sign(b"nonce"))
    assert not verify(parse_public("user", seed.public), b"other", seed.sign(b"nonce"))


def test_the_secret_is_in_no_representation() -> None:
    assert "07070707" not in repr(Seed("user", b"\7" * 32)) and SEED not in repr(parse_seed(SEED))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "58 characters"),
        (SEED[:-1], "58 characters"),
        ("U" + SEED[1:], "begins with S"),
        (SEED[:-1] + "1", "a character that no seed has"),
        (SEED[:20] + "A" + SEED[21:], "checksum"),
        ("SX" + SEED[2:], "checksum"),
    ],
)
def test_what_is_no_seed_is_refused_without_being_shown(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        parse_seed(text)
    assert not text or text not in str(refused.value)


def test_a_seed_is_found_between_other_lines() -> None:
    assert find_seed(f"# my key\n\n  {SEED}\n").public == parse_seed(SEED).public
    with pytest.raises(ValueError, match="no seed"):
        find_seed("nothing\n")


def test_credentials_have_a_jwt_and_a_seed() -> None:
    jwt, seed = parse_credentials(CREDENTIALS)
    assert jwt == JWT and seed is not None and seed.public == parse_seed(SEED).public


def test_a_bare_jwt_is_credentials_of_a_bearer() -> None:
    assert parse_credentials(f"{JWT}\n") == (JWT, None)
    with pytest.raises(ValueError, match="no user JWT"):
        parse_credentials("hello")
