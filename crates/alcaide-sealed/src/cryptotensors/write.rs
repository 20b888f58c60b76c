//! Writing: the tags stand in the header, before the data, so each tensor is encrypted twice: once for its tags, once for
//! its bytes. Both times give the same bytes, or nothing more is written.

use std::collections::BTreeMap;
use std::io;

use alcaide_container::Input;
use alcaide_seal::aead::{AeadKey, NONCE_BYTES, TAG_BYTES};
use alcaide_seal::ed25519::Ed25519Secret;
use alcaide_seal::{Entropy, EntropyError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use zeroize::Zeroizing;

use super::error::shown;
use super::header::{Fields, METADATA};
use super::{
    ALLOW_ALL, CHUNK_BYTES, CryptoTensorsError, ENCRYPTION, KEYS, MAX_CHUNK_BYTES, MAX_HEADER_BYTES,
    MAX_TENSORS, POLICY, SIGNATURE, TensorInfo, TensorKey, chunks, name, nonce,
};
use crate::kept::fill;

/// A tensor to be written.
#[derive(Clone, Copy)]
pub struct NewTensor<'t> {
    /// Its name.
    pub name: &'t str,
    /// What it is made of, such as `BF16`.
    pub dtype: &'t str,
    /// Its dimensions.
    pub shape: &'t [u64],
    /// Its bytes.
    pub bytes: &'t dyn Input,
}

/// How a file is written. The policy is the one that allows everything.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'p> {
    /// The master key, with its cipher.
    pub key: &'p TensorKey,
    /// Who signs the header.
    pub signer: &'p Ed25519Secret,
    /// What the file calls the signer's key.
    pub signer_id: Option<&'p str>,
    /// Bytes of a chunk.
    pub chunk: u32,
    /// Metadata of the file; names that begin with `__` are the format's.
    pub metadata: &'p [(&'p str, &'p str)],
}

impl<'p> Plan<'p> {
    /// With chunks of 2 MiB and no metadata.
    #[must_use]
    pub const fn new(key: &'p TensorKey, signer: &'p Ed25519Secret) -> Self {
        Self { key, signer, signer_id: None, chunk: CHUNK_BYTES, metadata: &[] }
    }
}

