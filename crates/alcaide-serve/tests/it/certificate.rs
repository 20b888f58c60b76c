//! A throw-away self-signed certificate: as much DER as a TLS client looks at.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

/// Certificate and key as PEM, and the certificate as DER.
pub(crate) struct Made {
    pub(crate) chain: String,
    pub(crate) key: String,
    pub(crate) der: Vec<u8>,
}

/// Makes one for `localhost`, valid 2020 to 2049, with the given serial number (1 to 127).
pub(crate) fn make(serial: u8) -> Made {
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
    let names = tlv(0x30, &[&tlv(0x82, &[b"localhost"])]);
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
            out.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
        }
    }
    out.extend(content);
    out
}

fn pem(label: &str, der: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in der.chunks(3) {
        let word =
            three.iter().chain([&0, &0]).take(3).fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        for place in 0..4 {
            let letter = LETTERS[usize::try_from(word >> (18 - 6 * place) & 63).unwrap()];
            text.push(if place <= three.len() { char::from(letter) } else { '=' });
        }
    }
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
