"""The Python client: connects, lists the tools, calls one with its progress, and prints the results as one JSON object.

Arguments: the endpoint, the mode of the client, the tool and its arguments as JSON. The token comes from the
environment, so that no list of processes shows it.
"""

import asyncio
import json
import os
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main(endpoint, mode, tool, arguments):
    seen = {"refusals": [], "progress": []}

    async def refusal(response):
        if response.status_code == 401:
            seen["refusals"].append(response.headers["www-authenticate"])

    async def progress(done, total, message):
        seen["progress"].append([done, total, message])

    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    try:
        async with httpx2.AsyncClient(headers=headers, event_hooks={"response": [refusal]}) as http:
            async with Client(streamable_http_client(endpoint, http_client=http), mode=mode) as client:
                seen["version"] = client.protocol_version
                seen["tools"] = [tool.name for tool in (await client.list_tools()).tools]
                result = await client.call_tool(tool, json.loads(arguments), progress_callback=progress)
                seen["isError"] = result.is_error
                seen["text"] = getattr(result.content[0], "text", None)
    except Exception as error:
        # The client's own error has no details.
        seen["error"] = repr(error)
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
