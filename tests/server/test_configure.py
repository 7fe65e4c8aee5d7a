"""Configuration files on disk: what other rooms say about them, and how flags and files come together."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from natsd.base.errors import OptionsError
from natsd.config.problems import ConfigError
from natsd.config.records import TlsRecord
from natsd.server.configure import load_file, make_options, mapping_trouble, tls_trouble


def write(folder: Path, text: str) -> str:
    path = folder / "main.conf"
    path.write_text(text)
    return str(path)


def test_flags_go_before_the_file_and_the_file_before_defaults(tmp_path: Path) -> None:
    configuration = load_file(write(tmp_path, "port: 4333, debug: true, ping_max: 5"))
    options = make_options(configuration, {"port": 4444, "debug": False})
    assert (options.port, options.debug, options.ping_max, options.max_payload) == (4444, False, 5, 1 << 20)
    assert options.config_file.endswith("main.conf") and options.config_digest.startswith("sha256:")


def test_includes_and_the_environment_are_the_real_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "port.conf").write_text("port: $NATSD_TEST_PORT")
    monkeypatch.setenv("NATSD_TEST_PORT", "4555")
    assert load_file(write(tmp_path, "include sub/port.conf")).values == {"port": 4555}


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_file(str(tmp_path / "none.conf"))
    with pytest.raises(IsADirectoryError):
        load_file(str(tmp_path))


def test_a_file_without_end_is_refused() -> None:
    if not os.path.exists("/dev/zero"):
        pytest.skip("there is no file without end here")
    with pytest.raises(ConfigError):
        load_file("/dev/zero")


def test_what_no_file_can_say_by_itself_is_checked_too(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="port 99999 is not between"):
        make_options(load_file(write(tmp_path, "port: 99999")), {})
    with pytest.raises(OptionsError, match="cannot be higher than max_pending"):
        make_options(load_file(write(tmp_path, "max_payload: 1mb, max_pending: 1kb")), {})
    with pytest.raises(OptionsError, match="must be shorter than"):
        make_options(load_file(write(tmp_path, "lame_duck_duration: '30s', lame_duck_grace_period: '30s'")), {})


def test_mappings_are_checked_where_they_stand(tmp_path: Path) -> None:
    assert mapping_trouble({"a": [{"destination": "b", "weight": 100}]}) == ""
    with pytest.raises(ConfigError, match=r"main.conf:2:1: "):
        load_file(write(tmp_path, "mappings {\na.*: [{dest: 'b.$2', weight: 100}]\n}"))


def test_subjects_are_checked_by_the_rules_of_subjects(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='"a..b" is no valid subject'):
        load_file(write(tmp_path, "authorization {users: [{user: a, permissions {publish: a..b}}]}"))


def certificate(folder: Path, name: str) -> tuple[str, str]:
    cert, key = str(folder / f"{name}.pem"), str(folder / f"{name}.key")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    try:
        subprocess.run(
            [*command, "-keyout", key, "-out", cert, "-subj", f"/CN={name}"],
            check=True,
            capture_output=True,
            timeout=120,
        )
    except FileNotFoundError:
        pytest.skip("there is no openssl here")
    return cert, key


def test_certificates_are_looked_at(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "one")
    other_cert, other_key = certificate(tmp_path, "other")
    assert tls_trouble(TlsRecord([(cert, key), (other_cert, other_key)], cert)) == ""
    assert tls_trouble(TlsRecord()) == ""
    assert "cannot be used as a certificate and its key" in tls_trouble(TlsRecord([(cert, other_key)]))
    assert "cannot be used as a certificate and its key" in tls_trouble(TlsRecord([(key, key)]))
    assert "no such file or directory" in tls_trouble(TlsRecord([(cert, str(tmp_path / "none"))]))
    assert "there is no certificate in" in tls_trouble(TlsRecord([], key))


def test_a_key_with_a_password_asks_nobody_for_it(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "one")
    locked = str(tmp_path / "locked.key")
    subprocess.run(
        ["openssl", "ec", "-in", key, "-out", locked, "-aes128", "-passout", "pass:secret"],
        check=True,
        capture_output=True,
    )
    assert "cannot be used" in tls_trouble(TlsRecord([(cert, locked)]))
