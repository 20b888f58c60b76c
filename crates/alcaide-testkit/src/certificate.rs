//! A throw-away self-signed certificate: as much DER as a TLS client looks at. For tests alone.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Certificate and key as PEM, and the certificate as DER.
#[derive(Clone, Debug)]
pub struct Made {
    /// The certificate, PEM.
    pub chain: String,
    /// Its key, PEM (PKCS #8).
    pub key: String,
    /// The certificate, DER.
    pub der: Vec<u8>,
}

/// Makes one for `localhost` and 127.0.0.1, valid 2020 to 2049, with the given serial number (1 to 127). It is its own
/// authority.
///
/// # Panics
/// If the system gives no randomness.
#[expect(clippy::unwrap_used, reason = "a test that cannot make its certificate must fail")]
#[must_use]
pub fn make(serial: u8) -> Made {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).unwrap();
    // ecdsa-with-SHA256; commonName; id-ecPublicKey with prime256v1; subjectAltName.
    let algorithm = tlv(0x30, &[&tlv(0x06, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]])]);
    let attribute = tlv(0x30, &[&tlv(0x06, &[&[0x55, 0x04, 0x03]]), &tlv(0x0c, &[b"localhost"])]);
    let name = tlv(0x30, &[&tlv(0x31, &[&attribute])]);
    let validity = tlv(0x30, &[&tlv(0x17, &[b"200101000000Z"]), &tlv(0x17, &[b"491231235959Z"])]);
    let ec = tlv(0x06, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]]);
    let curve = tlv(0x06, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]]);
    let public = tlv(0x30, &[&tlv(0x30, &[&ec, &curve]), &bits(pair.public_key().as_ref())]);
    let names = tlv(0x30, &[&tlv(0x82, &[b"localhost"]), &tlv(0x87, &[&[127, 0, 0, 1]])]);
    let extension = tlv(0x30, &[&tlv(0x06, &[&[0x55, 0x1d, 0x11]]), &tlv(0x04, &[&names])]);
    let extensions = tlv(0xa3, &[&tlv(0x30, &[&extension])]);
    let version = tlv(0xa0, &[&tlv(0x02, &[&[2]])]);
    let number = tlv(0x02, &[&[serial]]);
    let body = tlv(0x30, &[&version, &number, &algorithm, &name, &validity, &name, &public, &extensions]);
    let signature = pair.sign(&random, &body).unwrap();
    let der = tlv(0x30, &[&body, &algorithm, &bits(signature.as_ref())]);
    Made { chain: pem("CERTIFICATE", &der), key: pem("PRIVATE KEY", pkcs8.as_ref()), der }
}

fn bits(bytes: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], bytes])
}

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(len @ 0..=127) => out.push(len),
        Ok(len) => out.extend([0x81, len]),
        Err(_) => {
            out.push(0x82);
            // A certificate of one key has some 400 bytes.
            out.extend(u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    out.extend(content);
    out
}

fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    // 48 bytes are 64 letters, and no line but the last is padded.
    for line in der.chunks(48) {
        text.push_str(&STANDARD.encode(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}
