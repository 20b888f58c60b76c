//! Signed notes: a text with one or more Ed25519 signatures under it, as checkpoints of the log are.
//!
//! ```text
//! <text, ends with a newline>
//! <empty line>
//! — <key name> <base64 of key hash (4 bytes) and signature (64 bytes)>
//! ```
//! A reader holds the keys that it trusts. Signatures by other keys are passed over; one bad signature of a
//! trusted key makes the whole note bad; at least one good one is needed. Key hashes are hints, not proofs.
//!
//! Text forms: verifier `name+hash+base64(1 ‖ key)`, signer `PRIVATE+KEY+name+hash+base64(1 ‖ seed)`.
//!
//! Source: C2SP signed-note; the private form is that of Go's `golang.org/x/mod/sumdb/note`.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::curve::SIGNATURE_BYTES;
use crate::digest::{Hasher, hex_digit, hex_value};
use crate::jwk::Jwk;
use crate::random::{self, Entropy, EntropyError};
use crate::secret::SecretText;

/// Most bytes of a note, as Go's reader has it.
pub const MAX_NOTE_BYTES: usize = 1_000_000;
/// Most signatures of a note, as Go's reader has it.
pub const MAX_SIGNATURES: usize = 100;
/// Most bytes of a key name.
pub const MAX_NAME_BYTES: usize = 255;

/// A note or a key of notes was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// No randomness, no key.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// Longer than any note that is read.
    #[error("note of {bytes} bytes, {MAX_NOTE_BYTES} are the most")]
    TooLong {
        /// Bytes given.
        bytes: usize,
    },
    /// Not UTF-8, or with a control character other than newline.
    #[error("note has bytes that are not clean text")]
    Characters,
    /// No empty line between text and signatures, or the text does not end with a newline.
    #[error("note is not a text, an empty line and signatures")]
    Shape,
    /// A signature line of another form.
    #[error("signature line {line} of the note is malformed")]
    Line {
        /// Which signature line, from 1.
        line: usize,
    },
    /// More signatures than are read.
    #[error("note has more than {MAX_SIGNATURES} signatures")]
    TooManySignatures,
    /// A trusted key's signature does not fit.
    #[error("signature of `{name}` does not fit the note")]
    Signature {
        /// The key's name, cut to 80 characters.
        name: String,
    },
    /// No signature by a trusted key.
    #[error("note has no signature of a trusted key")]
    Unsigned,
    /// Two trusted keys have one name and hash: a signature could be either's.
    #[error("two keys are named `{name}` with one hash")]
    Ambiguous {
        /// The name, cut to 80 characters.
        name: String,
    },
    /// A key name that is empty, too long, or has a space, a plus or a control character.
    #[error("`{name}` is not a key name: 1 to {MAX_NAME_BYTES} bytes without spaces and `+`")]
    Name {
        /// What was given, cut to 80 characters.
        name: String,
    },
    /// The text form of a key is malformed, or its hash is another key's.
    #[error("text is not a key of signed notes")]
    Key,
    /// A key of another algorithm than Ed25519.
    #[error("key has the algorithm {algorithm}, only 1 (Ed25519) is taken")]
    Algorithm {
        /// The byte that says so.
        algorithm: u8,
    },
    /// The primitive failed: out of memory.
    #[error("signing failed inside the cryptographic library")]
    Failed,
}

/// Name of a key: a host and path by custom, such as `log.example.org/alcaide`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyName(Box<str>);

impl KeyName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let clean = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
        if text.is_empty() || text.len() > MAX_NAME_BYTES || !text.chars().all(clean) {
            return Err(NoteError::Name { name: crate::cut(text) });
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// First four bytes of SHA-256 over name, newline, algorithm and key: a hint which key signed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct KeyHash([u8; HASH_BYTES]);

impl KeyHash {
    fn of(name: &KeyName, key: &[u8; 32]) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(name.0.as_bytes());
        hasher.update(&[b'\n', ED25519]);
        hasher.update(key);
        // INVARIANT: a digest has more than four bytes.
        Self(hasher.finish().as_bytes().first_chunk().copied().unwrap_or_default())
    }

    fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; HASH_BYTES];
        if text.len() != HASH_BYTES * 2 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *byte = hex_value(*high)? << 4 | hex_value(*low)?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(out, "{}{}", char::from(hex_digit(byte >> 4)), char::from(hex_digit(byte & 15)))?;
        }
        Ok(())
    }
}

/// A public key that notes are verified with.
#[derive(Clone, Debug)]
pub struct NoteVerifier {
    name: KeyName,
    hash: KeyHash,
    key: Jwk,
    point: [u8; 32],
}

impl NoteVerifier {
    /// A verifier from a name and the 32 bytes of an Ed25519 public key.
    ///
    /// # Errors
    /// [`NoteError::Key`] if the key is not usable.
    pub fn new(name: KeyName, point: &[u8; 32]) -> Result<Self, NoteError> {
        let key = Jwk::from_ed25519(point).map_err(|_| NoteError::Key)?;
        Ok(Self { hash: KeyHash::of(&name, point), name, key, point: *point })
    }

