"""Asks over TLS with one trusted authority, as any program with Python's own `ssl` does.

In: URLS (separated by spaces), CA (PEM file), BEARER (may be empty). Out: one JSON line, status or error of each.
"""

import http.client
import json
import os
import ssl
from urllib.parse import urlsplit


def ask(url: str, ca: str, bearer: str):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=ca)
    parts = urlsplit(url)
    connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=context, timeout=30)
    try:
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        connection.request("GET", parts.path, headers=headers)
        return connection.getresponse().status
    except ssl.SSLError as error:
        return type(error).__name__
    finally:
        connection.close()


urls = os.environ["URLS"].split()
print(json.dumps([ask(url, os.environ["CA"], os.environ["BEARER"]) for url in urls]))
