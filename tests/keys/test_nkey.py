"""How nkeys are written, and signatures."""

from __future__ import annotations

import base64
from binascii import crc_hqx

import pytest

from natsd.keys.nkey import (
    PREFIXES,
    is_public,
    parse_public,
    parse_signature,
    render_nonce,
    render_public,
    verify,
)

KEY = bytes(range(32))


def test_a_key_is_written_with_its_kind_its_bytes_and_a_checksum() -> None:
    text = render_public("server", KEY)
    raw = base64.b32decode(text)
    assert len(text) == 56
    assert raw[1:33] == KEY
    assert int.from_bytes(raw[33:], "little") == crc_hqx(raw[:33], 0)


@pytest.mark.parametrize(
    ("kind", "letter"),
    [("server", "N"), ("cluster", "C"), ("operator", "O"), ("account", "A"), ("user", "U"), ("curve", "X")],
)
def test_the_first_letter_says_whose_key_it_is(kind: str, letter: str) -> None:
    text = render_public(kind, KEY)
    assert text[0] == letter
    assert parse_public(kind, text) == KEY
    assert [other for other in PREFIXES if is_public(other, text)] == [kind]


@pytest.mark.parametrize("length", [0, 31, 33])
def test_another_number_of_bytes_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        render_public("user", bytes(length))


def test_any_changed_character_is_noticed_and_the_text_is_not_told() -> None:
    text = render_public("user", KEY)
    spoiled = [text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :] for at in range(56)]
    for bad in [*spoiled, "", text[:-1], text + "A", text.lower(), "1" * 56, "\u00dc" + text[1:]]:
        with pytest.raises(ValueError) as told:
            parse_public("user", bad)
        assert not bad or bad not in str(told.value)


def test_a_nonce_has_fifteen_characters_of_url_base64() -> None:
    assert render_nonce(b"\xff" * 11) == "_" * 14 + "8"
    with pytest.raises(ValueError, match="11 bytes"):
        render_nonce(b"x")


def test_signatures_are_read_in_both_spellings_and_no_other() -> None:
    raw = bytes(range(190, 254))
    standard = base64.b64encode(raw).decode()
    url = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    assert parse_signature(standard) == raw
    assert parse_signature(url) == raw
    for bad in (standard.rstrip("="), url + "==", standard[:-3] + "!==", "", "A" * 84, "A" * 87):
        assert parse_signature(bad) is None or "+" not in bad and "/" not in bad


def test_a_signature_is_verified_and_lengths_are_checked_first() -> None:
    from nacl.signing import SigningKey

    signer = SigningKey(KEY)
    key, signature = bytes(signer.verify_key), signer.sign(b"text").signature
    assert verify(key, b"text", signature)
    assert not verify(key, b"texts", signature)
    assert not verify(key, b"text", bytes(64))
    for n in (0, 1, 31, 33, 64):
        assert not verify(key[:1] * n, b"text", signature)
    for n in (0, 63, 65, 128):
        assert not verify(key, b"text", (signature * 2)[:n])