/// Writes `tensors`, each encrypted under a key of its own, in the order given.
///
/// # Errors
/// [`CryptoTensorsError`]; what was written by then is no whole file.
pub fn write<W: io::Write>(
    out: &mut W,
    plan: &Plan<'_>,
    tensors: &[NewTensor<'_>],
    entropy: &dyn Entropy,
) -> Result<(), CryptoTensorsError> {
    if !(1..=MAX_CHUNK_BYTES).contains(&plan.chunk) {
        return Err(CryptoTensorsError::Chunk { found: u64::from(plan.chunk) });
    }
    if tensors.len() > MAX_TENSORS {
        return Err(CryptoTensorsError::form("header", &"there are too many tensors"));
    }
    let mut memory = Zeroizing::new(Vec::new());
    let (mut described, mut secrets, mut begins) = (Vec::new(), BTreeMap::new(), 0_u64);
    for tensor in tensors {
        let end = begins.checked_add(tensor.bytes.len());
        let end = end.ok_or_else(|| CryptoTensorsError::tensor(tensor.name, "it is too long"))?;
        let info = TensorInfo {
            dtype: tensor.dtype.to_owned(),
            shape: tensor.shape.to_vec(),
            data_offsets: (begins, end),
        };
        if let Some(why) = info.flaw(begins) {
            return Err(CryptoTensorsError::tensor(tensor.name, why));
        }
        // Other readers sort by place, and two that are empty have the same.
        let before: Option<&(String, TensorInfo)> = described.last();
        if end == begins && before.is_some_and(|(_, before)| before.data_offsets == info.data_offsets) {
            return Err(CryptoTensorsError::tensor(tensor.name, "it is the second empty one in one place"));
        }
        let secret = Secret::draw(plan, tensor, &mut memory, entropy)?;
        if tensor.name == METADATA || secrets.insert(tensor.name, secret).is_some() {
            return Err(CryptoTensorsError::tensor(tensor.name, "its name is taken"));
        }
        described.push((tensor.name.to_owned(), info));
        begins = end;
    }
    out.write_all(&header(plan, described, &secrets)?)?;
    for tensor in tensors {
        let secret = secrets.get(tensor.name).ok_or(CryptoTensorsError::Failed)?;
        let mut tags = secret.tags.chunks_exact(TAG_BYTES);
        secret.encrypt(plan, tensor, &mut memory, |tag, bytes| {
            if tags.next() == Some(tag) {
                Ok(out.write_all(bytes)?)
            } else {
                Err(CryptoTensorsError::Changed { name: shown(tensor.name) })
            }
        })?;
    }
    Ok(())
}

/// The header, signed and padded, with its length.
fn header(
    plan: &Plan<'_>,
    tensors: Vec<(String, TensorInfo)>,
    secrets: &BTreeMap<&str, Secret>,
) -> Result<Vec<u8>, CryptoTensorsError> {
    let signer = KeyName { alg: "ed25519", kid: plan.signer_id, kty: "okp" };
    let master = KeyName { alg: name(plan.key.key.cipher()), kid: plan.key.id.as_deref(), kty: "oct" };
    let keys = Keys { chunk_size: plan.chunk, enc: master, sign: signer, version: "2" };
    let texts: BTreeMap<&str, Encryption> =
        secrets.iter().map(|(name, secret)| (*name, Encryption::of(secret))).collect();
    let policy = Policy { local: ALLOW_ALL, remote: ALLOW_ALL };
    let mut metadata = BTreeMap::new();
    for (name, text) in plan.metadata {
        if name.starts_with("__") || metadata.insert((*name).to_owned(), (*text).to_owned()).is_some() {
            return Err(CryptoTensorsError::form("header", &"a name of the metadata is taken"));
        }
    }
    metadata.insert(KEYS.to_owned(), json(KEYS, &keys)?);
    metadata.insert(ENCRYPTION.to_owned(), json(ENCRYPTION, &texts)?);
    metadata.insert(POLICY.to_owned(), json(POLICY, &policy)?);
    let mut fields = Fields { metadata: metadata.into_iter().collect(), tensors };
    let signature = plan.signer.sign(&fields.text(false)?).map_err(|_| CryptoTensorsError::Failed)?;
    fields.metadata.push((SIGNATURE.to_owned(), STANDARD.encode(signature)));
    let mut text = fields.text(true)?;
    text.resize(text.len().next_multiple_of(8), b' ');
    let bytes = text.len() as u64;
    if bytes > MAX_HEADER_BYTES {
        return Err(CryptoTensorsError::HeaderLength { bytes, there: bytes });
    }
    Ok([bytes.to_le_bytes().as_slice(), &text].concat())
}

/// How one tensor is encrypted.
struct Secret {
    key: AeadKey,
    wrapped: Vec<u8>,
    wrap_nonce: [u8; NONCE_BYTES],
    wrap_tag: [u8; TAG_BYTES],
    first: [u8; NONCE_BYTES],
    tags: Vec<u8>,
}

impl Secret {
    /// Draws a key, wraps it, and encrypts the tensor once for its tags.
    fn draw(
        plan: &Plan<'_>,
        tensor: &NewTensor<'_>,
        memory: &mut Vec<u8>,
        entropy: &dyn Entropy,
    ) -> Result<Self, CryptoTensorsError> {
        let cipher = plan.key.key.cipher();
        let mut bytes = Zeroizing::new(vec![0; cipher.key_bytes()]);
        entropy.fill(&mut bytes)?;
        let key = AeadKey::new(cipher, &bytes).map_err(|_| CryptoTensorsError::Failed)?;
        let wrap_nonce = draw(entropy)?;
        let mut wrapped = bytes.to_vec();
        let wrap_tag =
            plan.key.key.seal(wrap_nonce, &[], &mut wrapped).map_err(|_| CryptoTensorsError::Failed)?;
        // The counter begins at zero, so that it does not overflow; the key is this tensor's alone.
        let [prefix @ .., _, _, _, _] = draw(entropy)?;
        let [a, b, c, d, e, f, g, h] = prefix;
        let first = [a, b, c, d, e, f, g, h, 0, 0, 0, 0];
        let mut secret = Self { key, wrapped, wrap_nonce, wrap_tag, first, tags: Vec::new() };
        let mut tags = Vec::new();
        secret.encrypt(plan, tensor, memory, |tag, _| {
            tags.extend_from_slice(tag);
            Ok(())
        })?;
        secret.tags = tags;
        Ok(secret)
    }

    /// Encrypts chunk by chunk and gives each with its tag to `take`.
    fn encrypt(
        &self,
        plan: &Plan<'_>,
        tensor: &NewTensor<'_>,
        memory: &mut Vec<u8>,
        mut take: impl FnMut(&[u8], &[u8]) -> Result<(), CryptoTensorsError>,
    ) -> Result<(), CryptoTensorsError> {
        let (bytes, chunk) = (tensor.bytes.len(), u64::from(plan.chunk));
        for index in 0..chunks(bytes, plan.chunk) {
            let at = index.saturating_mul(chunk);
            fill(tensor.bytes, at, bytes.saturating_sub(at).min(chunk), memory)?;
            let nonce = nonce(self.first, index);
            let nonce =
                nonce.ok_or_else(|| CryptoTensorsError::tensor(tensor.name, "it has too many chunks"))?;
            let tag = self.key.seal(nonce, &[], memory).map_err(|_| CryptoTensorsError::Failed)?;
            take(&tag, memory)?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Keys<'k> {
    chunk_size: u32,
    enc: KeyName<'k>,
    sign: KeyName<'k>,
    version: &'static str,
}

#[derive(Serialize)]
struct KeyName<'k> {
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'k str>,
    kty: &'static str,
}

#[derive(Serialize)]
struct Policy {
    local: &'static str,
    remote: &'static str,
}

#[derive(Serialize)]
struct Encryption {
    wrapped_key: String,
    key_iv: String,
    key_tag: String,
    base_iv: String,
    tags: String,
}

impl Encryption {
    fn of(secret: &Secret) -> Self {
        Self {
            wrapped_key: STANDARD.encode(&secret.wrapped),
            key_iv: STANDARD.encode(secret.wrap_nonce),
            key_tag: STANDARD.encode(secret.wrap_tag),
            base_iv: STANDARD.encode(secret.first),
            tags: STANDARD.encode(&secret.tags),
        }
    }
}

fn draw(entropy: &dyn Entropy) -> Result<[u8; NONCE_BYTES], EntropyError> {
    let mut nonce = [0; NONCE_BYTES];
    entropy.fill(&mut nonce)?;
    Ok(nonce)
}

fn json(field: &'static str, value: &impl Serialize) -> Result<String, CryptoTensorsError> {
    serde_json::to_string(value).map_err(|error| CryptoTensorsError::form(field, &error))
}
