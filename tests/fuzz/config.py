"""Feeds the configuration reader with texts made of its own words: whatever comes, it answers or refuses, soon.

`python -m tests.fuzz.config --seconds 60 [--seed N]` runs it for longer; a failure prints the seed that shows it again.
"""

from __future__ import annotations

import argparse
import random
import time

from natsd.config.block_tables import BLOCKS
from natsd.config.configuration import read_settings
from natsd.config.document import LISTED
from natsd.config.option import Option
from natsd.config.options_table import OPTIONS
from natsd.config.parser import parse_text
from natsd.config.problems import ConfigError
from tests.config.readings import checks, world

SLOW_S = 5.0
PIECES = [
    *"{}[]()=:,;#/\n\r\t \"'\\$.-",
    *("a", "b", "$a", "$E", "$NONE", "$2a$10$x", "include a.conf\n", "include b.conf\n", "include ", "//", "# x\n"),
    *(
        "a: 1\n",
        "m {",
        "x = [",
        "\n)\n",
        "(\n",
        "true",
        "off",
        "5",
        "-7",
        "1k",
        "5mib",
        "1.5",
        "1.2.3.4:5",
        "2s",
        "1e9",
    ),
    *("2016-05-04T18:53:41Z", '"\\x41"', '"\\q"', "'raw'", "9" * 30, "\x00", "\ufeff", "ä", "\u2028", "\udcff"),
]
KEYS = [name for option in OPTIONS for name in option.names]
BLOCK_KEYS = [name for block in BLOCKS.values() for option in block for name in option.names]


WORDS = ["1", "0", "-1", "true", "off", "1.5", "x", '"5s"', "5s", "1k", "a.b", "'*.>'", "''", "50%", "2.9.0", "enabled"]
WORDS += ["'nats://a:1'", "UCARKS2E3KVB7YORL2DG34XLT7PUCOL2SVM7YXV6ETHLW6Z46UUJ2VZ3", "2016-05-04T18:53:41Z", "a:1"]


def make(chance: random.Random) -> str:
    """A text that is well formed and names known keys, or one that only looks like it."""
    if chance.random() < 0.6:
        return "\n".join(pair(chance, OPTIONS, 0) for _ in range(chance.randrange(1, 6)))
    parts = []
    for _ in range(chance.randrange(1, 40)):
        kind = chance.random()
        if kind < 0.3:
            parts.append(chance.choice(PIECES))
        elif kind < 0.6:
            parts.append(chance.choice(KEYS if chance.random() < 0.4 else BLOCK_KEYS))
            parts.append(chance.choice([": ", " {", " [", " = ", ": [{", ' "', "\n"]))
        else:
            parts.append(
                chance.choice(["1", "true", "x", '"5s"', "{}", "[]", "}", "]", "}]", "\n", ", ", "a.b", "*.>"])
            )
    return "".join(parts)


def pair(chance: random.Random, options: tuple[Option, ...], depth: int) -> str:
    """A key of a table with a value: of its own block more often than not, where it has one."""
    option = chance.choice(options)
    block = option.block or LISTED.get(option.kind, "")
    if block and chance.random() < 0.8:
        return f"{chance.choice(option.names)}: {block_value(chance, block, depth)}"
    return f"{chance.choice(option.names)}: {value(chance, depth)}"


def block_value(chance: random.Random, block: str, depth: int) -> str:
    count = chance.randrange(1, 4)
    shape = chance.random()
    inside = "\n".join(pair(chance, BLOCKS[block], depth + 1) for _ in range(count)) if depth < 6 else ""
    if shape < 0.5:
        return "{" + inside + "}"
    if shape < 0.8:
        return "[{" + inside + "}]"
    return "{name {" + inside + "}, other: {}}"


def value(chance: random.Random, depth: int) -> str:
    kind = chance.random()
    if kind < 0.7 or depth > 6:
        return chance.choice(WORDS)
    if kind < 0.85:
        return "[" + ", ".join(value(chance, depth + 1) for _ in range(chance.randrange(3))) + " ]"
    return "{" + ", ".join(f"k{at}: {value(chance, depth + 1)} " for at in range(chance.randrange(3))) + "}"


def run(seed: int) -> None:
    """One text. Raises AssertionError, or whatever the reader raises and should not."""
    text = make(random.Random(seed))
    began = time.process_time()
    try:
        settings = parse_text(text, "main.conf", world({"a.conf": "a: 1", "b.conf": text}, {"E": text}))
        read_settings(settings, checks(), "main.conf")
    except ConfigError as error:
        assert error.errors, (seed, text)
    except Exception as error:
        raise AssertionError(f"seed {seed}: {text!r}: {error!r}") from error
    assert time.process_time() - began < SLOW_S, (seed, text)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000_000)
    arguments = parser.parse_args()
    seed = arguments.seed
    until = time.monotonic() + arguments.seconds
    while time.monotonic() < until:
        run(seed)
        seed += 1
    print(f"{seed - arguments.seed} texts from seed {arguments.seed} on")


if __name__ == "__main__":
    main()
