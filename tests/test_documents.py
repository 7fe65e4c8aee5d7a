"""The READMEs come true: their tutorials are typed as written, their programs run, their output is what they print."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import natsd

ROOT = Path(__file__).resolve().parent.parent
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
PATIENCE_S = 60
CHANGING = [
    (r"^\[\d+\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} ", "[pid] date "),
    (r"^\d\d:\d\d:\d\d ", "time "),
    (r"\bN[A-Z2-7]{55}\b", "ID"),
    (r"\bon [\d.]+:\d+$", "on host:port"),
    (r"\brtt \S+$", "rtt duration"),
    (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b", "date and time"),
    (r"^\[\d\d:\d\d:\d\d\] ", "[time] "),
    (r" to \S+ in [\d.]+\w+$", " to file in duration"),
    (r"^(.* (Max Memory|Max Storage|Store Directory|Sync time): +).*$", r"\1of this machine"),
]
REST = "…\n"
"""Stands for what a document leaves out of an output."""
JETSTREAM = re.compile(r"^\$ nats (?:pub .* --jetstream|stream|consumer|kv|object)\b", re.MULTILINE)


def unchanging(text: str) -> str:
    """Text without what is another at every run."""
    for pattern, word in CHANGING:
        text = re.sub(pattern, word, text, flags=re.MULTILINE)
    return text


def blocks(text: str, languages: str) -> list[tuple[str, str]]:
    """The code blocks in some languages, each with its language."""
    return re.findall(rf"^```({languages})\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def sections(document: Path) -> Iterator[str]:
    """The sections of a document that tell their reader to type something other than how to install."""
    for section in re.split(r"^#+ ", document.read_text(), flags=re.MULTILINE):
        if re.search(r"^\$ nats ", section, re.MULTILINE):
            yield section


class Terminal:
    """One terminal of the reader: a command, and everything that it has printed so far."""

    def __init__(self, words: list[str], url: str, path: Path) -> None:
        self.words = words
        self.path = path
        module = {"nats": "nats_main", "nats-server": "server_main"}[words[0]]
        start = f"import sys; from natsd.cli.{module} import main; sys.exit(main())"
        with path.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", start, *words[1:]],
                stdin=subprocess.DEVNULL,
                cwd=path.parent,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=os.environ | {"NATS_URL": url},
            )

    def printed(self) -> str:
        return unchanging(self.path.read_text())

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_S)


class Reader:
    """Somebody who types what a section says, in as many terminals as it takes."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.opened = 0
        self.waiting: list[Terminal] = []
        self.exit_code = 0
        self.shared: list[str] = []

    def open(self, words: list[str]) -> Terminal:
        self.opened += 1
        return Terminal(words, self.url, self.folder / f"{self.opened}.txt")

    def type(self, command: str, expected: str) -> None:
        if command == "echo $?":
            assert f"{self.exit_code}\n" == expected
            return
        words = shlex.split(command)
        if words[0] in {"cat", "echo"}:
            done = subprocess.run(command, shell=True, cwd=self.folder, capture_output=True, text=True, check=True)
            assert done.stdout == expected
            return
        terminal = self.open(words)
        if words[1] in {"sub", "reply"} and "--count" not in words or words[1:3] == ["kv", "watch"]:
            self.waiting.append(terminal)
            self.see([terminal], expected)
            return
        self.exit_code = terminal.process.wait(PATIENCE_S)
        printed = terminal.printed()
        if expected.endswith(REST):
            expected = expected.removesuffix(REST)
            printed = printed[: len(unchanging(expected))]
        assert printed == unchanging(expected)

    def look(self, expected: str) -> None:
        """One of the commands that go on running shows this, at the end of what it has printed."""
        if any("--queue" in terminal.words for terminal in self.waiting):
            self.shared += expected.splitlines()
        else:
            self.see(self.waiting, expected)

    def see(self, terminals: list[Terminal], expected: str) -> None:
        ends = time.monotonic() + PATIENCE_S
        while not any(terminal.printed().endswith(unchanging(expected)) for terminal in terminals):
            printed = "\n---\n".join(terminal.printed() for terminal in terminals)
            assert time.monotonic() < ends, f"wanted:\n{unchanging(expected)}\nprinted:\n{printed}"
            time.sleep(0.01)

    def compare_shares(self) -> None:
        """Who gets what in a queue group is chance; that everything comes once is not."""
        ends = time.monotonic() + PATIENCE_S
        while sorted(self.received()) != sorted(bodies(self.shared)):
            assert time.monotonic() < ends, f"wanted {bodies(self.shared)}, received {self.received()}"
            time.sleep(0.01)

    def received(self) -> list[str]:
        members = [terminal for terminal in self.waiting if "--queue" in terminal.words]
        return [body for terminal in members for body in bodies(terminal.path.read_text().splitlines())]


def bodies(lines: list[str]) -> list[str]:
    """The messages among the lines of `nats sub`."""
    return [body for title, body in zip(lines, lines[1:], strict=False) if title.startswith("[#")]


@pytest.mark.parametrize("document", READMES, ids=lambda path: path.name)
def test_every_command_of_the_tutorial_prints_what_stands_there(document: Path, tmp_path: Path) -> None:
    played = 0
    for section in sections(document):
        with natsd.run_in_thread(jetstream=bool(JETSTREAM.search(section))) as server:
            reader = Reader(server.client_url, tmp_path)
            try:
                for language, block in blocks(section, "console|text"):
                    if language == "text":
                        reader.look(block)
                        continue
                    for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
                        reader.type(command, expected)
                        played += 1
                reader.compare_shares()
            finally:
                for terminal in reader.waiting:
                    terminal.stop()
    assert played >= 10


@pytest.mark.parametrize("document", READMES, ids=lambda path: path.name)
def test_the_server_starts_with_the_lines_that_stand_there(document: Path, tmp_path: Path) -> None:
    expected = re.search(r"^((?:\[\d+\] .*\n)+)", document.read_text(), re.MULTILINE)
    assert expected
    assert start(tmp_path) == unchanging(expected[1])


def test_a_server_with_jetstream_says_what_it_promises(tmp_path: Path) -> None:
    found = [block for _, block in blocks(READMES[1].read_text(), "text") if "JETSTREAM" in block]
    assert len(found) == 1
    assert unchanging(found[0]) in start(tmp_path, "-js", "-sd", "data")


def start(folder: Path, *flags: str) -> str:
    """What a server logs until it is ready; with the plain kernel one line more says so."""
    terminal = Terminal(["nats-server", "-a", "127.0.0.1", "-p", "-1", *flags], "", folder / "log")
    try:
        ends = time.monotonic() + PATIENCE_S
        while "ready" not in terminal.printed() and time.monotonic() < ends:
            time.sleep(0.01)
        return "".join(line for line in terminal.printed().splitlines(True) if "natsd:" not in line)
    finally:
        terminal.stop()


@pytest.mark.parametrize("document", READMES, ids=lambda path: path.name)
def test_every_program_runs(document: Path, tmp_path: Path) -> None:
    programs = [block for _, block in blocks(document.read_text(), "python")]
    assert len(programs) == 5
    for program in programs:
        path = tmp_path / "test_program.py"
        path.write_text(program)
        pytest_words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
        words = [*pytest_words, str(path)] if "def test_" in program else [str(path)]
        done = subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, timeout=PATIENCE_S, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout + done.stderr
        told = re.search(r"print\(.*\)  # (.*\n)", program)
        if told:
            assert done.stdout == told[1]
        else:
            assert "1 passed" in done.stdout or re.fullmatch(r"nats://\S+:\d+\n", done.stdout)
