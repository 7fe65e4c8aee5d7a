"""What JetStream commands work on: the JetStream of a connection, streams, consumers and buckets by name.

A name that is not given is picked at a terminal; the shell completes names by asking the server for them.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from natsd.cli.exit_codes import CommandFailed
from natsd.cli.nats.app import InnerGroup, Leaf, StreamName
from natsd.cli.prompt import pick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    from click.shell_completion import CompletionItem

    from natsd.cli.nats.settings import Settings
    from natsd.client.jetstream import JetStream

    F = TypeVar("F", bound=Callable[..., Any])
    _Text = click.ParamType[str]
else:
    _Text = click.ParamType

KV_PREFIX, OBJECT_PREFIX, MQTT_PREFIX = "KV_", "OBJ_", "$MQTT_"
INTERNAL = (KV_PREFIX, OBJECT_PREFIX, MQTT_PREFIX)
# A shell that waits for completions is not kept longer.
COMPLETION_NS = 1_000_000_000
_ALL = "natsd.all"


@contextmanager
def jetstream(settings: Settings) -> Iterator[JetStream]:
    """Connect, and close at the end."""
    with settings.connect() as connection:
        yield settings.jetstream(connection)


def _note_all(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[_ALL] = True


def _all_flag(hidden: bool) -> click.Option:
    text = "Show streams of buckets too."
    return click.Option(("-a", "--all"), is_flag=True, expose_value=False, callback=_note_all, hidden=hidden, help=text)


class StreamGroup(InnerGroup):
    """A group whose commands can be told to show what is hidden otherwise."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, params=[_all_flag(hidden=False)], **kwargs)


class StreamLeaf(Leaf):
    """Takes that flag behind the command as well."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), _all_flag(hidden=True)]


def wants_all() -> bool:
    return bool(click.get_current_context().meta.get(_ALL))


def choose_stream(js: JetStream, name: str | None) -> str:
    """The name, or one that is picked from those there are."""
    if name:
        return name
    names = [one for one in js.stream_names() if wants_all() or not one.startswith(INTERNAL)]
    if not names:
        raise CommandFailed("there are no streams, nats stream add makes one")
    return pick("Stream", names, "the name of a stream")


def choose_consumer(js: JetStream, stream: str, name: str | None) -> str:
    if name:
        return name
    names = js.consumer_names(stream)
    if not names:
        raise CommandFailed(f"stream {stream} has no consumers")
    return pick("Consumer", names, "the name of a consumer")


def choose_bucket(js: JetStream, name: str | None, prefix: str) -> str:
    """A bucket of key-value pairs or of objects, by the prefix of its stream."""
    if name:
        return name
    names = [one.removeprefix(prefix) for one in js.stream_names() if one.startswith(prefix)]
    if not names:
        raise CommandFailed("there are no buckets")
    return pick("Bucket", names, "the name of a bucket")


def complete_names(ctx: click.Context, incomplete: str, find: Callable[[JetStream], list[str]]) -> list[CompletionItem]:
    """Completions for the shell from what a server knows; none where it cannot be asked."""
    from click.shell_completion import CompletionItem

    from natsd.client.errors import ClientError

    settings: Settings = ctx.obj
    try:
        settings.load_context()
        settings.timeout_ns = min(settings.timeout_ns, COMPLETION_NS)
        with settings.connect(reconnect=False) as connection:
            names = find(settings.jetstream(connection))
    except (ClientError, CommandFailed, OSError):
        # No completions are better than an error in the middle of a command line.
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


class _Name(_Text):
    """A name that the shell completes by asking the server."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return complete_names(ctx, incomplete, lambda js: self.find(js, ctx))

    def find(self, js: JetStream, ctx: click.Context) -> list[str]:
        raise NotImplementedError("a kind of name says where it is looked for")


class ConsumerName(_Name):
    """The name of a consumer of the stream in front of it."""

    name = "consumer"

    def find(self, js: JetStream, ctx: click.Context) -> list[str]:
        stream = ctx.params.get("stream")
        return js.consumer_names(stream) if stream else []


class BucketName(_Name):
    """The name of a bucket; `prefix` tells its kind."""

    name = "bucket"

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def find(self, js: JetStream, ctx: click.Context) -> list[str]:
        return [one.removeprefix(self._prefix) for one in js.stream_names() if one.startswith(self._prefix)]


def stream_argument(function: F) -> F:
    """An optional STREAM."""
    return click.argument("stream", type=StreamName(), required=False)(function)


def consumer_arguments(function: F) -> F:
    """Optional STREAM and CONSUMER."""
    return stream_argument(click.argument("consumer", type=ConsumerName(), required=False)(function))
