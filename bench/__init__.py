"""Benchmarks: one file per question, each side by side with the Go servers of the same run.

`python -m bench.one_to_one --go PATH --quick` asks one question, `python -m bench` (or `make bench`) all of them.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

if find_spec("natsd") is None or find_spec("natsd.kernel._native_load") is None:
    sys.exit("the load generator is compiled: install natsd where a C compiler is (make bench), or set PYTHONPATH=src")
