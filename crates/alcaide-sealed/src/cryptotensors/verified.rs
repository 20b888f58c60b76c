//! A header that the trusted key signed, and the tensors that it vouches for.

use std::collections::{HashMap, HashSet};

use alcaide_container::{Input, ReadError, Window};
use alcaide_seal::aead::{AeadKey, Cipher, NONCE_BYTES, Opened, Sealed, TAG_BYTES};
use alcaide_seal::ed25519::Ed25519Public;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::error::shown;
use super::header::Pairs;
use super::{
    ALLOW_ALL, CHUNK_BYTES, CryptoTensorsError, ENCRYPTION, Header, KEYS, MAX_CHUNK_BYTES, POLICY, SIGNATURE,
    TensorInfo, TensorKey, chunks, name, nonce,
};
use crate::kept::{Kept, Pieces, fill};

/// What is done about a policy in the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PolicyStance {
    /// Only the one that allows everything is taken: nothing here evaluates Rego.
    AllowAllOnly,
    /// The caller has judged the file's policy, or does not go by it.
    JudgedElsewhere,
}

/// Whom and what a reader believes.
#[derive(Clone, Copy, Debug)]
pub struct Trust<'k> {
    /// Who must have signed the header.
    pub signer: &'k Ed25519Public,
    /// The master key, with its cipher.
    pub key: &'k TensorKey,
    /// Tensors that may be there unencrypted; nobody vouches for their bytes.
    pub plain: &'k [&'k str],
    /// What is done about a policy.
    pub policy: PolicyStance,
}

impl Header {
    /// Checks the signature, then everything that it stands over.
    ///
    /// # Errors
    /// [`CryptoTensorsError`].
    pub fn verify<'k>(self, trust: &Trust<'k>) -> Result<Verified<'k>, CryptoTensorsError> {
        for field in [KEYS, ENCRYPTION, POLICY] {
            self.fields.get(field)?;
        }
        let signature = decode(SIGNATURE, self.fields.get(SIGNATURE)?)?;
        let signature = signature.as_slice().try_into().map_err(|_| CryptoTensorsError::Signature)?;
        if !trust.signer.verifies(&self.fields.text(false)?, signature) {
            return Err(CryptoTensorsError::Signature);
        }
        let keys: Keys = json(KEYS, self.fields.get(KEYS)?)?;
        let chunk = keys.check(trust.key)?;
        let policy: Policy = json(POLICY, self.fields.get(POLICY)?)?;
        if trust.policy == PolicyStance::AllowAllOnly && !policy.allows_all() {
            return Err(CryptoTensorsError::Policy);
        }
        let encrypted: Pairs<Encryption> = json(ENCRYPTION, self.fields.get(ENCRYPTION)?)?;
        let mut texts: HashMap<String, Encryption> = encrypted.0.into_iter().collect();
        let plain: HashSet<&str> = trust.plain.iter().copied().collect();
        let mut tensors = HashMap::with_capacity(texts.len());
        for (tensor, info) in &self.fields.tensors {
            match texts.remove(tensor) {
                Some(text) => {
                    tensors.insert(tensor.clone(), text.decode(tensor, info, chunk, trust.key.key.cipher())?);
                }
                None if plain.contains(tensor.as_str()) => {}
                None => return Err(CryptoTensorsError::NotEncrypted { name: shown(tensor) }),
            }
        }
        match texts.into_keys().next() {
            Some(left) => Err(CryptoTensorsError::Unknown { name: shown(&left) }),
            None => Ok(Verified { header: self, key: trust.key, chunk, tensors }),
        }
    }
}

/// A file whose header the trusted key signed. Only [`Header::verify`] makes one.
#[derive(Debug)]
pub struct Verified<'k> {
    header: Header,
    key: &'k TensorKey,
    chunk: u32,
    tensors: HashMap<String, Secrets>,
}

