//! The file beside a model: a Sigstore bundle with who signed, what was signed, and the signature.
//!
//! Reading one believes nothing of it. Members that the format does not have are refused: they would be read by somebody else.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use alcaide_seal::x509::{CERTIFICATE_BYTES_MAX, CHAIN_MAX, Certificate};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::error::SigningError;
use super::statement::{PAYLOAD_TYPE, place_of};
use crate::scanner::shown;

/// Most bytes of a bundle that [`Bundle::parse`] reads: a quarter of a million files with names of common length.
pub const BUNDLE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most bytes of a bundle that anybody reads or writes: a million such files.
pub const BUNDLE_BYTES_CEILING: usize = 256 * 1024 * 1024;

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
struct BundleText<'t> {
    media_type: String,
    #[serde(borrow)]
    verification_material: MaterialText<'t>,
    #[serde(default, borrow)]
    dsse_envelope: Option<EnvelopeText<'t>>,
    #[serde(default, skip_serializing)]
    message_signature: Option<IgnoredAny>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct MaterialText<'t> {
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<KeyText>,
    #[serde(rename = "x509CertificateChain", skip_serializing_if = "Option::is_none")]
    #[serde(borrow)]
    chain: Option<ChainText<'t>>,
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
struct ChainText<'t> {
    #[serde(borrow)]
    certificates: First<CertificateText<'t>, CHAIN_MAX>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CertificateText<'t> {
    #[serde(borrow)]
    raw_bytes: Cow<'t, str>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EnvelopeText<'t> {
    #[serde(borrow)]
    payload: Cow<'t, str>,
    payload_type: String,
    #[serde(borrow)]
    signatures: First<SignatureText<'t>, 1>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SignatureText<'t> {
    #[serde(borrow)]
    sig: Cow<'t, str>,
    #[serde(default, borrow)]
    keyid: Option<Cow<'t, str>>,
}

/// The first `MAX` of a list and how many there are: what comes after them is read and never kept.
struct First<T, const MAX: usize> {
    kept: Vec<T>,
    count: usize,
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for First<T, MAX> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Keep<T, const MAX: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Keep<T, MAX> {
            type Value = First<T, MAX>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut first = First { kept: Vec::new(), count: 0 };
                while first.kept.len() < MAX {
                    let Some(one) = list.next_element()? else { return Ok(first) };
                    first.kept.push(one);
                    first.count = first.count.saturating_add(1);
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    first.count = first.count.saturating_add(1);
                }
                Ok(first)
            }
        }

        from.deserialize_seq(Keep(PhantomData))
    }
}

impl<T: Serialize, const MAX: usize> Serialize for First<T, MAX> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.kept.serialize(to)
    }
}

impl<T, const MAX: usize> From<Vec<T>> for First<T, MAX> {
    fn from(kept: Vec<T>) -> Self {
        Self { count: kept.len(), kept }
    }
}

impl Bundle {
    /// Reads a bundle of at most [`BUNDLE_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// [`SigningError`], one of those about the bundle.
    pub fn parse(bytes: &[u8]) -> Result<Self, SigningError> {
        Self::parse_within(bytes, BUNDLE_BYTES_MAX)
    }

    /// Reads a bundle of at most `max` bytes, and never more than [`BUNDLE_BYTES_CEILING`]; it takes about as much memory again.
    ///
    /// # Errors
    /// [`SigningError`], one of those about the bundle.
    pub fn parse_within(bytes: &[u8], max: usize) -> Result<Self, SigningError> {
        let max = max.min(BUNDLE_BYTES_CEILING);
        if bytes.len() > max {
            return Err(SigningError::BundleTooLarge { bytes: bytes.len(), max });
        }
        let text: BundleText<'_> = serde_json::from_slice(bytes)
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
        let (1, [signature]) = (envelope.signatures.count, envelope.signatures.kept.as_slice()) else {
            return Err(SigningError::SignatureCount { count: envelope.signatures.count });
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
    /// [`SigningError::BundleMalformed`] if it cannot be written, [`SigningError::BundleTooLarge`] if nobody would read it.
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
                let certificates: Vec<_> = chain
                    .iter()
                    .map(|one| CertificateText { raw_bytes: STANDARD.encode(one.der()).into() })
                    .collect();
                material.chain = Some(ChainText { certificates: certificates.into() });
            }
        }
        let text = BundleText {
            media_type: MEDIA_TYPE.to_owned(),
            verification_material: material,
            dsse_envelope: Some(EnvelopeText {
                payload: STANDARD.encode(&self.payload).into(),
                payload_type: PAYLOAD_TYPE.to_owned(),
                signatures: vec![SignatureText {
                    sig: STANDARD.encode(&self.signature).into(),
                    keyid: Some("".into()),
                }]
                .into(),
            }),
            message_signature: None,
        };
        let json = serde_json::to_vec(&text).map_err(|error| malformed(&place_of(&error)))?;
        if json.len() > BUNDLE_BYTES_CEILING {
            return Err(SigningError::BundleTooLarge { bytes: json.len(), max: BUNDLE_BYTES_CEILING });
        }
        Ok(json)
    }
}

fn material(text: MaterialText<'_>) -> Result<Material, SigningError> {
    match (text.public_key, text.chain, text.certificate) {
        (_, _, Some(_)) => Err(SigningError::Sigstore),
        (Some(_), Some(_), None) => Err(malformed("it names a key and a chain")),
        (None, None, None) => Err(malformed("it names nobody who signed")),
        (Some(key), None, None) => Ok(Material::Key {
            hint: key.hint.filter(|hint| !hint.is_empty()),
            raw: key.raw_bytes.map(|raw| decoded(&raw, "rawBytes")).transpose()?,
        }),
        (None, Some(chain), None) => {
            if chain.certificates.count > CHAIN_MAX {
                return Err(malformed("its chain is longer than is read"));
            }
            chain
                .certificates
                .kept
                .iter()
                .enumerate()
                .map(|(at, one)| {
                    let malformed = |_| SigningError::CertificateMalformed { at };
                    if one.raw_bytes.len() > CERTIFICATE_TEXT_MAX {
                        return Err(SigningError::CertificateMalformed { at });
                    }
                    Certificate::from_der(&decoded(&one.raw_bytes, "rawBytes")?).map_err(malformed)
                })
                .collect::<Result<_, _>>()
                .map(Material::Chain)
        }
    }
}

/// Base64 of the largest certificate that is read.
const CERTIFICATE_TEXT_MAX: usize = CERTIFICATE_BYTES_MAX.div_ceil(3) * 4;

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
