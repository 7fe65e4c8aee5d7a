"""Files that get their name when they are whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from natsd.cli.draft import Draft, replace_file


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with Draft(str(path)) as draft:
        draft.file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and path.stat().st_mode & 0o777 == 0o600
    replace_file(str(path), b"newer")
    assert path.read_bytes() == b"newer" and os.listdir(tmp_path) == ["file"]


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), Draft(str(path)) as draft:
        draft.file.write(b"half of it")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


def test_an_error_is_about_the_file_that_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as problem:
        Draft(str(tmp_path / "none" / "file"))
    assert problem.value.filename == str(tmp_path / "none" / "file")
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(str(tmp_path / "folder"), b"")
    assert os.listdir(tmp_path) == ["folder"]
