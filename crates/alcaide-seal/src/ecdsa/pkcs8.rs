//! Encrypted PKCS#8: PBES2 with PBKDF2 and AES-CBC, as OpenSSL and Python write it.
//!
//! What is older (PBES1, DES) or needs another derivation (scrypt) is refused by name. The number of iterations is bounded, so
//! that a file cannot make its reader work for minutes. Source: RFC 8018, appendix A; RFC 3565.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_128, AES_192, AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;
use zeroize::Zeroizing;

use super::EcKeyError;
use crate::der::{Der, tag};
use crate::secret::SecretText;

/// Most iterations of PBKDF2 that a key may ask for: some seconds of work.
const ITERATIONS_MAX: u32 = 10_000_000;

/// The PrivateKeyInfo inside.
pub(super) fn decrypt(sealed: &[u8], password: &SecretText) -> Result<Zeroizing<Vec<u8>>, EcKeyError> {
    let mut outer = Der::new(sealed);
    let mut info = outer.nested(tag::SEQUENCE)?;
    outer.end()?;
    let mut scheme = info.nested(tag::SEQUENCE)?;
    let body = info.value(tag::OCTET_STRING)?;
    info.end()?;
    if scheme.value(tag::OID)? != PBES2 {
        return Err(EcKeyError::Encryption { what: "the scheme is not PBES2" });
    }
    let mut parameters = scheme.nested(tag::SEQUENCE)?;
    scheme.end()?;
    let derivation = parameters.nested(tag::SEQUENCE)?;
    let (algorithm, iv) = cipher(parameters.nested(tag::SEQUENCE)?)?;
    parameters.end()?;
    let key = derive(derivation, password, algorithm.key_bytes)?;

    let key = UnboundCipherKey::new(algorithm.cipher, &key).map_err(|_| EcKeyError::Damaged)?;
    let key = DecryptingKey::cbc(key).map_err(|_| EcKeyError::Damaged)?;
    let mut opened = Zeroizing::new(body.to_vec());
    let length = key
        .decrypt(&mut opened, DecryptionContext::Iv128(FixedLength::from(iv)))
        .map_err(|_| EcKeyError::Damaged)?
        .len();
    opened.truncate(length);
    let padding = opened.last().copied().unwrap_or_default();
    let kept = length.checked_sub(usize::from(padding)).ok_or(EcKeyError::Password)?;
    let filled = opened.get(kept..).unwrap_or_default();
    if !(1..=16).contains(&padding) || filled.iter().any(|byte| *byte != padding) {
        return Err(EcKeyError::Password);
    }
    opened.truncate(kept);
    Ok(opened)
}

struct Cipher {
    cipher: &'static aws_lc_rs::cipher::Algorithm,
    key_bytes: usize,
}

fn cipher(mut scheme: Der<'_>) -> Result<(Cipher, [u8; 16]), EcKeyError> {
    let (cipher, key_bytes) = match scheme.value(tag::OID)? {
        AES_128_CBC => (&AES_128, 16),
        AES_192_CBC => (&AES_192, 24),
        AES_256_CBC => (&AES_256, 32),
        _ => return Err(EcKeyError::Encryption { what: "the cipher is not AES-CBC" }),
    };
    let iv = scheme.value(tag::OCTET_STRING)?.try_into().map_err(|_| EcKeyError::Damaged)?;
    scheme.end()?;
    Ok((Cipher { cipher, key_bytes }, iv))
}

fn derive(
    mut derivation: Der<'_>,
    password: &SecretText,
    key_bytes: usize,
) -> Result<Zeroizing<Vec<u8>>, EcKeyError> {
    if derivation.value(tag::OID)? != PBKDF2 {
        return Err(EcKeyError::Encryption { what: "the key is not derived by PBKDF2" });
    }
    let mut parameters = derivation.nested(tag::SEQUENCE)?;
    derivation.end()?;
    let salt = parameters.value(tag::OCTET_STRING)?;
    let iterations = NonZeroU32::new(parameters.small()?).ok_or(EcKeyError::Damaged)?;
    if iterations.get() > ITERATIONS_MAX {
        return Err(EcKeyError::Encryption { what: "it asks for too many iterations" });
    }
    if parameters.peek() == Some(tag::INTEGER)
        && usize::try_from(parameters.small()?).is_ok_and(|bytes| bytes != key_bytes)
    {
        return Err(EcKeyError::Damaged);
    }
    let function = match parameters.optional(tag::SEQUENCE)? {
        None => pbkdf2::PBKDF2_HMAC_SHA1,
        Some(function) => {
            let mut function = Der::new(function);
            let name = function.value(tag::OID)?;
            function.optional(tag::NULL)?;
            function.end()?;
            match name {
                HMAC_SHA1 => pbkdf2::PBKDF2_HMAC_SHA1,
                HMAC_SHA256 => pbkdf2::PBKDF2_HMAC_SHA256,
                HMAC_SHA384 => pbkdf2::PBKDF2_HMAC_SHA384,
                HMAC_SHA512 => pbkdf2::PBKDF2_HMAC_SHA512,
                _ => return Err(EcKeyError::Encryption { what: "its pseudo-random function" }),
            }
        }
    };
    parameters.end()?;
    let mut key = Zeroizing::new(vec![0; key_bytes]);
    pbkdf2::derive(function, iterations, salt, password.expose().as_bytes(), &mut key);
    Ok(key)
}

const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];
const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c];
const HMAC_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x07];
const HMAC_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x09];
const HMAC_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x0a];
const HMAC_SHA512: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x0b];
const AES_128_CBC: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x02];
const AES_192_CBC: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x16];
const AES_256_CBC: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a];
