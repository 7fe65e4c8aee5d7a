"""Server identities."""

from __future__ import annotations

import base64
from binascii import crc_hqx

import pytest

from natsd.protocol.server_id import render_server_id


def test_an_identity_is_a_valid_server_nkey() -> None:
    text = render_server_id(bytes(range(32)))
    raw = base64.b32decode(text)
    assert len(text) == 56
    assert text[0] == "N"
    assert raw[1:33] == bytes(range(32))
    assert int.from_bytes(raw[33:], "little") == crc_hqx(raw[:33], 0)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_another_number_of_bytes_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        render_server_id(bytes(length))
