"""Uses an MCP server through the public `mcp` library and prints what the library understood.

Reads MCP_URL, or MCP_COMMAND (a JSON list: a program that is started and spoken to over stdio), MCP_TOKEN (a bearer
token, may be missing), MCP_MODE (how the library finds the protocol version), MCP_CALLS (a JSON list of `[tool,
arguments]`), and MCP_OFFERS (a JSON list of `[prompt, arguments]`; if it is there, resources are listed and each is
read too); with MCP_DESCRIPTIONS, descriptions of tools are shown; with MCP_READS (a JSON list of URIs) or MCP_PROMPTS (a
JSON list of `[prompt, arguments]`), what the lists say in full. Prints one line of JSON.
"""

import asyncio
import json
import os

import httpx2
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client


async def call(client, name, arguments):
    try:
        done = await client.call_tool(name, arguments)
    except Exception as error:  # what a user of the library would see
        return {"error": type(error).__name__, "message": str(error)}
    blocks = [block.text if block.type == "text" else {"type": block.type} for block in done.content]
    return {"blocks": blocks, "failed": bool(done.is_error), "structured": done.structured_content}


async def offers(client, prompts):
    """Every resource, read, and prompts filled in."""
    listed = await client.list_resources()
    read = {}
    for resource in listed.resources:
        done = await client.read_resource(str(resource.uri))
        read[str(resource.uri)] = [part.text for part in done.contents]
    filled = {}
    for name, arguments in prompts:
        done = await client.get_prompt(name, arguments)
        filled[name] = [message.content.text for message in done.messages]
    names = [prompt.name for prompt in (await client.list_prompts()).prompts]
    templates = [one.uri_template for one in (await client.list_resource_templates()).resource_templates]
    return {"resources": read, "templates": templates, "prompts": names, "filled": filled}


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def attempt(act):
    """What the library gives, or what a user of it would see instead."""
    try:
        return plain(await act)
    except Exception as error:
        return {"error": type(error).__name__, "message": str(error)}


async def look(client, reads, prompts):
    """Everything that the server offers beside tools."""
    return {
        "listed": {
            "tools": await attempt(client.list_tools()),
            "prompts": await attempt(client.list_prompts()),
            "resources": await attempt(client.list_resources()),
            "templates": await attempt(client.list_resource_templates()),
        },
        "reads": [await attempt(client.read_resource(uri)) for uri in reads],
        "prompts": [await attempt(client.get_prompt(name, arguments)) for name, arguments in prompts],
    }


async def use():
    token = os.environ.get("MCP_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        if "MCP_COMMAND" in os.environ:
            program, *arguments = json.loads(os.environ["MCP_COMMAND"])
            transport = stdio_client(StdioServerParameters(command=program, args=arguments))
        else:
            transport = streamable_http_client(os.environ["MCP_URL"], http_client=http)
        async with Client(transport, mode=os.environ.get("MCP_MODE", "auto"), read_timeout_seconds=30) as client:
            listed = await client.list_tools()
            more = {}
            if "MCP_DESCRIPTIONS" in os.environ:
                more["descriptions"] = {tool.name: tool.description for tool in listed.tools}
            if "MCP_OFFERS" in os.environ:
                more["offers"] = await offers(client, json.loads(os.environ["MCP_OFFERS"]))
            calls = json.loads(os.environ.get("MCP_CALLS", "[]"))
            reads, prompts = (json.loads(os.environ.get(name, "[]")) for name in ("MCP_READS", "MCP_PROMPTS"))
            seen = await look(client, reads, prompts) if reads or prompts else {}
            return {
                "protocol": client.protocol_version,
                "server": client.server_info.name if client.server_info else None,
                "tools": [tool.name for tool in listed.tools],
                "calls": [await call(client, name, arguments) for name, arguments in calls],
                **more,
                **seen,
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
