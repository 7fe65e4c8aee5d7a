"""The tables of options against what is made of them: Options, flags, kinds, the document."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from natsd.cli.server_flags import FLAGS, LATER
from natsd.config.block_tables import BLOCKS
from natsd.config.configuration import FINISHERS, KINDS, NOT_ATTRIBUTES
from natsd.config.document import KIND_NAMES, LISTED, render
from natsd.config.option import Option
from natsd.config.options_table import OPTIONS
from natsd.server.options import AUTH_TIMEOUT_S, Options

ROOT = Path(__file__).resolve().parents[2]
FROM_BLOCKS = {"user", "password", "token", "auth_timeout_s", "users", "auth_callout", "proxy_required"}
"""Attributes that the authorization block sets."""

OF_THE_FILE = {"config_file", "config_digest"}
OF_PROGRAMS = {"default_permissions"}
"""Attributes that only embedding programs set: a file's default permissions are in its users already."""
ALL_TABLES = {"": OPTIONS, **BLOCKS}


def test_every_attribute_of_options_has_its_row() -> None:
    rows = {name for option in OPTIONS for name in option.sets} - NOT_ATTRIBUTES
    assert rows | FROM_BLOCKS | OF_THE_FILE | OF_PROGRAMS == set(Options.__slots__)


def test_defaults_are_those_of_options() -> None:
    defaults = {name: parameter.default for name, parameter in inspect.signature(Options.__init__).parameters.items()}
    for option in OPTIONS:
        if option.default is not None and option.sets[0] not in NOT_ATTRIBUTES:
            ours = defaults[option.sets[0]]
            assert (ours or None) == (option.default or None), option.name
    assert defaults["auth_timeout_s"] == 0  # it stands for this, or a second more than TLS has
    assert [option.default for option in BLOCKS["authorization"] if option.name == "timeout"] == [AUTH_TIMEOUT_S]


def test_flags_set_what_the_table_says() -> None:
    of_rows = {name: option for option in OPTIONS for name in option.flag.split()}
    for flag in FLAGS:
        for name in flag.names:
            if name in of_rows:
                option = of_rows[name]
                assert flag.sets == option.sets[0] and flag.names == option.flag.split()
    known = {name for flag in FLAGS for name in flag.names} | LATER
    assert set(of_rows) <= known


def test_flags_of_options_are_in_the_table() -> None:
    without_key = {"show_help", "show_version", "check_config", "config_file", "user", "password", "token"}
    without_key |= {"fsck", "signal", "show_help_tls"}
    tls = {"tls", "tlscert", "tlskey", "tlsverify", "tlscacert"}  # keys of the tls block
    shortcuts = {"debug_and_trace", "verbose_trace", "debug_and_verbose_trace"}
    flags = {name for option in OPTIONS for name in option.flag.split()}
    for flag in FLAGS:
        assert flag.sets in without_key | shortcuts or set(flag.names) <= tls or set(flag.names) <= flags, flag.names


@pytest.mark.parametrize("table", ALL_TABLES, ids=lambda name: name or "top")
def test_no_name_is_taken_twice_and_every_kind_can_be_read(table: str) -> None:
    options: tuple[Option, ...] = ALL_TABLES[table]
    names = [name for option in options for name in option.names]
    assert len(names) == len(set(names)) and all(name == name.lower() for name in names)
    for option in options:
        assert option.block in BLOCKS if " " in option.kind else option.kind in KINDS, option.kind
        assert option.doc and not option.doc.endswith("."), option.name


def test_every_block_is_used() -> None:
    used = {option.block for options in ALL_TABLES.values() for option in options} | set(LISTED.values())
    assert set(BLOCKS) <= used
    assert set(FINISHERS) <= set(BLOCKS)
    assert set(KIND_NAMES) <= set(KINDS) and set(LISTED) <= set(KINDS)


def test_the_document_is_up_to_date() -> None:
    shown = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    assert shown == render(), "write it anew: python -m natsd.config.document docs/options.md"
