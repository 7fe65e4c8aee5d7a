"""The tls block: from settings to a record. Whether its files can be used is asked of whoever hands in the checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from natsd.base.units import SECOND_NS, parse_duration
from natsd.config.problems import quoted
from natsd.config.reader import Wrong, mismatch, read_text_list
from natsd.config.records import TlsRecord

if TYPE_CHECKING:
    from natsd.config.reader import Fields, Finisher, Kind, Reader
    from natsd.config.setting import Setting

HANDSHAKE_FALLBACK_S = 0.05
"""How long `handshake_first: auto` waits for a client to begin."""

SOUND_SUITES = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
)
WEAK_SUITES = (
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
)
CURVES = (
    "CurveP256",
    "CurveP384",
    "CurveP521",
    "X25519",
    "X25519MLKEM768",
    "SecP256r1MLKEM768",
    "SecP384r1MLKEM1024",
)
_STORE_KEYS = ("cert_store", "cert_match_by", "cert_match", "ca_certs_match", "cert_match_skip_invalid")


def finish_tls(reader: Reader, setting: Setting, fields: Fields) -> TlsRecord:
    record = read_tls_record(reader, setting, fields)
    if record.check_known_urls:
        raise Wrong(
            "verify_cert_and_check_known_urls is for routes and gateways only",
            fields.settings["verify_cert_and_check_known_urls"],
        )
    return record


def read_tls_record(reader: Reader, setting: Setting, fields: Fields) -> TlsRecord:
    """The record of a tls block, its files looked at. Raises Wrong."""
    values = fields.values
    cert_file, key_file = str(values.get("cert_file", "")), str(values.get("key_file", ""))
    certs = cast("list[tuple[str, str]]", list(cast("list[object]", values.get("certs", []))))
    if certs and cert_file:
        raise Wrong("tls has both cert_file and certs")
    for missing, other in (("key_file", cert_file), ("cert_file", key_file)):
        if other and not values.get(missing):
            raise Wrong(f"tls has no {missing}")
    for name in _STORE_KEYS:
        if values.get(name):
            raise Wrong(f"{name} is for Windows only", fields.settings[name])
    if cert_file:
        certs = [(cert_file, key_file)]
    weak = [suite for suite in cast("list[str]", values.get("cipher_suites", [])) if suite in WEAK_SUITES]
    if weak and not values.get("allow_insecure_cipher_suites"):
        raise Wrong(
            f"{', '.join(weak)} cannot be used without allow_insecure_cipher_suites", fields.settings["cipher_suites"]
        )
    record = TlsRecord(
        certs,
        handshake_first=bool(values.get("first")),
        handshake_fallback_s=cast("float", values.get("fallback_s", 0.0)),
        check_known_urls=bool(values.get("verify_cert_and_check_known_urls")),
        **fields.pick(
            "ca_file",
            "verify",
            "verify_and_map",
            "insecure",
            "min_version",
            "cipher_suites",
            "curve_preferences",
            "pinned_certs",
            "connection_rate_limit",
            "ocsp_peer",
        ),  # type: ignore[arg-type]
    )
    if values.get("timeout_s"):
        record.timeout_s = cast("float", values["timeout_s"])
    trouble = reader.checks.tls(record)
    if trouble:
        raise Wrong(trouble)
    return record


def finish_cert_pair(reader: Reader, setting: Setting, fields: Fields) -> tuple[str, str]:
    cert_file, key_file = fields.values.get("cert_file"), fields.values.get("key_file")
    if not cert_file or not key_file:
        raise Wrong("a certificate needs both cert_file and key_file", setting)
    return str(cert_file), str(key_file)


def read_handshake_first(reader: Reader, setting: Setting, name: str) -> tuple[bool, float]:
    value = setting.value
    if isinstance(value, bool):
        return value, 0.0
    if not isinstance(value, str):
        raise mismatch(setting, name, "a boolean, auto or a duration")
    word = value.lower()
    if word in ("true", "on", "false", "off"):
        return word in ("true", "on"), 0.0
    if word in ("auto", "auto_fallback"):
        return True, HANDSHAKE_FALLBACK_S
    try:
        return True, parse_duration(value) / SECOND_NS
    except ValueError:
        raise Wrong(f"{quoted(name)} must be a boolean, auto or a duration, not {quoted(value)}") from None


def _names(known: tuple[str, ...], what: str) -> Kind:
    def read(reader: Reader, setting: Setting, name: str) -> list[str]:
        names = read_text_list(reader, setting, name)
        if not names and not cast("list[object]", setting.value):
            raise Wrong(f"{quoted(name)} cannot be empty")
        for given in names:
            if given not in known:
                raise Wrong(f"{quoted(given)} is no {what}; there are {', '.join(known)}")
        return names

    return read


def read_pinned_certs(reader: Reader, setting: Setting, name: str) -> frozenset[str]:
    pins = [pin.lower() for pin in read_text_list(reader, setting, name)]
    for pin in pins:
        if len(pin) != 64 or pin.strip("0123456789abcdef"):
            raise Wrong(f"{quoted(pin)} is no SHA-256 of a public key in hexadecimal")
    return frozenset(pins)


def read_ocsp_peer(reader: Reader, setting: Setting, name: str) -> object:
    if isinstance(setting.value, bool):
        return {"verify": setting.value}
    return reader.block(setting, "ocsp_peer", name)


KINDS: dict[str, Kind] = {
    "handshake_first": read_handshake_first,
    "cipher_suites": _names(SOUND_SUITES + WEAK_SUITES, "cipher suite"),
    "curves": _names(CURVES, "curve"),
    "pinned_certs": read_pinned_certs,
    "ocsp_peer": read_ocsp_peer,
}
FINISHERS: dict[str, Finisher] = {"tls": finish_tls, "cert_pair": finish_cert_pair}
