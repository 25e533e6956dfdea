"""The Python client asks its person: a form, a refusal and a confirmation. Prints the results and the questions as one
JSON object.

Arguments: the endpoint, and the mode. The token comes from the environment, so that no list of processes shows it.
"""

import asyncio
import json
import os
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitResult


async def main(endpoint, mode):
    seen = {"asked": []}
    answers = [
        ElicitResult(action="accept", content={"username": "ada", "email": "ada@example.com"}),
        ElicitResult(action="decline"),
        ElicitResult(action="accept", content={}),
    ]

    async def ask(_context, params):
        seen["asked"].append(params.message)
        return answers[len(seen["asked"]) - 1]

    async def call(client, tool, arguments):
        return (await client.call_tool(tool, arguments)).content[0].text

    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    try:
        async with httpx2.AsyncClient(headers=headers) as http:
            transport = streamable_http_client(endpoint, http_client=http)
            async with Client(transport, mode=mode, elicitation_callback=ask) as client:
                who = {"message": "Who are you?"}
                seen["form"] = await call(client, "test_elicitation", who)
                seen["declined"] = await call(client, "test_elicitation", who)
                seen["confirmed"] = await call(client, "reset", {"name": "a"})
    except Exception as error:
        seen["error"] = repr(error)
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
