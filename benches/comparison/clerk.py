"""The local Clerk, and the tokens that a run needs: minted once, and kept for the next runs."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

from .processes import ALL_CORES, Failure, Process, free_port


@dataclass(frozen=True)
class Tokens:
    """Of `acme` ada is an admin and has the permission, grace is a member and has not."""

    # OAuth access tokens, without an organization and with it.
    oauth: str
    member: str
    # Session tokens.
    permitted: str
    unpermitted: str
    # OAuth access tokens, each of a client of its own.
    rotated: list[str]
    fresh: list[str]


class Clerk(Process):
    """The emulator; it is idle while a server is measured."""

    def __init__(self, binary: Path, folder: Path):
        self.file = folder / "tokens.json"
        self.kept = json.loads(self.file.read_text()) if self.file.exists() else {}
        # A token names its issuer, and so the port.
        self.port = free_port(self.kept.get("port", FIRST_PORT))
        self.url = f"http://127.0.0.1:{self.port}"
        command = [str(binary), "--port", str(self.port), "--state", str(folder / "clerk.json")]
        super().__init__(command, {}, folder / "clerk.log", ALL_CORES)

    def environment(self) -> dict[str, str]:
        """What a server is configured with."""
        # It listens first and then says so.
        while (key := re.search(r"CLERK_SECRET_KEY=(\S+)\n", self.log.read_text())) is None:
            self.check()
            time.sleep(0.01)
        return {
            "CLERK_FRONTEND_API_URL": self.url,
            "CLERK_API_URL": self.url,
            "CLERK_SECRET_KEY": key[1],
        }

    def tokens(self) -> Tokens:
        """Those of an earlier run if they last for this one."""
        if self.kept.get("port") == self.port and time.time() < self.kept["usable_until"]:
            return Tokens(**self.kept["tokens"])
        print(f"minting {ROTATED + FRESH} tokens", flush=True)
        usable_until = time.time() + LIFETIME / 2
        clients = [{"user": "ada", "client_id": f"client_{n}"} for n in range(ROTATED + FRESH)]
        # In parts, because an interruption waits for those that have begun.
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

    def mint(self, wishes: list[dict[str, str]]) -> list[str]:
        """A token for each."""
        connection = HTTPConnection("127.0.0.1", self.port)
        tokens = []
        for wish in wishes:
            connection.request("GET", "/dev/token?" + urlencode(wish | {"expires_in": LIFETIME}))
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
# What a good server verifies in about two seconds.
FRESH = 40_000
PART = 500
