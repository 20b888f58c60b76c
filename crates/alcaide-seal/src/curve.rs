//! Points of the two curves, checked once: P-256 and edwards25519.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};

/// Bytes of a P-256 coordinate, of an Ed25519 public key and of its seed.
pub(crate) const COORDINATE_BYTES: usize = 32;
/// Bytes of a signature of either algorithm: `r` and `s`, or `R` and `S`.
pub(crate) const SIGNATURE_BYTES: usize = 64;

/// A P-256 key for ECDSA with SHA-256, or nothing if the point is not on the curve.
pub(crate) fn p256(x: &[u8; COORDINATE_BYTES], y: &[u8; COORDINATE_BYTES]) -> Option<ParsedPublicKey> {
    let mut point = [4_u8; 1 + 2 * COORDINATE_BYTES];
    for (place, byte) in point.iter_mut().skip(1).zip(x.iter().chain(y)) {
        *place = *byte;
    }
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()
}

/// An Ed25519 key, or nothing if the point has small order: then one signature would fit many messages.
pub(crate) fn ed25519(point: &[u8; COORDINATE_BYTES]) -> Option<ParsedPublicKey> {
    if has_small_order(point) { None } else { ParsedPublicKey::new(&ED25519, point).ok() }
}

/// Whether the encoded point generates at most eight others, in any encoding.
///
/// Source: the eight torsion points of edwards25519 (RFC 8032, section 5.1) and their non-canonical
/// encodings.
fn has_small_order(point: &[u8; COORDINATE_BYTES]) -> bool {
    let mut without_sign = *point;
    if let Some(last) = without_sign.last_mut() {
        *last &= 0x7f;
    }
    SMALL_ORDER.contains(&without_sign)
}

/// Little-endian `y` of the points of small order, the bit of the sign cleared.
const SMALL_ORDER: [[u8; COORDINATE_BYTES]; 7] = [
    near_zero(0),
    near_zero(1),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    near_prime(0xec),
    near_prime(0xed),
    near_prime(0xee),
];

const fn near_zero(low: u8) -> [u8; COORDINATE_BYTES] {
    let mut y = [0; COORDINATE_BYTES];
    if let Some(first) = y.first_mut() {
        *first = low;
    }
    y
}

const fn near_prime(low: u8) -> [u8; COORDINATE_BYTES] {
    let mut y = [0xff; COORDINATE_BYTES];
    if let Some(first) = y.first_mut() {
        *first = low;
    }
    if let Some(last) = y.last_mut() {
        *last = 0x7f;
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `R` is the neutral element and `S` is zero: fits whenever the hash is a multiple of the key's order.
    fn neutral_signature() -> [u8; SIGNATURE_BYTES] {
        let mut signature = [0; SIGNATURE_BYTES];
        signature[0] = 1;
        signature
    }

    #[test]
    fn keys_of_small_order_would_take_a_forged_signature_and_are_refused() {
        let mut weak = 0;
        for y in SMALL_ORDER {
            for sign in [0, 0x80] {
                let mut point = y;
                point[31] |= sign;
                assert!(ed25519(&point).is_none());
                // What is refused here is refused for a reason: the primitive itself would be fooled.
                let Ok(key) = ParsedPublicKey::new(&ED25519, point) else { continue };
                let fooled =
                    (0..200_u32).any(|m| key.verify_sig(&m.to_be_bytes(), &neutral_signature()).is_ok());
                weak += u32::from(fooled);
            }
        }
        assert!(weak >= 8, "only {weak} of the refused encodings are weak");
    }

    #[test]
    fn honest_keys_are_taken() {
        // RFC 8037, appendix A.2; RFC 7515, appendix A.3.
        let hex = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert!(ed25519(hex.parse::<crate::Sha256Digest>().unwrap().as_bytes()).is_some());
        let x = [
            127, 205, 206, 39, 112, 246, 196, 93, 65, 131, 203, 238, 111, 219, 75, 123, 88, 7, 51, 53, 123,
            233, 239, 19, 186, 207, 110, 60, 123, 209, 84, 69,
        ];
        let y = [
            199, 241, 68, 205, 27, 189, 155, 126, 135, 44, 223, 237, 185, 238, 185, 244, 179, 105, 93, 110,
            169, 11, 36, 173, 138, 70, 35, 40, 133, 136, 229, 173,
        ];
        assert!(p256(&x, &y).is_some());
        assert!(p256(&y, &x).is_none());
        assert!(p256(&[0; 32], &[0; 32]).is_none());
    }
}
