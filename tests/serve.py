"""Runs nats-server for a test with options that have no flag: JSON of the options first, flags after it."""

from __future__ import annotations

import json
import sys

from natsd.cli import server_main


def main() -> int:
    options = json.loads(sys.argv.pop(1))
    make_options = server_main.make_options

    def make_options_with_these(line: server_main.CommandLine) -> server_main.Options:
        line.options.update(options)
        return make_options(line)

    server_main.make_options = make_options_with_these
    return server_main.main()


if __name__ == "__main__":
    sys.exit(main())
