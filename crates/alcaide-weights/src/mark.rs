//! Does this file carry our mark? A keyed message in the weights of a file: put in, found again, judged.
//!
//! A message of 32, 96 or 224 bits and its keyed checksum of 32 fill a codeword of 256 bits, 4, 2 or 1 times over,
//! under a pad of the key. [`embed()`] writes a new file in which each weight of a carrier is moved by `eps·σ`, up or down by the key's sign and the
//! bit it carries. [`extract()`] sums weights under the key's signs, bit by bit, and [`Report`] says how improbable what it
//! saw is if the key knew nothing of the file. Formulae and threats: `docs/decisions/0011-weights.md`.

mod carriers;
mod embed;
mod extract;
#[cfg(test)]
mod tests;

use alcaide_seal::digest::Sha256Digest;

pub use carriers::{Carrier, Choice, NUMBERS_MIN, SIDE_MIN, choose};
pub use embed::{EmbedError, Marked, Strength, embed};
pub use extract::{Basis, Claim, ExtractError, Original, Report, extract};

use crate::chips::{Key, identity};

/// Bits of a codeword.
pub const BITS: usize = 256;

/// What a mark says: 4, 12 or 28 bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message(Vec<u8>);

impl Message {
    /// Lengths that there are, in bytes.
    pub const LENGTHS: [usize; 3] = [4, 12, 28];

    /// Of these bytes.
    ///
    /// # Errors
    /// [`MessageError`] if they are not as many as one of [`Message::LENGTHS`].
    pub fn new(bytes: &[u8]) -> Result<Self, MessageError> {
        if Self::LENGTHS.contains(&bytes.len()) {
            Ok(Self(bytes.to_vec()))
        } else {
            Err(MessageError { bytes: bytes.len() })
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A message of a length that there is not.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a message has 4, 12 or 28 bytes, not {bytes}")]
pub struct MessageError {
    /// Its length.
    pub bytes: usize,
}

/// What goes into the ledger before a marked file is released: SHA-256 over the key, the message and the carriers' names
/// and sides. It binds whoever made it, and tells nobody else anything.
#[must_use]
pub fn commitment(key: &Key, message: &Message, carriers: &[Carrier]) -> Sha256Digest {
    let mut what = (message.0.len() as u64).to_le_bytes().to_vec();
    what.extend_from_slice(&message.0);
    what.extend_from_slice(&(carriers.len() as u64).to_le_bytes());
    for carrier in carriers {
        let one = identity(&carrier.name, &carrier.shape);
        what.extend_from_slice(&(one.len() as u64).to_le_bytes());
        what.extend_from_slice(&one);
    }
    key.commit("alcaide/weights/v1/commitment", &what)
}

/// The bits that the sums of a marked file should have the sides of: `true` is above 0.
fn codeword(key: &Key, message: &Message) -> [bool; BITS] {
    let mut data = message.0.clone();
    data.extend_from_slice(&checksum(key, &message.0));
    let pad = pad(key);
    std::array::from_fn(|at| bit(&data, at % (data.len() * 8)) ^ bit(&pad, at))
}

/// The message whose codeword fits these sums best, if its checksum says that it is one.
fn decode(key: &Key, sums: &[f64], bytes: usize) -> Option<Message> {
    let bits = (bytes + CHECK) * 8;
    let pad = pad(key);
    let mut soft = vec![0.0; bits];
    for (at, sum) in sums.iter().enumerate() {
        if let Some(to) = soft.get_mut(at % bits) {
            *to += if bit(&pad, at) { -sum } else { *sum };
        }
    }
    let mut data = vec![0_u8; bytes + CHECK];
    for (byte, soft) in data.iter_mut().zip(soft.chunks(8)) {
        for (at, sum) in soft.iter().enumerate() {
            *byte |= u8::from(*sum > 0.0) << at;
        }
    }
    let (message, check) = data.split_at_checked(bytes)?;
    (checksum(key, message) == check).then(|| Message(message.to_vec()))
}

fn checksum(key: &Key, message: &[u8]) -> [u8; CHECK] {
    key.mac("alcaide/weights/v1/check", message).as_bytes().first_chunk().copied().unwrap_or_default()
}

fn pad(key: &Key) -> [u8; 32] {
    *key.mac("alcaide/weights/v1/pad", &[]).as_bytes()
}

fn bit(bytes: &[u8], at: usize) -> bool {
    bytes.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}

/// Bytes of a checksum.
const CHECK: usize = 4;
/// Bits of a checksum.
const CHECK_BITS: u32 = 32;

/// What the chips of marks are for.
const PURPOSE: &str = "alcaide/weights/v1/mark";
