"""The Python client with a session: connects, calls, gets a result whose stream the server closed, and prints the results
and its requests as one JSON object.

Argument: the endpoint. The token comes from the environment, so that no list of processes shows it.
"""

import asyncio
import json
import os
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main(endpoint):
    seen = {"sent": []}

    async def record(response):
        seen["sent"].append(
            {
                "method": response.request.method,
                "status": response.status_code,
                "session": response.headers.get("mcp-session-id"),
            }
        )

    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    try:
        async with httpx2.AsyncClient(headers=headers, event_hooks={"response": [record]}) as http:
            async with Client(streamable_http_client(endpoint, http_client=http), mode="legacy") as client:
                seen["version"] = client.protocol_version
                seen["text"] = (await client.call_tool("test_simple_text", {})).content[0].text
                seen["late"] = (await client.call_tool("test_reconnection", {})).content[0].text
    except Exception as error:
        seen["error"] = repr(error)
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
