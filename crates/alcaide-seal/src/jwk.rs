//! Public keys as JSON Web Keys: EC on P-256 (ES256) and OKP on Ed25519 (EdDSA), nothing else.
//!
//! A [`Jwk`] that exists is a point on its curve and ready to verify; its [`Thumbprint`] is its name (`kid`)
//! in tokens that we sign and its `jkt` in tokens that we bind. Members that are not needed are ignored,
//! members that contradict the use (`use`, `alg`, `key_ops`) or hold a private key are refused.
//!
//! Sources: RFC 7517, RFC 7518 section 6.2, RFC 8037 section 2, RFC 7638.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::ParsedPublicKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::curve::{self, COORDINATE_BYTES, SIGNATURE_BYTES};
use crate::digest::{Sha256Digest, sha256};
use crate::json::{self, Members};

pub use crate::json::JsonError;

/// Signature algorithms of tokens; the key pins it, never the message.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256, signature `r` and `s` of 32 bytes each (RFC 7518, section 3.4).
    Es256,
    /// Ed25519 (RFC 8037, section 3.1).
    EdDsa,
}

impl Algorithm {
    /// The name in the header member `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of that name, if it is one of ours.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "ES256" => Some(Self::Es256),
            "EdDSA" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// A JSON Web Key cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JwkError {
    /// More bytes than any public key of ours has.
    #[error("key of {bytes} bytes, {max} are the most")]
    TooLong {
        /// Bytes given.
        bytes: usize,
        /// Bytes taken.
        max: usize,
    },
    /// Not a clean JSON object.
    #[error("key is {0}")]
    Json(#[from] JsonError),
    /// A required member is missing.
    #[error("key has no member `{name}`")]
    Missing {
        /// The member.
        name: &'static str,
    },
    /// A key type or curve outside the closed list.
    #[error("key of type `{kty}` on curve `{crv}` is not supported")]
    Unsupported {
        /// What `kty` says, cut to 80 characters.
        kty: String,
        /// What `crv` says, cut to 80 characters.
        crv: String,
    },
    /// A coordinate is not 32 bytes in canonical base64url.
    #[error("key member `{name}` is not 32 bytes in base64url without padding")]
    Coordinate {
        /// The member.
        name: &'static str,
    },
    /// The coordinates are no point of the curve, or one of small order.
    #[error("key is not a usable point of its curve")]
    Point,
    /// A private or symmetric key came where a public one belongs.
    #[error("key holds the private member `{name}`")]
    Private {
        /// The member.
        name: &'static str,
    },
    /// The key says that it is for something else than verifying by its algorithm.
    #[error("key member `{name}` forbids to verify signatures with it")]
    Purpose {
        /// The member.
        name: &'static str,
    },
}

/// RFC 7638 thumbprint with SHA-256; as text 43 characters of base64url, and so in serde.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Thumbprint(Sha256Digest);

impl Thumbprint {
    /// A thumbprint read back from a store.
    #[must_use]
    pub const fn from_digest(digest: Sha256Digest) -> Self {
        Self(digest)
    }

    /// The digest behind it.
    #[must_use]
    pub const fn digest(&self) -> &Sha256Digest {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; BASE64_CHARS];
        let len = URL_SAFE_NO_PAD.encode_slice(self.0.as_bytes(), &mut text).unwrap_or_default();
        // INVARIANT: 43 characters hold 32 bytes, and base64url is ASCII.
        out.write_str(text.get(..len).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default())
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// A text was not a thumbprint.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{given}` is not a key thumbprint: 43 characters of base64url")]
pub struct ThumbprintError {
    /// What was given, cut to 80 characters.
    pub given: String,
}

impl FromStr for Thumbprint {
    type Err = ThumbprintError;

    fn from_str(text: &str) -> Result<Self, ThumbprintError> {
        decode32(text)
            .map(|bytes| Self(Sha256Digest::from_bytes(bytes)))
            .ok_or_else(|| ThumbprintError { given: crate::cut(text) })
    }
}

impl Serialize for Thumbprint {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Thumbprint {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A public key that is a point of its curve and ready to verify.
#[derive(Clone)]
pub struct Jwk {
    point: Point,
    parsed: ParsedPublicKey,
    thumbprint: Thumbprint,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Point {
    P256 { x: [u8; COORDINATE_BYTES], y: [u8; COORDINATE_BYTES] },
    Ed25519([u8; COORDINATE_BYTES]),
}

impl Jwk {
    /// Most bytes of JSON that are read as one key; ours have some 120, certificates beside them a few
    /// thousand.
    pub const MAX_JSON_BYTES: usize = 16 * 1024;

    /// Reads one public key from JSON.
    ///
    /// # Errors
    /// A [`JwkError`] that says which rule the key breaks.
    ///
    /// Source: RFC 7517, section 4.
    pub fn from_json(json: &[u8]) -> Result<Self, JwkError> {
        if json.len() > Self::MAX_JSON_BYTES {
            return Err(JwkError::TooLong { bytes: json.len(), max: Self::MAX_JSON_BYTES });
        }
        Self::from_members(&Members::parse(json, MAX_MEMBERS)?)
    }

    /// A key from the coordinates of a P-256 point, big end first.
    ///
    /// # Errors
    /// [`JwkError::Point`] if they are no point of the curve.
    pub fn from_p256(x: &[u8; 32], y: &[u8; 32]) -> Result<Self, JwkError> {
        let parsed = curve::p256(x, y).ok_or(JwkError::Point)?;
        Ok(Self::new(Point::P256 { x: *x, y: *y }, parsed))
    }

