"""Checks a store directory and says what is in it, changing nothing: `nats-server --fsck DIRECTORY`.

Without the flags of a server: `python -m natsd.store.fsck DIRECTORY`.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import TYPE_CHECKING

from natsd.store.contract import StoreError
from natsd.store.file import FileStore
from natsd.store.records import KINDS, offset_of, segment_of
from natsd.store.recovery import Recovery

if TYPE_CHECKING:
    from collections.abc import Iterator


def explain(directory: str) -> tuple[list[str], bool]:
    """Lines for a reader, and whether everything is whole. Raises StoreError where there is no store."""
    if not os.path.isdir(directory):
        raise StoreError(f"{directory} is not a directory")
    recovery = Recovery(directory)
    inner = os.path.join(directory, "jetstream")
    if not recovery.segments and not recovery.checkpoint and os.path.isdir(inner):
        # What a server calls its store directory has the store in a folder of this name.
        return explain(inner)
    if not recovery.segments and not recovery.checkpoint:
        raise StoreError(f"{directory} holds no store")
    store = FileStore(directory, read_only=True)
    try:
        lines = [f"store {recovery.uuid.hex()} in {directory}", *_checkpoint(recovery), *_segments(recovery, store)]
        lines.extend(_streams(store))
        if store.damage:
            lines.append(f"{len(store.damage)} things are damaged:")
            lines.extend(f"  {damage.text}" for damage in store.damage)
        else:
            lines.append("everything is whole")
        return lines, not store.damage
    finally:
        store.close()


def _checkpoint(recovery: Recovery) -> Iterator[str]:
    if recovery.checkpoint:
        yield f"checkpoint at segment {segment_of(recovery.place)}, byte {offset_of(recovery.place)}"
    else:
        yield "no checkpoint: the log begins with its first record"


def _segments(recovery: Recovery, store: FileStore) -> Iterator[str]:
    for segment, size in list(recovery.segments.items()):
        kinds: Counter[str] = Counter()
        end = 0
        for record in recovery.records(segment, report=False):
            kinds[KINDS.get(record.kind, f"kind {record.kind}")] += 1
            end = offset_of(record.place) + record.size
        found = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "no records"
        live, saved = store.log.live_bytes(segment), store.log.saved_bytes(segment)
        yield (
            f"segment {segment}: {found}; {end} of {size} bytes written, "
            + (f"live messages of {live} bytes, some of them packed" if saved else f"{live} of them in live messages")
        )


def _streams(store: FileStore) -> Iterator[str]:
    for stream in store.by_number.values():
        state = stream.state
        name = f"stream {stream.key}" if stream.key else f"a stream without a configuration (number {stream.number})"
        yield (
            f"{name}: {state.msgs} messages, {state.bytes} bytes, sequences {state.first_seq} to {state.last_seq}, "
            f"{state.num_deleted} deleted between, {state.num_subjects} subjects"
        )
        for consumer in sorted({*stream.consumer_configs, *stream.consumers()}):
            yield f"  consumer {consumer}: {len(stream.consumer_records(consumer))} records of state"


def main(arguments: list[str]) -> int:
    """The exit status. 0: whole; 1: damaged; 2: no store."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m natsd.store.fsck DIRECTORY\n")
        return 2
    try:
        lines, whole = explain(arguments[0])
    except StoreError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
