//! Digests of files under an algorithm that a manifest names: SHA-256, BLAKE2b-512, BLAKE3.
//!
//! The house itself hashes with SHA-256 alone ([`crate::digest`]). The two others exist because the specification of model
//! signing lets a signer use them; a manifest says which, and what is not in this list is refused.

use std::fmt;

use crate::digest::{Hasher, Sha256Digest, hex_digit, hex_value};

/// Most bytes of a digest.
const BYTES_MAX: usize = 64;

/// How bytes are hashed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum HashAlgorithm {
    /// SHA-256; 32 bytes. FIPS 180-4.
    Sha256,
    /// BLAKE2b without a key; 64 bytes. RFC 7693.
    Blake2b,
    /// BLAKE3 without a key; 32 bytes.
    Blake3,
}

impl HashAlgorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Blake2b, Self::Blake3];

    /// The name in manifests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Blake2b => "blake2b",
            Self::Blake3 => "blake3",
        }
    }

    /// The algorithm of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Bytes of its digests.
    #[must_use]
    pub const fn digest_bytes(self) -> usize {
        match self {
            Self::Sha256 | Self::Blake3 => 32,
            Self::Blake2b => 64,
        }
    }

    /// The digest that `text` stands for: lower-case hexadecimal digits, as many as this algorithm has.
    #[must_use]
    pub fn parse(self, text: &str) -> Option<FileDigest> {
        if text.len() != self.digest_bytes() * 2 {
            return None;
        }
        let mut bytes = [0; BYTES_MAX];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *byte = hex_value(*high)? << 4 | hex_value(*low)?;
        }
        Some(FileDigest { algorithm: self, bytes })
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A digest and the algorithm that made it; as text lower-case hexadecimal digits.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FileDigest {
    algorithm: HashAlgorithm,
    /// The digest, then zeros.
    bytes: [u8; BYTES_MAX],
}

impl FileDigest {
    /// How it was made.
    #[must_use]
    pub const fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// A digest by SHA-256 that was made elsewhere.
    #[must_use]
    pub fn from_sha256(digest: Sha256Digest) -> Self {
        Self::made(HashAlgorithm::Sha256, digest.as_bytes())
    }

    /// The same, where it was made by SHA-256.
    #[must_use]
    pub fn to_sha256(&self) -> Option<Sha256Digest> {
        let bytes: Option<[u8; 32]> = self.as_bytes().try_into().ok();
        bytes.filter(|_| self.algorithm == HashAlgorithm::Sha256).map(Sha256Digest::from_bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        // INVARIANT: no algorithm has more than BYTES_MAX.
        self.bytes.get(..self.algorithm.digest_bytes()).unwrap_or_default()
    }

    fn made(algorithm: HashAlgorithm, made: &[u8]) -> Self {
        let mut bytes = [0; BYTES_MAX];
        for (place, byte) in bytes.iter_mut().zip(made) {
            *place = *byte;
        }
        Self { algorithm, bytes }
    }
}

impl fmt::Display for FileDigest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.as_bytes() {
            write!(out, "{}{}", char::from(hex_digit(byte >> 4)), char::from(hex_digit(byte & 15)))?;
        }
        Ok(())
    }
}

impl fmt::Debug for FileDigest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{self}", self.algorithm)
    }
}

/// A digest of input that comes in pieces.
pub struct FileHasher(State);

enum State {
    Sha256(Hasher),
    Blake2b(Box<blake2b_simd::State>),
    Blake3(Box<blake3::Hasher>),
}

impl FileHasher {
    /// Starts with no input.
    #[must_use]
    pub fn new(algorithm: HashAlgorithm) -> Self {
        Self(match algorithm {
            HashAlgorithm::Sha256 => State::Sha256(Hasher::new()),
            HashAlgorithm::Blake2b => State::Blake2b(Box::new(blake2b_simd::State::new())),
            HashAlgorithm::Blake3 => State::Blake3(Box::new(blake3::Hasher::new())),
        })
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(piece),
            State::Blake2b(state) => {
                state.update(piece);
            }
            State::Blake3(state) => {
                state.update(piece);
            }
        }
    }

    /// The digest of all pieces in their order.
    #[must_use]
    pub fn finish(self) -> FileDigest {
        match self.0 {
            State::Sha256(state) => FileDigest::made(HashAlgorithm::Sha256, state.finish().as_ref()),
            State::Blake2b(state) => FileDigest::made(HashAlgorithm::Blake2b, state.finalize().as_bytes()),
            State::Blake3(state) => FileDigest::made(HashAlgorithm::Blake3, state.finalize().as_bytes()),
        }
    }
}

impl fmt::Debug for FileHasher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("FileHasher(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(algorithm: HashAlgorithm, pieces: &[&[u8]]) -> FileDigest {
        let mut hasher = FileHasher::new(algorithm);
        for piece in pieces {
            hasher.update(piece);
        }
        hasher.finish()
    }

    #[test]
    fn known_answers() {
        // FIPS 180-2, appendix B.1; RFC 7693, appendix A; the empty input of BLAKE3's published test vectors.
        assert_eq!(
            of(HashAlgorithm::Sha256, &[b"abc"]).to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            of(HashAlgorithm::Blake2b, &[b"abc"]).to_string(),
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
             7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"
        );
        assert_eq!(
            of(HashAlgorithm::Blake3, &[]).to_string(),
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
        );
    }

    #[test]
    fn text_is_read_in_its_one_form() {
        for algorithm in HashAlgorithm::ALL {
            let digest = of(algorithm, &[b"x"]);
            let text = digest.to_string();
            assert_eq!(algorithm.parse(&text), Some(digest));
            assert_eq!(HashAlgorithm::by_name(algorithm.name()), Some(algorithm));
            for wrong in
                [text.to_uppercase(), text[2..].to_owned(), format!("{text}00"), format!("+{}", &text[1..])]
            {
                assert_eq!(algorithm.parse(&wrong), None, "{wrong}");
            }
        }
        assert_eq!(HashAlgorithm::by_name("md5"), None);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(bytes in proptest::collection::vec(any::<u8>(), 0..3000), cut in any::<prop::sample::Index>()) {
            let at = cut.index(bytes.len() + 1);
            for algorithm in HashAlgorithm::ALL {
                prop_assert_eq!(of(algorithm, &[&bytes]), of(algorithm, &[&bytes[..at], &bytes[at..]]));
            }
        }
    }
}
