"""Asks an Anthropic-compatible server through the public `anthropic` library and prints what it understood."""

import json
import os

import anthropic

MODEL = os.environ.get("MODEL", "test-model")
ASK = {
    "model": MODEL,
    "max_tokens": 64,
    "messages": [{"role": "user", "content": os.environ.get("PROMPT", "Say something.")}],
}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"name": "weather", "description": "Weather of a city", "input_schema": SCHEMA}]
client = anthropic.Anthropic(max_retries=0, timeout=30)


def message_of(done):
    return {
        "text": "".join(block.text for block in done.content if block.type == "text"),
        "calls": [
            {"id": block.id, "name": block.name, "input": block.input}
            for block in done.content
            if block.type == "tool_use"
        ],
        "stop": done.stop_reason,
        "usage": {"input": done.usage.input_tokens, "output": done.usage.output_tokens} if done.usage else None,
        "model": done.model,
    }


def messages(**extra):
    return message_of(client.messages.create(**ASK, **extra))


def stream(**extra):
    pieces, kinds = [], []
    with client.messages.stream(**ASK, **extra) as events:
        for event in events:
            if not kinds or kinds[-1] != event.type:
                kinds.append(event.type)
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                pieces.append(event.delta.text)
        done = events.get_final_message()
    return {**message_of(done), "streamed": "".join(pieces), "pieces": len(pieces), "kinds": kinds}


def models():
    return {"ids": [model.id for model in client.models.list()], "one": client.models.retrieve(MODEL).id}


ACTS = {
    "messages": messages,
    "stream": stream,
    "tools": lambda: messages(tools=TOOLS),
    "tools_stream": lambda: stream(tools=TOOLS),
    "models": models,
}


def seen(act):
    try:
        return ACTS[act]()
    except anthropic.APIStatusError as error:
        return {"error": type(error).__name__, "status": error.status_code, "message": error.message}
    except Exception as error:  # what a user of the library would see
        return {"error": type(error).__name__, "status": None, "message": str(error)}


chosen = [act for act in os.environ.get("ACTS", ",".join(ACTS)).split(",") if act]
print(json.dumps({act: seen(act) for act in chosen}))
