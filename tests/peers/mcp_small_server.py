"""A small MCP server of the public `mcp` library, both eras, on PORT of loopback or a free one; prints where it listens.

Its tools cover what fixtures need: a plain call, an argument that a header repeats, a name beyond ASCII, a
picture, and a question to the person.
"""

import os
import socket
from typing import Annotated

import uvicorn
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.types import InputRequiredResult
from mcp_types import ElicitRequest, ElicitRequestFormParams
from pydantic import Field

server = MCPServer("small", version="1.0", instructions="Ask before you pay.")


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def look_up(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})], query: str) -> str:
    """Looks something up in a region."""
    return f"{query} in {region}"


@server.tool(name="straße", description="A name beyond ASCII.")
def street() -> str:
    return "Straße"


@server.tool()
def picture() -> Image:
    """Draws one pixel."""
    return Image(data=b"\x89PNG\r\n\x1a\n", format="png")


@server.tool()
async def pay(amount: int, context: Context) -> str | InputRequiredResult:
    """Pays, if the person agrees."""
    if not context.input_responses:
        form = {"type": "object", "properties": {"agree": {"type": "boolean"}}}
        ask = ElicitRequest(params=ElicitRequestFormParams(message=f"Pay {amount}?", requested_schema=form))
        return InputRequiredResult(input_requests={"agree": ask}, request_state="opaque-state")
    return f"paid {amount}"


@server.prompt()
def greet(name: str) -> str:
    """Greets somebody."""
    return f"Greet {name}."


@server.resource("note://one")
def note() -> str:
    """A note."""
    return "one"


listener = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "0"))))
print("listening on %s:%d" % listener.getsockname(), flush=True)
uvicorn.Server(uvicorn.Config(server.streamable_http_app(), log_level="error")).run(sockets=[listener])
