"""Stands between an MCP client and an MCP server over HTTP and writes down what passes, byte for byte.

Reads TARGET (`http://127.0.0.1:PORT`), LISTEN (a port of loopback) and RECORD (a folder). Each exchange becomes
`NN.json`: the request's verb, path, headers and body, the answer's status, headers and body. Only headers that
the protocol knows are kept. Streams are cut after two seconds of silence.
"""

import http.client
import json
import os
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEPT = ("accept", "allow", "content-type", "last-event-id")
target = urllib.parse.urlsplit(os.environ["TARGET"])
folder = os.environ["RECORD"]
lock = threading.Lock()
count = 0


def kept(headers):
    return [[name.lower(), value] for name, value in headers if name.lower() in KEPT or name.lower().startswith("mcp-")]


class Between(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def pass_on(self):
        global count
        with lock:
            count += 1
            number = count
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        upstream = http.client.HTTPConnection(target.hostname, target.port, timeout=2)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        upstream.request(self.command, self.path, body or None, headers)
        answer = upstream.getresponse()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        told = b""
        try:
            while piece := answer.read1(65536):
                told += piece
                self.wfile.write(piece)
                self.wfile.flush()
        except OSError:
            pass
        record = {
            "verb": self.command,
            "path": self.path,
            "headers": kept(self.headers.items()),
            "body": body.decode(),
            "status": answer.status,
            "answer_headers": kept(answer.getheaders()),
            "answer": told.decode(),
        }
        with open(os.path.join(folder, f"{number:02}.json"), "w", encoding="utf-8") as file:
            json.dump(record, file, ensure_ascii=False, indent=1)
            file.write("\n")

    do_POST = do_GET = do_DELETE = pass_on


ThreadingHTTPServer(("127.0.0.1", int(os.environ["LISTEN"])), Between).serve_forever()
