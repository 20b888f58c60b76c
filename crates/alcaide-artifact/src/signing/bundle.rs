//! The file beside a model: a Sigstore bundle with who signed, what was signed, and the signature.
//!
//! Reading one believes nothing of it. Members that the format does not have are refused: they would be read by somebody else.

use alcaide_seal::x509::Certificate;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::error::SigningError;
use super::statement::{PAYLOAD_TYPE, place_of};
use crate::scanner::shown;

/// Most bytes of a bundle: a million files with names of common length.
pub const BUNDLE_BYTES_MAX: usize = 256 * 1024 * 1024;

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A bundle that was read, and not verified.
#[derive(Clone, Debug)]
pub struct Bundle {
    pub(super) material: Material,
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

/// Who signed, as the bundle says.
#[derive(Clone, Debug)]
pub(super) enum Material {
    /// A key, by its hint or in full; old bundles may name none.
    Key { hint: Option<String>, raw: Option<Vec<u8>> },
    /// A chain, leaf first.
    Chain(Vec<Certificate>),
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BundleText {
    media_type: String,
    verification_material: MaterialText,
    #[serde(default)]
    dsse_envelope: Option<EnvelopeText>,
    #[serde(default, skip_serializing)]
    message_signature: Option<IgnoredAny>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct MaterialText {
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<KeyText>,
    #[serde(rename = "x509CertificateChain", skip_serializing_if = "Option::is_none")]
    chain: Option<ChainText>,
    #[serde(skip_serializing)]
    certificate: Option<IgnoredAny>,
    #[serde(serialize_with = "none_logged")]
    tlog_entries: Option<Vec<IgnoredAny>>,
    #[serde(skip_serializing)]
    timestamp_verification_data: Option<IgnoredAny>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct KeyText {
    hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_bytes: Option<String>,
    #[serde(skip_serializing)]
    key_details: Option<IgnoredAny>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ChainText {
    certificates: Vec<CertificateText>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CertificateText {
    raw_bytes: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EnvelopeText {
    payload: String,
    payload_type: String,
    signatures: Vec<SignatureText>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SignatureText {
    sig: String,
    #[serde(default)]
    keyid: Option<String>,
}

impl Bundle {
    /// Reads a bundle.
    ///
    /// # Errors
    /// [`SigningError`], one of those about the bundle.
    pub fn parse(bytes: &[u8]) -> Result<Self, SigningError> {
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(SigningError::BundleTooLarge { bytes: bytes.len(), max: BUNDLE_BYTES_MAX });
        }
        let text: BundleText = serde_json::from_slice(bytes)
            .map_err(|error| SigningError::BundleMalformed { why: place_of(&error) })?;
        if text.media_type != MEDIA_TYPE {
            return Err(SigningError::MediaType { given: shown(&text.media_type) });
        }
        let envelope = text.dsse_envelope.ok_or_else(|| malformed("`dsseEnvelope` is missing"))?;
        if text.message_signature.is_some() {
            return Err(malformed("it has an envelope and a signature beside it"));
        }
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(SigningError::PayloadType { given: shown(&envelope.payload_type) });
        }
        let [signature] = envelope.signatures.as_slice() else {
            return Err(SigningError::SignatureCount { count: envelope.signatures.len() });
        };
        Ok(Self {
            material: material(text.verification_material)?,
            payload: decoded(&envelope.payload, "payload")?,
            signature: decoded(&signature.sig, "sig")?,
        })
    }

    /// The bundle as JSON.
    ///
    /// # Errors
    /// [`SigningError::BundleMalformed`] if it cannot be written.
    pub fn to_json(&self) -> Result<Vec<u8>, SigningError> {
        let mut material = MaterialText::default();
        match &self.material {
            Material::Key { hint, raw } => {
                material.public_key = Some(KeyText {
                    hint: hint.clone(),
                    raw_bytes: raw.as_ref().map(|raw| STANDARD.encode(raw)),
                    key_details: None,
                });
            }
            Material::Chain(chain) => {
                let certificates = chain
                    .iter()
                    .map(|one| CertificateText { raw_bytes: STANDARD.encode(one.der()) })
                    .collect();
                material.chain = Some(ChainText { certificates });
            }
        }
        let text = BundleText {
            media_type: MEDIA_TYPE.to_owned(),
            verification_material: material,
            dsse_envelope: Some(EnvelopeText {
                payload: STANDARD.encode(&self.payload),
                payload_type: PAYLOAD_TYPE.to_owned(),
                signatures: vec![SignatureText {
                    sig: STANDARD.encode(&self.signature),
                    keyid: Some(String::new()),
                }],
            }),
            message_signature: None,
        };
        serde_json::to_vec(&text).map_err(|error| malformed(&place_of(&error)))
    }
}

fn material(text: MaterialText) -> Result<Material, SigningError> {
    match (text.public_key, text.chain, text.certificate) {
        (_, _, Some(_)) => Err(SigningError::Sigstore),
        (Some(_), Some(_), None) => Err(malformed("it names a key and a chain")),
        (None, None, None) => Err(malformed("it names nobody who signed")),
        (Some(key), None, None) => Ok(Material::Key {
            hint: key.hint.filter(|hint| !hint.is_empty()),
            raw: key.raw_bytes.map(|raw| decoded(&raw, "rawBytes")).transpose()?,
        }),
        (None, Some(chain), None) => {
            let max = alcaide_seal::x509::CERTIFICATES_MAX;
            if chain.certificates.len() > max {
                return Err(malformed("its chain is longer than is read"));
            }
            chain
                .certificates
                .iter()
                .enumerate()
                .map(|(at, one)| {
                    Certificate::from_der(&decoded(&one.raw_bytes, "rawBytes")?)
                        .map_err(|_| SigningError::CertificateMalformed { at })
                })
                .collect::<Result<_, _>>()
                .map(Material::Chain)
        }
    }
}

fn decoded(text: &str, what: &str) -> Result<Vec<u8>, SigningError> {
    STANDARD.decode(text).map_err(|_| malformed(&format!("`{what}` is no base64")))
}

fn malformed(why: &str) -> SigningError {
    SigningError::BundleMalformed { why: why.to_owned() }
}

/// What is signed by key or certificate is in no log; readers want the list all the same.
fn none_logged<S: serde::Serializer>(_: &Option<Vec<IgnoredAny>>, to: S) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeSeq as _;
    to.serialize_seq(Some(0))?.end()
}
