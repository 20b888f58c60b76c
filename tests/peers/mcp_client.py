"""Uses an MCP server through the public `mcp` library and prints what the library understood.

Reads MCP_URL, MCP_TOKEN (a bearer token, may be missing), MCP_MODE (how the library finds the protocol version),
and MCP_CALLS (a JSON list of `[tool, arguments]`). Prints one line of JSON.
"""

import asyncio
import json
import os

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client


async def call(client, name, arguments):
    try:
        done = await client.call_tool(name, arguments)
    except Exception as error:  # what a user of the library would see
        return {"error": type(error).__name__, "message": str(error)}
    blocks = [block.text if block.type == "text" else {"type": block.type} for block in done.content]
    return {"blocks": blocks, "failed": bool(done.is_error), "structured": done.structured_content}


async def use():
    token = os.environ.get("MCP_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        transport = streamable_http_client(os.environ["MCP_URL"], http_client=http)
        async with Client(transport, mode=os.environ.get("MCP_MODE", "auto"), read_timeout_seconds=30) as client:
            listed = await client.list_tools()
            calls = json.loads(os.environ.get("MCP_CALLS", "[]"))
            return {
                "protocol": client.protocol_version,
                "server": client.server_info.name if client.server_info else None,
                "tools": [tool.name for tool in listed.tools],
                "calls": [await call(client, name, arguments) for name, arguments in calls],
            }


def root_of(error):
    """The first error inside groups, which is the one that a person needs to see."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error


try:
    seen = asyncio.run(use())
except BaseException as error:
    cause = root_of(error)
    seen = {"error": type(cause).__name__, "message": str(cause)}
print(json.dumps(seen))
