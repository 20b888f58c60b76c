//! CryptoTensors version 2: safetensors whose tensors are encrypted in place, read and written as PyPI `cryptotensors`
//! 0.2.3 does, strictly.
//!
//! ```text
//! read    Input ─▶ Header ─(Trust)▶ Verified ─(Input, name)▶ Tensor: Input
//! write   tensors, keys ─▶ write ─▶ a file that either side reads
//! ```
//! The header is JSON: for each tensor dtype, shape and place, and a map of texts that holds, as JSON in JSON, for each
//! encrypted tensor a key wrapped under the master key, a first nonce, and the tags of its chunks. An Ed25519 signature
//! stands over that header without itself; it is what binds name, shape and place to a tensor's key and tags.
//!
//! The format leaves gaps, which this reader closes by refusing (`docs/decisions/0010-sealed-files.md`): a header that is
//! not in the one form that its writer makes; a tensor that is not encrypted, over whose bytes there is no signature,
//! unless the caller names it; more tags than chunks; nonces that overflow; a policy that nobody here can evaluate.
//! Which key is believed and which cipher is used, the caller says, never the file.
//!
//! Left out: version 1 (one tag over a whole tensor), wrapping anew, key providers, Rego.
//!
//! Sources: `FORMAT.md` of aiyah-meloken/cryptotensors; `cryptotensors` 0.2.3, `cryptotensors.rs`, `encryption.rs`,
//! `tensor.rs`; arXiv:2512.04580.

mod error;
mod header;
mod verified;
mod write;

use alcaide_seal::aead::{AeadError, AeadKey, Cipher};

pub use error::CryptoTensorsError;
pub use header::{Header, TensorInfo};
pub use verified::{PolicyStance, Tensor, Trust, Verified};
pub use write::{NewTensor, Plan, write};

/// Bytes of a chunk where the file does not say, and where the caller does not.
pub const CHUNK_BYTES: u32 = 2 * 1024 * 1024;
/// Most bytes of a chunk: a reader holds one.
pub const MAX_CHUNK_BYTES: u32 = 64 * 1024 * 1024;
/// Most bytes of a header: tags of 3 TB in chunks of 2 MiB.
pub const MAX_HEADER_BYTES: u64 = 64 * 1024 * 1024;
/// Most tensors of a file.
pub const MAX_TENSORS: usize = 1_000_000;

/// The master key that keys of tensors are wrapped under, with its cipher, which is that of the tensors too.
#[derive(Debug)]
pub struct TensorKey {
    key: AeadKey,
    id: Option<String>,
}

impl TensorKey {
    /// A key from its bytes; `id` is what a file that is written says of it.
    ///
    /// # Errors
    /// [`AeadError::KeyLength`].
    pub fn new(cipher: Cipher, id: Option<String>, bytes: &[u8]) -> Result<Self, AeadError> {
        Ok(Self { key: AeadKey::new(cipher, bytes)?, id })
    }
}

/// What the format calls a cipher.
const fn name(cipher: Cipher) -> &'static str {
    match cipher {
        Cipher::Aes256Gcm => "aes256gcm",
        Cipher::Aes128Gcm => "aes128gcm",
        Cipher::ChaCha20Poly1305 => "chacha20poly1305",
    }
}

/// The nonce of chunk `index`: the first one with its last four bytes counted up, or nothing if they overflow.
fn nonce(first: [u8; 12], index: u64) -> Option<[u8; 12]> {
    let [a, b, c, d, e, f, g, h, counter @ ..] = first;
    let counter = u32::from_be_bytes(counter).checked_add(u32::try_from(index).ok()?)?;
    let [i, j, k, l] = counter.to_be_bytes();
    Some([a, b, c, d, e, f, g, h, i, j, k, l])
}

/// Chunks of a tensor: one, with nothing in it, for a tensor of no bytes.
const fn chunks(bytes: u64, chunk: u32) -> u64 {
    let count = bytes.div_ceil(chunk as u64);
    if count == 0 { 1 } else { count }
}

const KEYS: &str = "__crypto_keys__";
const ENCRYPTION: &str = "__encryption__";
const POLICY: &str = "__policy__";
const SIGNATURE: &str = "__signature__";
/// The policy that allows everything, as the writer of the format puts it where none is given.
const ALLOW_ALL: &str = "package model\nallow = true";
