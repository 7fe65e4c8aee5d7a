"""Who asks is told to a service by the server alone: what a client writes into that header is not passed on as true.

CVE-2026-33246 and 33223: the header in any spelling, more than once, folded, at any place of a chain of imports.
"""

from __future__ import annotations

import json
import re
import time

import pytest

from tests.memory import MemoryLine, MemoryPlace

FORGED = '{"acc":"EVIL","user":"root","svc":"EVIL","host":"6.6.6.6","id":99,"server":"EVIL"}'
SPELLINGS = (
    f"Nats-Request-Info: {FORGED}\r\n",
    f"nats-request-info: {FORGED}\r\n",
    f"NATS-REQUEST-INFO:{FORGED}\r\n",
    f"Nats-Request-Info: {FORGED}\r\nNats-Request-Info: {FORGED}\r\nnats-Request-info: {FORGED}\r\n",
    f"X: y\r\nNats-Request-Info: {FORGED}\r\nZ: z\r\n",
    f"Nats-Request-Info: \r\nNats-Request-Info: {FORGED}\r\n",
    "Nats-Request-Info: " + "[" * 5000 + "\r\n",
    "Nats-Request-Info: 5\r\nNats-Request-Info: null\r\n",
    f"Nats-Request-Info:\t{FORGED}\r\n",
)
LOOK_ALIKES = (
    f"Nats-Request-Info : {FORGED}\r\n",
    f" Nats-Request-Info: {FORGED}\r\n",
    f"X: y\r\n Nats-Request-Info: {FORGED}\r\n",
    f"X: y\nNats-Request-Info: {FORGED}\r\n",
    f"X: y\rNats-Request-Info: {FORGED}\r\n",
    f"Nats-Request-Info\x00: {FORGED}\r\n",
)
"""Other names or parts of values to whoever reads headers as they are written, and perhaps not to others."""


def chain(*, share: bool) -> MemoryPlace:
    """A asks B, which asks C; C sees who did."""
    accounts = {
        "A": {
            "users": [{"user": "a", "password": "p"}],
            "imports": [{"service": {"account": "B", "subject": "s"}, "share": share}],
        },
        "B": {
            "users": [{"user": "b", "password": "p"}],
            "exports": [{"service": "s"}],
            "imports": [{"service": {"account": "C", "subject": "t"}, "to": "s"}],
        },
        "C": {"users": [{"user": "c", "password": "p"}], "exports": [{"service": "t"}]},
    }
    return MemoryPlace([], {"accounts": accounts})


def login(place: MemoryPlace, user: str) -> MemoryLine:
    line = MemoryLine(place)
    line.send(f'CONNECT {{"verbose":false,"headers":true,"user":"{user}","pass":"p"}}\r\n'.encode())
    line.receive(0)
    return line


def request(line: MemoryLine, subject: str, lines: str) -> None:
    header = f"NATS/1.0\r\n{lines}\r\n".encode()
    line.send(b"HPUB %b r %d %d\r\n%bx\r\n" % (subject.encode(), len(header), len(header) + 1, header))


def told(line: MemoryLine) -> list[str]:
    """The headers of what came."""
    said = (line.receive(0) or b"").decode("utf-8", "replace")
    return re.findall(r"HMSG [^\n]*\r\nNATS/1.0\r\n(.*?)\r\n\r\n", said, re.DOTALL)


@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("lines", [*SPELLINGS, *LOOK_ALIKES])
def test_a_service_learns_who_asks_from_the_server_alone(lines: str, share: bool) -> None:
    place = chain(share=share)
    far, near = login(place, "c"), login(place, "b")
    far.send(b"SUB t 1\r\n")
    near.send(b"SUB s 1\r\n")
    request(login(place, "a"), "s", lines)
    for at, headers in (("far", told(far)), ("near", told(near))):
        (header,) = headers
        # As a reader that folds, splits at any line end and takes the last of several understands it.
        named = [
            part.partition(":")[2]
            for part in re.split(r"\r\n|\n|\r", header)
            if part.partition(":")[0] == "Nats-Request-Info"
        ]
        info = json.loads(named[-1])
        assert info["acc"] == "A", at
        assert info.get("user") == ("a" if share else None)
        assert "6.6.6.6" not in json.dumps(info) and "EVIL" not in json.dumps(info)
        if lines in SPELLINGS:
            assert len(named) == 1 and "EVIL" not in header and "root" not in header


@pytest.mark.parametrize("lines", SPELLINGS)
def test_nobody_asks_the_system_account_as_somebody_else(lines: str) -> None:
    place = chain(share=False)
    for subject in ("$SYS.REQ.USER.INFO", "$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.ACCOUNT.PING.STATZ"):
        line = login(place, "a")
        line.send(b"SUB r 1\r\n")
        request(line, subject, lines)
        place.wait(1)
        answer = (line.receive(0) or b"").decode()
        assert "MSG r 1 " in answer, subject
        assert "EVIL" not in answer and "root" not in answer and '"B"' not in answer, subject


def test_a_header_of_many_lines_costs_its_length() -> None:
    """Header bombs: 64 thousand lines, one line of all of it, lines without a colon."""
    place = chain(share=True)
    far = login(place, "c")
    far.send(b"SUB t 1\r\n")
    line = login(place, "a")
    bombs = [
        "a: b\r\n" * 64_000,
        "x" * 900_000 + "\r\n",
        "nothing\r\n" * 64_000,
        "nats-request-info: {}\r\n" * 30_000,
    ]
    for bomb in bombs:
        began = time.process_time()
        request(line, "s", bomb)
        assert len(told(far)) == 1
        assert time.process_time() - began < 0.5, bomb[:20]
