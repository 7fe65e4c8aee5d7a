"""`nats help`: the help of the program, of a command or of a command in a group."""

from __future__ import annotations

import click

from natsd.cli.nats.app import Offline


@click.command("help", cls=Offline, help="Show help for a command.")
@click.argument("path", nargs=-1)
@click.pass_context
def command(ctx: click.Context, path: tuple[str, ...]) -> None:
    at = ctx.find_root()
    for name in path:
        group = at.command
        found = group.get_command(at, name) if isinstance(group, click.Group) else None
        if found is None:
            ctx.fail(f'unknown command "{" ".join(path)}"')
        at = click.Context(found, info_name=name, parent=at)
    click.echo(at.get_help())
