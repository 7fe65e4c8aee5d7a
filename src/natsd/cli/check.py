"""The outcome of a health check, and how monitoring systems want to read it: Nagios, JSON, Prometheus, text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
NAMES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
FORMATS = ("nagios", "json", "prometheus", "text")


class Measure:
    """A number with the limits it is held against; no limit is 0."""

    def __init__(self, name: str, value: float, warning: float, critical: float, unit: str, text: str) -> None:
        self.name, self.value, self.unit, self.text = name, value, unit, text
        self.warning, self.critical = warning, critical

    def render(self) -> str:
        """As Nagios plug-ins write it: ``rtt=0.0012s;0.5000;1.0000``, without limits that are not there."""
        text = f"{self.name}={self._number(self.value)}{self.unit}"
        limits = [self._number(limit) if limit else "" for limit in (self.warning, self.critical)]
        return f"{text};{limits[0]};{limits[1]}".rstrip(";")

    def _number(self, value: float) -> str:
        return f"{value:.4f}" if self.unit == "s" or value != int(value) else f"{int(value)}"


class Check:
    """What one check has found so far."""

    def __init__(self, suite: str, name: str) -> None:
        self.suite = suite
        self.name = name
        self.fine: list[str] = []
        self.warnings: list[str] = []
        self.criticals: list[str] = []
        self.unknowns: list[str] = []
        self.measures: list[Measure] = []

    @property
    def status(self) -> int:
        """The worst of what was found; a check that found nothing out is UNKNOWN."""
        if self.criticals:
            return CRITICAL
        if self.warnings:
            return WARNING
        return OK if self.fine and not self.unknowns else UNKNOWN

    def measure_s(self, name: str, took_ns: int, warning_ns: int, critical_ns: int, fine: str, bad: str) -> None:
        """Judge a time: more than a limit is a warning or critical; `fine` and `bad` are what is said about it."""
        self.measures.append(Measure(name, took_ns / 1e9, warning_ns / 1e9, critical_ns / 1e9, "s", fine))
        if critical_ns and took_ns > critical_ns:
            self.criticals.append(bad)
        elif warning_ns and took_ns > warning_ns:
            self.warnings.append(bad)
        else:
            self.fine.append(fine)

    def measure(self, name: str, value: float, warning: float, critical: float, unit: str = "") -> None:
        """Judge a number: more than a limit is a warning or critical; no limit is 0.

        A critical limit below that of the warning makes both of them least values.
        """
        self._judge(name, value, warning, critical, unit, bool(critical) and critical < warning)

    def measure_least(self, name: str, value: float, warning: float, critical: float, unit: str = "") -> None:
        """Judge a number: less than a limit is a warning or critical."""
        self._judge(name, value, warning, critical, unit, True)

    def _judge(self, name: str, value: float, warning: float, critical: float, unit: str, is_least: bool) -> None:
        text = f"{name} {value:.12g}{unit}"
        self.measures.append(Measure(name, value, warning, critical, unit, text))
        for limit, found in ((critical, self.criticals), (warning, self.warnings)):
            if limit and (value < limit if is_least else value > limit):
                found.append(f"{text}, {'less' if is_least else 'more'} than {limit:.12g}{unit}")
                return
        self.fine.append(text)

    def note(self, name: str, value: float, unit: str = "", warning: float = 0, critical: float = 0) -> None:
        """A number that is shown and judged elsewhere."""
        self.measures.append(Measure(name, value, warning, critical, unit, f"{name} {value:.12g}{unit}"))

    def demand(self, what: str, is_so: bool) -> None:
        """Something that has to be so."""
        (self.fine if is_so else self.criticals).append(what if is_so else f"not {what}")

    def render(self, form: str, namespace: str) -> str:
        if form == "json":
            return self._render_json()
        if form == "prometheus":
            return self._render_prometheus(namespace)
        return self._render_text() if form == "text" else self._render_nagios()

    def _render_nagios(self) -> str:
        words = [NAMES[self.status], self.name]
        words += [f"Crit:{text}" for text in self.criticals]
        words += [f"Warn:{text}" for text in self.warnings]
        words += [f"Unknown:{text}" for text in self.unknowns]
        words += [f"OK:{text}" for text in self.fine]
        if self.measures:
            words.append("|")
            words += [m.render() for m in self.measures]
        # One line: a bar or a break inside of a text would end it early.
        return " ".join(" ".join(word.split()) for word in words) + "\n"

    def _render_json(self) -> str:
        import json

        document: dict[str, Any] = {
            "status": NAMES[self.status],
            "check_suite": self.suite,
            "check_name": self.name,
            "warning": self.warnings,
            "critical": [*self.criticals, *self.unknowns],
            "ok": self.fine,
            "perf_data": [
                {"name": m.name, "value": m.value, "warning": m.warning, "critical": m.critical, "unit": m.unit}
                for m in self.measures
            ],
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    def _render_prometheus(self, namespace: str) -> str:
        item = self.name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
        lines = []
        for m in self.measures:
            name = f"{namespace}_{self.suite}_{m.name}"
            lines += [
                f"# HELP {name} {m.name.replace('_', ' ').capitalize()}",
                f"# TYPE {name} gauge",
                f'{name}{{item="{item}"}} {m.value:g}',
            ]
        name = f"{namespace}_{self.suite}_status_code"
        lines += [
            f"# HELP {name} Outcome of the check: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN",
            f"# TYPE {name} gauge",
            f'{name}{{item="{item}",status="{NAMES[self.status]}"}} {self.status}',
        ]
        return "\n".join(lines) + "\n"

    def _render_text(self) -> str:
        from natsd.cli.table import render_table

        rows = [("Critical", text) for text in self.criticals]
        rows += [("Warning", text) for text in self.warnings]
        rows += [("Unknown", text) for text in self.unknowns]
        rows += [("OK", text) for text in self.fine]
        text = render_table(f"{self.name}: {NAMES[self.status]}", ("Status", "Message"), rows) + "\n"
        if self.measures:
            lines = [
                (m.name, f"{m.value:.4f}{m.unit}", f"{m.warning:.4f}{m.unit}", f"{m.critical:.4f}{m.unit}")
                for m in self.measures
            ]
            text += "\n" + render_table("", ("Metric", "Value", "Warning", "Critical"), lines, right=" rrr") + "\n"
        return text
