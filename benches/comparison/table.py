"""Markdown tables of the figures of a run."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from .scenarios import SCENARIOS


class Figures:
    """The figures of a run."""

    def __init__(self, run: dict[str, Any]):
        self.run = run
        self.servers: list[str] = list(run["servers"])

    def by_round(self, scenario: str, server: str, what: str) -> dict[int, float]:
        """One figure, by round."""
        return {
            each["round"]: each[what]
            for each in self.run["measurements"]
            if (each["scenario"], each["server"]) == (scenario, server)
        }

    def typical(self, scenario: str, server: str, what: str) -> float | None:
        """The median of the rounds."""
        values = self.by_round(scenario, server, what).values()
        return median(values) if values else None

    def ratios(self, scenario: str, server: str, base: str, what: str) -> list[float]:
        """The ratios of two servers in the same rounds."""
        bases = self.by_round(scenario, base, what)
        values = self.by_round(scenario, server, what)
        return [values[each] / bases[each] for each in values if bases.get(each)]


def tables(run: dict[str, Any]) -> str:
    """All tables."""
    figures = Figures(run)
    about = run["about"]
    where = [about["processor"], f"Linux {about['kernel']}", about["rustc"], about["date"]]
    how = [f"{about['rounds']} rounds of {about['seconds']} s", f"{about['connections']} connections"]
    parts = [", ".join(where + how)]
    for scenario in SCENARIOS:
        rows = list(of_scenario(figures, scenario.name))
        if rows:
            parts.append(f"### {scenario.name}: {scenario.means}\n\n" + markdown(SCENARIO_HEAD, rows))
    parts.append("### Size and start\n\n" + markdown(SERVER_HEAD, of_servers(figures)))
    parts.append("### Targets\n\n" + markdown(TARGET_HEAD, of_targets(figures)))
    return "\n\n".join(parts)


def of_scenario(figures: Figures, scenario: str) -> Iterable[list[str]]:
    """A row for each server that was measured in the scenario."""
    for server in figures.servers:
        if not figures.by_round(scenario, server, "total"):
            continue
        row = [server]
        for what in ("total", "user"):
            ratios = figures.ratios(scenario, server, "limit", what)
            row.append(number(figures.typical(scenario, server, what)))
            row.append(number(median(ratios) if ratios else None, 2))
        row += [number(figures.typical(scenario, server, what), 0) for what in ("p50", "p99", "per_second")]
        row.append(number((figures.typical(scenario, server, "busy") or 0) * 100, 0))
        yield row


def of_servers(figures: Figures) -> Iterable[list[str]]:
    """A row for each server."""
    for server in figures.servers:
        facts = figures.run["servers"][server]
        yield [
            server,
            number(mib(facts["idle_kib"])),
            number(mib(figures.typical("tokens-10000", server, "resident_kib"))),
            number(mib(figures.typical("echo-64k", server, "peak_kib"))),
            number(figures.typical("same-token", server, "first_answer_ms")),
            number(facts["binary_bytes"] / 2**20),
            str(facts["crates"]),
        ]


@dataclass(frozen=True)
class Target:
    """The maximal cost of a server, as a multiple of another server's cost."""

    scenario: str
    what: str
    base: str
    at_most: float
    server: str = "subject"


def of_targets(figures: Figures) -> Iterable[list[str]]:
    """A row for each target that was measured."""
    for target in TARGETS:
        ratios = figures.ratios(target.scenario, target.server, target.base, target.what)
        if ratios:
            text = f"{target.scenario}, {target.what}, {target.server} to {target.base}"
            yield [text, number(target.at_most, 3), *verdict(ratios, target.at_most, 3)]
    facts = figures.run["servers"].get("subject")
    if facts is None:
        return
    idle = mib(facts["idle_kib"])
    yield ["idle memory, MiB", "10", *verdict([idle], 10)]
    cached = figures.by_round("tokens-10000", "subject", "resident_kib").values()
    if cached:
        yield ["10 000 cached tokens, MiB more", "15", *verdict([mib(each) - idle for each in cached], 15)]
    starts = figures.by_round("same-token", "subject", "first_answer_ms").values()
    if starts:
        yield ["start to first good answer, ms", "30", *verdict(starts, 30)]
    yield ["binary of `subject`, MiB", "9", *verdict([facts["binary_bytes"] / 2**20], 9)]


def verdict(values: Iterable[float], at_most: float, digits: int = 1) -> list[str]:
    """A target holds if the median is within it, and at most one round in five exceeds it."""
    values = list(values)
    above = sum(value > at_most for value in values)
    holds = median(values) <= at_most and above <= len(values) / 5
    return [number(median(values), digits), f"{above} of {len(values)}", "yes" if holds else "**no**"]


def markdown(head: list[str], rows: Iterable[list[str]]) -> str:
    """A table with aligned columns. Figures are right-aligned."""
    rows = [head, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = []
    for row in rows:
        cells = [text.rjust(width) for text, width in zip(row, widths)]
        cells[0] = row[0].ljust(widths[0])
        lines.append("| " + " | ".join(cells) + " |")
    rule = ["-" * (width + 1) + ":" for width in widths]
    rule[0] = "-" * (widths[0] + 2)
    lines.insert(1, "|" + "|".join(rule) + "|")
    return "\n".join(lines)


def number(value: float | None, digits: int = 1) -> str:
    """A figure, or a dash if there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def mib(kib: float | None) -> float | None:
    """Converts KiB to MiB."""
    return None if kib is None else kib / 1024


SCENARIO_HEAD = [
    "server", "CPU µs", "to limit", "user µs", "to limit", "p50 µs", "p99 µs", "requests/s", "busy %",
]
SERVER_HEAD = [
    "server", "idle MiB", "10 000 tokens MiB", "64 KiB, peak MiB", "first answer ms", "binary MiB", "crates",
]
TARGET_HEAD = ["target", "at most", "median", "rounds above", "holds"]
TARGETS = [
    Target("same-token", "total", "limit", 1.40),
    Target("guarded", "total", "limit", 1.40),
    Target("denied", "total", "limit", 1.40),
    Target("tokens-10000", "total", "limit", 1.45),
    Target("look-up", "total", "limit", 1.45),
    Target("never-seen", "total", "limit", 5.7),
    Target("unauthorized", "total", "limit", 1.10),
    Target("legacy", "total", "limit", 1.40),
    Target("echo-64k", "total", "limit", 2.2),
    Target("list-100", "total", "limit", 1.15),
    Target("same-token", "user", "limit", 2.2),
    Target("guarded", "user", "limit", 2.2),
    Target("denied", "user", "limit", 2.0),
    Target("tokens-10000", "user", "limit", 2.3),
    Target("look-up", "user", "limit", 2.2),
    Target("never-seen", "user", "limit", 8.6),
    Target("unauthorized", "user", "limit", 1.15),
    Target("legacy", "user", "limit", 1.9),
    Target("echo-64k", "user", "limit", 3.0),
    Target("echo-lines", "user", "limit", 5.7),
    Target("list-100", "user", "limit", 1.6),
    Target("one-of-1000", "user", "limit", 2.1),
    Target("same-token", "total", "rmcp", 1 / 5.5),
    Target("same-token", "user", "rmcp", 1 / 9),
    Target("same-token", "total", "rmcp cached", 1 / 3),
    Target("guarded", "total", "subject", 1.20, "operated"),
]
