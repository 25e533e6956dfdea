"""The Python client: connects, lists the tools, calls one and prints the results as one JSON object.

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
    seen = {"refusals": []}

    async def refusal(response):
        if response.status_code == 401:
            seen["refusals"].append(response.headers["www-authenticate"])

    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    try:
        async with httpx2.AsyncClient(headers=headers, event_hooks={"response": [refusal]}) as http:
            async with Client(streamable_http_client(endpoint, http_client=http), mode=mode) as client:
                seen["version"] = client.protocol_version
                seen["tools"] = [tool.name for tool in (await client.list_tools()).tools]
                result = await client.call_tool(tool, json.loads(arguments))
                seen["isError"] = result.is_error
                seen["text"] = result.content[0].text
    except Exception as error:
        # The client's own error has no details.
        seen["error"] = repr(error)
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