impl Verified<'_> {
    /// All tensors, in the order in which they lie.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = (&str, &TensorInfo)> {
        self.header.fields.tensors.iter().map(|(name, info)| (name.as_str(), info))
    }

    /// The metadata that is not the format's own.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.header.fields.metadata.iter();
        fields.filter(|(name, _)| !name.starts_with("__")).map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// The file's policy, as JSON.
    ///
    /// # Errors
    /// None: a file without one was not verified.
    pub fn policy(&self) -> Result<&str, CryptoTensorsError> {
        self.header.fields.get(POLICY)
    }

    /// Whether a tensor is encrypted.
    #[must_use]
    pub fn is_encrypted(&self, tensor: &str) -> bool {
        self.tensors.contains_key(tensor)
    }

    /// The plaintext of an encrypted tensor; its last chunk is read at once.
    ///
    /// # Errors
    /// [`CryptoTensorsError::Unknown`], [`CryptoTensorsError::Key`]; [`CryptoTensorsError::Read`] where the last chunk
    /// was altered.
    pub fn tensor<I: Input>(&self, file: I, tensor: &str) -> Result<Tensor<I>, CryptoTensorsError> {
        let unknown = || CryptoTensorsError::Unknown { name: shown(tensor) };
        let secrets = self.tensors.get(tensor).ok_or_else(unknown)?;
        let info = self.info(tensor).ok_or_else(unknown)?;
        let bytes = info.bytes();
        let chunks = Chunks {
            file,
            at: self.header.data_at.saturating_add(info.data_offsets.0),
            bytes,
            chunk: self.chunk,
            key: secrets.unwrap(tensor, self.key)?,
            first: secrets.first,
            tags: secrets.tags.clone(),
        };
        Ok(Tensor(Kept::with(chunks, super::chunks(bytes, self.chunk).saturating_sub(1))?))
    }

    /// The bytes of a tensor that is not encrypted and that the caller named as such. Nobody vouches for them.
    ///
    /// # Errors
    /// [`CryptoTensorsError::Unknown`].
    pub fn unprotected<I: Input>(&self, file: I, tensor: &str) -> Result<Window<I>, CryptoTensorsError> {
        let unknown = || CryptoTensorsError::Unknown { name: shown(tensor) };
        let info = self.info(tensor).filter(|_| !self.is_encrypted(tensor)).ok_or_else(unknown)?;
        let at = self.header.data_at.saturating_add(info.data_offsets.0);
        Ok(Window::new(file, at, info.bytes()))
    }

    fn info(&self, tensor: &str) -> Option<&TensorInfo> {
        let tensors = self.header.fields.tensors.iter();
        tensors.filter(|(name, _)| name == tensor).map(|(_, info)| info).next()
    }
}

/// The plaintext of one tensor: read anywhere, a chunk at a time.
pub struct Tensor<I>(Kept<Chunks<I>>);

impl<I: Input> Input for Tensor<I> {
    fn len(&self) -> u64 {
        self.0.plaintext()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        self.0.read_at(at, into)
    }
}

impl<I: Input> std::fmt::Debug for Tensor<I> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Tensor({} bytes)", self.len())
    }
}

/// The chunks of a tensor.
struct Chunks<I> {
    file: I,
    at: u64,
    bytes: u64,
    chunk: u32,
    key: AeadKey,
    first: [u8; NONCE_BYTES],
    tags: Vec<u8>,
}

impl<I: Input> Pieces for Chunks<I> {
    fn plaintext(&self) -> u64 {
        self.bytes
    }

    fn piece(&self) -> u64 {
        u64::from(self.chunk)
    }

    fn open(&self, index: u64, mut memory: Vec<u8>) -> Result<Opened, ReadError> {
        let begins = index.saturating_mul(self.piece());
        let altered = || ReadError::Corrupt {
            what: "an encrypted tensor",
            at: begins,
            why: "it was altered or belongs elsewhere".to_owned(),
        };
        let len = self.bytes.saturating_sub(begins).min(self.piece());
        fill(&self.file, self.at.saturating_add(begins), len, &mut memory)?;
        let at = usize::try_from(index).ok().and_then(|index| index.checked_mul(TAG_BYTES));
        let tag = at.and_then(|at| self.tags.get(at..)).and_then(|tags| tags.first_chunk());
        let (tag, nonce) = tag.zip(nonce(self.first, index)).ok_or_else(altered)?;
        self.key.open(nonce, &[], Sealed::new(memory, *tag)).map_err(|_| altered())
    }
}

/// What the header says of a tensor's encryption, decoded.
#[derive(Debug)]
struct Secrets {
    wrapped: Vec<u8>,
    wrap_nonce: [u8; NONCE_BYTES],
    wrap_tag: [u8; TAG_BYTES],
    first: [u8; NONCE_BYTES],
    tags: Vec<u8>,
}

