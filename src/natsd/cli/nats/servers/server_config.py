"""`nats server config validate`: checks a configuration file as a start of natsd would, without a server."""

from __future__ import annotations

import click

from natsd.cli import console
from natsd.cli.exit_codes import CommandFailed
from natsd.cli.nats.app import InnerGroup, Offline, Table, json_flag

_HERE = "natsd.cli.nats.servers.server_config"
TABLE: Table = {"validate": (f"{_HERE}:validate", "Check a configuration file", ("check",))}
command = InnerGroup("config", table=TABLE, help="Work with configuration files of servers.")


@click.command("validate", cls=Offline, help="Check a configuration file. Exit code 1 where a server would refuse it.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@json_flag
def validate(file: str, as_json: bool) -> None:
    digest, problems = check(file)
    if as_json:
        console.out_json({"file": file, "valid": not problems, "digest": digest, "errors": problems})
    elif not problems:
        console.out_text(f"Configuration file {file} is valid ({digest})\n")
    else:
        console.out_text("".join(f"{problem}\n" for problem in problems))
    if problems:
        count = len(problems)
        raise CommandFailed(f"{file} is not valid, {count} problem{'s' if count > 1 else ''}")


def check(file: str) -> tuple[str, list[str]]:
    """The digest of a file and what is wrong with it."""
    from natsd.base.errors import OptionsError
    from natsd.config.problems import ConfigError
    from natsd.server.configure import load_file, make_options

    try:
        configuration = load_file(file)
        make_options(configuration, {})
    except ConfigError as problem:
        return "", str(problem).splitlines()
    except OptionsError as problem:
        return "", [f"{file}: {problem}"]
    # What is only a warning at a start is a reason to look again here, as for nats-server -t.
    return str(configuration.digest), [str(warning) for warning in configuration.warnings]
