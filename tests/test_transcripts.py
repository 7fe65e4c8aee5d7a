"""Every transcript against every listening server at hand and in memory, whole and with its bytes divided anywhere."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator

import pytest

from natsd.server.options import Options
from tests.memory import MemoryPlace
from tests.places import FORMS, Servers
from tests.transcript import Cut, Player, Transcript, load_all

TRANSCRIPTS = {transcript.name: transcript for transcript in load_all()}


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.stop()


def play(servers: Servers, form: str, transcript: Transcript, cut: Cut | None = None) -> None:
    if form == "natsd":
        skip_what_natsd_has_not(transcript)
    elif not transcript.wants(release(form)):  # it may not even start with the options
        pytest.skip(f"a rule of versions {transcript.versions}")
    place = servers.start(form, transcript.flags, transcript.options, transcript.fresh)
    if not transcript.wants(place.version):
        pytest.skip(f"a rule of versions {transcript.versions}")
    Player(transcript, place, cut).play()
    if transcript.fresh:
        place.stop()


def release(form: str) -> tuple[int, ...]:
    """Return the version in the name of a Go server."""
    return tuple(int(part) for part in form.split("-")[1].split("."))


def skip_what_natsd_has_not(transcript: Transcript) -> None:
    if missing := transcript.options.keys() - set(Options.__slots__):
        pytest.skip(f"natsd has no option {', '.join(missing)}")


def byte_by_byte(data: bytes) -> list[bytes]:
    """Divide into single bytes; of long data the first and last thousands, and what is between in big pieces."""
    head, middle, tail = data[:1500], data[1500:-500], data[1500:][-500:]
    return [data[i : i + 1] for i in range(len(head))] + cut_at(middle, 60_000) + [bytes([byte]) for byte in tail]


def cut_at(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def random_pieces(seed: int) -> Cut:
    chance = random.Random(seed)

    def cut(data: bytes) -> list[bytes]:
        pieces, at = [], 0
        while at < len(data):
            size = chance.choice((1, 2, 3, 7, 20, 100, 5000, 70_000))
            pieces.append(data[at : at + size])
            at += size
        return pieces

    return cut


WHOLE = list(TRANSCRIPTS)
DIVISIBLE = [name for name, transcript in TRANSCRIPTS.items() if transcript.split]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", WHOLE)
def test_a_transcript_comes_true(servers: Servers, form: str, name: str) -> None:
    play(servers, form, TRANSCRIPTS[name])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", DIVISIBLE)
def test_a_transcript_comes_true_byte_by_byte(servers: Servers, form: str, name: str) -> None:
    play(servers, form, TRANSCRIPTS[name], byte_by_byte)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", DIVISIBLE)
def test_a_transcript_comes_true_in_random_pieces(servers: Servers, form: str, name: str) -> None:
    play(servers, form, TRANSCRIPTS[name], random_pieces(zlib.crc32(name.encode())))


@pytest.mark.parametrize("name", WHOLE)
def test_a_transcript_comes_true_in_memory_whatever_the_pieces(name: str) -> None:
    transcript = TRANSCRIPTS[name]
    skip_what_natsd_has_not(transcript)
    place = MemoryPlace(transcript.flags, transcript.options)
    if not transcript.wants(place.version):
        pytest.skip(f"a rule of versions {transcript.versions}")
    if transcript.gives_orders:
        pytest.skip("the server is told something that only a process hears")
    Player(transcript, place).play()
    if transcript.split:
        for cut in (byte_by_byte, *(random_pieces(seed) for seed in range(8))):
            Player(transcript, MemoryPlace(transcript.flags, transcript.options), cut).play()
