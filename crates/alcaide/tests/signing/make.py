"""Writes the certificates that tests of `alcaide model sign` sign by: a key, its certificate, the two above it, and an expired one."""

import datetime
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = pathlib.Path(__file__).parent
OFF = dict.fromkeys(["content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign", "encipher_only", "decipher_only"], False)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(file, title, key, by_title, by, serial, end, authority):
    made = (
        x509.CertificateBuilder()
        .subject_name(name(title))
        .issuer_name(name(by_title))
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(datetime.datetime(2025, 1, 1))
        .not_valid_after(datetime.datetime(end, 1, 1))
        .add_extension(x509.BasicConstraints(authority, None), True)
        .add_extension(x509.KeyUsage(digital_signature=not authority, key_cert_sign=authority, **OFF), True)
    )
    (HERE / file).write_bytes(made.sign(by, hashes.SHA256()).public_bytes(ser.Encoding.PEM))


root, between, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
(HERE / "leaf.pem").write_bytes(leaf.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption()))
certificate("root.crt", "house root", root, "house root", root, 1, 2075, True)
certificate("between.crt", "house between", between, "house root", root, 2, 2075, True)
certificate("leaf.crt", "house release", leaf, "house between", between, 0xBEEF, 2075, False)
certificate("expired.crt", "house past", leaf, "house between", between, 4, 2026, False)
