"""A tool server on standard input and output that misbehaves on demand. No library: it must be able to break rules.

Options: `--stateless` (knows `server/discover` only), `--revision R` (answers `initialize` with R), `--mute` (says no
hello), `--refuse` (refuses both hellos), `--die` (ends at once). Each tool is a function below; it gives a text, or
`None` for no answer.
"""

import json
import os
import socket
import sys
import time

options = sys.argv[1:]
heard = []
memory = []


def say(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def junk(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def note(method, params):
    say({"method": method, "params": params})


def listen():
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    heard.append(line.rstrip("\n"))
    return json.loads(line)


def attempt(act):
    try:
        return act()
    except OSError as error:
        return f"errno {error.errno}"


def echo(request, arguments):
    return json.dumps(arguments)


def seen(request, arguments):
    return json.dumps(heard)


def remember(request, arguments):
    memory.append(arguments["word"])
    return json.dumps(memory)


def about(request, arguments):
    return json.dumps({"env": dict(os.environ), "folder": os.getcwd(), "pid": os.getpid()})


def read(request, arguments):
    return attempt(lambda: open(arguments["path"], encoding="utf-8").read())


def write(request, arguments):
    return attempt(lambda: str(open(arguments["path"], "w", encoding="utf-8").write("written")))


def connect(request, arguments):
    return attempt(lambda: socket.create_connection(("127.0.0.1", arguments["port"]), 5).recv(64).decode())


def resolve(request, arguments):
    def query():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            return str(udp.sendto(b"x", ("127.0.0.1", arguments["port"])))

    return attempt(query)


def office(request, arguments):
    def speak():
        with socket.socket(socket.AF_UNIX) as unix:
            unix.connect(arguments["path"])
            return "connected"

    return attempt(speak)


def die(request, arguments):
    sys.stderr.write("so long\n")
    sys.stderr.flush()
    os._exit(3)


def last_words(request, arguments):
    say({"id": request["id"], "result": {"content": [{"type": "text", "text": "last"}]}})
    os._exit(0)


def close(request, arguments):
    os.close(1)
    while True:
        time.sleep(3600)


def silent(request, arguments):
    return None


def deaf(request, arguments):
    while True:
        time.sleep(3600)


def other_id(request, arguments):
    for _ in range(arguments.get("times", 1)):
        say({"id": request["id"] + 1000, "result": {}})
    return None


def twice(request, arguments):
    say({"id": request["id"], "result": {"content": [{"type": "text", "text": "first"}]}})
    return "second"


def banner(request, arguments):
    for _ in range(arguments.get("times", 1)):
        junk("Processing request, please wait")
    return "done"


def flood(request, arguments):
    while True:
        junk("x" * 100)


def nag(request, arguments):
    while True:
        note("notifications/tools/list_changed", {})


def long_answer(request, arguments):
    head, tail = f'{{"jsonrpc":"2.0","id":{request["id"]},"result":{{"text":"', '"}}'
    junk(head + "x" * (arguments["bytes"] - len(head) - len(tail)) + tail)
    return None


def batch(request, arguments):
    junk(json.dumps([{"jsonrpc": "2.0", "id": request["id"], "result": {}}]))
    return "alone"


def report(request, arguments):
    token = request["params"].get("_meta", {}).get("progressToken")
    note("notifications/progress", {"progressToken": token, "progress": 1, "total": 2})
    note("notifications/message", {"level": "info", "data": "half"})
    note("notifications/progress", {"progressToken": 999_999, "progress": 1})
    note("notifications/tools/list_changed", {})
    return json.dumps(token)


def ask(request, arguments):
    answers = []
    for method in ("ping", "sampling/createMessage", "elicitation/create", "roots/list"):
        say({"id": method, "method": method, "params": {}})
        answers.append(listen())
    return json.dumps(answers)


def until_cancelled(request, arguments):
    while (told := listen()).get("method") != "notifications/cancelled":
        pass
    return json.dumps(told["params"]["requestId"] == request["id"])


def complain(request, arguments):
    sys.stderr.write("e" * arguments["bytes"])
    sys.stderr.flush()
    return "done"


def hello(request):
    if "--mute" in options:
        return None
    stateless = "--stateless" in options
    if "--refuse" in options or request["method"] != ("server/discover" if stateless else "initialize"):
        return {"error": {"code": -32601, "message": "Method not found"}}
    result = {"capabilities": {"tools": {}}, "serverInfo": {"name": "odd", "version": "1"}}
    if stateless:
        return {"result": {"supportedVersions": ["2026-07-28"], **result}}
    asked = request["params"]["protocolVersion"]
    revision = options[options.index("--revision") + 1] if "--revision" in options else asked
    return {"result": {"protocolVersion": revision, **result}}


def answer(request):
    method = request["method"]
    if method in ("initialize", "server/discover"):
        return hello(request)
    if method == "subscriptions/listen":
        own = {"_meta": {"io.modelcontextprotocol/subscriptionId": request["id"]}}
        note("notifications/subscriptions/acknowledged", own)
        note("notifications/tools/list_changed", own)
        return None
    if method != "tools/call":
        return {"error": {"code": -32601, "message": "Method not found"}}
    tool = globals()[request["params"]["name"]]
    text = tool(request, request["params"].get("arguments", {}))
    return None if text is None else {"result": {"content": [{"type": "text", "text": text}]}}


if "--die" in options:
    sys.exit(4)
while True:
    message = listen()
    if "id" in message and (told := answer(message)) is not None:
        say({"id": message["id"], **told})
