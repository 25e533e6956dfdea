"""The requests, and the checks of their answers."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .clerk import Tokens

# Half of the further tools require this permission too.
DENIAL = "Forbidden: org:documents:delete permission required"


@dataclass(frozen=True)
class Scenario:
    """Requests that differ only in their tokens, so that all get the same answer."""

    name: str
    means: str
    method: str
    params: dict[str, Any]
    # None stands for a request without a token.
    tokens: Callable[[Tokens], list[str | None]]
    # The check of an answer with this status.
    holds: Callable[[dict[str, Any]], bool]
    status: int = 200
    legacy: bool = False
    tools: int = 0
    connections: int | None = None
    # Each token is sent once, to a server that has not seen it.
    once: bool = False
    rmcp: bool = False

    def requests(self, tokens: Tokens, port: int) -> list[bytes]:
        """The requests, which are sent in turn and repeatedly."""
        return [self.request(token, port) for token in self.tokens(tokens)]

    def request(self, token: str | None, port: int) -> bytes:
        """The bytes of one request."""
        params = dict(self.params)
        headers = {
            "Host": f"127.0.0.1:{port}",
            "User-Agent": "compare/1.0",
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
        }
        if self.legacy:
            headers["MCP-Protocol-Version"] = "2025-11-25"
        else:
            headers |= {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": self.method}
            if "name" in params:
                headers["Mcp-Name"] = params["name"]
            params["_meta"] = META
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        message = {"jsonrpc": "2.0", "id": 1, "method": self.method, "params": params}
        body = json.dumps(message, separators=(",", ":")).encode()
        headers["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    """The parameters of a `tools/call`."""
    return {"name": tool, "arguments": arguments}


def adds(answer: dict[str, Any]) -> bool:
    """Whether the answer has the sum."""
    return not is_error(answer) and answer["result"]["structuredContent"] == {"sum": 3}


def echoes(answer: dict[str, Any]) -> bool:
    """Whether the answer has the text."""
    return not is_error(answer) and answer["result"]["content"][0]["text"] in (TEXT, LINES)


def denies(answer: dict[str, Any]) -> bool:
    """Whether the answer is a denial for the missing permission."""
    return is_error(answer) and answer["result"]["content"][0]["text"] == DENIAL


def lists(answer: dict[str, Any]) -> bool:
    """Whether the list lacks half of the further tools and the guarded tool."""
    names = [tool["name"] for tool in answer["result"]["tools"]]
    return len(names) == 52 and {"add", "echo"} < set(names) and "guarded_add" not in names


def is_error(answer: dict[str, Any]) -> bool:
    """Whether the tool failed or its guard denied the call."""
    return bool(answer["result"].get("isError"))


META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "compare", "version": "1.0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
SENTENCE = "The quick brown fox jumps over the lazy dog, and then again, for the sake of it."
# 64 KiB as one line, and with a line break every eighty bytes, which JSON has to escape.
TEXT = (f"{SENTENCE} " * 810)[:65536]
LINES = (f"{SENTENCE}\n" * 810)[:65536]
ADD = ("tools/call", call("add", a=1, b=2))
GUARDED = ("tools/call", call("guarded_add", a=1, b=2))

SCENARIOS = [
    Scenario(
        "same-token", "`add`, a token seen before", *ADD,
        lambda tokens: [tokens.oauth], adds, rmcp=True,
    ),
    Scenario(
        "tokens-10000", "`add`, 10 000 tokens in turn, all seen before", *ADD,
        lambda tokens: tokens.rotated, adds, rmcp=True,
    ),
    Scenario(
        "never-seen", "`add`, each token for the first time", *ADD,
        lambda tokens: tokens.fresh, adds, rmcp=True, once=True,
    ),
    Scenario(
        "guarded", "`guarded_add`, a session with the permission", *GUARDED,
        lambda tokens: [tokens.permitted], adds, rmcp=True,
    ),
    Scenario(
        "denied", "`guarded_add`, a session without the permission", *GUARDED,
        lambda tokens: [tokens.unpermitted], denies,
    ),
    Scenario(
        "unauthorized", "`add` without a token: 401", *ADD,
        lambda tokens: [None], lambda answer: "error" in answer, status=401,
    ),
    Scenario(
        "look-up", "`guarded_add`, an OAuth token whose membership was looked up before", *GUARDED,
        lambda tokens: [tokens.member], adds,
    ),
    Scenario(
        "list-100", "`tools/list` of 100 further tools, half of them not for this caller", "tools/list", {},
        lambda tokens: [tokens.unpermitted], lists, tools=100,
    ),
    Scenario(
        "one-of-1000", "`add` beside 1 000 further tools", *ADD,
        lambda tokens: [tokens.oauth], adds, tools=1000,
    ),
    Scenario(
        "echo-64k", "`echo` of 64 KiB", "tools/call", call("echo", text=TEXT),
        lambda tokens: [tokens.oauth], echoes, rmcp=True,
    ),
    Scenario(
        "echo-lines", "`echo` of 64 KiB, a line break every 80 bytes", "tools/call", call("echo", text=LINES),
        lambda tokens: [tokens.oauth], echoes,
    ),
    Scenario(
        "legacy", "`add` in the revision 2025-11-25", *ADD,
        lambda tokens: [tokens.oauth], adds, legacy=True, rmcp=True,
    ),
    Scenario(
        "one-connection", "`add` over one connection: latency", *ADD,
        lambda tokens: [tokens.oauth], adds, connections=1, rmcp=True,
    ),
]
