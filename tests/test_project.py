"""The repository against its own rules: versions, floors, sizes, documents and the commands they show."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from natsd.base.version import VERSION

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "natsd"
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
DOCUMENTS = [*READMES, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
MAX_LINES = 600
WRITTEN_BY_TOOLS = {"build", "dist", "__pycache__"}
TEXT = {"", ".cfg", ".h", ".in", ".md", ".pxd", ".pxi", ".py", ".pyi", ".pyx", ".sh", ".toml", ".txt", ".yml"}
NOT_PUBLIC = re.compile(
    r"(?<![\w.])/(?:root|home|Users|workspace|mnt|media)/"  # somebody's machine
    r"|/tmp/[a-z]"
    r"|\b(?:pypi\.org|pythonhosted\.org|index[-_]url|find[-_]links|proxy\.golang)\b"  # somebody's registry
)
UNFINISHED = re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X])\b")
DECIDE = {"protocol", "subjects", "keys", "config", "accounts", "auth", "session", "system", "kernel"}

GROUPS = {"bench", "consumer", "kv", "object", "stream"}
"""Commands of `nats` that are groups of others."""

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def files() -> Iterator[Path]:
    """Every text file that belongs to the project."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name
            for name in folders
            if name not in WRITTEN_BY_TOOLS
            and not name.endswith(".egg-info")
            and (not name.startswith(".") or name == ".ci")
        ]
        for name in names:
            path = Path(folder, name)
            if path.suffix in TEXT:
                yield path


def sources() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*") if path.suffix in {".py", ".pyx", ".pxd"})


def rooms() -> set[str]:
    """The rooms that have code in them, and the files that stand beside the rooms."""
    folders = {path.relative_to(SOURCE).parts[0] for path in sources() if path.parent != SOURCE}
    return folders | {path.stem for path in SOURCE.glob("*.py") if not path.stem.startswith("__")}


def rooms_under(contract: str, key: str) -> set[str]:
    """The rooms that a contract of import-linter speaks of."""
    (found,) = (one for one in PYPROJECT["tool"]["importlinter"]["contracts"] if one["name"] == contract)
    return {room.strip().removeprefix("natsd.") for entry in found[key] for room in re.split(r"[|:]", entry)}


def shell_lines(document: Path) -> list[str]:
    """The commands that a document tells its reader to type: lines after "$ " in its code blocks."""
    blocks = re.findall(r"^```(?:shell|console|sh)\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def words_of(line: str) -> list[str]:
    """The words of the first command on a line, without the quotes of the shell."""
    return shlex.split(re.split(r" [|&>#]", line, maxsplit=1)[0].replace(".venv/bin/", ""))


def commands(program: str) -> list[list[str]]:
    """What the documents call a program with."""
    found = [words_of(line) for document in DOCUMENTS for line in shell_lines(document)]
    return [words[1:] for words in found if words[0] == program]


def flags_of_nats() -> dict[tuple[str, ...], set[str]]:
    """Every command of `nats` that the documents show, as its path, with the flags that they give it."""
    found: dict[tuple[str, ...], set[str]] = {}
    for words in commands("nats"):
        names = [word for word in words if not word.startswith("-")]
        # "bench pub x" is a command of a group, "pub x" is not.
        length = 1 if names[0] not in GROUPS or len(names) == 1 else 3 if names[1] == "service" else 2
        flags = {word.split("=")[0] for word in words if word.startswith("-")}
        found.setdefault(tuple(names[:length]), set()).update(flags)
    return found


def words_in_order(words: tuple[str, ...] | set[str]) -> str:
    """A name that is the same in every process that collects the tests."""
    return " ".join(words if isinstance(words, tuple) else sorted(words))


def help_of(program: str, *words: str) -> str:
    start = f"import sys; from natsd.cli.{program}_main import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", start, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{program} {' '.join(words)}: {done.stderr}"
    return done.stdout


def test_every_place_names_the_same_version() -> None:
    assert PYPROJECT["project"]["version"] == VERSION
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest and newest[1] == VERSION


def test_every_room_stands_on_a_floor() -> None:
    assert rooms_under("Imports go down", "layers") == rooms()


def test_every_room_that_decides_is_forbidden_to_wait() -> None:
    assert rooms_under("What decides does not wait", "source_modules") == rooms() & DECIDE


def test_only_the_command_line_knows_its_library() -> None:
    assert rooms_under("The server knows no command line", "source_modules") == rooms() - {"cli"}


def test_every_folder_of_the_package_is_installed() -> None:
    bare = {path.parent for path in SOURCE.rglob("*.py") if not (path.parent / "__init__.py").exists()}
    assert not bare, "folders without __init__.py are left out of a wheel"
    assert (SOURCE / "py.typed").exists()


def test_no_source_file_is_longer_than_one_sitting() -> None:
    lengths = {path.relative_to(ROOT).as_posix(): path.read_text().count("\n") for path in sources()}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_every_module_says_what_is_in_it() -> None:
    silent = [path for path in SOURCE.rglob("*.py") if ast.get_docstring(ast.parse(path.read_text())) is None]
    assert silent == []


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in files()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if NOT_PUBLIC.search(line)
    ]
    assert found == []