impl Secrets {
    fn unwrap(&self, tensor: &str, key: &TensorKey) -> Result<AeadKey, CryptoTensorsError> {
        let sealed = Sealed::new(self.wrapped.clone(), self.wrap_tag);
        let opened = key.key.open(self.wrap_nonce, &[], sealed);
        let opened = opened.map_err(|_| CryptoTensorsError::Key { name: shown(tensor) })?;
        AeadKey::new(key.key.cipher(), opened.bytes()).map_err(|_| CryptoTensorsError::Failed)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Encryption {
    wrapped_key: String,
    key_iv: String,
    key_tag: String,
    base_iv: String,
    tags: String,
}

impl Encryption {
    fn decode(
        &self,
        tensor: &str,
        info: &TensorInfo,
        chunk: u32,
        cipher: Cipher,
    ) -> Result<Secrets, CryptoTensorsError> {
        let flaw = |why| CryptoTensorsError::tensor(tensor, why);
        let wrapped = decode(ENCRYPTION, &self.wrapped_key)?;
        if wrapped.len() != cipher.key_bytes() {
            return Err(flaw("its key has a length that the cipher does not have"));
        }
        let first = array(&self.base_iv)?.ok_or_else(|| flaw("its nonce has a wrong length"))?;
        let tags = decode(ENCRYPTION, &self.tags)?;
        let count = chunks(info.bytes(), chunk);
        if tags.len() as u64 != count.saturating_mul(TAG_BYTES as u64) {
            return Err(flaw("it has not as many tags as chunks"));
        }
        if nonce(first, count.saturating_sub(1)).is_none() {
            return Err(flaw("its nonces overflow"));
        }
        Ok(Secrets {
            wrapped,
            wrap_nonce: array(&self.key_iv)?
                .ok_or_else(|| flaw("the nonce of its key has a wrong length"))?,
            wrap_tag: array(&self.key_tag)?.ok_or_else(|| flaw("the tag of its key has a wrong length"))?,
            first,
            tags,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    version: String,
    chunk_size: Option<u64>,
    enc: KeyName,
    sign: KeyName,
}

impl Keys {
    /// What must hold whatever the key: gives the size of chunks.
    fn check(&self, key: &TensorKey) -> Result<u32, CryptoTensorsError> {
        if self.version != "2" {
            return Err(CryptoTensorsError::Version { found: shown(&self.version) });
        }
        let given = name(key.key.cipher());
        if plainly(&self.enc.alg) != given || self.enc.kty != "oct" {
            return Err(CryptoTensorsError::Cipher { found: shown(&self.enc.alg), given });
        }
        if plainly(&self.sign.alg) != "ed25519" || self.sign.kty != "okp" {
            return Err(CryptoTensorsError::Signature);
        }
        let found = self.chunk_size.unwrap_or(u64::from(CHUNK_BYTES));
        let chunk = u32::try_from(found).ok().filter(|chunk| (1..=MAX_CHUNK_BYTES).contains(chunk));
        chunk.ok_or(CryptoTensorsError::Chunk { found })
    }
}

/// A key as a file names it. Key material has no place in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyName {
    alg: String,
    kty: String,
    #[serde(rename = "kid")]
    _id: Option<String>,
    #[serde(rename = "jku")]
    _url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    local: String,
    remote: String,
}

impl Policy {
    fn allows_all(&self) -> bool {
        self.local == ALLOW_ALL && self.remote == ALLOW_ALL
    }
}

/// A name of an algorithm without what writers vary.
fn plainly(algorithm: &str) -> String {
    algorithm.replace('-', "").to_ascii_lowercase()
}

fn json<'t, T: Deserialize<'t>>(field: &'static str, text: &'t str) -> Result<T, CryptoTensorsError> {
    serde_json::from_str(text).map_err(|error| CryptoTensorsError::form(field, &error))
}

fn decode(field: &'static str, text: &str) -> Result<Vec<u8>, CryptoTensorsError> {
    STANDARD.decode(text).map_err(|error| CryptoTensorsError::form(field, &error))
}

fn array<const N: usize>(text: &str) -> Result<Option<[u8; N]>, CryptoTensorsError> {
    Ok(decode(ENCRYPTION, text)?.try_into().ok())
}
