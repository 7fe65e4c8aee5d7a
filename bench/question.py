"""What all questions share: the options, the alternating rounds, medians and ratios, the tables.

Servers take turns (A B C A B C ...), each time as a fresh process, so that what else the machine does falls on all of
them. Values are medians over the rounds with minimum and maximum; a ratio is one of medians, beside it the smallest and
largest ratio inside a round.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from bench.load import Sample, Settings, Shape, run_shape
from bench.servers import Kind, Server, find_kinds, machine_busy_seconds

CALM_CORES = 0.2
# Of each unit: from which value on, (divisor, decimals, what is printed).
UNITS: dict[str, list[tuple[float, tuple[float, int, str]]]] = {
    "/s": [(1e6, (1e6, 2, "M/s")), (1e3, (1e3, 1, "k/s")), (0, (1, 1, "/s"))],
    "ns": [(0, (1, 0, "ns"))],
    "us": [(0, (1, 1, "µs"))],
    "ms": [(0, (1, 0, "ms"))],
    "s": [(0, (1, 2, "s"))],
    "x": [(0, (1, 2, "x"))],
    "B": [(1e6, (1e6, 1, "MB")), (0, (1, 0, "B"))],
}


class Row:
    """One line of a result: what was measured, in which unit, whether more of it is better."""

    def __init__(self, title: str, unit: str, more_is_better: bool = False) -> None:
        self.title = title
        self.unit = unit
        self.more_is_better = more_is_better

    def show(self, values: Sequence[float]) -> str:
        """The median with the smallest and the largest, in the unit that suits the median."""
        middle = statistics.median(values)
        divisor, decimals, name = next(scale for least, scale in UNITS[self.unit] if middle >= least or not least)
        middle_text, least_text, most_text = (
            f"{value / divisor:.{decimals}f}" for value in (middle, min(values), max(values))
        )
        return f"{middle_text} {name} ({least_text} to {most_text})"


class Case:
    """One thing to measure on one fresh server; `measure` gives one sample for each row (None: not there).

    also: which kinds are measured besides those asked for (a server with other than its defaults).
    """

    def __init__(
        self,
        rows: Sequence[Row],
        measure: Callable[[Kind, Settings], Sequence[Sample | None]],
        also: Callable[[Kind], Kind | None] | None = None,
    ) -> None:
        self.rows = rows
        self.measure = measure
        self.also = also

    def kinds(self, kinds: Sequence[Kind]) -> list[Kind]:
        more = [self.also(kind) for kind in kinds] if self.also else []
        return [*kinds, *(kind for kind in more if kind is not None)]


def throughput(title: str, shape: Shape) -> Case:
    def measure(kind: Kind, settings: Settings) -> list[Sample]:
        with Server(kind, settings.server_cpu) as server:
            return [run_shape(server, shape, settings)]

    return Case([Row(title, "/s", more_is_better=True)], measure)


class Result:
    """All samples of one row, by the name of the server."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.samples: dict[str, list[Sample | None]] = {}
        self.troubles: dict[str, str] = {}

    def values(self, name: str) -> list[float]:
        return [sample.value for sample in self.samples.get(name, []) if sample]

    def median(self, name: str) -> float | None:
        values = self.values(name)
        return statistics.median(values) if values else None

    def detail(self, name: str, key: str) -> float | None:
        values = [sample.details[key] for sample in self.samples.get(name, []) if sample and key in sample.details]
        return statistics.median(values) if values else None

    def ratio(self, ours: str, theirs: str) -> tuple[float, float, float] | None:
        """Ours over theirs: of the medians, and the smallest and largest inside one round."""
        top, bottom = self.median(ours), self.median(theirs)
        rounds = [
            a.value / b.value
            for a, b in zip(self.samples[ours], self.samples[theirs], strict=True)
            if a and b and b.value
        ]
        if top is None or not bottom or not rounds:
            return None
        return top / bottom, min(rounds), max(rounds)

    def as_json(self) -> dict[str, Any]:
        return {
            "title": self.row.title,
            "unit": self.row.unit,
            "samples": {
                name: [{"value": sample.value, **sample.details} if sample else None for sample in samples]
                for name, samples in self.samples.items()
            },
            "troubles": self.troubles,
        }


