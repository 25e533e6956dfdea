"""One measurement: starts a server, checks its answer, warms it up, measures it under load and stops it."""

import json
import socket
import subprocess
import time
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

from .clerk import Tokens
from .processes import LOAD_CORES, SERVER_CORES, Failure, Process, on_cores
from .scenarios import SCENARIOS, Scenario
from .servers import Binaries, Server


@dataclass(frozen=True)
class Answer:
    """An answer, and the milliseconds from the start of the server to the end of the answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    after: float


class Bench:
    """The data that all measurements share."""

    def __init__(
        self,
        folder: Path,
        binaries: Binaries,
        environment: dict[str, str],
        tokens: Tokens,
        port: int,
        seconds: int,
        connections: int,
    ):
        self.folder = folder
        self.binaries = binaries
        self.environment = environment
        self.tokens = tokens
        self.port = port
        self.seconds = seconds
        self.connections = connections
        # By the name of the scenario.
        self.answers: dict[str, Answer] = {}

    def record(self, subject: Server, scenarios: list[Scenario]):
        """Keeps the answers of `subject`, which `limit` sends."""
        for scenario in {each.name: each for each in (SAME_TOKEN, *scenarios)}.values():
            started = time.perf_counter()
            with self.start(subject, scenario) as process:
                self.answers[scenario.name] = self.first_answer(process, scenario, started)

    def idle(self, server: Server) -> int:
        """The memory of a server before its first request, in KiB."""
        with self.start(server, SAME_TOKEN) as process:
            process.wait_for_port(self.port)
            time.sleep(1)
            return process.memory("VmRSS")

    def measure(self, server: Server, scenario: Scenario) -> dict[str, Any]:
        """The figures of one run."""
        started = time.perf_counter()
        with self.start(server, scenario) as process:
            # If each token must be new to the server, another token warms it up.
            known = SAME_TOKEN if scenario.once else scenario
            first = self.first_answer(process, known, started)
            expected = self.expected(server, scenario, first)
            self.load(known, expected, WARM_UP)
            requests = len(scenario.tokens(self.tokens))
            if requests > 1 and not scenario.once:
                self.load(known, expected, LONGEST, stop_after=requests + self.connections)
            before = process.cpu()
            if scenario.once:
                # One token is used to try the script, and some requests are unanswered at the end.
                stop_after = requests - self.connections - 1
                load = self.load(scenario, expected, LONGEST, stop_after)
            else:
                load = self.load(scenario, expected, self.seconds)
            process.check()
            used = process.cpu() - before
            answered = load["answered"]
            return {
                "answered": answered,
                "per_second": answered / load["micros"] * 1e6,
                "total": used.exact / answered / 1e3,
                "user": used.user() / answered / 1e3,
                "busy": used.exact / load["micros"] / 1e3,
                "p50": load["p50"],
                "p99": load["p99"],
                "first_answer_ms": first.after,
                "resident_kib": process.memory("VmRSS"),
                "peak_kib": process.memory("VmHWM"),
            }

    def start(self, server: Server, scenario: Scenario) -> Process:
        """Starts a server with the settings of the scenario."""
        own = {name: value.format(folder=self.folder) for name, value in server.environment.items()}
        environment = self.environment | own | {"PORT": str(self.port)}
        # An audit log grows by 30 MB a second.
        (self.folder / "audit.jsonl").unlink(missing_ok=True)
        if scenario.tools:
            environment["TOOLS"] = str(scenario.tools)
        if server.name == "limit":
            environment |= self.constant_answer(scenario)
        log = self.folder / f"{server.binary}.log"
        return Process([str(self.binaries.path(server))], environment, log, SERVER_CORES)

    def constant_answer(self, scenario: Scenario) -> dict[str, str]:
        """The settings that make `limit` send the answer of `subject`."""
        answer = self.answers[scenario.name]
        body = self.folder / "limit.body"
        body.write_bytes(answer.body)
        headers = [f"{name}: {value}" for name, value in answer.headers if name.lower() not in OF_LIMIT]
        return {
            "LIMIT_ANSWER": str(body),
            "LIMIT_STATUS": str(answer.status),
            "LIMIT_HEADERS": "\n".join(headers),
        }

    def first_answer(self, process: Process, scenario: Scenario, started: float) -> Answer:
        """Sends requests until an answer has the right status, and checks its body."""
        request = scenario.request(scenario.tokens(self.tokens)[0], self.port)
        answer = None
        while time.perf_counter() - started < LONGEST:
            process.check()
            try:
                answer = self.ask(request, started)
            except (OSError, HTTPException):
                time.sleep(0.0002)
                continue
            if answer.status == scenario.status:
                break
            time.sleep(0.001)
        if answer is None:
            raise Failure(f"{process.child.args[0]} does not answer, see {process.log}")
        try:
            right = answer.status == scenario.status and scenario.holds(json.loads(answer.body))
        except (KeyError, TypeError, ValueError):
            right = False
        if not right:
            said = answer.body[:2000].decode(errors="replace")
            raise Failure(f"{process.child.args[0]} answers {scenario.name} with {answer.status} {said}")
        return answer

    def ask(self, request: bytes, started: float) -> Answer:
        """Sends one request over a new connection."""
        with socket.create_connection(("127.0.0.1", self.port), LONGEST) as connection:
            connection.sendall(request)
            with HTTPResponse(connection) as response:
                response.begin()
                body = response.read()
                after = (time.perf_counter() - started) * 1e3
                return Answer(response.status, response.getheaders(), body, after)

    def expected(self, server: Server, scenario: Scenario, first: Answer) -> Answer:
        """The answer that every request must get."""
        if not server.same_bytes:
            return first
        expected = self.answers[scenario.name]
        if (first.status, first.body) != (expected.status, expected.body):
            raise Failure(
                f"{server.name} does not answer {scenario.name} as subject does:\n"
                f"{first.status} {first.body[:2000]}\n{expected.status} {expected.body[:2000]}"
            )
        return expected

    def load(self, scenario: Scenario, expected: Answer, seconds: int, stop_after: int = 0) -> dict[str, int]:
        """Runs wrk for `seconds`, or until there are `stop_after` answers. Fails if an answer is wrong."""
        requests = self.folder / f"{scenario.name}.requests"
        if not requests.exists():
            with requests.open("wb") as file:
                for request in scenario.requests(self.tokens, self.port):
                    file.write(b"%d\n%b" % (len(request), request))
        body = self.folder / "expected.body"
        body.write_bytes(expected.body)
        command = ["wrk", "--threads", "1", "--connections", str(scenario.connections or self.connections)]
        command += ["--duration", f"{seconds}s", "--timeout", "10s", "--script", SCRIPT]
        command += [f"http://127.0.0.1:{self.port}/mcp", "--"]
        command += [requests, body, str(expected.status), str(stop_after)]
        with on_cores(LOAD_CORES):
            done = subprocess.run(command, capture_output=True, text=True)
        output = done.stdout.strip().splitlines()
        if done.returncode != 0 or not output or not output[-1].startswith("{"):
            raise Failure(f"wrk failed: {done.stdout}{done.stderr}")
        figures = json.loads(output[-1])
        if figures["wrong"] or figures["broken"] or not figures["answered"]:
            raise Failure(f"wrong answers to {scenario.name}: {figures}\n{done.stderr[:4000]}")
        return figures


SAME_TOKEN = next(scenario for scenario in SCENARIOS if scenario.name == "same-token")
SCRIPT = Path(__file__).with_name("load.lua")
WARM_UP = 1
LONGEST = 30
# The headers that `limit` always sends.
OF_LIMIT = {"content-length", "content-type", "date"}
