//! Bulk encryption with a tag: for files that are too large for an [`envelope`](crate::envelope).
//!
//! ```text
//! plaintext ─(AeadKey::seal, in place)▶ ciphertext and tag ─▶ Sealed ─(AeadKey::open, in place)▶ Opened, or nothing
//! ```
//! [`Sealed`] is consumed by opening and [`Opened`] has no other maker: plaintext whose tag was not checked has no name,
//! and memory in which a check failed is wiped. A nonce is the caller's: **one nonce seals once under one key.** With
//! counted nonces and a key for each file, as in `alcaide-sealed`, that is by construction.
//!
//! [`Cipher::Aes256Gcm`] is what the house writes; the two others exist for files that others wrote, and are chosen by
//! whoever brings the key, never by the file.
//!
//! Sources: NIST SP 800-38D; RFC 8439.

use std::fmt;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroize as _;

/// Bytes of a nonce, for each cipher.
pub const NONCE_BYTES: usize = 12;
/// Bytes of a tag, for each cipher.
pub const TAG_BYTES: usize = 16;

/// Which cipher.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Cipher {
    /// AES-256 in Galois/Counter Mode.
    Aes256Gcm,
    /// AES-128 in Galois/Counter Mode.
    Aes128Gcm,
    /// ChaCha20 and Poly1305.
    ChaCha20Poly1305,
}

impl Cipher {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Aes256Gcm, Self::Aes128Gcm, Self::ChaCha20Poly1305];

    /// Bytes of a key.
    #[must_use]
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::Aes256Gcm | Self::ChaCha20Poly1305 => 32,
            Self::Aes128Gcm => 16,
        }
    }
}

/// Bytes were not sealed or not opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AeadError {
    /// The key has a length that the cipher does not take.
    #[error("key has {bytes} bytes, the cipher takes {needed}")]
    KeyLength {
        /// Bytes given.
        bytes: usize,
        /// Bytes taken.
        needed: usize,
    },
    /// There are fewer bytes than a tag has.
    #[error("there are {bytes} bytes, fewer than the 16 of a tag")]
    TooShort {
        /// Bytes given.
        bytes: usize,
    },
    /// Another key, another nonce, another context, or the bytes were changed.
    #[error("the tag does not fit: the bytes were altered or belong elsewhere")]
    Altered,
    /// The primitive failed: out of memory, or more bytes than it takes.
    #[error("sealing failed inside the cryptographic library")]
    Failed,
}

/// A key for one cipher; wiped when dropped, never printed.
pub struct AeadKey {
    key: LessSafeKey,
    cipher: Cipher,
}

impl AeadKey {
    /// A key of as many bytes as the cipher takes; the caller wipes its own copy.
    ///
    /// # Errors
    /// [`AeadError::KeyLength`]; [`AeadError::Failed`].
    pub fn new(cipher: Cipher, bytes: &[u8]) -> Result<Self, AeadError> {
        let needed = cipher.key_bytes();
        if bytes.len() != needed {
            return Err(AeadError::KeyLength { bytes: bytes.len(), needed });
        }
        let algorithm = match cipher {
            Cipher::Aes256Gcm => &AES_256_GCM,
            Cipher::Aes128Gcm => &AES_128_GCM,
            Cipher::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        };
        let key = UnboundKey::new(algorithm, bytes).map_err(|_| AeadError::Failed)?;
        Ok(Self { key: LessSafeKey::new(key), cipher })
    }

    /// Encrypts `body` where it lies and gives its tag; `nonce` may never be used with this key again.
    ///
    /// # Errors
    /// [`AeadError::Failed`]; `body` is then wiped.
    pub fn seal(
        &self,
        nonce: [u8; NONCE_BYTES],
        aad: &[u8],
        body: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], AeadError> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(aad), body);
        if let Ok(tag) = tag
            && let Ok(tag) = tag.as_ref().try_into()
        {
            return Ok(tag);
        }
        body.zeroize();
        Err(AeadError::Failed)
    }

    /// Checks the tag and decrypts; the memory of `sealed` becomes that of the plaintext.
    ///
    /// # Errors
    /// [`AeadError::Altered`]; nothing that was decrypted is left then.
    pub fn open(&self, nonce: [u8; NONCE_BYTES], aad: &[u8], sealed: Sealed) -> Result<Opened, AeadError> {
        let Sealed { mut bytes, tag } = sealed;
        let nonce = Nonce::assume_unique_for_key(nonce);
        if self.key.open_in_place_separate_tag(nonce, Aad::from(aad), &tag, &mut bytes).is_err() {
            bytes.zeroize();
            return Err(AeadError::Altered);
        }
        Ok(Opened(bytes))
    }

    /// The cipher.
    #[must_use]
    pub const fn cipher(&self) -> Cipher {
        self.cipher
    }
}

impl fmt::Debug for AeadKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "AeadKey({:?})", self.cipher)
    }
}

/// Ciphertext and its tag, not checked yet.
#[derive(Debug)]
pub struct Sealed {
    bytes: Vec<u8>,
    tag: [u8; TAG_BYTES],
}

impl Sealed {
    /// Ciphertext and the tag that was kept elsewhere.
    #[must_use]
    pub const fn new(bytes: Vec<u8>, tag: [u8; TAG_BYTES]) -> Self {
        Self { bytes, tag }
    }

