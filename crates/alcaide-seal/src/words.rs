//! The users' words at rest: what a person asked of an agent, sealed for the gate. The credential of the task names the
//! digest of the sealed form, which tells whoever holds it nothing about the words.

use crate::derive::{Purpose, SubKey};
use crate::envelope::{self, EnvelopeError, MasterKey};
use crate::random::Entropy;
use crate::secret::SecretText;

/// Longest words that are attested, in bytes.
pub const WORDS_BYTES_MAX: usize = 64 * 1024;

const CONTEXT: &[u8] = b"alcaide words 1";

/// Seals and opens users' words: under a key of their own, derived from the master key.
pub struct WordsKey(MasterKey);

impl WordsKey {
    /// The key under this master key.
    ///
    /// # Errors
    /// [`EnvelopeError`] if the library failed.
    pub fn derive(master: &MasterKey) -> Result<Self, EnvelopeError> {
        Ok(Self(SubKey::derive(master, Purpose::Words)?.to_master()?))
    }

    /// What digests of runs of words are made under: the same at every start, known to nobody else.
    ///
    /// # Errors
    /// [`EnvelopeError`] if the library failed.
    pub fn seed(&self) -> Result<u64, EnvelopeError> {
        let mac = SubKey::derive(&self.0, Purpose::Words)?.mac(b"runs of words 1");
        let (bytes, _) = mac.as_bytes().split_first_chunk::<8>().ok_or(EnvelopeError::Failed)?;
        Ok(u64::from_be_bytes(*bytes))
    }

    /// Seals words.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn seal(&self, words: &SecretText, entropy: &dyn Entropy) -> Result<Vec<u8>, EnvelopeError> {
        envelope::seal(&self.0, CONTEXT, words.expose().as_bytes(), entropy)
    }

    /// Opens what [`WordsKey::seal`] gave.
    ///
    /// # Errors
    /// [`EnvelopeError`], also where it is no text.
    pub fn open(&self, sealed: &[u8]) -> Result<SecretText, EnvelopeError> {
        envelope::open(&self.0, CONTEXT, sealed)?.to_text().ok_or(EnvelopeError::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemEntropy;

    #[test]
    fn words_are_opened_by_their_own_key_alone() {
        let master = MasterKey::from_bytes(&[7; 32]).unwrap();
        let key = WordsKey::derive(&master).unwrap();
        let sealed = key.seal(&SecretText::copy_of("pay Ana 50"), &SystemEntropy::new()).unwrap();
        assert!(!sealed.windows(3).any(|part| part == b"Ana"));
        assert_eq!(key.open(&sealed).unwrap().expose(), "pay Ana 50");
        assert_eq!(key.seed().unwrap(), WordsKey::derive(&master).unwrap().seed().unwrap());
        let other = WordsKey::derive(&MasterKey::from_bytes(&[8; 32]).unwrap()).unwrap();
        assert_ne!(key.seed().unwrap(), other.seed().unwrap());
        assert!(WordsKey(master).open(&sealed).is_err());
    }
}
