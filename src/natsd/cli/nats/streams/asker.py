"""Asks for what flags leave open in the configuration of a stream or consumer, or takes the defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.cli import prompt
from natsd.cli.nats.limits import duration_limit, size_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Config = dict[str, Any]


class Asker:
    """Fills in one key after the other that is not in a configuration yet; with `defaults` without a question."""

    def __init__(self, config: Config, defaults: bool) -> None:
        self._config = config
        self.defaults = defaults

    def number(self, key: str, question: str, default: int, flag: str) -> None:
        self._parsed(key, question, str(default), flag, int)

    def size(self, key: str, question: str, default: str, flag: str) -> None:
        self._parsed(key, question, default, flag, size_limit)

    def duration(self, key: str, question: str, default: str, flag: str) -> None:
        self._parsed(key, question, default, flag, duration_limit)

    def choice(self, key: str, question: str, choices: Sequence[str], default: str, flag: str) -> None:
        if key not in self._config:
            self._config[key] = default if self.defaults else prompt.pick(question, choices, _or(flag), default)

    def switch(self, key: str, question: str, default: bool, flag: str, inverted: bool = False) -> None:
        """`inverted`: the key says the opposite of the answer."""
        if key not in self._config:
            answer = default if self.defaults else prompt.confirm(question, _or(flag), default)
            self._config[key] = answer != inverted

    def text(self, question: str, default: str, flag: str) -> str:
        """An answer that is not a value of one key."""
        return default if self.defaults else prompt.ask(question, _or(flag), default)

    def _parsed(self, key: str, question: str, default: str, flag: str, parse: Callable[[str], int]) -> None:
        if key not in self._config:
            text = default if self.defaults else prompt.ask(question, _or(flag), default, parse)
            self._config[key] = parse(text or default)


def _or(flag: str) -> str:
    return f"{flag}, or --defaults"
