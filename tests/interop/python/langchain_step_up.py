"""LangChain's adapters: sign in, step up for a tool that requires a scope, and print the results as one JSON object.
The client requests exactly the scopes of a challenge.

Arguments: the endpoint, the client's redirect URI, the URL of its metadata document and the program that it opens as
its browser.
"""

import asyncio
import json
import sys

from langchain_mcp_adapters.client import MultiServerMCPClient

from host import Browser, Kept, provider


async def main(endpoint, redirect_uri, document_url, program):
    kept, browser = Kept(), Browser(program)
    auth = provider(endpoint, redirect_uri, document_url, kept, browser)
    connection = {"transport": "streamable_http", "url": endpoint, "auth": auth}
    client = MultiServerMCPClient({"server": connection}, handle_tool_errors=False)
    tools = {tool.name: tool for tool in await client.get_tools()}

    async def call(tool, **arguments):
        return (await tools[tool].ainvoke(arguments))[0]["text"]

    seen = {"before": await call("organization")}
    seen["written"] = await call("write_document", title="Plan")
    seen["after"] = await call("organization")
    seen["authorizations"] = browser.visited
    seen["tokens"] = kept.access_tokens
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
