"""Programs that are attacked or needed meanwhile: started here, measured by /proc, stopped by their id."""

import json
import os
import re
import resource
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path


class Failure(Exception):
    """What ends a test, as one sentence."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program:
    """A running program; leaving it as a context ends it."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path, descriptors: int = 4096):
        limits = (descriptors, descriptors)
        self.log = log
        with log.open("wb") as output:
            self.child = subprocess.Popen(
                command,
                env={"PATH": os.environ["PATH"], **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits),
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

    def wait_for_port(self, port: int, seconds: float = 20):
        """Waits until it listens."""
        end = time.monotonic() + seconds
        while True:
            self.check()
            try:
                return socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                if time.monotonic() > end:
                    raise Failure(f"{self.child.args[0]} does not listen, see {self.log}") from None
                time.sleep(0.01)

    def resident(self) -> float:
        """Resident memory in MiB."""
        self.check()
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def descriptors(self) -> int:
        self.check()
        return len(os.listdir(f"/proc/{self.child.pid}/fd"))

    def cpu(self) -> float:
        """Seconds of CPU used so far."""
        fields = Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Clerk(Program):
    """The local Clerk, as a program of its own: its memory is not the server's."""

    def __init__(self, binary: Path, folder: Path):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__([str(binary), "--port", str(self.port)], {}, folder / "clerk.log")
        self.wait_for_port(self.port)

    def environment(self) -> dict[str, str]:
        """What a server is configured with."""
        while (key := re.search(r"CLERK_SECRET_KEY=(\S+)\n", self.log.read_text())) is None:
            self.check()
            time.sleep(0.01)
        return {
            "CLERK_FRONTEND_API_URL": self.url,
            "CLERK_API_URL": self.url,
            "CLERK_SECRET_KEY": key[1],
        }

    def token(self, user="ada", org: str | None = "acme", **wish: str) -> str:
        """An OAuth access token of ada for acme, or as the wish has it."""
        wish |= {"user": user} | ({"org": org} if org else {})
        query = urllib.parse.urlencode(wish)
        with urllib.request.urlopen(f"{self.url}/dev/token?{query}", timeout=10) as answer:
            return answer.read().decode()

    def slow_down(self, milliseconds: int):
        """Answers of the Backend API take so long from now on; 0 for as usual."""
        fault = {"kind": "latency", "ms": milliseconds, "path": "/v1/"}
        body = json.dumps(fault).encode() if milliseconds else None
        request = urllib.request.Request(
            f"{self.url}/dev/faults",
            body,
            {"Content-Type": "application/json"},
            method="POST" if milliseconds else "DELETE",
        )
        urllib.request.urlopen(request, timeout=10).close()


class Server(Program):
    """The example `documents` beside the local Clerk."""

    def __init__(self, binary: Path, clerk: Clerk, folder: Path, descriptors: int, **environment: str):
        self.port = free_port()
        log = folder / "documents.log"
        settings = {
            **clerk.environment(),
            "DOCUMENTS_DB": str(folder / "documents.db"),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            **environment,
        }
        super().__init__([str(binary)], settings, log, descriptors)
        self.wait_for_port(self.port)


class Nginx(Program):
    """A reverse proxy that tells where a request came from."""

    def __init__(self, folder: Path, port: int, upstream: int):
        paths = "".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(
            f"""
            daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
            events {{ worker_connections 2048; }}
            http {{
                access_log off; {paths}
                upstream server {{ server 127.0.0.1:{upstream}; keepalive 16; }}
                server {{
                    listen 127.0.0.1:{port};
                    location / {{
                        proxy_pass http://server; proxy_http_version 1.1;
                        proxy_set_header Connection "";
                        proxy_set_header Host $http_host;
                        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                    }}
                }}
            }}
            """
        )
        command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", f"{folder}/nginx.log"]
        super().__init__(command, {}, folder / "nginx.out")
        self.wait_for_port(port)

    def __exit__(self, *_):
        # The master ends its worker.
        self.child.terminate()
        self.child.wait()
