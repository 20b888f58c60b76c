//! The format of version 0.2 of the reference: read where it is asked for, never written.
//!
//! Its statement lists the files as subjects and has no root digest; its signatures are over an encoding in which the payload is
//! written as Python shows bytes, and by SHA-256 whatever the curve. Source: the reference's own readers of that format
//! (sigstore/model-transparency 1.1.1, `dsse_payload_to_manifest_compat` and `pae_compat`).

use alcaide_seal::ecdsa::EcPublicKey;
use alcaide_seal::hash::HashAlgorithm;

use super::error::SigningError;
use super::manifest::{Manifest, Resource};
use super::scheme::Scheme;
use super::statement::{PAYLOAD_TYPE, Statement, Subject};
use crate::scanner::shown;

pub(super) const PREDICATE: &str = "https://model_signing/Digests/v0.1";

/// Reads the subjects of an old statement.
pub(super) fn statement(subjects: Vec<Subject>) -> Result<Statement, SigningError> {
    let resources = subjects
        .into_iter()
        .map(|subject| {
            let digest = HashAlgorithm::Sha256
                .parse(&subject.digest.sha256)
                .ok_or_else(|| SigningError::DigestMalformed { path: shown(&subject.name) })?;
            Ok(Resource { name: subject.name, digest })
        })
        .collect::<Result<Vec<_>, SigningError>>()?;
    Ok(Statement {
        manifest: Manifest::from_resources(String::new(), Scheme::STANDARD, resources)?,
        root: None,
        links: false,
        left_out: Vec::new(),
    })
}

/// Whether an old signature over [`encoding`] fits, by the curve's hash or by SHA-256.
pub(super) fn fits(key: &EcPublicKey, message: &[u8], signature: &[u8]) -> bool {
    key.verifies(message, signature) || key.verifies_by_sha256(message, signature)
}

/// What was signed: the payload as Python writes bytes.
pub(super) fn encoding(payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEV1 {} {PAYLOAD_TYPE} {} b", PAYLOAD_TYPE.len(), payload.len()).into_bytes();
    let quote = if payload.contains(&b'\'') && !payload.contains(&b'"') { b'"' } else { b'\'' };
    out.push(quote);
    for byte in payload {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            byte if *byte == quote => out.extend_from_slice(&[b'\\', quote]),
            b' '..=b'~' => out.push(*byte),
            byte => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_python_writes_them() {
        // Python 3.11: `str(bytes)` of each.
        let cases: [(&[u8], &str); 5] = [
            (b"abc", "b'abc'"),
            (b"{\"a\": 'b'}\n", "b'{\"a\": \\'b\\'}\\n'"),
            (b"it's", "b\"it's\""),
            (b"\\\t\r\x00\x1f\x7f\x80\xff ~", "b'\\\\\\t\\r\\x00\\x1f\\x7f\\x80\\xff ~'"),
            ("ü".as_bytes(), "b'\\xc3\\xbc'"),
        ];
        for (bytes, text) in cases {
            let expected = format!("DSSEV1 28 application/vnd.in-toto+json {} {text}", bytes.len());
            assert_eq!(String::from_utf8(encoding(bytes)).unwrap(), expected);
        }
    }
}
