"""The programs of a test: the local Clerk, the server under attack, and nginx."""

import json
import os
import ssl
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "benches"))

from comparison.processes import Failure, LocalClerk, Process, free_port

__all__ = ["Certificate", "Clerk", "Failure", "Nginx", "Server", "free_port"]


class Clerk(LocalClerk):
    """The local Clerk as a separate program, so that the server's memory does not include it."""

    def __init__(self, binary: Path, folder: Path):
        super().__init__(binary, free_port(), folder / "clerk.log")
        self.wait_for_port(self.port, STARTS_WITHIN)

    def token(self, user="ada", org: str | None = "acme", **fields: str) -> str:
        """An OAuth access token; `fields` are further fields of the request."""
        fields |= {"user": user} | ({"org": org} if org else {})
        query = urllib.parse.urlencode(fields)
        with urllib.request.urlopen(f"{self.url}/dev/token?{query}", timeout=10) as answer:
            return answer.read().decode()

    def slow_down(self, milliseconds: int):
        """Delays the responses of the Backend API; 0 ends that."""
        fault = {"kind": "latency", "ms": milliseconds, "path": "/v1/"}
        body = json.dumps(fault).encode() if milliseconds else None
        request = urllib.request.Request(
            f"{self.url}/dev/faults",
            body,
            {"Content-Type": "application/json"},
            method="POST" if milliseconds else "DELETE",
        )
        urllib.request.urlopen(request, timeout=10).close()


class Server(Process):
    """The example `documents`, which uses the local Clerk."""

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
        super().__init__([str(binary)], settings, log, descriptors=descriptors)
        self.wait_for_port(self.port, STARTS_WITHIN)

    def resident(self) -> float:
        """The resident memory in MiB."""
        return self.memory("VmRSS") / 1024

    def descriptors(self) -> int:
        """The number of open descriptors."""
        self.check()
        return len(os.listdir(f"/proc/{self.child.pid}/fd"))


class Certificate:
    """A certificate for 127.0.0.1 that signs itself, and its key."""

    def __init__(self, folder: Path):
        self.chain, self.key = folder / "chain.pem", folder / "key.pem"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
        subprocess.run([*command, "-keyout", self.key, "-out", self.chain], check=True, capture_output=True)
        self.environment = {"MCP_TLS_CERT": str(self.chain), "MCP_TLS_KEY": str(self.key)}

    def context(self) -> ssl.SSLContext:
        """The settings of a client that trusts the certificate."""
        return ssl.create_default_context(cafile=str(self.chain))


class Nginx(Process):
    """A reverse proxy that adds `X-Forwarded-For` to each request. With a certificate, it has TLS on both sides."""

    def __init__(self, folder: Path, port: int, upstream: int, certificate: Certificate | None = None):
        paths = "".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        scheme, listen, trust = "http", str(port), ""
        if certificate:
            scheme, listen = "https", f"{port} ssl"
            trust = f"ssl_certificate {certificate.chain}; ssl_certificate_key {certificate.key};"
        (folder / "nginx.conf").write_text(
            f"""
            daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
            events {{ worker_connections 2048; }}
            http {{
                access_log off; {paths}
                upstream server {{ server 127.0.0.1:{upstream}; keepalive 16; }}
                server {{
                    listen 127.0.0.1:{listen}; {trust}
                    location / {{
                        proxy_pass {scheme}://server; proxy_http_version 1.1;
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
        self.wait_for_port(port, STARTS_WITHIN)

    def __exit__(self, *_):
        # The master ends its worker.
        self.child.terminate()
        self.child.wait()


STARTS_WITHIN = 20
