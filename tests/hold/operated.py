"""A server with everything that an operator can switch on: metrics, probes, an audit log, spans and revocations. The
operator reads the metrics and the probes during an attack, and counts the records of the audit log afterwards."""

import json
import threading
import time
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path

from attacks import CALL
from connections import exchange, post
from programs import Failure, free_port


class Operator:
    def __init__(self, folder: Path):
        self.port = free_port()
        self.audit = folder / "audit.jsonl"
        self.slowest, self.failures = 0.0, []
        revocations = folder / "revocations.json"
        revocations.write_text(json.dumps({"version": 1, "clients": [REVOKED]}))
        self.environment = {
            "MCP_AUDIT": str(self.audit),
            "MCP_AUDIT_SYNC": "second",
            "MCP_HEALTH": "on",
            "MCP_METRICS": f"127.0.0.1:{self.port}",
            "MCP_REVOCATIONS": str(revocations),
            "RUST_LOG": "info,actix_server=warn,mcp_auth::spans=trace",
        }

    @contextmanager
    def watching(self, field):
        """Reads the metrics and the probes as a monitoring system does, until the context is left. A thread reads them,
        so that they do not wait for the connections of the attack."""
        ended = threading.Event()

        def watch():
            while not ended.is_set():
                begin = time.monotonic()
                try:
                    self.scrape(field)
                    for port in (self.port, field.server.port):
                        for path in ("/healthz", "/readyz"):
                            self.get(field, path, port)
                except (Failure, OSError, HTTPException) as failure:
                    self.failures.append(f"the operator is not served: {failure!r}")
                self.slowest = max(self.slowest, time.monotonic() - begin)
                ended.wait(1)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def scrape(self, field) -> dict[str, float]:
        """The values of the metrics, by series."""
        text = self.get(field, "/metrics", self.port)
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {series: float(value) for series, _, value in lines}

    def get(self, field, path, port) -> str:
        settings = {"timeout": 5, "source_address": (ADDRESS, 0)}
        # The address of the metrics has no TLS.
        if field.tls and port != self.port:
            connection = HTTPSConnection("127.0.0.1", port, context=field.tls, **settings)
        else:
            connection = HTTPConnection("127.0.0.1", port, **settings)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read().decode()
        finally:
            connection.close()
        if answer.status != 200:
            raise Failure(f"{path} is answered with {answer.status}: {body[:200]}")
        return body

    async def problems(self, field) -> list[str]:
        """After the attack, compares the audit log with the metrics, and tries a revoked token."""
        problems = self.failures[:2]
        status, _ = await exchange(field, post(field, CALL, field.clerk.token(client_id=REVOKED)), ADDRESS)
        if status != 401:
            problems.append(f"a revoked token was answered with {status}")
        series = self.scrape(field)
        calls = sum(value for name, value in series.items() if name.startswith("mcp_auth_calls_total"))
        records = [json.loads(line) for line in self.audit.read_text().splitlines()]
        lost = sum(record["count"] for record in records if record["event"] == "lost")
        kept = sum("primitive" in record for record in records)
        if series["mcp_auth_audit_records_lost_total"] != lost:
            problems.append(f"the audit log says that {lost} records are lost, and the metrics say otherwise")
        if lost == 0 and kept != calls:
            problems.append(f"{kept} calls are in the audit log, and {calls:.0f} in the metrics")
        if self.slowest > SLOWEST:
            problems.append(f"metrics and probes took {self.slowest:.1f} s")
        field.note(f"metrics and probes within {1000 * self.slowest:.0f} ms, {kept} records")
        return problems


# The client whose tokens are revoked.
REVOKED = "revoked"
# The address of the operator.
ADDRESS = "127.8.8.8"
# The longest time in seconds in which the metrics and the four probes must answer.
SLOWEST = 2
