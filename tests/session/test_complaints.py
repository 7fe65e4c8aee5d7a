"""No client can flood the log."""

from __future__ import annotations

from natsd.session.complaints import MOST, TEXTS
from tests.session.memory import House


def test_lines_above_a_rate_are_left_out_and_counted() -> None:
    house = House()
    complaints = house.roster.complaints
    for number in range(MOST + 25):
        complaints.error("label", f"text {number}")
    assert len(house.log.lines) == MOST
    house.clock.move(1)
    assert house.log.lines[MOST:] == [
        f"WRN 25 lines about clients were left out, as there were more than {MOST} in a second"
    ]
    complaints.error("label", "later")
    assert house.log.lines[-1] == "ERR label - later"


def test_the_same_text_is_written_once_a_second() -> None:
    house = House()
    complaints = house.roster.complaints
    for _ in range(10):
        complaints.seldom("label", "text")
    assert house.log.lines == ["ERR label - text"]
    house.clock.move(1)
    complaints.seldom("label", "text")
    assert len(house.log.lines) == 2


def test_texts_that_are_remembered_are_forgotten_in_time() -> None:
    house = House()
    for number in range(5 * TEXTS):
        house.clock.move(0.1)
        house.roster.complaints.seldom("label", f"text {number}")
    assert len(house.log.lines) == 5 * TEXTS


def test_a_client_that_breaks_a_rule_with_every_message_does_not_fill_the_log() -> None:
    house = House(users=[{"user": "u", "permissions": {"publish": "a"}}])
    client = house.client('"verbose":false,"user":"u"')
    for _ in range(50):
        client.say(b"PUB b 0\r\n\r\n" * 20)
    assert len(house.log.lines) == MOST
    house.clock.move(1)
    assert house.log.lines[-1].startswith(f"WRN {1000 - MOST} lines about clients were left out")
