"""The log: layout of lines, what is escaped, and the file behind it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from natsd.base.log import Descriptor, Log, LogFile, Nowhere, clean, quote, silent

MOMENT_NS = 1_686_645_943_820_464_999  # 2023-06-13 08:45:43.820464999 UTC


class Lines:
    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.closed = False

    def write(self, line: bytes) -> None:
        self.lines.append(line)

    def close(self) -> None:
        self.closed = True


def test_a_line_has_pid_date_time_with_microseconds_and_label() -> None:
    lines = Lines()
    Log(lines, lambda: MOMENT_NS, pid=10246, utc=True).info("Server is ready")
    assert lines.lines == [b"[10246] 2023/06/13 08:45:43.820464 [INF] Server is ready\n"]


def test_every_level_has_its_label_and_only_enabled_ones_are_written() -> None:
    lines = Lines()
    log = Log(lines, lambda: 0, logtime=False)
    for write in (log.info, log.notice, log.warn, log.error, log.fatal, log.debug, log.trace):
        write("x")
    assert lines.lines == [b"[INF] x\n", b"[INF] x\n", b"[WRN] x\n", b"[ERR] x\n", b"[FTL] x\n"]
    lines.lines.clear()
    log = Log(lines, lambda: 0, logtime=False, debug=True, trace=True)
    assert log.debugging and log.tracing
    log.debug("x")
    log.trace("x")
    assert lines.lines == [b"[DBG] x\n", b"[TRC] x\n"]


def test_colours_are_those_of_the_go_server() -> None:
    lines = Lines()
    log = Log(lines, lambda: 0, logtime=False, colors=True, debug=True, trace=True, pid=7)
    for write in (log.info, log.debug, log.warn, log.error, log.fatal, log.trace):
        write("x")
    assert [line.removeprefix(b"[7] ") for line in lines.lines] == [
        b"[\x1b[32mINF\x1b[0m] x\n",
        b"[\x1b[36mDBG\x1b[0m] x\n",
        b"[\x1b[0;93mWRN\x1b[0m] x\n",
        b"[\x1b[31mERR\x1b[0m] x\n",
        b"[\x1b[31mFTL\x1b[0m] x\n",
        b"[\x1b[33mTRC\x1b[0m] x\n",
    ]


def test_the_time_of_day_follows_the_clock() -> None:
    lines = Lines()
    now = [MOMENT_NS]
    log = Log(lines, lambda: now[0], utc=True)
    for step_ns in (0, 1_000_000, 200_000_000, 3600 * 10**9):
        now[0] += step_ns
        log.info("x")
    assert [line.split()[1] for line in lines.lines] == [
        b"08:45:43.820464",
        b"08:45:43.821464",
        b"08:45:44.021464",
        b"09:45:44.021464",
    ]


def test_local_time_is_used_unless_utc_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "XYZ-3")
    time.tzset()
    try:
        lines = Lines()
        Log(lines, lambda: MOMENT_NS).info("x")
        assert lines.lines == [b"2023/06/13 11:45:43.820464 [INF] x\n"]
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("line\n[1] 2023/06/13 [INF] forged", "line\\n[1] 2023/06/13 [INF] forged"),
        ("\r\n\t\x00\x1b[31m\x7f", "\\r\\n\\t\\x00\\x1b[31m\\x7f"),
        ("\x85\u2028\u2029\x9b", "\\x85\\u2028\\u2029\\x9b"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("英伟达　H100 µs", "英伟达　H100 µs"),
        (b"\xff\xfe".decode("utf-8", "surrogateescape"), "\\udcff\\udcfe"),
    ],
)
def test_text_stays_on_one_line_and_cannot_drive_a_terminal(text: str, shown: str) -> None:
    assert clean(text) == shown
    lines = Lines()
    Log(lines, lambda: 0, logtime=False).info(text)
    assert lines.lines == [f"[INF] {shown}\n".encode()]


def test_a_quoted_text_shows_where_it_begins_and_ends() -> None:
    assert quote('a "b" \\ \n') == '"a \\"b\\" \\\\ \\n"'


def test_a_file_is_appended_to_and_made_when_missing(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    for _ in range(2):
        log = Log(LogFile(str(path)), lambda: 0, logtime=False)
        log.info("x")
        log.close()
        log.close()
    assert path.read_text() == "[INF] x\n[INF] x\n"
    assert path.stat().st_mode & 0o777 & ~0o640 == 0


def test_a_reopened_file_leaves_the_one_that_was_moved_away(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    file = LogFile(str(path))
    log = Log(file, lambda: 0, logtime=False)
    log.info("old")
    path.rename(tmp_path / "server.log.1")
    log.info("still old")
    file.reopen()
    log.info("new")
    log.close()
    assert (tmp_path / "server.log.1").read_text() == "[INF] old\n[INF] still old\n"
    assert path.read_text() == "[INF] new\n"


def test_a_file_that_cannot_be_reopened_stays_in_use(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    file = LogFile(str(folder / "server.log"))
    log = Log(file, lambda: 0, logtime=False)
    moved = folder.rename(tmp_path / "moved")
    with pytest.raises(FileNotFoundError):
        file.reopen()
    log.info("x")
    log.close()
    assert (moved / "server.log").read_text() == "[INF] x\n"


def test_a_file_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        LogFile(str(tmp_path))


def test_a_line_is_written_whole_even_when_the_system_takes_it_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = bytearray()

    def write(fd: int, data: bytes) -> int:
        taken.extend(data[:3])
        return len(data[:3])

    monkeypatch.setattr(os, "write", write)
    Descriptor(99).write(b"0123456789\n")
    assert taken == b"0123456789\n"


def test_a_log_nobody_reads_does_not_stop_the_program() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    sink = Descriptor(writer)
    log = Log(sink, lambda: 0)
    log.info("x")
    assert not sink.is_terminal()
    log.close()
    os.close(writer)
    assert not sink.is_terminal()


def test_a_terminal_is_known_as_one() -> None:
    main, terminal = os.openpty()
    try:
        assert Descriptor(terminal).is_terminal()
    finally:
        os.close(main)
        os.close(terminal)


def test_a_silent_log_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    log = silent()
    log.error("x")
    log.close()
    Nowhere().close()
    assert capfd.readouterr() == ("", "")


def test_the_layout_is_what_wrappers_look_for() -> None:
    lines = Lines()
    Log(lines, lambda: MOMENT_NS, pid=1).info("Server is ready")
    pattern = rb"\[\d+\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} \[INF\] Server is ready\n"
    assert re.fullmatch(pattern, lines.lines[0])


def rotating(path: Path, limit: int, max_files: int = 0) -> tuple[Log, list[int]]:
    now = [MOMENT_NS]
    return Log(LogFile(str(path), limit, max_files), lambda: now[0], logtime=False), now


def test_a_file_above_its_limit_is_moved_away_and_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    log, _ = rotating(path, 400)
    for _ in range(30):
        log.info("0123456789")
    log.close()
    (backup,) = [name for name in os.listdir(tmp_path) if name != "server.log"]
    assert re.fullmatch(r"server\.log\.2023\.06\.1\d\.\d\d\.45\.43\.820464999", backup)
    assert (tmp_path / backup).read_text() == "[INF] 0123456789\n" * 24
    text = path.read_text()
    assert text == f'[INF] Rotated log, backup saved as "{tmp_path / backup}"\n' + "[INF] 0123456789\n" * 6


def test_only_so_many_files_are_kept_and_others_are_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    (tmp_path / "server.log.mine").write_text("x")
    (tmp_path / "server.log.2023.06.13.99.00.00.1").write_text("x")
    log, now = rotating(path, 10, 3)
    for _ in range(6):
        now[0] += 10**9
        log.info("0123456789")
    log.close()
    backups = sorted(name for name in os.listdir(tmp_path) if re.fullmatch(r"server\.log\.(\d+\.){6}\d{9}", name))
    assert len(backups) == 2 and backups[-1].endswith(".49.820464999")
    assert "Purged log file" in path.read_text()
    assert (tmp_path / "server.log.mine").exists()
    assert (tmp_path / "server.log.2023.06.13.99.00.00.1").exists()


def test_a_file_that_was_long_already_is_rotated_with_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    path.write_text("x" * 200)
    log, _ = rotating(path, 100)
    log.info("first")
    log.close()
    assert len(os.listdir(tmp_path)) == 2 and "Rotated log" in path.read_text()


def test_a_rotation_that_fails_is_told_and_tried_again_later(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "server.log"
    path.parent.mkdir()
    log, _ = rotating(path, 10)
    os.rename(path.parent, tmp_path / "away")
    for _ in range(3):
        log.info("0123456789")
    log.close()
    text = (tmp_path / "away" / "server.log").read_text()
    assert "[ERR] Unable to rotate logfile (no such file or directory), will attempt next rotation at size 34" in text
    assert text.count("0123456789") == 3


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full disk to be had here")
def test_a_full_disk_stops_nobody() -> None:
    log, _ = rotating(Path("/dev/full"), 0)
    for _ in range(10):
        log.info("x")
    log.close()


def test_a_log_can_move_on_to_another_sink_and_layout() -> None:
    one, two = Lines(), Lines()
    log = Log(one, lambda: MOMENT_NS, pid=1, logtime=False)
    log.info("x")
    log.use(two, logtime=True, utc=True, colors=False)
    log.info("y")
    assert one.lines == [b"[1] [INF] x\n"]
    assert two.lines == [b"[1] 2023/06/13 08:45:43.820464 [INF] y\n"]
    assert not one.closed
