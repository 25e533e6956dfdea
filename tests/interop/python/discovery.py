"""The Python client at a discoverable server: lists and calls without a token, signs in when it calls a guarded tool,
and prints the results as one JSON object.

Arguments: the endpoint, the mode of the client, its redirect URI, the URL of its metadata document and the program
that it opens as its browser.
"""

import asyncio
import json
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from host import Browser, Kept, provider


async def main(endpoint, mode, redirect_uri, document_url, program):
    kept, browser = Kept(), Browser(program)
    auth = provider(endpoint, redirect_uri, document_url, kept, browser)
    seen = {}
    async with httpx2.AsyncClient(auth=auth) as http:
        async with Client(streamable_http_client(endpoint, http_client=http), mode=mode) as client:

            async def call(tool, **arguments):
                result = await client.call_tool(tool, arguments)
                return result.content[0].text

            seen["version"] = client.protocol_version
            tools = (await client.list_tools()).tools
            seen["schemes"] = {tool.name: (tool.meta or {}).get("securitySchemes") for tool in tools}
            seen["greeted"] = await call("greet")
            seen["before"] = len(browser.visited)
            # The client signs in and repeats the call by itself.
            seen["written"] = await call("write_document", title="Plan")
            seen["again"] = await call("write_document", title="Plan")
            seen["organization"] = await call("organization")
    seen["authorizations"] = browser.visited
    seen["tokens"] = kept.access_tokens
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
