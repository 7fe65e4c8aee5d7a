"""What buckets of every kind share: their names, and the stream behind one that exists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from natsd.client.errors import BadSubject, ClientError
from natsd.client.jetstream import STREAM_NOT_FOUND, ApiError

if TYPE_CHECKING:
    from typing import Any

    from natsd.client.jetstream import JetStream

_NAME = re.compile(r"[a-zA-Z0-9_-]+")


class BadBucket(BadSubject):
    """A name of a bucket that cannot be one."""


class BucketNotFound(ClientError):
    """There is no such bucket."""

    text = "nats: bucket not found"


def check_bucket(name: str) -> str:
    """The name of a bucket, if it can be one. Raises BadBucket."""
    if not _NAME.fullmatch(name):
        raise BadBucket(f'nats: invalid bucket name "{name}": letters, digits, _ and - only')
    return name


def load_bucket(js: JetStream, prefix: str, name: str) -> dict[str, Any]:
    """What a server says of the stream of a bucket; the prefix is of its kind. Raises BadBucket, BucketNotFound."""
    try:
        return js.stream_info(prefix + check_bucket(name))
    except ApiError as problem:
        if problem.err_code == STREAM_NOT_FOUND:
            raise BucketNotFound(f'nats: bucket "{name}" not found') from None
        raise


def plain_config(prefix: str, name: str) -> dict[str, Any]:
    """The part of a new bucket's configuration that is the same for all kinds."""
    return {
        "name": prefix + check_bucket(name),
        "retention": "limits",
        "discard": "new",
        "storage": "file",
        "num_replicas": 1,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_msg_size": -1,
        "max_consumers": -1,
        "max_age": 0,
        "allow_rollup_hdrs": True,
        "allow_direct": True,
    }
