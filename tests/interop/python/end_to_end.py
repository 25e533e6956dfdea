"""The Python client without a token: signs in, calls, refreshes, steps up if the first token lacks a scope, reads a
resource, and prints the results as one JSON object.

Arguments: the endpoint, the mode of the client, its redirect URI, the URL of its metadata document, the program that
it opens as its browser and the URL of the local Clerk.
"""

import asyncio
import json
import sys
import time

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from host import Browser, Kept, provider


async def lifetime(clerk, seconds):
    """Sets the lifetime of tokens. The client learns it from `expires_in`."""
    async with httpx2.AsyncClient() as http:
        changed = await http.patch(f"{clerk}/dev/settings", json={"access_token_lifetime": seconds})
        changed.raise_for_status()


async def main(endpoint, mode, redirect_uri, document_url, program, clerk):
    kept, browser = Kept(), Browser(program)
    auth = provider(endpoint, redirect_uri, document_url, kept, browser)
    await lifetime(clerk, 2)
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
            await asyncio.sleep(2.1)
            last = time.monotonic()
            seen["refreshed"] = await call("who_am_i")
            assert len(kept.access_tokens) > before, "nothing was refreshed"
            lap("refresh")
            seen["written"] = await call("write_document", title="Plan")
            lap("write")
            seen["organization"] = await call("organization")
            seen["read"] = (await client.read_resource("documents://me")).contents[0].text
    seen["authorizations"] = browser.visited
    seen["tokens"] = kept.access_tokens
    seen["took"] = took
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
