//! The envelope: a statement and the signature of whoever vouches for it.

use alcaide_seal::dsse::pae;
use alcaide_seal::ecdsa::{self, EcPublicKey, EcSigner};
use alcaide_seal::{Sha256Digest, sha256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::error::EvidenceError;
use super::statement::Statement;
use crate::scanner::shown;
use crate::signing::Verified;

/// Most bytes of an envelope: a statement has one subject and a report of numbers.
pub const ENVELOPE_BYTES_MAX: usize = 16 * 1024;

const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// An envelope that was read, and not verified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Envelope {
    payload: Vec<u8>,
    key: String,
    signature: Vec<u8>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeText {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: [SignatureText; 1],
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SignatureText {
    keyid: String,
    sig: String,
}

impl Envelope {
    /// Reads an envelope.
    ///
    /// # Errors
    /// [`EvidenceError::TooLarge`], [`EvidenceError::Malformed`], [`EvidenceError::Type`].
    pub fn parse(bytes: &[u8]) -> Result<Self, EvidenceError> {
        if bytes.len() > ENVELOPE_BYTES_MAX {
            return Err(EvidenceError::TooLarge { bytes: bytes.len(), max: ENVELOPE_BYTES_MAX });
        }
        let malformed = |why| EvidenceError::Malformed { what: "envelope", why };
        let text: EnvelopeText =
            serde_json::from_slice(bytes).map_err(|error| malformed(place_of(&error)))?;
        if text.payload_type != PAYLOAD_TYPE {
            return Err(EvidenceError::Type { given: shown(&text.payload_type) });
        }
        let decoded = |text: &str, what: &str| {
            STANDARD.decode(text).map_err(|_| malformed(format!("`{what}` is no base64")))
        };
        let [signature] = text.signatures;
        Ok(Self {
            payload: decoded(&text.payload, "payload")?,
            signature: decoded(&signature.sig, "sig")?,
            key: signature.keyid,
        })
    }

    /// The envelope as JSON.
    ///
    /// # Errors
    /// [`EvidenceError::Malformed`] if it cannot be written.
    pub fn to_json(&self) -> Result<Vec<u8>, EvidenceError> {
        let text = EnvelopeText {
            payload: STANDARD.encode(&self.payload),
            payload_type: PAYLOAD_TYPE.to_owned(),
            signatures: [SignatureText { keyid: self.key.clone(), sig: STANDARD.encode(&self.signature) }],
        };
        serde_json::to_vec(&text)
            .map_err(|error| EvidenceError::Malformed { what: "envelope", why: error.to_string() })
    }

    /// What it says, with nothing verified: to be shown, never to be decided by.
    ///
    /// # Errors
    /// [`EvidenceError`], one of those about the statement.
    pub fn unverified(&self) -> Result<Statement, EvidenceError> {
        Statement::read(&self.payload)
    }

    /// Digest of the statement: which statement it is, whoever signed it and however often.
    #[must_use]
    pub fn statement_digest(&self) -> Sha256Digest {
        sha256(&self.payload)
    }
}

/// Has a statement signed.
///
/// # Errors
/// [`EvidenceError::Sign`].
pub fn attest(statement: &Statement, signer: &dyn EcSigner) -> Result<Envelope, EvidenceError> {
    let payload = statement.write()?;
    let signature = ecdsa::sign(signer, &pae(PAYLOAD_TYPE, &payload))?.as_der().to_vec();
    Ok(Envelope { payload, key: signer.public_key().hint().to_string(), signature })
}

/// Believes an envelope that one of `keys` signed and that counts at `at`, in seconds since 1970. The signature is checked before
/// anything of the statement is read.
///
/// # Errors
/// [`EvidenceError`], one of those about the envelope or the statement.
pub fn verify(
    envelope: &Envelope,
    keys: &[EcPublicKey],
    at: u64,
) -> Result<Verified<Statement>, EvidenceError> {
    let named = keys.iter().find(|key| key.hint().to_string() == envelope.key);
    let key = named.ok_or_else(|| EvidenceError::KeyNotTrusted { hint: shown(&envelope.key) })?;
    if !key.verifies(&pae(PAYLOAD_TYPE, &envelope.payload), &envelope.signature) {
        return Err(EvidenceError::SignatureWrong);
    }
    let statement = Statement::read(&envelope.payload)?;
    statement.term().check(at)?;
    Ok(Verified::new(statement))
}

/// Where a text is no JSON of its kind, without its content.
pub(super) fn place_of(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Io => "it cannot be read",
        serde_json::error::Category::Syntax => "it is no JSON",
        serde_json::error::Category::Data => {
            "a member is missing, there twice, unknown, of another kind or in contradiction"
        }
        serde_json::error::Category::Eof => "it ends too early",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}
