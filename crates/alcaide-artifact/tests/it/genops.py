"""Prints pickles as hexadecimal with what pickletools.genops says of them. Nothing is unpickled. Standard library alone."""

import collections
import datetime
import decimal
import itertools
import pickle
import pickletools
import random
import struct

RANDOM = random.Random(20261128)


class Thing:
    def __init__(self, value):
        self.value = value


class Extended:
    def __new__(cls, *args, **words):
        return super().__new__(cls)

    def __getnewargs_ex__(self):
        return (1,), {"two": 2}


def text():
    letters = "abcz09 '\"\\\n\t\x00\u00e9\u0416\u20ac\U0001f600"
    return "".join(RANDOM.choice(letters) for _ in range(RANDOM.choice((0, 1, 5, 40, 300))))


def value(depth):
    kind = RANDOM.randrange(24 if depth else 12)
    if kind == 0:
        return None
    if kind == 1:
        return RANDOM.random() < 0.5
    if kind == 2:
        return RANDOM.choice((0, 1, -1, 255, 256, 65535, 65536, -(2**31), 2**31 - 1, 2**31, -(2**63), 2**63, -(2**64)))
    if kind == 3:
        return RANDOM.getrandbits(RANDOM.choice((8, 70, 200, 2100))) * RANDOM.choice((1, -1))
    if kind == 4:
        return RANDOM.choice((0.0, -0.0, 1.5, -2.25e300, 5e-324, float("inf"), RANDOM.random()))
    if kind in (5, 6, 7):
        return text()
    if kind == 8:
        return bytes(RANDOM.randrange(256) for _ in range(RANDOM.choice((0, 3, 300))))
    if kind == 9:
        return bytearray(RANDOM.randrange(256) for _ in range(RANDOM.choice((0, 7))))
    if kind == 10:
        return datetime.datetime(2026, 1, 1 + RANDOM.randrange(28))
    if kind == 11:
        return decimal.Decimal(RANDOM.randrange(10**6)) / 100
    items = [value(depth - 1) for _ in range(RANDOM.randrange(5))]
    if kind in (12, 13):
        return items
    if kind in (14, 15):
        return tuple(items)
    if kind in (16, 17):
        return {text(): item for item in items}
    if kind == 18:
        return {text() for _ in items}
    if kind == 19:
        return frozenset(text() for _ in items)
    if kind == 20:
        return collections.OrderedDict((text(), item) for item in items)
    if kind == 21:
        return Thing(items)
    if kind == 22:
        return Extended()
    shared = [value(depth - 1)]
    return [shared, shared, shared]


def by_hand():
    """Opcodes that no pickler of today writes."""
    yield b"(S'a\\x41\\'\\n\\101\\\\'\np0\nS\"q\"\nl."
    yield b"(Vx\\u0416\\U0001f600\\\\u\n" + b"I01\nI00\nI-5\nI12345678901234567890\nL-7L\nL99999999999999999999L\nF1.5\nF-inf\nd."
    yield b"U\x03abcT\x04\x00\x00\x00de\xffg\x82\x05\x83\x05\x01\x84\x05\x00\x01\x00\x86."
    yield b"(cos\npath\nNo(iposix\nerror\nPsome id\nQ0120a."
    yield b"g5\nh\x05j\x05\x00\x00\x00p70000\nq\x09r\x00\x01\x02\x00."
    yield b"\x80\x05\x95" + struct.pack("<Q", 3) + b"\x97\x98."
    yield b"\x8e" + struct.pack("<Q", 2) + b"ab\x8d" + struct.pack("<Q", 3) + "\u20ac".encode() + b"\x8b" + struct.pack("<i", 12) + b"\xff" * 12 + b"."
    yield b"(1(t)]}\x8f(\x90(\x91(e(u\x85\x86\x87s2b0."


def shown(name, arg):
    if arg is None:
        return "-"
    if isinstance(arg, bool):
        return f"i{int(arg)}"
    if isinstance(arg, int):
        if name in ("LONG1", "LONG4"):
            data = pickle.encode_long(arg)
            return f"i{arg}" if -(2**63) <= arg < 2**63 else "l" + data.hex()
        return f"i{arg}"
    if isinstance(arg, float):
        return "f" + struct.pack(">d", arg).hex()
    if isinstance(arg, str):
        return "t" + arg.encode().hex()
    return "b" + bytes(arg).hex()


def main():
    made = (
        pickle._dumps(value(4), number % 6) if number % 2 else pickle.dumps(value(4), number % 6)
        for number in range(10_000)
    )
    for data in itertools.chain(by_hand(), made):
        said = "".join(f"{at} {op.name} {shown(op.name, arg)};" for op, arg, at in pickletools.genops(data))
        print(f"{data.hex()}\t{said}")


main()
