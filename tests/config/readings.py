"""How tests read configurations: from texts, with files and an environment made up, and the real rules of subjects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from natsd.config.configuration import Configuration, read_settings
from natsd.config.parser import World, parse_text
from natsd.config.problems import ConfigError
from natsd.config.reader import Checks
from natsd.config.records import TlsRecord
from natsd.subjects.valid import is_valid, is_valid_literal


def world(files: Mapping[str, str] | None = None, environment: Mapping[str, str] | None = None) -> World:
    """A world with these files and these variables."""

    def read(path: str) -> bytes:
        if path not in (files or {}):
            raise FileNotFoundError(2, "No such file or directory", path)
        return (files or {})[path].encode("utf-8", "surrogateescape")

    return World(read, (environment or {}).get)


def parse(
    text: str, files: Mapping[str, str] | None = None, environment: Mapping[str, str] | None = None
) -> dict[str, object]:
    """The plain values of a text."""
    settings = parse_text(text, "main.conf", world(files, environment))
    return {key: setting.plain() for key, setting in settings.items()}


def complaints_of_parsing(
    text: str, files: Mapping[str, str] | None = None, environment: Mapping[str, str] | None = None
) -> list[str]:
    """The error lines of a text that cannot be parsed."""
    try:
        parse_text(text, "main.conf", world(files, environment))
    except ConfigError as error:
        return str(error).split("\n")
    return []


def checks(tls: Callable[[TlsRecord], str] | None = None) -> Checks:
    return Checks(
        lambda subject: is_valid(subject.encode()),
        lambda subject: is_valid_literal(subject.encode()),
        lambda mappings: "the mapping is bad" if "bad" in mappings else "",
        tls or (lambda record: ""),
    )


def read(text: str) -> Configuration:
    """A text as a configuration. Raises ConfigError."""
    return read_settings(parse_text(text, "main.conf"), checks(), "main.conf")


def read_all(text: str, rules: Checks | None = None) -> Configuration:
    """The same, with the features that do not exist yet. Raises ConfigError."""
    return read_settings(parse_text(text, "main.conf"), rules or checks(), "main.conf", refuse=lambda fields: [])


def values(text: str) -> dict[str, Any]:
    """The options that a text sets, those of features that do not exist yet too."""
    return read_all(text).values


def complaints(text: str) -> list[str]:
    """What is wrong with a text, warnings included; that the server cannot do something yet does not count."""
    try:
        return [str(problem) for problem in read_all(text).warnings]
    except ConfigError as error:
        return str(error).split("\n")
