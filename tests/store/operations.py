"""Random operations on a store, the same for every kind, and what can be seen of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsd.store.contract import Limits

if TYPE_CHECKING:
    from random import Random

    from natsd.store.contract import Published, Store

KEYS = ("A/one", "A/two", "B/three")
HEADERS = (None, b"NATS/1.0\r\n\r\n")
SUBJECTS = (b"a", b"a.b", b"k.1", b"k.2", b"k.3")


def operation(chance: Random, now: int) -> tuple[Any, ...]:
    """Something to do, as values: a name and what it needs."""
    key = chance.choice(KEYS)
    what = chance.choice(
        ("append",) * 8
        + ("whole",) * 3
        + ("append ttl", "pack", "remove", "remove", "purge", "purge subject", "skip", "limits", "lower", "expire")
        + ("delta", "delta", "state", "forget", "configure", "consumer", "delete consumer", "delete", "append at")
    )
    numbers = [chance.random() for _ in range(6)]
    batch: list[Published] = [
        (
            chance.choice(SUBJECTS),
            None,
            chance.choice(HEADERS),
            chance.randbytes(chance.choice((0, 9, 200))) * chance.choice((1, 1, 3)),
        )
        for _ in range(chance.choice((1, 1, 2, 7)))
    ]
    return what, key, now, numbers, batch, chance.choice(("c", "d")), chance.randbytes(12)


def limits_of(numbers: list[float]) -> Limits:
    return Limits(
        max_msgs=int(numbers[0] * 40) if numbers[0] < 0.7 else -1,
        max_bytes=int(numbers[1] * 9000) + 900 if numbers[1] < 0.3 else -1,
        max_msgs_per_subject=int(numbers[2] * 9) + 1 if numbers[2] < 0.4 else -1,
        max_age_ns=30 if numbers[3] < 0.2 else 0,
        discard_new=numbers[4] < 0.3,
        discard_new_per_subject=numbers[5] < 0.1,
    )


def perform(store: Store, given: tuple[Any, ...]) -> bool:
    """Do it. Streams come and go on the way. False where a message was refused."""
    what, key, now, numbers, batch, name, record = given
    streams = store.streams()
    if key not in streams:
        store.create(key, record, limits_of(numbers), int(numbers[0] * 3) + 1)
        return True
    stream = streams[key][1]
    state = stream.state
    span = state.last_seq - state.first_seq + 1
    some = sorted({state.first_seq + int(number * span) for number in numbers[:4]})
    if what == "append":
        return stream.append(batch, now) == len(batch)
    elif what == "whole":
        stream.begin()
        for message in batch:
            stream.append([message], now)
            if numbers[2] < 0.2:
                stream.purge(filters=[message[0]], keep=1)
        stream.end()
    elif what == "append ttl":
        stream.append_ttl(batch[0], now, now + int(numbers[0] * 60) if numbers[1] < 0.8 else 0)
    elif what == "pack":
        stream.packs = not stream.packs
    elif what == "append at":
        stream.append_at(state.last_seq + 1 + int(numbers[0] * 4), batch[0], now)
    elif what == "remove":
        stream.remove(some, erase=numbers[4] < 0.3)
    elif what == "purge":
        stream.purge(upto=some[0] if numbers[4] < 0.8 else 0)
    elif what == "purge subject":
        stream.purge(filters=[SUBJECTS[int(numbers[0] * 5)]], keep=int(numbers[1] * 2))
    elif what == "skip":
        stream.skip(state.last_seq + int(numbers[0] * 5))
    elif what == "limits":
        stream.set_limits(limits_of(numbers))
    elif what == "lower":
        more = 1
        stream.begin()  # a crash leaves all of it undone or nothing, as the other operations
        while more:  # to the end: which subjects come first is not the same after opening again
            found, more = stream.crowded(int(numbers[2] * 3) + 1, 0, 5)
            stream.remove(found)
        stream.end()
    elif what == "expire":
        stream.expire(now, 3 if numbers[0] < 0.5 else 4096)
    elif what in ("delta", "state"):
        stream.save_consumer(name, record, checkpoint=what == "state", removed=some if numbers[4] < 0.5 else None)
    elif what == "forget":
        stream.forget_consumer(name)
    elif what == "configure":
        store.configure(key, record)
    elif what == "consumer":
        store.configure_consumer(key, name, record)
    elif what == "delete consumer":
        store.delete_consumer(key, name)
    elif what == "delete" and numbers[0] < 0.3:
        if numbers[1] < 0.5:
            store.delete(key)
        else:
            store.disown(key)
            stream.purge(upto=some[-1])
            stream.purge()
    return True


def seen(store: Store) -> dict[str, Any]:
    """All there is in a store."""
    found: dict[str, Any] = {}
    for key, (config, stream) in sorted(store.streams().items()):
        state = stream.state
        messages = stream.load_many(list(range(state.first_seq, state.last_seq + 1)))
        records = {name: stream.consumer_records(name) for name in sorted(stream.consumers())}
        found[key] = (
            config,
            (state.msgs, state.first_seq, state.last_seq, state.num_subjects, state.num_deleted),
            messages,
            records,
            store.consumer_configs(key),
        )
    return found
