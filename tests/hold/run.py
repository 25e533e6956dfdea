#!/usr/bin/env python3
"""Attacks an optimised `documents`. Asserts that the server's memory, descriptors and CPU stay bounded, and that a
good caller is served during the attack. Prints a table.

usage: run.py BINARIES [NAME…]

`HOLD_WITH=all` switches on what an operator can switch on: metrics, probes, an audit log, spans and revocations.
`HOLD_WITH=tls` attacks over TLS, and `HOLD_WITH=all,tls` does both.

`HOLD_SECONDS` is the duration of each of the three `long` attacks, for example 600. Without it these attacks hold
each connection once, until the server closes it.
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

from attacks import ATTACKS
from operated import Operator
from programs import Certificate, Clerk, Failure, Nginx, Server, free_port


# The words of `HOLD_WITH`.
WITH = set(filter(None, os.environ.get("HOLD_WITH", "").split(",")))
# The maximal p99 of good calls during an attack. It is high, because the attackers use the CPU of the same machine.
SLOWEST_MS = 1000


class Field:
    """A server under attack, and its measurements."""

    def __init__(self, server, clerk, operator, certificate, token, public, proxy, seconds):
        self.server, self.clerk, self.operator, self.token = server, clerk, operator, token
        self.certificate, self.tls = certificate, certificate and certificate.context()
        self.public, self.proxy, self.seconds = public, proxy, seconds
        self.notes, self.crowds = [], []

    def note(self, text):
        self.notes.append(text)

    async def is_idle(self, seconds, percent=5):
        """Asserts that the server uses at most `percent` of a core for `seconds`. The good caller pauses meanwhile,
        so that its calls do not count."""
        self.caller.tell("pause")
        await asyncio.sleep(0.5)
        before, begin = self.server.cpu(), time.monotonic()
        await asyncio.sleep(seconds)
        used = 100 * (self.server.cpu() - before).exact / 1e9 / (time.monotonic() - begin)
        self.caller.tell("go on")
        self.note(f"{used:.1f} % of a core while silent")
        if used > percent:
            raise Failure(f"the server uses {used:.0f} % of a core while attackers are silent")


class Caller:
    """The good caller, which has its own address."""

    def __init__(self, field):
        command = [sys.executable, Path(__file__).with_name("caller.py")]
        command += [str(field.proxy or field.server.port), "127.9.9.9"]
        if field.certificate:
            command.append(field.certificate.chain)
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.tell(field.token)

    def tell(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()

    def end(self):
        output, _ = self.child.communicate(timeout=30)
        return json.loads(output.splitlines()[-1])


def p99(times):
    ordered = sorted(times)
    return 1000 * ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] if ordered else float("nan")


async def one(function, settings, binaries, clerk, folder):
    """Runs an attack on a new server. Returns the row of the table and the problems."""
    folder.mkdir()
    token = clerk.token()
    public = free_port() if settings["proxied"] else None
    environment = {}
    if public:
        scheme = "https" if "tls" in WITH else "http"
        environment = {"MCP_URL": f"{scheme}://127.0.0.1:{public}/mcp", "MCP_TRUSTED_PROXIES": "127.0.0.1"}
    operator = Operator(folder) if "all" in WITH else None
    if operator:
        environment |= operator.environment
    certificate = Certificate(folder) if "tls" in WITH else None
    if certificate:
        environment |= certificate.environment
    seconds = float(os.environ.get("HOLD_SECONDS", 0)) if settings.get("long") else 0
    with Server(binaries / "documents", clerk, folder, settings["descriptors"], **environment) as server:
        field = Field(server, clerk, operator, certificate, token, public or server.port, public, seconds)
        proxy = Nginx(folder, public, server.port, certificate) if public else None
        try:
            return await measured(function, settings, field)
        finally:
            for crowd in field.crowds:
                crowd.close()
            if proxy:
                proxy.__exit__()


async def measured(function, settings, field):
    idle = await good_alone(field)
    before = field.server.resident(), field.server.descriptors()
    field.caller = Caller(field)
    await asyncio.sleep(0.5)
    peak = list(before)
    watching = asyncio.create_task(watch(field.server, peak))
    problems, begin = [], time.monotonic()
    try:
        with field.operator.watching(field) if field.operator else nullcontext():
            await function(field)
    except (Failure, OSError, ValueError, KeyError) as failure:
        problems.append(f"{type(failure).__name__}: {failure}")
    took = time.monotonic() - begin
    watching.cancel()
    good = field.caller.end()
    for crowd in field.crowds:
        crowd.close()
    await asyncio.sleep(2)
    after = field.server.resident(), field.server.descriptors()
    if field.operator:
        problems += await field.operator.problems(field)
    if peak[0] - before[0] > settings["grows"]:
        problems.append(f"resident memory grew by {peak[0] - before[0]:.0f} MiB, of {settings['grows']} allowed")
    if after[1] > before[1] + settings["keeps"]:
        problems.append(f"{after[1]} descriptors are open after the attack, {before[1]} were open before")
    if good["failures"] or not good["times"]:
        problems.append(f"{len(good['failures'])} of {len(good['times'])} good calls failed: {good['failures'][:2]}")
    if p99(good["times"]) > SLOWEST_MS:
        problems.append(f"the p99 of good calls is {p99(good['times']):.0f} ms")
    if field.server.descriptors() > settings["descriptors"] or peak[1] > settings["descriptors"]:
        problems.append("the server exceeded its limit of descriptors")
    row = [
        function.__name__,
        f"{took:.0f}",
        f"{before[0]:.0f} → {peak[0]:.0f} → {after[0]:.0f}",
        f"{before[1]} → {peak[1]} → {after[1]}",
        f"{len(good['times'])}",
        f"{idle:.1f} → {p99(good['times']):.1f}",
        "; ".join(f"{note} ({times} times)" if times > 1 else note for note, times in Counter(field.notes).items()),
    ]
    return row, problems


async def good_alone(field):
    """The p99 of a good caller without attackers. These calls also warm the server up."""
    caller = Caller(field)
    await asyncio.sleep(1.5)
    good = caller.end()
    if good["failures"]:
        raise Failure(f"a good caller is not served without an attack: {good['failures'][0]}, see {field.server.log}")
    return p99(good["times"][1:])


async def watch(server, peak):
    while True:
        peak[0], peak[1] = max(peak[0], server.resident()), max(peak[1], server.descriptors())
        await asyncio.sleep(0.1)


def main() -> int:
    binaries, names = Path(sys.argv[1]), sys.argv[2:]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most < 6000:
        print(f"6000 descriptors are needed, and the limit is {most}: ulimit -Hn", file=sys.stderr)
        return 1
    if unknown := WITH - {"all", "tls"}:
        print(f"HOLD_WITH has {', '.join(unknown)}; there are all and tls", file=sys.stderr)
        return 1
    known = {function.__name__ for function, _ in ATTACKS}
    if unknown := set(names) - known:
        print(f"there is no {', '.join(unknown)}; there are {', '.join(sorted(known))}", file=sys.stderr)
        return 1
    rows, failed = [], 0
    with tempfile.TemporaryDirectory(prefix="hold-") as folder, Clerk(binaries / "clerk-emulator", Path(folder)) as clerk:
        for function, settings in ATTACKS:
            if names and function.__name__ not in names:
                continue
            try:
                row, problems = asyncio.run(
                    one(function, settings, binaries, clerk, Path(folder, function.__name__))
                )
                rows.append(row)
            except Failure as failure:
                problems = [str(failure)]
            failed += bool(problems)
            print(f"{'FAILED' if problems else 'ok':<7}{function.__name__}", flush=True)
            for problem in problems:
                print(f"       {problem}", flush=True)
    heads = ["attack", "s", "resident MiB", "descriptors", "calls", "p99 ms", ""]
    print("\nBefore → at most → after; the good caller's p99 alone → during the attack\n")
    for row in [heads, ["---"] * len(heads), *rows]:
        print(f"| {' | '.join(row)} |")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
