"""A good caller in a separate process: one call after the other, ten calls over each connection.

usage: caller.py PORT ADDRESS [CERTIFICATE]

With a certificate, the connections are TLS. The first line of the input is the token. The lines `pause` and `go on` pause and resume the calls. At the end of
the input the program prints its figures as JSON.
"""

import http.client
import json
import ssl
import sys
import threading
import time

PAUSE = 0.02
# New connections reveal a server that no longer accepts any.
CALLS_OF_A_CONNECTION = 10
CALL = json.dumps(
    {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list_documents", "arguments": {}}}
)


def main():
    port, address, *certificate = sys.argv[1:]
    token = sys.stdin.readline().strip()
    caller = Caller(int(port), address, token, *certificate)
    going, ended = threading.Event(), threading.Event()
    going.set()

    def obey():
        for line in sys.stdin:
            going.set() if line.strip() == "go on" else going.clear()
        ended.set()

    threading.Thread(target=obey, daemon=True).start()
    while not ended.wait(PAUSE):
        if going.is_set():
            caller.call()
    print(json.dumps({"times": caller.times, "failures": caller.failures, "again": caller.again}))


class Caller:
    def __init__(self, port: int, address: str, token: str, certificate: str | None = None):
        self.port, self.address = port, address
        self.tls = ssl.create_default_context(cafile=certificate) if certificate else None
        self.headers = {
            "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
        }
        self.connection = None
        self.times, self.failures, self.again = [], [], 0

    def call(self):
        if self.connection and len(self.times) % CALLS_OF_A_CONNECTION == 0:
            self.connection.close()
            self.connection = None
        begin = time.perf_counter()
        try:
            status, body = self.ask()
            answer = json.loads(body)
            is_good = status == 200 and "documents" in answer["result"]["structuredContent"]
            if not is_good or answer["result"].get("isError"):
                self.failures.append(f"{status} {body[:200]!r}")
        except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
            self.failures.append(repr(error)[:200])
            self.connection = None
        self.times.append(time.perf_counter() - begin)

    def ask(self):
        """Makes a call. The server may have closed the connection since the last call; the call is then repeated
        over a new connection."""
        if self.connection is not None:
            try:
                return self.ask_once()
            except (ConnectionError, http.client.RemoteDisconnected):
                self.again += 1
        settings = {"timeout": 5, "source_address": (self.address, 0)}
        if self.tls:
            self.connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, **settings)
        else:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, **settings)
        return self.ask_once()

    def ask_once(self):
        self.connection.request("POST", "/mcp", CALL, self.headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read()


if __name__ == "__main__":
    main()
