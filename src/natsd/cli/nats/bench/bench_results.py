"""What a benchmark found out: samples of the clients, rates, latencies, the report as text and as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.cli.values import comma, comma_fraction, ibytes, old_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

PERCENTILES = (50.0, 90.0, 99.0, 99.9)


class Sample:
    """One client: messages, their payload bytes, begin and end on the monotonic clock, sorted latencies."""

    __slots__ = ("bytes", "end_ns", "latencies", "messages", "start_ns")

    def __init__(
        self, messages: int, size: int, start_ns: int, end_ns: int, latencies: Sequence[int] | None = None
    ) -> None:
        self.messages = messages
        self.bytes = size
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.latencies = sorted(latencies) if latencies else []

    @property
    def seconds(self) -> float:
        # Everything may come with the first read; a rate without end helps nobody.
        return max(self.end_ns - self.start_ns, 1000) / 1e9

    @property
    def rate(self) -> int:
        return int(self.messages / self.seconds)

    @property
    def throughput(self) -> float:
        return self.bytes / self.seconds


def join(samples: Sequence[Sample]) -> Sample:
    """All clients as one: from the first begin to the last end."""
    return Sample(
        sum(sample.messages for sample in samples),
        sum(sample.bytes for sample in samples),
        min(sample.start_ns for sample in samples),
        max(sample.end_ns for sample in samples),
        [latency for sample in samples for latency in sample.latencies],
    )


def percentile(latencies: Sequence[int], share: float) -> int:
    """Nearest rank in a sorted list."""
    rank = -(-share * len(latencies) // 100)
    return latencies[max(0, int(rank) - 1)]


def _us(ns: float) -> str:
    return comma_fraction(ns / 1000) + "us"


def _latency_values(latencies: Sequence[int]) -> list[float]:
    mean = sum(latencies) / len(latencies)
    return [latencies[0], mean, latencies[-1], *(percentile(latencies, share) for share in PERCENTILES)]


def _deviation(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return float((sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5)


def _line(sample: Sample) -> str:
    text = f"{comma(sample.rate)} msgs/sec ~ {ibytes(sample.throughput)}/sec"
    if sample.latencies:
        names = ("min", "avg", "max", "P50", "P90", "P99", "P99.9")
        values = zip(names, _latency_values(sample.latencies), strict=True)
        text += "".join(f" ~ {name}: {_us(value)}" for name, value in values)
    return text


def _old_line(sample: Sample) -> str:
    return f"{comma(sample.rate)} msgs/sec ~ {old_bytes(sample.throughput)}/sec"


def _rates(samples: Sequence[Sample]) -> str:
    rates = [sample.rate for sample in samples]
    mean = sum(rates) // len(rates)
    return (
        f"min {comma(min(rates))} | avg {comma(mean)} | max {comma(max(rates))} | "
        f"stddev {comma(int(_deviation(rates)))} msgs"
    )


def report(label: str, samples: Sequence[Sample]) -> str:
    """The result of clients that all did the same."""
    if not samples:
        return "No publisher or subscribers. Nothing to report."
    if len(samples) == 1:
        return f"NATS {label} stats: {_line(samples[0])}\n"
    lines = [f"  [{n}] {_line(sample)} ({comma(sample.messages)} msgs)" for n, sample in enumerate(samples, 1)]
    total = join(samples)
    lines.append("")
    lines.append(f" NATS {label} aggregated stats: {comma(total.rate)} msgs/sec ~ {ibytes(total.throughput)}/sec")
    lines.append(f" message rates {_rates(samples)}")
    if total.latencies:
        low, mean, high, *shares = _latency_values(total.latencies)
        text = " | ".join(f"P{share:g} {_us(value)}" for share, value in zip(PERCENTILES, shares, strict=True))
        lines.append(
            f" latencies per operation min {_us(low)} | avg {_us(mean)} | max {_us(high)} | "
            f"stddev {_us(_deviation(total.latencies))} | {text}"
        )
    return "\n".join(lines) + "\n"


def document_of(label: str, samples: Sequence[Sample]) -> dict[str, Any]:
    """The result as JSON: all clients together, then each of them."""
    clients = [_figures(sample) for sample in samples]
    return {"benchmark": label, **(_figures(join(samples)) if samples else {}), "clients": clients}


def _figures(sample: Sample) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "msgs": sample.messages,
        "bytes": sample.bytes,
        "duration": sample.end_ns - sample.start_ns,
        "msgs_per_second": sample.rate,
        "bytes_per_second": int(sample.throughput),
    }
    if sample.latencies:
        names = ("min", "avg", "max", "p50", "p90", "p99", "p99.9")
        latencies = zip(names, _latency_values(sample.latencies), strict=True)
        figures["latency"] = {name: int(value) for name, value in latencies}
    return figures


def old_report(publishers: Sequence[Sample], subscribers: Sequence[Sample]) -> str:
    """The result as the older bench wrote it."""
    lines = []
    indent = ""
    if publishers and subscribers:
        lines.append(f"NATS Pub/Sub stats: {_old_line(join([*publishers, *subscribers]))}")
        indent = " "
    for name, samples in (("Pub", publishers), ("Sub", subscribers)):
        if not samples:
            continue
        lines.append(f"{indent}{name} stats: {_old_line(join(samples))}")
        if len(samples) > 1:
            for number, sample in enumerate(samples, 1):
                lines.append(f"{indent} [{number}] {_old_line(sample)} ({sample.messages} msgs)")
            lines.append(f"{indent} {_rates(samples)}")
    return "\n".join(lines) + "\n" if lines else "No publisher or subscribers. Nothing to report."


def csv(run: str, samples: Sequence[tuple[str, Sample]]) -> str:
    """One line per client; the name is its role and number, as ``P0``."""
    head = "#RunID,ClientID,MsgCount,MsgBytes,MsgsPerSec,BytesPerSec,DurationSecs"
    timed = any(sample.latencies for _, sample in samples)
    if timed:
        names = ("Min", "Avg", "Max", "P50", "P90", "P99", "P99.9", "StdDev")
        head += "".join(f",{name}LatencyMicroSecs" for name in names)
    lines = [head]
    six: Callable[[float], str] = "{:.6f}".format
    for name, sample in samples:
        cells = [run, name, str(sample.messages), str(sample.bytes), str(sample.rate)]
        cells += [six(sample.throughput), six(sample.seconds)]
        if timed:
            latencies = sample.latencies or [0]
            cells += [six(value / 1000) for value in (*_latency_values(latencies), _deviation(latencies))]
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"
