"""All questions in one run, for `make bench`: printed, and on request as JSON and as the Markdown of a report."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from bench import (
    ceiling,
    cpu_per_message,
    fan_out,
    four_to_four,
    js_consume,
    js_publish,
    js_scale,
    many_subjects,
    memory,
    nats_pub,
    one_to_one,
    permissions,
    publish_only,
    queue_group,
    request_reply,
    start_up,
    tls,
    wildcard,
)
from bench.question import Result, ask, complete, parser
from bench.servers import Kind, find_kinds

QUESTIONS = [
    publish_only,
    one_to_one,
    permissions,
    tls,
    fan_out,
    four_to_four,
    queue_group,
    wildcard,
    many_subjects,
    cpu_per_message,
    request_reply,
    memory,
    start_up,
    nats_pub,
    js_publish,
    js_consume,
    js_scale,
]
BEGIN, END = "<!-- results begin -->\n", "<!-- results end -->\n"


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--json", type=Path, metavar="PATH", help="write every sample there")
    options.add_argument(
        "--markdown", type=Path, metavar="PATH", help="write the tables there, between its result marks if it has them"
    )
    options.add_argument("--questions", metavar="NAMES", help="only these, by file name, with commas between")
    given = complete(options.parse_args())
    names = given.questions.split(",") if given.questions else []
    kinds = find_kinds(given.go, [form for form in given.forms.split(",") if form])
    if not kinds:
        sys.exit("there is no server to measure: name one with --go PATH or --forms")

    began = time.monotonic()
    notes = machine_notes(kinds, given)
    print("\n".join(notes))
    alone: list[Result] = []
    if not names or "ceiling" in names:
        alone = ask(ceiling.cases(given), [ceiling.ALONE], given)
    results: list[Result] = []
    for question in QUESTIONS:
        if not names or question.__name__.rpartition(".")[2] in names:
            results += ask(question.cases(given), kinds, given)
            # Saved after each question: a run that is ended early has measured something all the same.
            took = f"* The run took {(time.monotonic() - began) / 60:.0f} minutes."
            if given.json:
                given.json.write_text(json.dumps(as_json([*notes, took], results, alone), indent=1))
            if given.markdown:
                write_between_marks(given.markdown, markdown([*notes, took], results, alone, kinds))
    if not given.markdown:
        print(f"\n{markdown(notes, results, alone, kinds)}")


def machine_notes(kinds: Sequence[Kind], options: argparse.Namespace) -> list[str]:
    """Where, when and with what this was measured, as lines of Markdown."""
    processor = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    libraries = ", ".join(f"{name} {version}" for name in ("uvloop", "Cython") if (version := _version(name)))
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        f"* {time.strftime('%Y-%m-%d')}, {os.cpu_count()} x {processor}, {memory_gib:.0f} GiB, "
        f"{platform.system()} {platform.release()}, load average before the run {os.getloadavg()[0]:.1f}",
        f"* natsd at {_commit()}, Python {platform.python_version()}, {libraries}; "
        + (", ".join(kind.name for kind in kinds if kind.go) or "no Go server"),
        f"* rounds: {options.rounds}, {options.seconds:g} s each, fresh processes, servers in turn"
        + (", server on processor 0 and generator on processor 1" if options.pin else ", nothing pinned"),
    ]


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip() or "no commit"
    except OSError:
        return "no commit"


def markdown(notes: list[str], results: list[Result], alone: list[Result], kinds: Sequence[Kind]) -> str:
    """The report: values, ratios, what the processors did, and the generator alone."""
    go = [kind for kind in kinds if kind.go]
    ours = [kind for kind in kinds if not kind.go]
    pairs = [(mine, theirs) for mine in ours for theirs in go]
    lines = [*notes, ""]
    lines += ["Median (smallest to largest round); throughput counts deliveries where there are receivers.", ""]
    lines += _table(
        ["measure", *(kind.name for kind in kinds)],
        [[result.row.title, *(_cell(result, kind) for kind in kinds)] for result in results],
    )
    if pairs:
        lines += ["", "Ratios of the medians (smallest to largest inside a round).", ""]
        lines += _table(
            ["measure", "better", *(f"{mine.name} / {theirs.name}" for mine, theirs in pairs)],
            [
                [
                    result.row.title,
                    "more" if result.row.more_is_better else "less",
                    *(_ratio(result, mine, theirs) for mine, theirs in pairs),
                ]
                for result in results
            ],
        )
    busy = [result for result in results if any(result.detail(kind.name, "server_cores") for kind in kinds)]
    if busy:
        lines += [
            "",
            "Processor time: the server's nanoseconds per message; cores kept busy by the server, by all generator"
            " processes and by everybody else on the machine.",
            "",
        ]
        lines += _table(
            ["measure", *(kind.name for kind in kinds)],
            [[result.row.title, *(_cores(result, kind) for kind in kinds)] for result in busy],
        )
    if alone:
        lines += ["", "The ceiling: the generator alone, publisher straight into subscriber without a server.", ""]
        lines += _table(
            ["measure", "median (range)"], [[result.row.title, _cell(result, ceiling.ALONE)] for result in alone]
        )
    return "\n".join(lines) + "\n"


def _table(head: list[str], body: list[list[str]]) -> list[str]:
    rule = ["---", *("---:" for _ in head[1:])]
    return [f"| {' | '.join(cells)} |" for cells in [head, rule, *body]]


def _cell(result: Result, kind: Kind) -> str:
    values = result.values(kind.name)
    if not values:
        return "failed" if kind.name in result.troubles else ""
    return result.row.show(values)


def _ratio(result: Result, mine: Kind, theirs: Kind) -> str:
    ratio = result.ratio(mine.name, theirs.name)
    return f"**{ratio[0]:.2f}** ({ratio[1]:.2f} to {ratio[2]:.2f})" if ratio else ""


def _cores(result: Result, kind: Kind) -> str:
    keys = ("server_ns_per_message", "server_cores", "generator_cores", "others_cores")
    each, server, generator, others = (result.detail(kind.name, key) for key in keys)
    if each is None:
        return ""
    return f"{each:.0f} ns, {server:.2f} + {generator:.2f} + {others:.2f}"


def as_json(notes: list[str], results: list[Result], alone: list[Result]) -> dict[str, Any]:
    return {
        "notes": [note.removeprefix("* ") for note in notes],
        "results": [result.as_json() for result in results],
        "generator_alone": [result.as_json() for result in alone],
    }


def write_between_marks(path: Path, report: str) -> None:
    text = path.read_text() if path.exists() else ""
    if BEGIN in text and END in text:
        head, _, rest = text.partition(BEGIN)
        report = head + BEGIN + report + END + rest.partition(END)[2]
    path.write_text(report)


if __name__ == "__main__":
    main()
