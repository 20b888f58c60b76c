"""An agent whose steps are written down and whose words are a model's: reads a file by a tool, asks a model about it.

Everything goes through the public `openai` and `mcp` libraries. Reads OPENAI_BASE_URL, OPENAI_API_KEY (the token of the
tool servers too), MODEL, MCP_BASE_URL, and PLAN, a JSON object: `tools` (lists of tools by server, waited for first), and
for the loop `server` (its tool server), `folder` (what is listed there), `about` (a word that tells which file is wanted),
`question`, and `refused` (lists of paths by server that should not be readable there). Without `server` there is no loop.
Prints one line of JSON.

The model chooses which file is read if its answer names one; it is small, so the script takes the first where it does
not, and says who chose.
"""

import asyncio
import contextlib
import json
import os
import time

import httpx2
import openai
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

MODEL = os.environ.get("MODEL", "small")
TOKEN = os.environ["OPENAI_API_KEY"]
BOUNDS = {"temperature": 0, "max_tokens": 24}
DEADLINE_S = 30
model = openai.OpenAI(max_retries=0, timeout=60)


@contextlib.asynccontextmanager
async def tools_of(server):
    url = f"{os.environ['MCP_BASE_URL']}/{server}"
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode="auto", read_timeout_seconds=60) as client:
            yield client


async def call(client, name, path):
    """What a tool gives, or what a user of the library sees instead."""
    try:
        done = await client.call_tool(name, {"path": path})
    except Exception as error:
        return {"failed": True, "text": str(error), "error": type(error).__name__}
    text = "".join(block.text for block in done.content if block.type == "text")
    return {"failed": bool(done.is_error), "text": text, "structured": done.structured_content}


def usage(figures):
    return {"prompt": figures.prompt_tokens, "completion": figures.completion_tokens}


def ask(text):
    messages = [{"role": "user", "content": text}]
    done = model.chat.completions.create(model=MODEL, messages=messages, **BOUNDS)
    choice = done.choices[0]
    return {"text": choice.message.content, "finish": choice.finish_reason, "usage": usage(done.usage)}


def ask_streamed(text):
    messages = [{"role": "user", "content": text}]
    pieces, finish, figures = [], None, None
    options = {"include_usage": True}
    for chunk in model.chat.completions.create(
        model=MODEL, messages=messages, stream=True, stream_options=options, **BOUNDS
    ):
        figures = usage(chunk.usage) if chunk.usage else figures
        for choice in chunk.choices:
            pieces.append(choice.delta.content or "")
            finish = choice.finish_reason or finish
    return {
        "text": "".join(pieces),
        "pieces": len([piece for piece in pieces if piece]),
        "finish": finish,
        "usage": figures,
    }


def choose(names, about):
    """Which of the files the model means."""
    first, second = names
    said = ask(f"There are two files: {first} and {second}. Which file is about {about}? Answer with the file name only.")
    named = [name for name in names if name.rsplit(".", 1)[0] in said["text"].lower()]
    by_model = len(named) == 1
    return {"said": said, "file": named[0] if by_model else first, "by": "model" if by_model else "script"}


async def offered(wanted):
    """Lists until each server offers what is wanted of it: plans come into force a moment after they are made."""
    seen = {}
    for server, names in wanted.items():
        begun = time.monotonic()
        async with tools_of(server) as client:
            while True:
                seen[server] = sorted(tool.name for tool in (await client.list_tools()).tools)
                if set(names) <= set(seen[server]) or time.monotonic() - begun > DEADLINE_S:
                    break
    return seen


async def use(plan):
    seen = {"tools": await offered(plan["tools"])}
    if "server" not in plan:
        return seen
    async with tools_of(plan["server"]) as client:
        listed = await call(client, "list_directory", plan["folder"])
        seen["listed"] = listed
        names = [line.removeprefix("[FILE] ") for line in sorted(listed["text"].splitlines()) if ".txt" in line]
        seen["chosen"] = choose(names[:2], plan["about"])
        path = f"{plan['folder']}/{seen['chosen']['file']}"
        read = await call(client, "read_text_file", path)
        seen["read"] = read
        text = f"Here is a note:\n{read['text']}\n\n{plan['question']}"
        seen["whole"], seen["streamed"] = ask(text), ask_streamed(text)
    seen["refused"] = {}
    for server, paths in plan["refused"].items():
        async with tools_of(server) as client:
            seen["refused"][server] = [await call(client, "read_text_file", path) for path in paths]
    return seen


print(json.dumps(asyncio.run(use(json.loads(os.environ["PLAN"])))))
