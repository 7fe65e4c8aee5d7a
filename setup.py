"""Builds the native forms: each _native*.pyx of these rooms is an optional extension. The rest: pyproject.toml.

NATSD_PLAIN=1 builds none of them; NATSD_REQUIRE_NATIVE=1 fails instead of falling back to the plain forms;
NATSD_ASAN=1 builds for a run under AddressSanitizer (make fuzz-asan).
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
ROOMS = [Path("src/natsd/kernel"), Path("src/natsd/store")]
HEADERS = [*ROOMS, Path("src/natsd/base")]


def asked(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0")


PLAIN = asked("NATSD_PLAIN")
REQUIRED = asked("NATSD_REQUIRE_NATIVE")
ASAN = asked("NATSD_ASAN")

if PLAIN and REQUIRED:
    sys.exit("NATSD_PLAIN=1 and NATSD_REQUIRE_NATIVE=1 contradict each other")


class BuildNative(build_ext):
    """Builds all native forms or, where that fails, none of them: natsd then runs on the plain ones."""

    def initialize_options(self) -> None:
        super().initialize_options()
        self.cython_c_in_temp = 1

    def finalize_options(self) -> None:
        super().finalize_options()
        # The flags are no part of the time stamps that decide what is fresh.
        self.force = True
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self) -> None:
        try:
            super().build_extensions()
        except Exception as error:
            if REQUIRED:
                raise
            print(f"natsd: the native forms were not built ({error}); the plain ones will be used", file=sys.stderr)
            for ext in self.extensions:
                ext.optional = True
                Path(self.get_ext_fullpath(ext.name)).unlink(missing_ok=True)
                # An older build beside the sources of an editable install would be imported otherwise.
                (ROOT / "src" / (ext.name.replace(".", "/") + EXTENSION_SUFFIXES[0])).unlink(missing_ok=True)


def flags() -> tuple[list[str], list[str]]:
    if ASAN:
        sanitize = ["-fsanitize=address,undefined", "-pthread"]
        return [*sanitize, "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined", "-g", "-O1"], sanitize
    if sys.platform == "win32":
        return ["/O2"], []
    return ["-O3", "-pthread"], ["-pthread"]


def extensions() -> list[Extension]:
    if PLAIN:
        return []
    compile_args, link_args = flags()
    shared = [
        path.as_posix()
        for room in HEADERS
        for suffix in ("*.pxd", "*.pxi", "*.h")
        for path in sorted(room.glob(suffix))
    ]
    return [
        Extension(
            f"natsd.{room.name}.{source.stem}",
            sources=[source.as_posix()],
            depends=shared,
            include_dirs=[path.as_posix() for path in HEADERS],
            extra_compile_args=compile_args,
            extra_link_args=link_args,
        )
        for room in ROOMS
        for source in sorted(room.glob("_native*.pyx"))
    ]


# A build of one kind must never take up object files of the other.
setup(
    ext_modules=extensions(),
    cmdclass={"build_ext": BuildNative},
    options={"build": {"build_base": "build/asan" if ASAN else "build"}},
)