    /// Name of the key.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// Hash of the key.
    #[must_use]
    pub const fn hash(&self) -> KeyHash {
        self.hash
    }

    /// The 32 bytes of the public key.
    #[must_use]
    pub const fn point(&self) -> &[u8; 32] {
        &self.point
    }

    fn answers_to(&self, line: &SignatureLine<'_>) -> bool {
        self.name.as_str() == line.name && self.hash == line.hash
    }
}

impl fmt::Display for NoteVerifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}+{}+{}", self.name, self.hash, encode_key(&self.point).as_str())
    }
}

impl FromStr for NoteVerifier {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (name, hash, point) = decode_key(text)?;
        let verifier = Self::new(name, &point)?;
        if verifier.hash == hash { Ok(verifier) } else { Err(NoteError::Key) }
    }
}

/// A private key that signs notes.
pub struct NoteSigner {
    pair: Ed25519KeyPair,
    seed: Zeroizing<[u8; 32]>,
    verifier: NoteVerifier,
}

impl NoteSigner {
    /// Draws a new key of that name.
    ///
    /// # Errors
    /// [`NoteError::Entropy`] if the source failed.
    pub fn generate(name: KeyName, entropy: &dyn Entropy) -> Result<Self, NoteError> {
        Self::from_seed(name, &*random::bytes32(entropy)?)
    }

    /// Reads the private text form.
    ///
    /// # Errors
    /// A [`NoteError`] that says what is wrong; it never shows the text.
    pub fn from_secret_text(text: &SecretText) -> Result<Self, NoteError> {
        let public = text.expose().strip_prefix(PRIVATE_PREFIX).ok_or(NoteError::Key)?;
        let (name, hash, seed) = decode_key(public)?;
        let signer = Self::from_seed(name, &seed)?;
        if signer.verifier.hash == hash { Ok(signer) } else { Err(NoteError::Key) }
    }

    /// The private text form, to be sealed.
    #[must_use]
    pub fn to_secret_text(&self) -> SecretText {
        let NoteVerifier { name, hash, .. } = &self.verifier;
        SecretText::new(format!("{PRIVATE_PREFIX}{name}+{hash}+{}", encode_key(&self.seed).as_str()))
    }

    /// The public half.
    #[must_use]
    pub const fn verifier(&self) -> &NoteVerifier {
        &self.verifier
    }

    /// Signs `text` (ends with a newline) and gives the whole note.
    ///
    /// # Errors
    /// [`NoteError::TooLong`], [`NoteError::Characters`] or [`NoteError::Shape`] if the text cannot be a
    /// note's.
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        check_text(text)?;
        let line = self.signature_line(text)?;
        Ok(format!("{text}\n{line}"))
    }

    /// Adds this key's signature to a note that others signed.
    ///
    /// # Errors
    /// As [`Note::parse`], and [`NoteError::TooManySignatures`].
    pub fn cosign(&self, note: &str) -> Result<String, NoteError> {
        let parsed = Note::parse(note.as_bytes())?;
        if parsed.lines.len() >= MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        let line = self.signature_line(parsed.text)?;
        Ok(format!("{note}{line}"))
    }

    fn signature_line(&self, text: &str) -> Result<String, NoteError> {
        let signature = self.pair.try_sign(text.as_bytes()).map_err(|_| NoteError::Failed)?;
        let bytes = [self.verifier.hash.0.as_slice(), signature.as_ref()].concat();
        Ok(format!("{LINE_PREFIX}{} {}\n", self.verifier.name, STANDARD.encode(bytes)))
    }

    fn from_seed(name: KeyName, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::Key)?;
        let point = <&[u8; 32]>::try_from(pair.public_key().as_ref()).map_err(|_| NoteError::Key)?;
        let verifier = NoteVerifier::new(name, point)?;
        Ok(Self { pair, seed: Zeroizing::new(*seed), verifier })
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "NoteSigner({}+{})", self.verifier.name, self.verifier.hash)
    }
}

/// A note of good form, its signatures not checked yet.
#[derive(Debug)]
pub struct Note<'a> {
    text: &'a str,
    lines: Vec<SignatureLine<'a>>,
}

#[derive(Debug)]
struct SignatureLine<'a> {
    name: &'a str,
    hash: KeyHash,
    signature: Vec<u8>,
}

