"""Programs that are measured or needed meanwhile: started on one core, stopped by their id."""

import os
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

class Failure(Exception):
    """What ends a run, as one sentence."""


@contextmanager
def on_cores(cores: set[int]):
    """Pins what is started meanwhile: before it begins, as servers size their pools by the cores they see."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port(first: int) -> int:
    """The first port from `first` on that nobody listens on; below those of outgoing connections."""
    for port in range(first, first + 1000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Failure(f"no port is free from {first} on")


class Process:
    """A running program; leaving it as a context ends it."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path, cores: set[int]):
        self.log = log
        with log.open("wb") as output, on_cores(cores):
            self.child = subprocess.Popen(
                command,
                env={"PATH": os.environ["PATH"], **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()

    def check(self):
        """Fails if it has ended."""
        if self.child.poll() is not None:
            raise Failure(f"{self.child.args[0]} ended with {self.child.returncode}, see {self.log}")

    def wait_for_port(self, port: int, seconds: float = 10):
        """Waits until it listens."""
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
        """`VmRSS` or `VmHWM`, in KiB."""
        for line in Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
        raise Failure(f"/proc/{self.child.pid}/status has no {field}")

    def cpu(self) -> "Cpu":
        """What it has used up so far, ended threads included."""
        # The CPU clocks of another process, see clock_getcpuclockid(3): 2 is what the scheduler counted;
        # 0 is what the timer's ticks found in user or kernel mode, 1 in user mode.
        sampled, sampled_user, exact = (
            time.clock_gettime_ns((~self.child.pid << 3) | kind) for kind in (0, 1, 2)
        )
        return Cpu(exact, sampled, sampled_user)


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
        """The share of user mode as sampled, of the time as counted."""
        return self.exact * self.sampled_user / max(self.sampled, 1)


SERVER_CORES = {0}
LOAD_CORES = {1}
ALL_CORES = SERVER_CORES | LOAD_CORES