    /// Ciphertext with its tag behind it.
    ///
    /// # Errors
    /// [`AeadError::TooShort`] for fewer than 16 bytes.
    pub fn with_tag(mut bytes: Vec<u8>) -> Result<Self, AeadError> {
        let Some((body, tag)) = bytes.split_last_chunk() else {
            return Err(AeadError::TooShort { bytes: bytes.len() });
        };
        let (body, tag) = (body.len(), *tag);
        bytes.truncate(body);
        Ok(Self { bytes, tag })
    }
}

/// Plaintext whose tag was checked; wiped when dropped, never printed.
pub struct Opened(Vec<u8>);

impl Opened {
    /// The plaintext.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The memory, to be filled with other ciphertext; whoever drops it unfilled wipes it first.
    #[must_use]
    pub fn into_memory(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Opened({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        text.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn the_vectors_of_mcgrew_and_viega() {
        // Test cases 2, 4, 14 and 16 of their submission of GCM; NIST's validation has the same.
        let zero_128 = "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf";
        let zero_256 = "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919";
        for (cipher, want) in [(Cipher::Aes128Gcm, zero_128), (Cipher::Aes256Gcm, zero_256)] {
            let key = AeadKey::new(cipher, &vec![0; cipher.key_bytes()]).unwrap();
            let mut body = [0; 16];
            let tag = key.seal([0; 12], &[], &mut body).unwrap();
            assert_eq!([body, tag].concat(), unhex(want));
        }
        let key = "feffe9928665731c6d6a8f9467308308";
        let text = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525\
                    b16aedf5aa0de657ba637b39";
        let aad = unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        for (cipher, key, tag) in [
            (Cipher::Aes128Gcm, key.to_owned(), "5bc94fbc3221a5db94fae95ae7121a47"),
            (Cipher::Aes256Gcm, key.repeat(2), "76fc6ece0f4e1768cddf8853bb2d551b"),
        ] {
            let key = AeadKey::new(cipher, &unhex(&key)).unwrap();
            let nonce = unhex("cafebabefacedbaddecaf888").try_into().unwrap();
            assert_eq!(key.seal(nonce, &aad, &mut unhex(text)).unwrap().as_slice(), unhex(tag));
        }
    }

    #[test]
    fn the_vector_of_rfc_8439() {
        // Section 2.8.2.
        let key: Vec<u8> = (0x80..=0x9f).collect();
        let key = AeadKey::new(Cipher::ChaCha20Poly1305, &key).unwrap();
        let mut body =
            *b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the \
                          future, sunscreen would be it.";
        let nonce = unhex("070000004041424344454647").try_into().unwrap();
        let tag = key.seal(nonce, &unhex("50515253c0c1c2c3c4c5c6c7"), &mut body).unwrap();
        assert_eq!(body[..16], unhex("d31a8d34648e60db7b86afbc53ef7ec2"));
        assert_eq!(tag.as_slice(), unhex("1ae10b594f09e26a7e902ecbd0600691"));
    }

    #[test]
    fn what_was_sealed_opens_and_nothing_else() {
        for cipher in Cipher::ALL {
            let key = AeadKey::new(cipher, &vec![7; cipher.key_bytes()]).unwrap();
            let mut body = *b"weights";
            let tag = key.seal([1; 12], b"here", &mut body).unwrap();
            let whole = [body.as_slice(), &tag].concat();
            let open = |nonce, aad: &[u8], bytes: &[u8]| {
                key.open(nonce, aad, Sealed::with_tag(bytes.to_vec())?).map(|opened| opened.bytes().to_vec())
            };
            assert_eq!(open([1; 12], b"here", &whole).unwrap(), b"weights");
            assert_eq!(open([2; 12], b"here", &whole), Err(AeadError::Altered));
            assert_eq!(open([1; 12], b"there", &whole), Err(AeadError::Altered));
            for at in 0..whole.len() * 8 {
                let mut bytes = whole.clone();
                bytes[at / 8] ^= 1 << (at % 8);
                assert_eq!(open([1; 12], b"here", &bytes), Err(AeadError::Altered), "{cipher:?} {at}");
            }
            for len in 0..whole.len() {
                let want =
                    if len < TAG_BYTES { AeadError::TooShort { bytes: len } } else { AeadError::Altered };
                assert_eq!(open([1; 12], b"here", &whole[..len]), Err(want));
            }
        }
    }

    #[test]
    fn keys_of_another_length_are_refused() {
        assert_eq!(
            AeadKey::new(Cipher::Aes128Gcm, &[0; 32]).unwrap_err(),
            AeadError::KeyLength { bytes: 32, needed: 16 }
        );
        assert_eq!(
            AeadKey::new(Cipher::Aes256Gcm, &[0; 16]).unwrap_err(),
            AeadError::KeyLength { bytes: 16, needed: 32 }
        );
    }

    #[test]
    fn plaintext_does_not_print() {
        let key = AeadKey::new(Cipher::Aes256Gcm, &[0; 32]).unwrap();
        let mut body = *b"secret";
        let tag = key.seal([0; 12], &[], &mut body).unwrap();
        let opened = key.open([0; 12], &[], Sealed::new(body.to_vec(), tag)).unwrap();
        assert_eq!(format!("{opened:?} {key:?}"), "Opened(6 bytes) AeadKey(Aes256Gcm)");
        assert_eq!(opened.into_memory(), b"secret");
    }
}
