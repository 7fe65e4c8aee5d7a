"""From a configuration file and flags to Options: what the config room needs from others is put together here.

Imported only where there is a file to read.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from natsd.config.configuration import load
from natsd.config.parser import MAX_BYTES, World
from natsd.config.reader import Checks
from natsd.subjects.valid import is_valid, is_valid_literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from natsd.base.tls_options import TlsOptions
    from natsd.config.configuration import Configuration
    from natsd.config.records import AccountRecord, TlsRecord
    from natsd.config.setting import Setting
    from natsd.server.options import Options


def load_file(path: str) -> Configuration:
    """Read and check a configuration file and what it includes.

    Raises ConfigError with everything that is wrong, and OSError when the file itself cannot be read.
    """
    return load(path, World(read_file, os.environ.get), checks())


def make_options(configuration: Configuration, flags: dict[str, object]) -> Options:
    """Options of a file; what flags set goes before it. Raises OptionsError for what cannot be."""
    from natsd.server.options import Options

    block = configuration.values.get("jetstream")
    if isinstance(block, dict) and flags.get("jetstream", True):
        # The flags say that it is on and where; what else there is to say stands in the block.
        flags = {name: value for name, value in flags.items() if name != "jetstream"}
        if "store_dir" in flags:
            configuration.values["jetstream"] = {**block, "store_dir": flags["store_dir"]}
    values = {**configuration.values, **flags, "config_file": configuration.path, "config_digest": configuration.digest}
    if "tls" not in flags and values.get("tls") is not None:
        values["tls"] = tls_options(values["tls"], bool(values.get("allow_non_tls")))  # type: ignore[arg-type]
    options = Options(**values)  # type: ignore[arg-type]
    options.check()
    return options


def tls_options(record: TlsRecord, allow_non_tls: bool) -> TlsOptions:
    """What a tls block asks for. Raises OptionsError for what is not supported yet."""
    from natsd.base.errors import OptionsError
    from natsd.base.tls_options import TlsOptions

    for name in ("check_known_urls", "ocsp_peer"):
        if getattr(record, name):
            raise OptionsError(f"tls: {name} is not supported yet")
    return TlsOptions(
        certs=record.certs,
        ca_file=record.ca_file,
        verify=record.verify,
        verify_and_map=record.verify_and_map,
        timeout_s=record.timeout_s,
        min_version=record.min_version,
        ciphers=record.cipher_suites,
        pinned_certs=sorted(record.pinned_certs),
        handshake_first=record.handshake_fallback_s or record.handshake_first,
        allow_non_tls=allow_non_tls,
        curves=record.curve_preferences,
        connection_rate_limit=record.connection_rate_limit,
    )


MOST_LEVELS = 32


def read_accounts(given: Mapping[str, object]) -> list[AccountRecord]:
    """Accounts by name, as a program gives them in the shape of a configuration file. Raises OptionsError."""
    from natsd.base.errors import OptionsError
    from natsd.config.accounts import read_accounts
    from natsd.config.configuration import FINISHERS, KINDS
    from natsd.config.reader import Reader, Wrong

    reader = Reader(checks(), KINDS, FINISHERS)
    try:
        accounts = read_accounts(reader, _as_setting(given), "accounts")
    except Wrong as error:
        raise OptionsError(str(error)) from None
    for problem in reader.problems:
        if not problem.warning:
            raise OptionsError(f"accounts: {problem.text}")
    return accounts


def _as_setting(value: object, level: int = 0) -> Setting:
    from natsd.base.errors import OptionsError
    from natsd.config.setting import Setting

    if level > MOST_LEVELS:
        raise OptionsError(f"accounts: more than {MOST_LEVELS} levels deep")
    if isinstance(value, dict):
        return Setting({str(key): _as_setting(item, level + 1) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return Setting([_as_setting(item, level + 1) for item in value])
    if isinstance(value, str | int | float):
        return Setting(value)
    raise OptionsError(f"accounts: {value!r} is no text, number, list or dictionary")


def checks() -> Checks:
    """What other rooms know about values in a configuration."""
    return Checks(_is_subject, _is_literal, mapping_trouble, tls_trouble)


def read_file(path: str) -> bytes:
    """The bytes of a file; of one that is too large only so many that this can be seen."""
    with open(path, "rb") as file:
        return file.read(MAX_BYTES + 1)


def _is_subject(subject: str) -> bool:
    return is_valid(subject.encode("utf-8", "surrogateescape"))


def _is_literal(subject: str) -> bool:
    return is_valid_literal(subject.encode("utf-8", "surrogateescape"))


def mapping_trouble(mappings: dict[str, list[dict[str, object]]]) -> str:
    """What is wrong with subject mappings, or nothing."""
    from natsd.accounts.mappings import parse_mappings
    from natsd.base.errors import OptionsError

    try:
        parse_mappings(mappings)
    except OptionsError as error:
        return str(error)
    return ""


def tls_trouble(record: TlsRecord) -> str:
    """What is wrong with the files of a TLS record, or nothing."""
    for name in [name for pair in record.certs for name in pair] + [record.ca_file]:
        try:
            if name:
                read_file(name)
        except OSError as error:
            return f"cannot read {name}: {(error.strerror or str(error)).lower()}"
    if not record.certs and not record.ca_file:
        return ""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for cert_file, key_file in record.certs:
        try:
            # Without a password nobody is asked for one.
            context.load_cert_chain(cert_file, key_file, password="")
        except (ssl.SSLError, OSError, ValueError) as error:
            why = (getattr(error, "reason", "") or "unreadable").lower().replace("_", " ")
            return f"{cert_file} and {key_file} cannot be used as a certificate and its key: {why}"
    if record.ca_file:
        try:
            context.load_verify_locations(record.ca_file)
        except (ssl.SSLError, OSError):
            return f"there is no certificate in {record.ca_file}"
    return ""
