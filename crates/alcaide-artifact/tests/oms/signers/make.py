#!/usr/bin/env python3
"""Makes the bundles of this folder anew; needs PyPI `cryptography`. All keys are thrown away."""

import base64
import datetime as dt
import hashlib
import json
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type as Kind
from cryptography.x509.oid import NameOID

HERE = pathlib.Path(__file__).parent
FROM, TO = dt.datetime(2025, 1, 1), dt.datetime(2045, 1, 1)
FILES = {"w": b"weights"}
TYPE = "application/vnd.in-toto+json"


def name(text, kind=Kind.UTF8String):
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ox and Co", _type=kind), x509.NameAttribute(NameOID.COMMON_NAME, text, _type=kind)])


def certificate(subject, key, by, by_key, ca):
    usage = {one: one in (("key_cert_sign", "crl_sign") if ca else ("digital_signature",)) for one in (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")}
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(by).public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(FROM).not_valid_after(TO).add_extension(x509.BasicConstraints(ca, None), True).add_extension(x509.KeyUsage(**usage), True)
            .sign(by_key, hashes.SHA256()))


def pem(key):
    return key.public_key().public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo)


def bundle(title, key, material):
    digests = {path: hashlib.sha256(bytes_) for path, bytes_ in sorted(FILES.items())}
    payload = json.dumps({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "model", "digest": {"sha256": hashlib.sha256(b"".join(one.digest() for one in digests.values())).hexdigest()}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {"resources": [{"name": path, "algorithm": "sha256", "digest": one.hexdigest()} for path, one in digests.items()],
                      "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": []}},
    }).encode()
    signed = b"DSSEv1 %d %s %d %s" % (len(TYPE), TYPE.encode(), len(payload), payload)
    b64 = lambda data: base64.b64encode(data).decode()
    text = {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial": {**material, "tlogEntries": []},
            "dsseEnvelope": {"payload": b64(payload), "payloadType": TYPE, "signatures": [{"sig": b64(key.sign(signed, ec.ECDSA(hashes.SHA256()))), "keyid": ""}]}}
    HERE.joinpath(f"{title}.sig").write_text(json.dumps(text) + "\n")


new = lambda: ec.generate_private_key(ec.SECP256R1())
old_root, new_root = new(), new()
roots = [certificate(name("root"), key, name("root"), key, True) for key in (old_root, new_root)]
HERE.joinpath("roots.pem").write_bytes(b"".join(one.public_bytes(ser.Encoding.PEM) for one in roots))
for title, subject, root in (
    ("alice-old", name("Alice Ox"), old_root),
    ("alice-renewed", name("Alice Ox"), new_root),
    ("alice-printable", name("ALICE  OX", Kind.PrintableString), old_root),
    ("alice-wide", name("alice ox", Kind.BMPString), new_root),
    ("bob", name("Bob Ox"), old_root),
):
    key = new()
    leaf = certificate(subject, key, name("root"), root, False)
    HERE.joinpath(f"{title}.pem").write_bytes(leaf.public_bytes(ser.Encoding.PEM))
    bundle(title, key, {"x509CertificateChain": {"certificates": [{"rawBytes": base64.b64encode(leaf.public_bytes(ser.Encoding.DER)).decode()}]}})
key = new()
HERE.joinpath("alice-key.pub.pem").write_bytes(pem(key))
bundle("alice-key", key, {"publicKey": {"hint": hashlib.sha256(pem(key)).hexdigest()}})
