"""Runs COMMAND, a JSON list, on a terminal of its own until it has said UNTIL, asks it to end, and prints as JSON what it
said and how it ended."""

import json
import os
import pty
import signal

command = json.loads(os.environ["COMMAND"])
until = os.environ["UNTIL"].encode()
kept = {name: value for name, value in os.environ.items() if name not in ("COMMAND", "UNTIL")}
child, terminal = pty.fork()
if child == 0:
    os.execve(command[0], command, {**kept, "TERM": "dumb"})
said = b""
asked = False
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    said += piece
    if until in said and not asked:
        asked = True
        os.kill(child, signal.SIGTERM)
_, status = os.waitpid(child, 0)
print(json.dumps({"said": said.decode(errors="replace"), "status": os.waitstatus_to_exitcode(status)}))
