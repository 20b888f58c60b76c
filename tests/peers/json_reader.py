"""Reads the JSON texts of FILE (one in base64 a line) as Python does and prints what each says, in one canonical form.

Members keep their order, twins too; numbers are the bits of a double; strings are their UTF-16 code units in hex.
"""

import base64
import json
import os
import struct


class Object(list):
    """The members of an object, in order."""


def text(value):
    return value.encode("utf-16-be", "surrogatepass").hex()


def told(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return struct.pack(">d", value).hex()
    if isinstance(value, str):
        return f"'{text(value)}'"
    if isinstance(value, Object):
        return "{" + ",".join(sorted(f"{text(key)}:{told(member)}" for key, member in value)) + "}"
    return "[" + ",".join(told(item) for item in value) + "]"


def read(line):
    try:
        return told(json.loads(base64.b64decode(line).decode(), object_pairs_hook=Object, parse_int=float))
    except (ValueError, RecursionError):
        return None


with open(os.environ["FILE"], encoding="ascii") as lines:
    print(json.dumps([read(line) for line in lines]))
