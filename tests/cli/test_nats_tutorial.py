"""The commands of the tutorial print what is printed there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.cli.commands import Nats
else:
    Nats = Any

CLOCK = r"\d\d:\d\d:\d\d "


def test_publish_and_subscribe(nats: Nats) -> None:
    listeners = [nats.sub("keji"), nats.sub("keji"), nats.sub("jingji")]
    sent = nats.run("pub", "keji", "英伟达发布了全新显卡H100")
    assert (sent.code, sent.out) == (0, "")
    assert re.fullmatch(CLOCK + 'Published 34 bytes to "keji"\n', sent.raw_err)
    for listener in listeners[:2]:
        listener.wait_for("H100", "out")
    first, second, other = [listener.stop() for listener in listeners]
    assert first.out == second.out == '[#1] Received on "keji"\n英伟达发布了全新显卡H100\n\n'
    assert re.fullmatch(CLOCK + "Subscribing on keji\n", first.raw_err)
    assert other.out == "" and re.fullmatch(CLOCK + "Subscribing on jingji\n", other.raw_err)
    assert {first.code, second.code, other.code} == {130}


def test_request_and_reply(nats: Nats) -> None:
    replier = nats.reply("help.message", "我来处理")
    answer = nats.run("request", "help.message", "谁来解决这个问题？")
    assert answer.code == 0
    assert answer.out == "我来处理\n\n"
    assert re.fullmatch(
        CLOCK + 'Sending request on "help.message"\n' + CLOCK + r"Received with rtt [\d.]+(µs|ms)\n", answer.raw_err
    )
    ended = replier.stop()
    assert ended.code == 0
    assert ended.raw_err.splitlines()[0][9:] == 'Listening on "help.message" in group "NATS-RPLY-22"'
