"""Asks an OpenAI-compatible server through the public `openai` library and prints what the library understood."""

import json
import os

import openai

MODEL = os.environ.get("MODEL", "test-model")
PROMPT = os.environ.get("PROMPT", "Say something.")
MESSAGES = [{"role": "user", "content": PROMPT}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Weather of a city", "parameters": SCHEMA}}]
client = openai.OpenAI(max_retries=0, timeout=30)


def usage(value):
    return value.model_dump(include={"prompt_tokens", "completion_tokens", "total_tokens"}) if value else None


def calls(found):
    return [{"id": c.id, "name": c.function.name, "arguments": c.function.arguments} for c in found or []]


def chat(tools=None):
    extra = {"tools": tools} if tools else {}
    done = client.chat.completions.create(model=MODEL, messages=MESSAGES, **extra)
    choice = done.choices[0]
    return {
        "text": choice.message.content,
        "calls": calls(choice.message.tool_calls),
        "finish": choice.finish_reason,
        "usage": usage(done.usage),
        "model": done.model,
    }


def stream(tools=None):
    extra = {"tools": tools} if tools else {}
    pieces, found, finish, figures, model = [], {}, None, None, None
    events = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}, **extra
    )
    for chunk in events:
        model = chunk.model
        figures = usage(chunk.usage) or figures
        for choice in chunk.choices:
            if choice.delta.content:
                pieces.append(choice.delta.content)
            for call in choice.delta.tool_calls or []:
                kept = found.setdefault(call.index, {"id": None, "name": None, "arguments": ""})
                kept["id"] = call.id or kept["id"]
                kept["name"] = call.function.name or kept["name"]
                kept["arguments"] += call.function.arguments or ""
            finish = choice.finish_reason or finish
    return {
        "text": "".join(pieces),
        "pieces": len(pieces),
        "calls": [found[i] for i in sorted(found)],
        "finish": finish,
        "usage": figures,
        "model": model,
    }


def response_of(done):
    return {
        "text": done.output_text,
        "calls": [
            {"id": item.call_id, "name": item.name, "arguments": item.arguments}
            for item in done.output
            if item.type == "function_call"
        ],
        "status": done.status,
        "usage": {"input": done.usage.input_tokens, "output": done.usage.output_tokens} if done.usage else None,
    }


def responses():
    return response_of(client.responses.create(model=MODEL, input=PROMPT))


def responses_stream():
    """The library's own accumulator raises when events come out of order or do not add up."""
    pieces, kinds = [], []
    with client.responses.stream(model=MODEL, input=PROMPT) as events:
        for event in events:
            if not kinds or kinds[-1] != event.type:
                kinds.append(event.type)
            if event.type == "response.output_text.delta":
                pieces.append(event.delta)
        done = events.get_final_response()
    return {**response_of(done), "streamed": "".join(pieces), "pieces": len(pieces), "kinds": kinds}


def embeddings():
    made = client.embeddings.create(model=MODEL, input=[PROMPT, PROMPT + "!"])
    plain = client.embeddings.create(model=MODEL, input=PROMPT, encoding_format="float")
    return {
        "sizes": [len(item.embedding) for item in made.data],
        "same": list(made.data[0].embedding) == list(plain.data[0].embedding),
        "differ": list(made.data[0].embedding) != list(made.data[1].embedding),
        "tokens": made.usage.total_tokens,
    }


def models():
    return {"ids": [model.id for model in client.models.list()], "one": client.models.retrieve(MODEL).id}


ACTS = {
    "chat": chat,
    "stream": stream,
    "tools": lambda: chat(TOOLS),
    "tools_stream": lambda: stream(TOOLS),
    "responses": responses,
    "responses_stream": responses_stream,
    "embeddings": embeddings,
    "models": models,
}


def seen(act):
    try:
        return ACTS[act]()
    except openai.APIStatusError as error:
        return {"error": type(error).__name__, "status": error.status_code, "message": error.message}
    except Exception as error:  # what a user of the library would see
        return {"error": type(error).__name__, "status": None, "message": str(error)}


chosen = [act for act in os.environ.get("ACTS", ",".join(ACTS)).split(",") if act]
print(json.dumps({act: seen(act) for act in chosen}))
