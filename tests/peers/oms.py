"""The reference implementation of OpenSSF Model Signing as a peer: `oms.py make|sign|verify FOLDER`.

`make` writes keys and a chain of certificates into FOLDER/keys, `sign` signs each model of FOLDER/models by key and by certificate,
`verify` verifies the bundles that the other side wrote, and prints as JSON what it thinks of each.
"""

import datetime
import json
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from model_signing import hashing, signing, verifying

CURVES = {"p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1}


def make(keys):
    keys.mkdir(parents=True)
    for name, curve in CURVES.items():
        private = ec.generate_private_key(curve())
        write_key(keys / f"{name}.pem", private)
        (keys / f"{name}.pub.pem").write_bytes(private.public_key().public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo))
    root, between, leaf = (ec.generate_private_key(curve()) for curve in (ec.SECP521R1, ec.SECP384R1, ec.SECP256R1))
    write_key(keys / "leaf.pem", leaf)
    certificate(keys / "root.crt", "root", root, "root", root, True)
    certificate(keys / "between.crt", "between", between, "root", root, True)
    certificate(keys / "leaf.crt", "leaf", leaf, "between", between, False)


def write_key(path, private):
    path.write_bytes(private.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption()))


def certificate(path, title, private, by_title, by, authority):
    def name(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    off = dict.fromkeys(["content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign", "encipher_only", "decipher_only"], False)
    made = (
        x509.CertificateBuilder()
        .subject_name(name(title))
        .issuer_name(name(by_title))
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2025, 1, 1))
        .not_valid_after(datetime.datetime(2045, 1, 1))
        .add_extension(x509.BasicConstraints(authority, None), True)
        .add_extension(x509.KeyUsage(digital_signature=not authority, key_cert_sign=authority, **off), True)
    )
    path.write_bytes(made.sign(by, hashes.SHA256()).public_bytes(ser.Encoding.PEM))


def models(folder):
    return sorted((folder / "models").iterdir(), key=lambda one: int(one.name))


def key_of(model):
    return list(CURVES)[int(model.name) % len(CURVES)]


def sign(folder):
    keys, out = folder / "keys", folder / "reference"
    out.mkdir()
    for model in models(folder):
        signing.Config().use_elliptic_key_signer(private_key=keys / f"{key_of(model)}.pem").sign(model, out / f"{model.name}.key.sig")
        signing.Config().use_certificate_signer(
            private_key=keys / "leaf.pem", signing_certificate=keys / "leaf.crt", certificate_chain=[keys / "between.crt"]
        ).sign(model, out / f"{model.name}.certificate.sig")


def verify(folder):
    keys, own = folder / "keys", folder / "own"
    verdicts = {}
    for bundle in sorted(own.iterdir()):
        number, method, _ = bundle.name.split(".")
        model = folder / "models" / number
        config = verifying.Config().set_hashing_config(hashing.Config().set_ignored_paths(paths=[], ignore_git_paths=True))
        if method == "key":
            config = config.use_elliptic_key_verifier(public_key=keys / f"{key_of(model)}.pub.pem")
        else:
            config = config.use_certificate_verifier(certificate_chain=[keys / "root.crt"])
        try:
            config.verify(model, bundle)
            verdicts[bundle.name] = "ok"
        except Exception as error:  # a verdict, whatever it is
            verdicts[bundle.name] = f"{type(error).__name__}: {error}"
    print(json.dumps(verdicts))


if __name__ == "__main__":
    act, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    {"make": lambda: make(folder / "keys"), "sign": lambda: sign(folder), "verify": lambda: verify(folder)}[act]()