    /// A key from the 32 bytes of an Ed25519 public key (RFC 8032, section 5.1.5).
    ///
    /// # Errors
    /// [`JwkError::Point`] if the point has small order.
    pub fn from_ed25519(point: &[u8; 32]) -> Result<Self, JwkError> {
        let parsed = curve::ed25519(point).ok_or(JwkError::Point)?;
        Ok(Self::new(Point::Ed25519(*point), parsed))
    }

    /// The algorithm that this key pins.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.point {
            Point::P256 { .. } => Algorithm::Es256,
            Point::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// The name of the key: `kid`, `jkt`.
    #[must_use]
    pub const fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// The required members as JSON in lexicographic order without spaces: what the thumbprint is over.
    ///
    /// Source: RFC 7638, section 3.
    #[must_use]
    pub fn to_json(&self) -> String {
        canonical(&self.point)
    }

    /// Whether `signature` (64 bytes) is this key's over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }

    pub(crate) fn from_members(members: &Members<'_>) -> Result<Self, JwkError> {
        for name in PRIVATE_MEMBERS {
            if members.raw(name).is_some() {
                return Err(JwkError::Private { name });
            }
        }
        let kty = members.text("kty")?.ok_or(JwkError::Missing { name: "kty" })?;
        let crv = members.text("crv")?;
        let key = match (kty.as_ref(), crv.as_deref()) {
            ("EC", Some("P-256")) => Self::from_p256(&coordinate(members, "x")?, &coordinate(members, "y")?)?,
            ("OKP", Some("Ed25519")) => Self::from_ed25519(&coordinate(members, "x")?)?,
            ("EC" | "OKP", None) => return Err(JwkError::Missing { name: "crv" }),
            (kty, crv) => {
                let crv = crate::cut(crv.unwrap_or_default());
                return Err(JwkError::Unsupported { kty: crate::cut(kty), crv });
            }
        };
        key.check_purpose(members)?;
        Ok(key)
    }

    fn check_purpose(&self, members: &Members<'_>) -> Result<(), JwkError> {
        if members.text("use")?.is_some_and(|purpose| purpose != "sig") {
            return Err(JwkError::Purpose { name: "use" });
        }
        if members.text("alg")?.is_some_and(|name| name != self.algorithm().name()) {
            return Err(JwkError::Purpose { name: "alg" });
        }
        if let Some(raw) = members.raw("key_ops") {
            let operations = json::items(raw, MAX_MEMBERS, "key_ops")?;
            if !operations.into_iter().any(|raw| json::text(raw).is_some_and(|name| name == "verify")) {
                return Err(JwkError::Purpose { name: "key_ops" });
            }
        }
        Ok(())
    }

    fn new(point: Point, parsed: ParsedPublicKey) -> Self {
        let thumbprint = Thumbprint(sha256(canonical(&point).as_bytes()));
        Self { point, parsed, thumbprint }
    }
}

impl PartialEq for Jwk {
    fn eq(&self, other: &Self) -> bool {
        self.point == other.point
    }
}

impl Eq for Jwk {}

impl fmt::Debug for Jwk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Jwk({} {})", self.algorithm().name(), self.thumbprint)
    }
}

impl FromStr for Jwk {
    type Err = JwkError;

    fn from_str(json: &str) -> Result<Self, JwkError> {
        Self::from_json(json.as_bytes())
    }
}

impl Serialize for Jwk {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        PublicMembers::of(self).serialize(to)
    }
}

/// The required members of a key, ready to be written with others beside them.
#[derive(Serialize)]
pub(crate) struct PublicMembers {
    crv: &'static str,
    kty: &'static str,
    x: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
}

impl PublicMembers {
    pub(crate) fn of(key: &Jwk) -> Self {
        let text = |bytes: &[u8; COORDINATE_BYTES]| URL_SAFE_NO_PAD.encode(bytes);
        match &key.point {
            Point::P256 { x, y } => Self { crv: "P-256", kty: "EC", x: text(x), y: Some(text(y)) },
            Point::Ed25519(x) => Self { crv: "Ed25519", kty: "OKP", x: text(x), y: None },
        }
    }
}

/// Characters of base64url that 32 bytes need.
const BASE64_CHARS: usize = 43;
/// Members of a key that are read at most; RFC 7517 knows a dozen.
pub(crate) const MAX_MEMBERS: usize = 32;
/// Members of private and symmetric keys (RFC 7518, section 6).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "k", "p", "q", "dp", "dq", "qi", "oth"];

fn canonical(point: &Point) -> String {
    let text = |bytes: &[u8; COORDINATE_BYTES]| URL_SAFE_NO_PAD.encode(bytes);
    match point {
        Point::P256 { x, y } => {
            format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, text(x), text(y))
        }
        Point::Ed25519(x) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(x)),
    }
}

fn coordinate(members: &Members<'_>, name: &'static str) -> Result<[u8; COORDINATE_BYTES], JwkError> {
    let text = members.text(name)?.ok_or(JwkError::Missing { name })?;
    decode32(&text).ok_or(JwkError::Coordinate { name })
}

/// 32 bytes of canonical base64url without padding.
fn decode32(text: &str) -> Option<[u8; 32]> {
    if text.len() != BASE64_CHARS {
        return None;
    }
    // One byte more than needed: the decoder wants room for its own estimate.
    let mut bytes = [0; 33];
    let len = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    bytes.get(..len)?.try_into().ok()
}

#[cfg(test)]
#[path = "jwk/tests.rs"]
mod tests;
