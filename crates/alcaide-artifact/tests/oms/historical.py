#!/usr/bin/env python3
"""Writes `historical/`: bundles of version 0.2. Needs PyPI `model-signing` 1.1.1 and `pyopenssl`; the keys are thrown away."""

import base64
import datetime as dt
import hashlib
import json
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from model_signing import verifying
from model_signing._signing import sign_sigstore_pb as pb

HERE = pathlib.Path(__file__).parent
OUT = HERE / "historical"
FROM, TO = dt.datetime(2025, 1, 1), dt.datetime(2045, 1, 1)


def payload():
    files = sorted(one for one in (HERE / "model").rglob("*") if one.is_file())
    subjects = [{"name": str(one.relative_to(HERE / "model")), "digest": {"sha256": hashlib.sha256(one.read_bytes()).hexdigest()}} for one in files]
    statement = {"_type": "https://in-toto.io/Statement/v1", "subject": subjects, "predicateType": "https://model_signing/Digests/v0.1", "predicate": {"unused": "it's \\ empty"}}
    return json.dumps(statement, indent=1, ensure_ascii=False).encode()


def bundle(path, material, private, hash):
    raw = payload()
    sig = private.sign(pb.pae_compat(raw), ec.ECDSA(hash))
    path.write_text(json.dumps({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {**material, "tlogEntries": []},
        "dsseEnvelope": {"payload": base64.b64encode(raw).decode(), "payloadType": "application/vnd.in-toto+json", "signatures": [{"sig": base64.b64encode(sig).decode(), "keyid": None}]},
    }))


def certificate(title, by_title, private, by, ca):
    named = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    off = dict.fromkeys(["content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign", "encipher_only", "decipher_only"], False)
    return (x509.CertificateBuilder().subject_name(named(title)).issuer_name(named(by_title)).public_key(private.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(FROM).not_valid_after(TO)
            .add_extension(x509.BasicConstraints(ca, None), True).add_extension(x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, **off), True)
            .sign(by, hashes.SHA256()))


OUT.mkdir(exist_ok=True)
root, leaf, bare = (ec.generate_private_key(ec.SECP384R1()) for _ in range(3))
top, own = certificate("old root", "old root", root, root, True), certificate("old signer", "old root", leaf, root, False)
(OUT / "root.pem").write_bytes(top.public_bytes(ser.Encoding.PEM))
bundle(OUT / "certificate.sig", {"x509CertificateChain": {"certificates": [{"rawBytes": base64.b64encode(own.public_bytes(ser.Encoding.DER)).decode()}]}}, leaf, hashes.SHA256())
spki = bare.public_key().public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo)
(OUT / "key.pub.pem").write_bytes(spki)
bundle(OUT / "key.sig", {"publicKey": {"rawBytes": base64.b64encode(spki).decode(), "keyDetails": "PKIX_ECDSA_P384_SHA_256"}}, bare, hashes.SHA384())
verifying.Config().use_certificate_verifier(certificate_chain=[OUT / "root.pem"]).verify(HERE / "model", OUT / "certificate.sig")
verifying.Config().use_elliptic_key_verifier(public_key=OUT / "key.pub.pem").verify(HERE / "model", OUT / "key.sig")
print("the reference takes both")
