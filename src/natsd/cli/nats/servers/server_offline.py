"""`nats server mappings` and `passwd`: what needs no server."""

from __future__ import annotations

import click

from natsd.cli import console
from natsd.cli.exit_codes import USAGE, CommandFailed
from natsd.cli.nats.app import Offline, json_flag
from natsd.cli.prompt import ask

SHORTEST_PASSWORD = 10
GENERATED_CHARS = 22
# bcrypt looks at no more bytes than these.
LONGEST_PASSWORD_BYTES = 72
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@click.command(
    "mappings", cls=Offline, help="Show what a subject mapping makes of a subject. Asks for what is not given."
)
@click.argument("source", required=False)
@click.argument("dest", required=False)
@click.argument("subject", required=False)
@json_flag
def mappings(source: str | None, dest: str | None, subject: str | None, as_json: bool) -> None:
    from natsd.base.chance import SystemChance
    from natsd.subjects.transform import Transform, TransformError

    source = source or ask("Source subject", "SOURCE", required=True)
    dest = dest or ask("Destination subject", "DEST", required=True)
    subject = subject or ask("Subject to map", "SUBJECT", required=True)
    try:
        mapping = Transform(_raw(source), _raw(dest))
    except TransformError as problem:
        raise CommandFailed(str(problem), USAGE) from None
    found = mapping.match(_raw(subject), SystemChance())
    if found is None:
        raise CommandFailed(f'"{subject}" is not covered by "{source}"')
    mapped = found.decode("utf-8", "surrogateescape")
    if as_json:
        document = {"source": source, "destination": dest, "subject": subject, "mapped": mapped}
        console.out_json(document)
    else:
        console.out_text(mapped + "\n")


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@click.command("passwd", cls=Offline, help="Make the bcrypt hash of a password, for the users of a configuration file.")
@click.option(
    "-p", "--pass", "password", envvar="PASSWORD", metavar="TEXT", help="Password; better not on a shared machine."
)
@click.option("-c", "--cost", default=11, type=click.IntRange(4, 31), show_default=True, help="Cost of the hash.")
@click.option("-g", "--generate", is_flag=True, help="Make up a password and print it too.")
def passwd(password: str | None, cost: int, generate: bool) -> None:
    if generate:
        from natsd.base.chance import SystemChance

        chance = SystemChance()
        password = "".join(chr(_ALPHABET[chance.below(len(_ALPHABET))]) for _ in range(GENERATED_CHARS))
        console.out_text(f"Generated password: {password}\n")
    elif password is None:
        password = _read_password()
    raw = password.encode("utf-8", "surrogateescape")
    if len(password) < SHORTEST_PASSWORD:
        raise CommandFailed(f"the password is too short, it needs {SHORTEST_PASSWORD} characters", USAGE)
    if len(raw) > LONGEST_PASSWORD_BYTES:
        raise CommandFailed(f"the password is too long, bcrypt takes {LONGEST_PASSWORD_BYTES} bytes", USAGE)
    if b"\0" in raw:
        raise CommandFailed("the password has a NUL character in it", USAGE)
    import bcrypt

    hashed = bcrypt.hashpw(raw, bcrypt.gensalt(cost, prefix=b"2a")).decode()
    console.out_text(f"       bcrypt hash: {hashed}\n" if generate else f"{hashed}\n")


def _read_password() -> str:
    if not console.is_terminal(0):
        import sys

        return sys.stdin.readline().rstrip("\r\n")
    import getpass

    password = getpass.getpass("Enter password: ")
    if getpass.getpass("Reenter password: ") != password:
        raise CommandFailed("the passwords are not the same")
    return password