def ask(cases: Sequence[Case], kinds: Sequence[Kind], options: argparse.Namespace) -> list[Result]:
    """Measure every case on every kind, in alternating rounds, printing each case when it is done."""
    settings = settings_of(options)
    all_results = []
    for case in cases:
        results = [Result(row) for row in case.rows]
        if options.only and not any(options.only in result.row.title for result in results):
            continue
        kinds_here = case.kinds(kinds)
        for _ in range(options.rounds):
            for kind in kinds_here:
                wait_for_calm(options.calm)
                measured: Sequence[Sample | None] = [None] * len(results)
                try:
                    measured = case.measure(kind, settings)
                except (OSError, RuntimeError, ValueError) as error:
                    for result in results:
                        result.troubles[kind.name] = str(error)
                for result, sample in zip(results, measured, strict=True):
                    result.samples.setdefault(kind.name, []).append(sample)
        for result in results:
            print_result(result, kinds_here)
        all_results += results
    return all_results


def wait_for_calm(most_s: float) -> None:
    """Wait while other programs keep the machine busy, but not longer than that."""
    deadline = time.monotonic() + most_s
    while time.monotonic() < deadline:
        before = machine_busy_seconds()
        time.sleep(0.3)
        if machine_busy_seconds() - before < 0.3 * CALM_CORES:
            return


def settings_of(options: argparse.Namespace) -> Settings:
    return Settings(options.seconds, min(0.2, options.seconds / 2), options.window, options.pin)


def print_result(result: Result, kinds: Sequence[Kind]) -> None:
    row = result.row
    print(f"\n{row.title}")
    for kind in kinds:
        values = result.values(kind.name)
        if not values:
            print(f"  {kind.name:<18} {result.troubles.get(kind.name, 'not there')}")
            continue
        line = f"  {kind.name:<18} {row.show(values)}"
        if result.detail(kind.name, "server_cores") is not None:
            shown = [
                ("server", "server_ns_per_message", "{:.0f} ns CPU each"),
                ("", "server_cores", "{:.2f} cores"),
                ("generator", "generator_cores", "{:.2f} cores"),
                ("others", "others_cores", "{:.2f}"),
            ]
            parts = [f"{label} {text.format(result.detail(kind.name, key))}".strip() for label, key, text in shown]
            line = f"{line:<56} {', '.join(parts)}"
        print(line)
        if kind.name in result.troubles:
            print(f"  {'':<18} failed at least once: {result.troubles[kind.name]}")
    for ours in kinds:
        for theirs in kinds:
            if theirs.go and not ours.go:
                ratio = result.ratio(ours.name, theirs.name)
                if ratio:
                    print(
                        f"  {ours.name} / {theirs.name}: {ratio[0]:.2f} x"
                        f"   (inside a round {ratio[1]:.2f} to {ratio[2]:.2f})"
                        f"{'' if row.more_is_better else ', less is better'}"
                    )
    sys.stdout.flush()


def parser(about: str | None) -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--go", action="append", default=[], metavar="PATH", help="a Go nats-server; may be repeated")
    options.add_argument("--forms", default="native,plain", help="forms of natsd to measure; empty for none")
    options.add_argument("--quick", action="store_true", help="3 rounds of half a second, smaller counts")
    options.add_argument("--rounds", type=int, help="rounds over all servers (5, quick 3)")
    options.add_argument("--seconds", type=float, help="length of one measurement (1, quick 0.5)")
    options.add_argument("--size", type=int, action="append", help="only this payload size; may be repeated")
    options.add_argument("--only", metavar="TEXT", help="only lines with this text in their title")
    options.add_argument("--pin", action="store_true", help="server on processor 0, generator on processor 1")
    options.add_argument(
        "--calm", type=float, default=0, metavar="S", help="wait up to so many seconds for a calm machine before each"
    )
    options.add_argument("--window", type=int, default=0, help="at most so many messages on their way; 0: no limit")
    return options


def complete(options: argparse.Namespace) -> argparse.Namespace:
    """Fill in what --quick decides."""
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (0.5 if options.quick else 1.0)
    return options


def sizes_of(options: argparse.Namespace, usual: Sequence[int]) -> list[int]:
    return [size for size in usual if size in options.size] if options.size else list(usual)


def main(about: str | None, cases_of: Callable[[argparse.Namespace], Sequence[Case]]) -> None:
    """What each question does when it is run alone."""
    options = complete(parser(about).parse_args())
    kinds = find_kinds(options.go, [form for form in options.forms.split(",") if form])
    if not kinds:
        sys.exit("there is no server to measure: name one with --go PATH or --forms")
    ask(cases_of(options), kinds, options)
