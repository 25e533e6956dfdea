"""The Python client starts a server as a program: lists the tools, calls one, sees a denial, answers a question, and
prints the results as one JSON object.

Arguments: the program and the mode of the client.
"""

import asyncio
import json
import sys

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.types import ElicitResult


async def main(program, mode):
    answers = [
        ElicitResult(action="accept", content={"username": "ada"}),
        ElicitResult(action="decline"),
    ]

    async def answer(_context, _params):
        return answers.pop(0)

    server = stdio_client(StdioServerParameters(command=program, env={"LOCAL_USER": "ada"}))
    async with Client(server, mode=mode, elicitation_callback=answer) as client:

        async def call(tool):
            return (await client.call_tool(tool, {})).content[0].text

        seen = {
            "tools": [tool.name for tool in (await client.list_tools()).tools],
            "called": await call("read_documents"),
            "denied": await call("share_documents"),
            "form": await call("register"),
            "declined": await call("register"),
        }
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
