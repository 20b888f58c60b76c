//! Randomness as a value: engines draw from an [`Entropy`] that the caller brings.
//!
//! The program brings [`SystemEntropy`]; tests bring what they can repeat. The one exception is the nonce of
//! an ECDSA signature, which AWS-LC draws inside itself from the same system generator.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

/// The source of randomness gave nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the system's source of randomness failed")]
pub struct EntropyError;

/// A source of bytes that nobody can foretell.
pub trait Entropy: Send + Sync {
    /// Fills all of `out`.
    ///
    /// # Errors
    /// [`EntropyError`] if the source failed; `out` must then not be used.
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError>;
}

impl<E: Entropy + ?Sized> Entropy for &E {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        (**self).fill(out)
    }
}

impl<E: Entropy + ?Sized> Entropy for std::sync::Arc<E> {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        (**self).fill(out)
    }
}

/// The operating system's generator, by way of AWS-LC.
#[derive(Clone, Debug)]
pub struct SystemEntropy(SystemRandom);

impl SystemEntropy {
    /// Opens the generator.
    #[must_use]
    pub fn new() -> Self {
        Self(SystemRandom::new())
    }
}

impl Default for SystemEntropy {
    fn default() -> Self {
        Self::new()
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        self.0.fill(out).map_err(|_| EntropyError)
    }
}

/// 128 random bits, for an id.
///
/// # Errors
/// [`EntropyError`] if the source failed.
pub fn bits128(entropy: &dyn Entropy) -> Result<u128, EntropyError> {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes)?;
    Ok(u128::from_be_bytes(bytes))
}

/// 32 random bytes, for a key or a bearer token; wiped when dropped.
///
/// # Errors
/// [`EntropyError`] if the source failed.
pub fn bytes32(entropy: &dyn Entropy) -> Result<Zeroizing<[u8; 32]>, EntropyError> {
    let mut bytes = Zeroizing::new([0; 32]);
    entropy.fill(bytes.as_mut_slice())?;
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Repeatable bytes: SHA-256 of a seed and a counter.
    pub(crate) struct Counted(pub(crate) AtomicU64);

    impl Counted {
        pub(crate) fn from_seed(seed: u64) -> Self {
            Self(AtomicU64::new(seed << 32))
        }
    }

    impl Entropy for Counted {
        fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
            for block in out.chunks_mut(32) {
                let at = self.0.fetch_add(1, Ordering::Relaxed);
                let bytes = crate::sha256(&at.to_be_bytes()).into_bytes();
                block.copy_from_slice(&bytes[..block.len()]);
            }
            Ok(())
        }
    }

    /// A source that always gives one byte.
    pub(crate) struct Stuck(pub(crate) u8);

    impl Entropy for Stuck {
        fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
            out.fill(self.0);
            Ok(())
        }
    }

    /// A source that fails.
    pub(crate) struct Dry;

    impl Entropy for Dry {
        fn fill(&self, _: &mut [u8]) -> Result<(), EntropyError> {
            Err(EntropyError)
        }
    }

    #[test]
    fn the_system_gives_different_bytes_each_time() {
        let system = SystemEntropy::new();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..64 {
            assert!(seen.insert(bits128(&system).unwrap()));
        }
        assert_ne!(*bytes32(&system).unwrap(), *bytes32(&system).unwrap());
        assert_ne!(*bytes32(&system).unwrap(), [0; 32]);
    }

    #[test]
    fn all_bits_come_from_the_source() {
        assert_eq!(bits128(&Stuck(0xff)).unwrap(), u128::MAX);
        assert_eq!(*bytes32(&Stuck(7)).unwrap(), [7; 32]);
    }

    #[test]
    fn a_failed_source_gives_no_value() {
        assert_eq!(bits128(&Dry), Err(EntropyError));
        assert!(bytes32(&Dry).is_err());
    }
}
