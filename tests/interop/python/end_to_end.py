"""The Python client without a token: signs in, calls, refreshes, steps up where the first token lacks a scope, and
prints what it saw as one JSON object.

Takes the endpoint, the mode of the client, its redirect URI, the URL of its metadata document, the program that
is its browser and the URL of the local Clerk.
"""

import asyncio
import json
import sys
import time
from urllib.parse import parse_qs, urlparse

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata


class Kept:
    """What the client keeps, in memory."""

    client_info = None
    tokens = None

    def __init__(self):
        self.access_tokens = []

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens
        self.access_tokens.append(tokens.access_token)

    async def get_client_info(self):
        return self.client_info

    async def set_client_info(self, client_info):
        self.client_info = client_info


class Browser:
    """Allows whatever is asked for, and keeps the answer."""

    def __init__(self, program):
        self.program = program
        self.visited = []
        self.answer = None

    async def visit(self, url):
        self.visited.append(url)
        browser = await asyncio.create_subprocess_exec(
            self.program, "--print", url, stdout=asyncio.subprocess.PIPE
        )
        stdout, _ = await browser.communicate()
        answer = parse_qs(urlparse(stdout.decode().strip()).query)
        self.answer = {name: values[0] for name, values in answer.items()}

    async def answered(self):
        answer = self.answer
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer.get("iss"))


async def lifetime(clerk, seconds):
    """Sets how long tokens live, which the client is told and believes."""
    async with httpx2.AsyncClient() as http:
        changed = await http.patch(f"{clerk}/dev/settings", json={"access_token_lifetime": seconds})
        changed.raise_for_status()


async def main(endpoint, mode, redirect_uri, document_url, program, clerk):
    kept, browser = Kept(), Browser(program)
    auth = OAuthClientProvider(
        server_url=endpoint,
        client_metadata=OAuthClientMetadata(
            client_name="interop",
            redirect_uris=[redirect_uri],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
            token_endpoint_auth_method="none",
        ),
        storage=kept,
        redirect_handler=browser.visit,
        callback_handler=browser.answered,
        client_metadata_url=document_url,
    )
    await lifetime(clerk, 1)
    seen, took, last = {}, {}, time.monotonic()

    def lap(what):
        nonlocal last
        now = time.monotonic()
        took[what], last = (now - last) * 1000, now

    async with httpx2.AsyncClient(auth=auth) as http:
        async with Client(streamable_http_client(endpoint, http_client=http), mode=mode) as client:

            async def call(tool, **arguments):
                result = await client.call_tool(tool, arguments)
                return result.content[0].text

            seen["version"] = client.protocol_version
            seen["called"] = await call("who_am_i")
            lap("sign-in")
            before = len(kept.access_tokens)
            await lifetime(clerk, 86_400)
            await asyncio.sleep(1.1)
            last = time.monotonic()
            seen["refreshed"] = await call("who_am_i")
            assert len(kept.access_tokens) > before, "nothing was refreshed"
            lap("refresh")
            seen["written"] = await call("write_document", title="Plan")
            lap("write")
            seen["organization"] = await call("organization")
    seen["authorizations"] = browser.visited
    seen["tokens"] = kept.access_tokens
    seen["took"] = took
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
