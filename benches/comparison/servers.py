"""The compared programs: how they are built, and their size."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from .processes import Failure


@dataclass(frozen=True)
class Server:
    """A binary of the package `benches`, with its settings."""

    name: str
    binary: str
    # The dependencies of `benches` that the binary uses.
    uses: tuple[str, ...]
    feature: str | None = None
    # The name of the program's copy, if the feature changes a program that is also built without it.
    copy: str | None = None
    # `{folder}` stands for the folder of the run.
    environment: dict[str, str] = field(default_factory=dict)
    # Whether the server sends the bytes of `subject` in every scenario.
    same_bytes: bool = True


RMCP = (
    "rmcp", "axum", "aws-lc-rs", "jsonwebtoken", "quick_cache", "reqwest", "schemars", "serde", "serde_json",
    "tokio",
)
# Everything that watches a server.
OPERATED = {
    "MCP_AUDIT": "{folder}/audit.jsonl",
    "MCP_METRICS": "127.0.0.1:0",
    "RUST_LOG": "info,actix_server=warn,mcp_auth::spans=trace",
}
SERVERS = [
    Server("limit", "limit", ("actix-web",)),
    Server("subject", "subject", ("actix-web", "mcp-auth")),
    Server("operated", "subject", ("actix-web", "mcp-auth"), "metrics", "operated", OPERATED),
    Server("rmcp", "rmcp", RMCP, "rmcp", same_bytes=False),
    Server("rmcp cached", "rmcp", RMCP, "rmcp", environment={"RMCP_TOKEN_CACHE": "1"}, same_bytes=False),
]


class Binaries:
    """The paths of the programs."""

    def __init__(self, servers: list[Server]):
        self.servers = servers
        self.target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        self.emulator = self.target / "debug" / "clerk-emulator"

    def path(self, server: Server) -> Path:
        """The path of a server's program."""
        return self.target / "release" / (server.copy or server.binary)

    def build(self):
        """Builds each server in a separate invocation, so that it gets only its own features."""
        cargo("build", "--package", "clerk-emulator")
        # The copies come first, so that the program without the feature remains.
        servers = sorted(self.servers, key=lambda server: server.copy is None)
        for binary, feature, copy in dict.fromkeys((each.binary, each.feature, each.copy) for each in servers):
            features = ["--features", feature] if feature else []
            cargo("build", "--release", "--package", "benches", "--bin", binary, *features)
            if copy:
                shutil.copy2(self.target / "release" / binary, self.target / "release" / copy)

    def check(self):
        """Fails if a program does not exist."""
        for path in [self.emulator, *map(self.path, self.servers)]:
            if not path.exists():
                raise Failure(f"{path} does not exist: run without --no-build")

    def sizes(self, server: Server) -> dict[str, int]:
        """The size of the program in bytes, and the number of its crates."""
        return {"binary_bytes": self.path(server).stat().st_size, "crates": len(crates(server))}


def crates(server: Server) -> set[str]:
    """The crates of a server's dependencies, without the server itself."""
    features = ["--features", server.feature] if server.feature else []
    tree = cargo(
        "tree", "--package", "benches", *features, "--edges", "normal", "--no-dedupe", "--prefix", "depth",
        output=subprocess.PIPE,
    )
    found = set()
    counts = False
    for line in tree.splitlines():
        crate = line.lstrip("0123456789")
        depth = int(line.removesuffix(crate))
        if depth == 1:
            counts = crate.split()[0] in server.uses
        if depth > 0 and counts:
            found.add(" ".join(crate.split()[:2]))
    return found


def cargo(*arguments: str, output: int | None = None) -> str:
    """Runs cargo in the workspace."""
    done = subprocess.run(["cargo", *arguments], cwd=ROOT, stdout=output, text=True)
    if done.returncode != 0:
        raise Failure(f"`cargo {' '.join(arguments)}` failed")
    return done.stdout


ROOT = Path(__file__).resolve().parents[2]
