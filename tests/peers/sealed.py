"""Peers of sealed files, on stdin and stdout: `sealed.py write|read|hpke`.

`write` makes random CryptoTensors files with PyPI `cryptotensors` and prints one JSON object a line: file, keys, and what is in it.
`read` reads such lines, whose files the other side wrote, and prints what it finds in each, or its error.
`hpke` reads lines with a public key and prints what PyPI `cryptography` seals to it, and a key pair of its own for the other direction.
"""

import base64
import json
import random
import sys

DTYPES = {"uint8": 1, "int8": 1, "bool": 1, "int16": 2, "float16": 2, "bfloat16": 2, "int32": 4, "float32": 4, "int64": 8, "float64": 8}
ALGORITHMS = {"aes256gcm": 32, "aes128gcm": 16, "chacha20poly1305": 32}


def text(data):
    return base64.b64encode(data).decode()


def keys(dice, algorithm):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    seed = dice.randbytes(32)
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    master = {"kty": "oct", "alg": algorithm, "kid": "master", "k": text(dice.randbytes(ALGORITHMS[algorithm]))}
    return master, {"kty": "okp", "alg": "ed25519", "kid": "signer", "d": text(seed), "x": text(public)}


def write():
    import cryptotensors

    dice = random.Random(20)
    for number in range(36):
        master, signer = keys(dice, list(ALGORITHMS)[number % 3])
        tensors = {}
        for index in range(dice.randint(1, 6)):
            dtype = dice.choice(list(DTYPES))
            # One empty tensor at most: the peer orders two in one place by chance.
            shape = [0, 3] if index == 0 and number % 4 == 0 else [dice.randint(1, 40) for _ in range(dice.randint(0, 3))]
            size = DTYPES[dtype]
            for dimension in shape:
                size *= dimension
            name = dice.choice(["layer.%d", "g\u00e4nge/%d", 'q"\\%d', "\u0001%d\n", "\U0001f600%d"]) % index
            tensors[name] = {"dtype": dtype, "shape": shape, "data": dice.randbytes(size)}
        config = {"enc_key": master, "sign_key": signer, "chunk_size": dice.choice([1000, 4096, 65537, 2097152])}
        file = bytes(cryptotensors.serialize(tensors, metadata={"format": "pt", "A": "\u00fc\n"} if number % 2 else None, config=config))
        inside = {name: text(tensor["data"]) for name, tensor in tensors.items()}
        print(json.dumps({"file": text(file), "master": master, "signer": signer, "tensors": inside}))


def read():
    import cryptotensors

    for line in sys.stdin:
        case = json.loads(line)
        cryptotensors.register_direct_key_provider(keys=[case["master"], case["signer"]])
        try:
            found = cryptotensors.deserialize(base64.b64decode(case["file"]))
            print(json.dumps({name: {"dtype": t["dtype"], "shape": t["shape"], "data": text(bytes(t["data"]))} for name, t in found}))
        except Exception as error:
            print(json.dumps({"error": str(error)}))


def hpke():
    from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey, Suite

    held = {}
    for line in sys.stdin:
        case = json.loads(line)
        hybrid = case["kem"] == "hybrid"
        suite = Suite(KEM.MLKEM768_X25519 if hybrid else KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
        if "public" in case:
            public = base64.b64decode(case["public"])
            point = x25519.X25519PublicKey.from_public_bytes(public[-32:])
            key = MLKEM768X25519PublicKey(mlkem.MLKEM768PublicKey.from_public_bytes(public[:-32]), point) if hybrid else point
            private = x25519.X25519PrivateKey.generate()
            own = private.public_key().public_bytes_raw()
            if hybrid:
                lattice = mlkem.MLKEM768PrivateKey.generate()
                own = lattice.public_key().public_bytes_raw() + own
                private = MLKEM768X25519PrivateKey(lattice, private)
            held[case["kem"]] = private
            print(json.dumps({"sealed": text(suite.encrypt(b"to alcaide", key, b"info")), "public": text(own)}), flush=True)
        else:
            opened = suite.decrypt(base64.b64decode(case["sealed"]), held[case["kem"]], b"info")
            print(json.dumps({"opened": text(opened)}), flush=True)


{"write": write, "read": read, "hpke": hpke}[sys.argv[1]]()
