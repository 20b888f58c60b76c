//! Verified tokens, so that a signature is checked once and not at every call.
//!
//! The key is the SHA-256 of the compact token, so the cache holds no secret. An entry lives until the token ends
//! and 60 s at most. It says nothing about revocation: epochs are asked of memory at every call, hit or miss, so a
//! kill takes effect with the next request. Bounded: when a shard is full it is emptied of what has ended, then of
//! everything (verifying again is only slower).

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alcaide_inventory::Moment;
use alcaide_seal::digest::{Sha256Digest, sha256};

use crate::token::{Credential, TokenError, Verified, Verifier};

/// Most tokens that are remembered.
pub const CACHED_TOKENS_MAX: usize = 16_384;
/// Longest time that a verification is remembered.
pub const CACHED_FOR_MAX: Duration = Duration::from_secs(60);

const SHARDS: usize = 16;

/// A digest is as good as random: its first bytes are the hash.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 ^= u64::from_le_bytes(*first);
        }
    }
}

struct Cached {
    credential: Arc<Verified<Credential>>,
    until: Moment,
}

type Shard = HashMap<[u8; 32], Cached, BuildHasherDefault<FirstBytes>>;

/// Remembers verified tokens.
pub struct TokenCache {
    shards: [Mutex<Shard>; SHARDS],
}

impl Default for TokenCache {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::new(Shard::default())) }
    }
}

impl TokenCache {
    /// The credential of `compact`: remembered, or verified now and remembered.
    ///
    /// # Errors
    /// As [`Verifier::verify`]; failures are not remembered.
    pub fn verify(
        &self,
        verifier: &Verifier,
        compact: &str,
        now: Moment,
    ) -> Result<Arc<Verified<Credential>>, TokenError> {
        let key: Sha256Digest = sha256(compact.as_bytes());
        let key = *key.as_bytes();
        let at = usize::from(key.last().copied().unwrap_or_default()) % SHARDS;
        let Some(shard) = self.shards.get(at) else {
            return verifier.verify(compact, now).map(Arc::new);
        };
        {
            let known = shard.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(cached) = known.get(&key)
                && now < cached.until
            {
                return Ok(Arc::clone(&cached.credential));
            }
        }
        let credential = Arc::new(verifier.verify(compact, now)?);
        let until = credential.get().expires.min(now + CACHED_FOR_MAX);
        let mut known = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CACHED_TOKENS_MAX / SHARDS {
            known.retain(|_, cached| now < cached.until);
            if known.len() >= CACHED_TOKENS_MAX / SHARDS {
                known.clear();
            }
        }
        known.insert(key, Cached { credential: Arc::clone(&credential), until });
        Ok(credential)
    }

    /// Forgets everything: after the issuer's keys changed.
    pub fn clear(&self) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}
