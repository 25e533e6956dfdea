"""The local Clerk and the tokens of a run. The tokens are minted once and reused by the next runs."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

from .processes import ALL_CORES, Failure, LocalClerk, free_port


@dataclass(frozen=True)
class Tokens:
    """The tokens of a run. In `acme` ada is an admin with the permission, and grace a member without it."""

    # OAuth access tokens, without an organization and with it.
    oauth: str
    member: str
    # Session tokens.
    permitted: str
    unpermitted: str
    # OAuth access tokens, each of a different client.
    rotated: list[str]
    fresh: list[str]


class Clerk(LocalClerk):
    """The local Clerk of a comparison. It is idle while a server is measured."""

    def __init__(self, binary: Path, folder: Path):
        self.file = folder / "tokens.json"
        self.kept = json.loads(self.file.read_text()) if self.file.exists() else {}
        # The issuer of a token contains the port, so the port must not change.
        port = free_port(self.kept.get("port", FIRST_PORT))
        state = ("--state", str(folder / "clerk.json"))
        super().__init__(binary, port, folder / "clerk.log", *state, cores=ALL_CORES)

    def tokens(self) -> Tokens:
        """The tokens of an earlier run, if they are valid long enough, or else new ones."""
        if self.kept.get("port") == self.port and time.time() < self.kept["usable_until"]:
            return Tokens(**self.kept["tokens"])
        print(f"minting {ROTATED + FRESH} tokens", flush=True)
        usable_until = time.time() + LIFETIME / 2
        clients = [{"user": "ada", "client_id": f"client_{n}"} for n in range(ROTATED + FRESH)]
        # They are minted in parts, because an interruption waits for the parts that have begun.
        parts = [clients[n : n + PART] for n in range(0, len(clients), PART)]
        with ThreadPoolExecutor(2) as minters:
            minted = [token for part in minters.map(self.mint, parts) for token in part]
        member = {"user": "ada", "org": "acme"}
        session = {"org": "acme", "kind": "session"}
        oauth, member, permitted, unpermitted = self.mint(
            [{"user": "ada"}, member, {"user": "ada", **session}, {"user": "grace", **session}]
        )
        tokens = Tokens(oauth, member, permitted, unpermitted, minted[:ROTATED], minted[ROTATED:])
        kept = {"port": self.port, "usable_until": usable_until, "tokens": asdict(tokens)}
        self.file.write_text(json.dumps(kept))
        return tokens

    def mint(self, requests: list[dict[str, str]]) -> list[str]:
        """Mints a token for each request."""
        connection = HTTPConnection("127.0.0.1", self.port)
        tokens = []
        for request in requests:
            connection.request("GET", "/dev/token?" + urlencode(request | {"expires_in": LIFETIME}))
            answer = connection.getresponse()
            text = answer.read().decode().strip()
            if answer.status != 200:
                raise Failure(f"the local Clerk mints no token: {text}")
            tokens.append(text)
        connection.close()
        return tokens


FIRST_PORT = 4500
LIFETIME = 24 * 3600
ROTATED = 10_000
# A good server verifies this number of tokens in about two seconds.
FRESH = 40_000
PART = 500