impl<'a> Note<'a> {
    /// Reads a note; judges its form, not its signatures.
    ///
    /// # Errors
    /// A [`NoteError`] that says which rule it breaks.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLong { bytes: bytes.len() });
        }
        let note = std::str::from_utf8(bytes).map_err(|_| NoteError::Characters)?;
        if !is_clean(note) {
            return Err(NoteError::Characters);
        }
        // The last empty line counts: the text itself may have others.
        let at = note.rfind("\n\n").ok_or(NoteError::Shape)?;
        let (Some(text), Some(below)) = (note.get(..=at), note.get(at + 2..)) else {
            return Err(NoteError::Shape);
        };
        let below = below.strip_suffix('\n').ok_or(NoteError::Shape)?;
        let mut lines = Vec::new();
        for (at, line) in below.split('\n').enumerate() {
            if at >= MAX_SIGNATURES {
                return Err(NoteError::TooManySignatures);
            }
            lines.push(SignatureLine::parse(line).ok_or(NoteError::Line { line: at + 1 })?);
        }
        Ok(Self { text, lines })
    }

    /// Checks the signatures against the trusted keys and gives the text with the keys that signed it.
    ///
    /// # Errors
    /// [`NoteError::Signature`] for a bad one, [`NoteError::Unsigned`] for none, [`NoteError::Ambiguous`] for
    /// keys that cannot be told apart.
    pub fn verify<'k>(&self, trusted: &'k [NoteVerifier]) -> Result<VerifiedNote<'a, 'k>, NoteError> {
        let mut signers: Vec<&'k NoteVerifier> = Vec::new();
        for line in &self.lines {
            let mut answering = trusted.iter().filter(|key| key.answers_to(line));
            let Some(key) = answering.next() else { continue };
            if answering.next().is_some() {
                return Err(NoteError::Ambiguous { name: crate::cut(line.name) });
            }
            if signers.iter().any(|known| key.answers_to(line) && known.point == key.point) {
                continue;
            }
            let fits = <&[u8; SIGNATURE_BYTES]>::try_from(line.signature.as_slice())
                .is_ok_and(|signature| key.key.verifies(self.text.as_bytes(), signature));
            if !fits {
                return Err(NoteError::Signature { name: crate::cut(line.name) });
            }
            signers.push(key);
        }
        if signers.is_empty() {
            Err(NoteError::Unsigned)
        } else {
            Ok(VerifiedNote { text: self.text, signers })
        }
    }

    /// The text, for showing only: nobody vouches for it before [`Note::verify`].
    #[must_use]
    pub const fn unverified_text(&self) -> &'a str {
        self.text
    }
}

impl<'a> SignatureLine<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(LINE_PREFIX)?.split_once(' ')?;
        name.parse::<KeyName>().ok()?;
        let bytes = STANDARD.decode(encoded).ok()?;
        let (hash, signature) = bytes.split_first_chunk()?;
        if signature.is_empty() {
            return None;
        }
        Some(Self { name, hash: KeyHash(*hash), signature: signature.to_vec() })
    }
}

/// A note that at least one trusted key signed; only [`Note::verify`] makes one.
#[derive(Debug)]
#[must_use]
pub struct VerifiedNote<'a, 'k> {
    text: &'a str,
    signers: Vec<&'k NoteVerifier>,
}

impl<'a, 'k> VerifiedNote<'a, 'k> {
    /// The text, with its last newline.
    #[must_use]
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// The trusted keys that signed, each once, in the note's order.
    #[must_use]
    pub fn signers(&self) -> &[&'k NoteVerifier] {
        &self.signers
    }
}

/// Byte of the algorithm Ed25519.
const ED25519: u8 = 1;
const HASH_BYTES: usize = 4;
const LINE_PREFIX: &str = "\u{2014} ";
const PRIVATE_PREFIX: &str = "PRIVATE+KEY+";

fn is_clean(text: &str) -> bool {
    text.bytes().all(|b| b >= 0x20 || b == b'\n')
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if text.len() > MAX_NOTE_BYTES / 2 {
        return Err(NoteError::TooLong { bytes: text.len() });
    }
    if !is_clean(text) {
        return Err(NoteError::Characters);
    }
    if text.ends_with('\n') { Ok(()) } else { Err(NoteError::Shape) }
}

fn encode_key(key: &[u8; 32]) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([ED25519; 33]);
    for (place, byte) in bytes.iter_mut().skip(1).zip(key) {
        *place = *byte;
    }
    Zeroizing::new(STANDARD.encode(bytes.as_slice()))
}

fn decode_key(text: &str) -> Result<(KeyName, KeyHash, Zeroizing<[u8; 32]>), NoteError> {
    let (name, rest) = text.split_once('+').ok_or(NoteError::Key)?;
    let (hash, encoded) = rest.split_once('+').ok_or(NoteError::Key)?;
    let name = name.parse()?;
    let hash = KeyHash::from_hex(hash).ok_or(NoteError::Key)?;
    let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| NoteError::Key)?);
    let (algorithm, key) = bytes.split_first().ok_or(NoteError::Key)?;
    if *algorithm != ED25519 {
        return Err(NoteError::Algorithm { algorithm: *algorithm });
    }
    let key = <[u8; 32]>::try_from(key).map_err(|_| NoteError::Key)?;
    Ok((name, hash, Zeroizing::new(key)))
}

#[cfg(test)]
#[path = "note/tests.rs"]
mod tests;
