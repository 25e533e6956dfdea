"""The adapters of Google and OpenAI: reads a JSON object with the lists of tools by server, and prints the converted
tools by server and adapter as one JSON object. A tool that an adapter refuses has the error instead. Calls no model
and no server.
"""

import json
import logging
import os
import sys

# With this variable the log has the reason why a tool is not strict.
os.environ["OPENAI_AGENTS_DONT_LOG_TOOL_DATA"] = "0"

from agents.mcp import MCPServerStreamableHttp
from agents.mcp.util import MCPUtil
from google.genai._mcp_utils import mcp_to_gemini_tools
from mcp.types import Tool


class Kept(logging.Handler):
    """Stores the logged messages."""

    def __init__(self):
        super().__init__()
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


def google(tool):
    """The adapter of `generate_content` for a session of MCP's client."""
    (converted,) = mcp_to_gemini_tools([tool])
    (declaration,) = converted.function_declarations
    return declaration.model_dump(mode="json", exclude_none=True)


def openai(strict):
    """The adapter of an agent for its MCP servers."""
    # The conversion uses only the settings of the server, so it is never connected.
    server = MCPServerStreamableHttp({"url": "http://127.0.0.1:9"})
    log = Kept()
    logger = logging.getLogger("openai.agents")
    logger.addHandler(log)
    logger.setLevel(logging.INFO)

    def convert(tool):
        log.messages.clear()
        function = MCPUtil.to_function_tool(tool, server, convert_schemas_to_strict=strict)
        return {
            "name": function.name,
            "description": function.description,
            "parameters": function.params_json_schema,
            "strict": function.strict_json_schema,
            "log": list(log.messages),
        }

    return convert


ADAPTERS = {"google": google, "openai": openai(strict=False), "openai_strict": openai(strict=True)}


def converted(convert, tool):
    try:
        return convert(Tool.model_validate(tool))
    except Exception as error:
        return {"name": tool["name"], "error": f"{type(error).__name__}: {error}"}


lists = json.load(sys.stdin)
seen = {
    server: {adapter: [converted(convert, tool) for tool in tools] for adapter, convert in ADAPTERS.items()}
    for server, tools in lists.items()
}
print(json.dumps(seen))
