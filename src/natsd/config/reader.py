"""From settings to checked values, by the rows of a table. What kinds there are is told in option.py.

A reader goes on after a mistake, so that all of them are known at once; what could not be read is left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from natsd.base.units import SECOND_NS, parse_duration
from natsd.config.block_tables import BLOCKS
from natsd.config.problems import Problem, quoted
from natsd.config.public_key import is_public_key, is_seed
from natsd.config.setting import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from natsd.config.option import Option
    from natsd.config.records import TlsRecord
    from natsd.config.setting import Map, Setting

    Kind = Callable[["Reader", Setting, str], object]
    Finisher = Callable[["Reader", Setting, "Fields"], object]

_SIZE = re.compile(r"([+-]?[0-9]{1,18})([KMGT])")
INT32 = 2**31 - 1
HIGH_AUTH_TIMEOUT_S = 60


class Wrong(Exception):
    """A value that cannot be; the text says why, and is empty where that was told already.

    setting: where, when it is not the one that was asked for.
    """

    def __init__(self, text: str, setting: Setting | None = None) -> None:
        super().__init__(text)
        self.setting = setting


class Checks:
    """What other rooms know about values: each gives what is wrong, or an empty string.

    subject: may have wildcards. literal: may not. mappings: by source, as in AccountRecord. tls: whether the files of a
    TLS record can be used.
    """

    __slots__ = ("literal", "mappings", "subject", "tls")

    def __init__(
        self,
        subject: Callable[[str], bool],
        literal: Callable[[str], bool],
        mappings: Callable[[dict[str, list[dict[str, object]]]], str],
        tls: Callable[[TlsRecord], str],
    ) -> None:
        self.subject = subject
        self.literal = literal
        self.mappings = mappings
        self.tls = tls


class Fields:
    """The values of a block that were given, by what they set, with their settings.

    failed: a value could not be read, so what seems to be missing may be there.
    """

    __slots__ = ("failed", "settings", "values")

    def __init__(self) -> None:
        self.failed = False
        self.values: dict[str, object] = {}
        self.settings: dict[str, Setting] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def pick(self, *names: str) -> dict[str, object]:
        """Those of these that were given: keywords for a record."""
        return {name: self.values[name] for name in names if name in self.values}


class Reader:
    """One reading of one configuration.

    kinds: what reads values of a kind. finishers: by block, what makes a record of its fields; a block without one
    becomes its values by name. marks: by the identity of a record, where it came from.
    """

    __slots__ = ("checks", "finishers", "kinds", "marks", "problems")

    def __init__(self, checks: Checks, kinds: dict[str, Kind], finishers: dict[str, Finisher]) -> None:
        self.checks = checks
        self.kinds = kinds
        self.finishers = finishers
        self.marks: dict[int, Setting] = {}
        self.problems: list[Problem] = []

    def error(self, setting: Setting, text: str) -> None:
        self.problems.append(Problem(setting.file, setting.line, setting.column, text))

    def note(self, wrong: Wrong, setting: Setting) -> None:
        """A value could not be read."""
        if str(wrong):
            self.error(wrong.setting or setting, str(wrong))

    def warn(self, setting: Setting, text: str) -> None:
        self.problems.append(Problem(setting.file, setting.line, setting.column, text, warning=True))

    def read(self, settings: Map, options: Iterable[Option]) -> Fields:
        """The fields of a map by the rows of a table. Unknown keys are errors unless a variable referred to them."""
        known = {name: option for option in options for name in option.names}
        fields = Fields()
        for key, setting in settings.items():
            option = known.get(key.lower())
            if option is None:
                if not setting.used:
                    self.error(setting, f"unknown field {quoted(key)}")
                continue
            try:
                value = self.value(setting, option.kind, key)
            except Wrong as wrong:
                fields.failed = True
                self.note(wrong, setting)
                continue
            for at, name in enumerate(option.sets):
                fields.values[name] = value[at] if isinstance(value, tuple) else value
                fields.settings[name] = setting
        return fields

    def value(self, setting: Setting, kind: str, name: str) -> object:
        """One value. Raises Wrong."""
        kind, _, block = kind.partition(" ")
        if kind == "block":
            return self.block(setting, block, name)
        if kind == "blocks":
            return self.each(self.items(setting, name), lambda item: self.block(item, block, name))
        return self.kinds[kind](self, setting, name)

    def block(self, setting: Setting, block: str, name: str) -> object:
        """A map with the keys of a block: what its reader makes of it, or its values by name. Raises Wrong."""
        fields = self.read(self.map(setting, name), BLOCKS[block])
        finish = self.finishers.get(block)
        if finish is None:
            return fields.values
        try:
            record = finish(self, setting, fields)
        except Wrong:
            # What is wrong in it was told already; this may only follow from that.
            if fields.failed:
                raise Wrong("") from None
            raise
        self.marks[id(record)] = setting
        return record

    def map(self, setting: Setting, name: str) -> Map:
        if isinstance(setting.value, dict):
            return setting.value
        raise mismatch(setting, name, "a map")

    def items(self, setting: Setting, name: str) -> list[Setting]:
        if isinstance(setting.value, list):
            return setting.value
        raise mismatch(setting, name, "a list")

    def each(self, settings: Iterable[Setting], read: Callable[[Setting], object]) -> list[object]:
        """What becomes of each; errors are noted, and what has one is left out."""
        values = []
        for setting in settings:
            try:
                values.append(read(setting))
            except Wrong as wrong:
                self.note(wrong, setting)
        return values


def mismatch(setting: Setting, name: str, expected: str) -> Wrong:
    """A value is of another type than it has to be."""
    return Wrong(f"{quoted(name)} must be {expected}, not {kind_of(setting.value)}", setting)


def read_text(reader: Reader, setting: Setting, name: str) -> str:
    if not isinstance(setting.value, str):
        raise mismatch(setting, name, "a string")
    return setting.value


def read_bool(reader: Reader, setting: Setting, name: str) -> bool:
    if not isinstance(setting.value, bool):
        raise mismatch(setting, name, "a boolean")
    return setting.value


def read_int(reader: Reader, setting: Setting, name: str) -> int:
    value = setting.value
    if isinstance(value, bool) or not isinstance(value, int):
        raise mismatch(setting, name, "an integer")
    return value


def in_range(low: int, high: int) -> Kind:
    """A kind: an integer from low to high."""

    def read(reader: Reader, setting: Setting, name: str) -> int:
        value = read_int(reader, setting, name)
        if not low <= value <= high:
            raise Wrong(f"{quoted(name)} must be between {low} and {high}, not {value}")
        return value

    return read


def read_size(reader: Reader, setting: Setting, name: str) -> int:
    value = setting.value
    if not isinstance(value, str):
        return read_int(reader, setting, name)
    if not value:
        return 0
    match = _SIZE.fullmatch(value)
    if match is None:
        raise Wrong(f'{quoted(name)} must be a size such as 1G or "1G"')
    return int(match[1]) << 10 * ("KMGT".index(match[2]) + 1)


def read_positive(reader: Reader, setting: Setting, name: str) -> int:
    value = read_size(reader, setting, name)
    if value < 0:
        raise Wrong(f"{quoted(name)} must not be negative")
    return value


def seconds_of(text: str, name: str) -> float:
    """Seconds of a duration. Raises Wrong."""
    try:
        return parse_duration(text) / SECOND_NS
    except ValueError as error:
        raise Wrong(f'{quoted(name)} must be a duration such as "90s" or "2m": {error}') from None


def read_strict_duration(reader: Reader, setting: Setting, name: str) -> float:
    if not isinstance(setting.value, str):
        raise mismatch(setting, name, 'a duration such as "90s" or "2m"')
    return seconds_of(setting.value, name)


def read_duration(reader: Reader, setting: Setting, name: str) -> float:
    value = setting.value
    if isinstance(value, bool) or not isinstance(value, int):
        return read_strict_duration(reader, setting, name)
    reader.warn(
        setting, f'{quoted(name)} should be a duration such as "90s" or "2m"; the number {value} is taken as seconds'
    )
    return float(value)


def read_seconds(reader: Reader, setting: Setting, name: str) -> float:
    value = setting.value
    if isinstance(value, str):
        return seconds_of(value, name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise mismatch(setting, name, "a number of seconds or a duration")
    return float(value)


def read_auth_timeout(reader: Reader, setting: Setting, name: str) -> float:
    seconds = read_seconds(reader, setting, name)
    if seconds > HIGH_AUTH_TIMEOUT_S:
        reader.warn(
            setting, f'{quoted(name)} is {seconds:g} seconds; a duration needs quotes: "1m", because 1m is 1000000'
        )
    return seconds


def read_listen(reader: Reader, setting: Setting, name: str) -> tuple[str, int]:
    value = setting.value
    if not isinstance(value, str):
        if isinstance(value, bool) or not isinstance(value, int):
            raise mismatch(setting, name, "a port or host:port")
        return "", value
    host, colon, port = value.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not bracketed and any(char in host for char in ":[]"):
        raise Wrong(f"{quoted(name)} must be a port or host:port, not {quoted(value)}")
    if not port.removeprefix("-").isdecimal() or not port.isascii() or len(port) > 6:
        raise Wrong(f"{quoted(name)} has no port that is a number: {quoted(port)}")
    return host[1:-1] if bracketed else host, int(port)


def read_texts(reader: Reader, setting: Setting, name: str) -> list[str]:
    if isinstance(setting.value, str):
        return [setting.value]
    if not isinstance(setting.value, list):
        raise mismatch(setting, name, "a string or a list of strings")
    return read_text_list(reader, setting, name)


def read_text_list(reader: Reader, setting: Setting, name: str) -> list[str]:
    items = reader.items(setting, name)
    return [str(text) for text in reader.each(items, lambda item: read_text(reader, item, name))]


def read_durations(reader: Reader, setting: Setting, name: str) -> list[object]:
    return reader.each(reader.items(setting, name), lambda item: read_strict_duration(reader, item, name))


def read_text_map(reader: Reader, setting: Setting, name: str) -> dict[str, str]:
    return {key: read_text(reader, item, key) for key, item in reader.map(setting, name).items()}


def read_bool_map(reader: Reader, setting: Setting, name: str) -> dict[str, bool]:
    return {key: read_bool(reader, item, key) for key, item in reader.map(setting, name).items()}


def one_of(*words: str, exact: bool = False) -> Kind:
    """A kind: one of these words, in any case unless `exact`."""

    def read(reader: Reader, setting: Setting, name: str) -> str:
        text = read_text(reader, setting, name)
        word = text if exact else text.lower()
        if word not in words:
            raise Wrong(f"{quoted(name)} must be {', '.join(words[:-1])} or {words[-1]}, not {quoted(text)}")
        return word

    return read


def key_of(*kinds: str) -> Kind:
    """A kind: a public nkey."""

    def read(reader: Reader, setting: Setting, name: str) -> str:
        text = read_text(reader, setting, name)
        if not is_public_key(text, *kinds):
            raise Wrong(f"{quoted(name)} must be a public {' or '.join(kinds)} nkey".replace("  ", " "))
        return text

    return read


def read_user_seed(reader: Reader, setting: Setting, name: str) -> str:
    text = read_text(reader, setting, name)
    if not is_seed(text, "user"):
        raise Wrong(f"{quoted(name)} must be the seed of a user nkey")
    return text


def read_operator_keys(reader: Reader, setting: Setting, name: str) -> list[str]:
    keys = read_texts(reader, setting, name)
    for key in keys:
        if not is_public_key(key, "operator"):
            raise Wrong(f"{quoted(name)} must be public operator nkeys, and {quoted(key)} is none")
    return keys


def read_percent(reader: Reader, setting: Setting, name: str) -> int:
    value = setting.value
    if isinstance(value, str):
        digits = value.removesuffix("%").removeprefix("+")
        number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else -1
    elif isinstance(value, bool) or not isinstance(value, int):
        raise mismatch(setting, name, 'a percentage such as 50 or "50%"')
    else:
        number = value
    if not 0 <= number <= 100:
        raise Wrong(f'{quoted(name)} must be a percentage such as 50 or "50%"')
    return number


def read_sampling(reader: Reader, setting: Setting, name: str) -> int:
    value = setting.value
    if isinstance(value, str) and value.strip().lower() == "headers":
        return 0
    return read_share(reader, setting, name)


def read_share(reader: Reader, setting: Setting, name: str) -> int:
    number = read_percent(reader, setting, name)
    if number == 0:
        raise Wrong(f"{quoted(name)} must be between 1 and 100, not 0")
    return number


def read_name(reader: Reader, setting: Setting, name: str) -> str:
    text = read_text(reader, setting, name)
    if any(char.isspace() for char in text):
        raise Wrong(f"{quoted(name)} cannot contain spaces")
    return text


def read_no_longer(reader: Reader, setting: Setting, name: str) -> object:
    reader.warn(setting, f"{quoted(name)} has no effect any more")
    return setting.plain()


def read_lame_duck_duration(reader: Reader, setting: Setting, name: str) -> float:
    seconds = read_strict_duration(reader, setting, name)
    if seconds < 30:
        raise Wrong(f"{quoted(name)} must be 30 seconds or more")
    return seconds


def read_grace_period(reader: Reader, setting: Setting, name: str) -> float:
    seconds = read_strict_duration(reader, setting, name)
    if seconds < 0:
        raise Wrong(f"{quoted(name)} must not be negative")
    return seconds


def read_int32(reader: Reader, setting: Setting, name: str) -> int:
    value = read_int(reader, setting, name)
    if value > INT32:
        raise Wrong(f"{quoted(name)} must not be more than {INT32}")
    return value


KINDS: dict[str, Kind] = {
    "text": read_text,
    "bool": read_bool,
    "int": read_int,
    "int32": read_int32,
    "uint16": in_range(0, 0xFFFF),
    "token_count": in_range(1, 255),
    "io_count": in_range(4, 8192),
    "size": read_size,
    "positive": read_positive,
    "duration": read_duration,
    "strict_duration": read_strict_duration,
    "lame_duck_duration": read_lame_duck_duration,
    "grace_period": read_grace_period,
    "seconds": read_seconds,
    "auth_timeout": read_auth_timeout,
    "listen": read_listen,
    "texts": read_texts,
    "text_list": read_text_list,
    "durations": read_durations,
    "text_map": read_text_map,
    "bool_map": read_bool_map,
    "name": read_name,
    "percent": read_share,
    "weight": read_percent,
    "sampling": read_sampling,
    "write_policy": one_of("default", "close", "retry", exact=True),
    "cluster_traffic": one_of("system", "owner", "", exact=True),
    "tls_version": one_of("1.2", "1.3"),
    "ocsp_mode": one_of("auto", "always", "never", "must"),
    "ocsp_cache_type": one_of("local", "none"),
    "cipher": one_of("chacha", "chachapoly", "aes"),
    "account_key": key_of("account"),
    "user_key": key_of("user"),
    "curve_key": key_of("curve"),
    "public_key": key_of(),
    "operator_keys": read_operator_keys,
    "user_seed": read_user_seed,
    "no_longer": read_no_longer,
}
