#!/usr/bin/env python3
"""Compares mcp-auth with other servers over HTTP; see README.md."""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from comparison.clerk import Clerk
from comparison.measure import Bench
from comparison.processes import ALL_CORES, LOAD_CORES, Failure, free_port
from comparison.scenarios import SCENARIOS, Scenario
from comparison.servers import SERVERS, Binaries, Server
from comparison.table import tables


def main() -> int:
    options = parse()
    # Both signals unwind the stack, which stops the started programs. A shell ignores SIGINT for background jobs.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    try:
        run = json.loads(options.show.read_text()) if options.show else compare(options)
    except Failure as failure:
        print(f"compare.py: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(tables(run))
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="number of rounds (default 5)")
    parser.add_argument("--seconds", type=int, default=4, help="seconds of one measurement (default 4)")
    parser.add_argument("--connections", type=int, default=32, help="number of connections (default 32)")
    parser.add_argument("--only", type=chosen(SCENARIOS), default=SCENARIOS, help="scenarios, separated by commas")
    parser.add_argument("--servers", type=chosen(SERVERS), default=SERVERS, help="servers, separated by commas")
    parser.add_argument("--no-build", action="store_true", help="use the existing programs")
    parser.add_argument("--out", type=Path, help="file of the figures (default target/compare/figures.json)")
    parser.add_argument("--show", type=Path, help="only print the tables of a file of figures")
    return parser.parse_args()


def chosen(all_of_them: list):
    """Reads names that are separated by commas."""

    def of(text: str) -> list:
        named = {each.name: each for each in all_of_them}
        unknown = [name for name in text.split(",") if name not in named]
        if unknown:
            message = f"there is no {', '.join(unknown)}; there are {', '.join(named)}"
            raise argparse.ArgumentTypeError(message)
        return [named[name] for name in text.split(",")]

    return of


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Measures, and writes the figures after each round."""
    if shutil.which("wrk") is None:
        raise Failure("wrk is not installed: install the Debian package `wrk`")
    if not ALL_CORES <= os.sched_getaffinity(0):
        raise Failure("two cores are needed: one for the server, one for the load")
    subject = next(server for server in SERVERS if server.name == "subject")
    binaries = Binaries([each for each in SERVERS if each is subject or each in options.servers])
    if not options.no_build:
        binaries.build()
    binaries.check()
    # The load must not run on the core of the server.
    os.sched_setaffinity(0, LOAD_CORES)
    folder = binaries.target / "compare"
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.requests"):
        stale.unlink()
    out = options.out or folder / "figures.json"

    with Clerk(binaries.emulator, folder) as clerk:
        bench = Bench(
            folder,
            binaries,
            clerk.environment(),
            clerk.tokens(),
            free_port(8400),
            options.seconds,
            options.connections,
        )
        bench.record(subject, options.only)
        run = {"about": about(options), "servers": {}, "measurements": []}
        for server in options.servers:
            run["servers"][server.name] = {"idle_kib": bench.idle(server), **binaries.sizes(server)}
        for number in range(options.rounds):
            run["measurements"] += one_round(bench, options.only, options.servers, number)
            out.write_text(json.dumps(run, indent=1))
    print(f"figures: {out}\n", file=sys.stderr)
    return run


def one_round(
    bench: Bench, scenarios: list[Scenario], servers: list[Server], number: int
) -> list[dict[str, Any]]:
    """Measures each server in each scenario. The order of the servers rotates."""
    first = number % len(servers)
    measurements = []
    for scenario in scenarios:
        for server in servers[first:] + servers[:first]:
            if not server.same_bytes and not scenario.rmcp:
                continue
            figures = bench.measure(server, scenario)
            progress = f"{scenario.name:<15}{server.name:<12}{figures['total']:7.1f} µs"
            print(f"round {number + 1}  {progress}", file=sys.stderr, flush=True)
            names = {"round": number, "scenario": scenario.name, "server": server.name}
            measurements.append(names | figures)
    return measurements


def about(options: argparse.Namespace) -> dict[str, Any]:
    """The machine and the settings of a run."""
    processor = next(
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    return {
        "processor": processor,
        "kernel": platform.release(),
        "rustc": subprocess.check_output(["rustc", "--version"], text=True).strip(),
        "date": time.strftime("%Y-%m-%d"),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "connections": options.connections,
    }


if __name__ == "__main__":
    sys.exit(main())
