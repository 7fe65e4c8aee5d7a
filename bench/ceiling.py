"""What the load generator can do with no server in between: publisher straight into subscriber over loopback TCP.

The same publisher and receiver loops and processes as in every throughput question, the publisher sending MSG frames.
A server's figure near this one would be the generator's; far below it, it is the server's own.
"""

from __future__ import annotations

import argparse
import socket

from bench.load import Crew, Sample, Settings, Shape, conduct, publishing, receiving
from bench.one_to_one import SIZES
from bench.question import Case, Row, ask, complete, parser, sizes_of
from bench.request_reply import requesting, responding, time_requests
from bench.servers import Kind

ALONE = Kind("generator alone", [], {}, go=False)


def cases(options: argparse.Namespace) -> list[Case]:
    def case(size: int) -> Case:
        def measure(kind: Kind, settings: Settings) -> list[Sample]:
            return [straight(size, settings)]

        return Case([Row(f"no server, 1:1, {size} B", "/s", more_is_better=True)], measure)

    def round_trips(kind: Kind, settings: Settings) -> list[Sample]:
        return straight_round_trips(5_000 if options.quick else 20_000, settings)

    rows = [Row(f"no server, request-reply {part}, 16 B", "us") for part in ("p50", "p99")]
    return [*(case(size) for size in sizes_of(options, SIZES)), Case(rows, round_trips)]


def straight(size: int, settings: Settings) -> Sample:
    near, far = connected_pair()
    shape = Shape(size=size, subscriptions=[(b"bench", None)], fan_out=1)
    with near, far, Crew(3, settings.generator_cpu) as crew:
        receiver = crew.hire(lambda: receiving([far], crew.tally, (2, 1), 0))
        publisher = crew.hire(
            publishing(crew.tally, lambda: near, shape, settings, 1, (1, 1), (2, 1), b"MSG %b 1 %d\r\n")
        )
        conduct(crew, [publisher], [receiver], 1, settings.warm_s)
        return conduct(crew, [publisher], [receiver], 1, settings.seconds)


def straight_round_trips(count: int, settings: Settings) -> list[Sample]:
    near, far = connected_pair()
    frame = b"MSG bench.service 1 _INBOX.bench.1 16\r\n%b\r\n" % (b"q" * 16)
    with near, far, Crew(1, settings.generator_cpu) as crew:
        responder = crew.hire(responding(crew.tally, lambda: far, 16, b"MSG 1 "))
        requester = crew.hire(requesting(lambda: near, frame))
        return time_requests(crew, requester, responder, count, lambda: 0.0)


def connected_pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of a TCP connection over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    for end in (near, far):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return near, far


if __name__ == "__main__":
    arguments = complete(parser(__doc__).parse_args())
    ask(cases(arguments), [ALONE], arguments)