def test_no_file_is_marked_unfinished() -> None:
    assert [str(path.relative_to(ROOT)) for path in files() if UNFINISHED.search(path.read_text())] == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{document.name}: {target}"
        for document in DOCUMENTS
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
        if not (document.parent / target).exists()
    ]
    assert broken == []


def test_every_dependency_is_explained() -> None:
    project = PYPROJECT["project"]
    required = [*PYPROJECT["build-system"]["requires"], *project["dependencies"]]
    required += [name for extra in project["optional-dependencies"].values() for name in extra]
    declared = {re.split(r"[\s<>=;\[]", requirement, maxsplit=1)[0].lower() for requirement in required}
    table = (ROOT / "docs" / "dependencies.md").read_text()
    assert {name.lower() for name in re.findall(r"^\| \[?(\w[\w-]+)", table, re.MULTILINE)} - {"library"} == declared


IMPORTED_AS = {"nacl": "pynacl", "uvloop": "uvloop"}


def test_what_is_imported_is_asked_for() -> None:
    asked = {re.split(r"[<>=;\[ ]", name)[0].lower() for name in PYPROJECT["project"]["dependencies"]}
    asked |= {re.split(r"[<>=;\[ ]", name)[0].lower() for name in PYPROJECT["project"]["optional-dependencies"]["test"]}
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            found |= {name.partition(".")[0] for name in names}
    others = {name for name in found if name not in sys.stdlib_module_names and name != "natsd"}
    assert {IMPORTED_AS.get(name, name) for name in others} <= asked


def test_make_has_every_target_that_the_documents_name() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = "\n".join(document.read_text() for document in DOCUMENTS)
    named = {words[0] for words in commands("make") if words} | set(re.findall(r"`make ([\w-]+)`", text))
    assert named and named <= targets


def test_the_server_has_every_flag_that_the_documents_show() -> None:
    known = set(re.findall(r"-{1,2}([a-zA-Z_]+)", help_of("server", "-h")))
    words = [word for words in commands("nats-server") for word in words]
    for document in DOCUMENTS:
        words += " ".join(re.findall(r'`make run ARGS="([^"]*)"`', document.read_text())).split()
    shown = {flag[1] for word in words if (flag := re.match(r"-{1,2}([a-zA-Z_]+)", word))}
    assert shown and shown <= known


@pytest.mark.parametrize(("path", "flags"), flags_of_nats().items(), ids=words_in_order)
def test_nats_has_every_command_and_flag_that_the_documents_show(path: tuple[str, ...], flags: set[str]) -> None:
    text = help_of("nats", *path, "--help")
    assert {flag for flag in flags if not re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text)} == set()
