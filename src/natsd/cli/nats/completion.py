"""`nats completion`: the script that makes a shell complete commands, flags and the names of contexts."""

from __future__ import annotations

import click

from natsd.cli import console
from natsd.cli.nats.app import Offline, nats

HELP = """Print the completion script for a shell.

\b
  bash: eval "$(nats completion bash)"            in ~/.bashrc
  zsh:  eval "$(nats completion zsh)"             in ~/.zshrc
  fish: nats completion fish > ~/.config/fish/completions/nats.fish
"""


@click.command("completion", cls=Offline, help=HELP, short_help="Print the completion script for a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    # Not `source`: for bash it starts a bash to ask its version.
    complete = found(nats, {}, "nats", "_NATS_COMPLETE")
    console.out_text(complete.source_template % complete.source_vars() + "\n")
