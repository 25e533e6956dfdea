"""The Python client: connects, lists the resources, templates and prompts, reads a document, summarises it with the
prompt, completes its title and prints the results as one JSON object.

Arguments: the endpoint, the mode of the client, the id of the document and its title. The token comes from the
environment, so that no list of processes shows it.
"""

import asyncio
import json
import os
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import PromptReference

PROMPT = "summarise_document"


async def main(endpoint, mode, document_id, title):
    seen = {}
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    try:
        async with httpx2.AsyncClient(headers=headers) as http:
            async with Client(streamable_http_client(endpoint, http_client=http), mode=mode) as client:
                seen["resources"] = [resource.uri for resource in (await client.list_resources()).resources]
                templates = (await client.list_resource_templates()).resource_templates
                seen["templates"] = [template.uri_template for template in templates]
                read = await client.read_resource(f"docs://documents/{document_id}")
                seen["contents"] = plain(read)["contents"]
                seen["prompts"] = [prompt.name for prompt in (await client.list_prompts()).prompts]
                got = await client.get_prompt(PROMPT, {"document_id": document_id, "sentences": "2"})
                seen["messages"] = plain(got)["messages"]
                argument = {"name": "document_id", "value": title}
                completed = await client.complete(PromptReference(type="ref/prompt", name=PROMPT), argument)
                seen["completed"] = completed.completion.values
    except Exception as error:
        seen["error"] = repr(error)
    print(json.dumps(seen))


def plain(result):
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)


asyncio.run(main(*sys.argv[1:]))
