//! Who vouches? Digests, signatures, seals and the keys behind them; the only cryptography of the house.
//!
//! An engine: no socket, no file, no clock. Keys and randomness come in as values; text and bytes go out. The
//! primitives are those of AWS-LC (BLAKE is its authors'), the algorithms a closed list, and no message ever chooses one:
//!
//! | for | algorithm | module |
//! |---|---|---|
//! | digests, message authentication | SHA-256, HMAC-SHA-256 | [`digest`] |
//! | digests of model files | SHA-256; BLAKE2b and BLAKE3 where a signer chose them | [`hash`] |
//! | signatures of models | ECDSA on P-256, P-384, P-521 | [`ecdsa`], [`dsse`], [`pem`] |
//! | certificates of signers | X.509 with ECDSA, Ed25519, RSA of authorities | [`x509`] |
//! | tokens | ES256, EdDSA (Ed25519) | [`jwk`], [`jws`] |
//! | checkpoints of the log | Ed25519 | [`note`] |
//! | secrets at rest | AES-256-GCM-SIV under a wrapped key per value | [`envelope`] |
//! | large files at rest | AES-256-GCM; AES-128-GCM, ChaCha20-Poly1305 in files of others | [`aead`] |
//! | a file's key for a public key | HPKE with X25519, alone or with ML-KEM-768 | [`hpke`] |
//! | a file's key for a custodian | whatever the custodian does; the master key by an envelope | [`custody`] |
//! | signatures in formats of others | Ed25519 | [`mod@ed25519`] |
//! | sub-keys | HKDF-SHA-256 | [`mod@derive`] |
//! | randomness | the system's generator | [`random`] |
//!
//! Left out on purpose: RSA but in the signatures of certificate authorities, `none`, HMAC tokens, JWE, key look-up by URL (`jku`, `x5u`), unencoded payloads.

pub mod aead;
pub mod custody;
pub mod derive;
pub mod digest;
pub mod dsse;
pub mod ecdsa;
pub mod ed25519;
pub mod envelope;
pub mod hash;
pub mod hpke;
pub mod jwk;
pub mod jws;
pub mod note;
pub mod pem;
pub mod random;
pub mod secret;
pub mod voucher;
pub mod words;
pub mod x509;

mod curve;
mod der;
mod json;

pub use custody::KeyWrap;
pub use digest::{Sha256Digest, sha256};
pub use envelope::MasterKey;
pub use jwk::{Jwk, Thumbprint};
pub use jws::{KeySet, Signer};
pub use random::{Entropy, EntropyError, SystemEntropy};
pub use secret::{SecretBytes, SecretText, TokenHash};
pub use voucher::{Voucher, VoucherError};

/// Text from outside as an error may show it: at most 80 characters, control characters replaced.
fn cut(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
