"""Programs that a measurement or a test starts. They are stopped by their process id."""

import os
import re
import resource
import socket
import subprocess
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path


class Failure(Exception):
    """The reason why a run ended, in one sentence."""


@contextmanager
def on_cores(cores: set[int]):
    """Pins the programs that are started in this context. They must be pinned before they run, because servers
    size their thread pools by the cores that they see."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port(first: int = 0) -> int:
    """The first free port from `first` on. With 0 it is any port that is free now."""
    for port in range(first, first + 1000) if first else [0]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise Failure(f"no port is free from {first} on")


class Process:
    """A running program. Leaving its context kills it."""

    def __init__(
        self,
        command: list[str],
        environment: dict[str, str],
        log: Path,
        cores: set[int] | None = None,
        descriptors: int | None = None,
    ):
        self.log = log
        limits = (descriptors, descriptors)
        with log.open("wb") as output, on_cores(cores) if cores else nullcontext():
            self.child = subprocess.Popen(
                command,
                env={"PATH": os.environ["PATH"], **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=descriptors and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits)),
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()

    def check(self):
        """Fails if the program has ended."""
        if self.child.poll() is not None:
            raise Failure(f"{self.child.args[0]} ended with {self.child.returncode}, see {self.log}")

    def wait_for_port(self, port: int, seconds: float = 10):
        """Waits until the program listens."""
        end = time.monotonic() + seconds
        while True:
            self.check()
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if time.monotonic() > end:
                    raise Failure(f"{self.child.args[0]} does not listen, see {self.log}") from None
                time.sleep(0.001)

    def memory(self, field: str) -> int:
        """The memory of the program in KiB: `VmRSS` now, or `VmHWM` at its peak."""
        self.check()
        for line in Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
        raise Failure(f"/proc/{self.child.pid}/status has no {field}")

    def cpu(self) -> "Cpu":
        """The CPU time that the program has used so far, including threads that have ended."""
        # The CPU clocks of another process, see clock_getcpuclockid(3). Clock 2 is counted by the scheduler. Clock 0
        # is sampled by the timer's ticks in user and kernel mode, clock 1 in user mode only.
        sampled, sampled_user, exact = (
            time.clock_gettime_ns((~self.child.pid << 3) | kind) for kind in (0, 1, 2)
        )
        return Cpu(exact, sampled, sampled_user)


class LocalClerk(Process):
    """The program `clerk-emulator` on a port."""

    def __init__(self, binary: Path, port: int, log: Path, *arguments: str, cores: set[int] | None = None):
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        super().__init__([str(binary), "--port", str(port), *arguments], {}, log, cores)

    def environment(self) -> dict[str, str]:
        """The settings of a server that uses this Clerk."""
        # The program listens first, and prints the key afterwards.
        while (key := re.search(r"CLERK_SECRET_KEY=(\S+)\n", self.log.read_text())) is None:
            self.check()
            time.sleep(0.01)
        return {
            "CLERK_FRONTEND_API_URL": self.url,
            "CLERK_API_URL": self.url,
            "CLERK_SECRET_KEY": key[1],
        }


@dataclass(frozen=True)
class Cpu:
    """CPU time in nanoseconds."""

    exact: int
    sampled: int
    sampled_user: int

    def __sub__(self, before: "Cpu") -> "Cpu":
        return Cpu(
            self.exact - before.exact,
            self.sampled - before.sampled,
            self.sampled_user - before.sampled_user,
        )

    def user(self) -> float:
        """The time in user mode: the counted time, multiplied by the sampled share of user mode."""
        return self.exact * self.sampled_user / max(self.sampled, 1)


SERVER_CORES = {0}
LOAD_CORES = {1}
ALL_CORES = SERVER_CORES | LOAD_CORES
