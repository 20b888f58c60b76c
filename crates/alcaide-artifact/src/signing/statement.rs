//! The signed text: an in-toto statement with the predicate of OMS 1.0.
//!
//! It is read after its signature was verified. Members that are not known are passed over, as the specification asks; a member
//! that is there twice is refused.

use alcaide_seal::Sha256Digest;
use alcaide_seal::hash::{FileDigest, HashAlgorithm};
use serde::{Deserialize, Serialize};

use super::error::SigningError;
use super::historical;
use super::manifest::{Manifest, Resource, root_of};
use super::rules::Formats;
use super::scheme::{Method, Scheme};
use crate::scanner::shown;

pub(super) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str = "https://model_signing/signature/v1.0";

/// A statement that was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Statement {
    pub(super) manifest: Manifest,
    /// SHA-256 over the digests in the order of the statement; nothing in historical formats.
    pub(super) root: Option<Sha256Digest>,
    /// Whether the signer followed links.
    pub(super) links: bool,
    /// What the signer left out, as it says.
    pub(super) left_out: Vec<String>,
}

#[derive(Deserialize, Serialize)]
struct StatementText {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    #[serde(default)]
    predicate: Option<Predicate>,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) digest: SubjectDigest,
}

#[derive(Deserialize, Serialize)]
pub(super) struct SubjectDigest {
    pub(super) sha256: String,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Predicate {
    resources: Vec<ResourceText>,
    serialization: Option<Serialization>,
}

#[derive(Deserialize, Serialize)]
struct ResourceText {
    name: String,
    algorithm: String,
    digest: String,
}

#[derive(Deserialize, Serialize)]
struct Serialization {
    method: String,
    hash_type: String,
    allow_symlinks: bool,
    #[serde(default)]
    ignore_paths: Vec<String>,
    /// The reference writes whole numbers as fractions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shard_size: Option<serde_json::Number>,
}

impl Statement {
    /// Reads a payload whose signature was verified.
    pub(super) fn read(payload: &[u8], formats: Formats) -> Result<Self, SigningError> {
        let text: StatementText = serde_json::from_slice(payload)
            .map_err(|error| SigningError::StatementMalformed { why: place_of(&error) })?;
        if text.kind != STATEMENT {
            return Err(SigningError::StatementType { given: shown(&text.kind) });
        }
        match text.predicate_type.as_str() {
            PREDICATE => Self::current(text),
            historical::PREDICATE if formats == Formats::Historical => historical::statement(text.subject),
            historical::PREDICATE => Err(SigningError::HistoricalFormat),
            other => Err(SigningError::StatementType { given: shown(other) }),
        }
    }

    fn current(text: StatementText) -> Result<Self, SigningError> {
        let [subject] = text.subject.as_slice() else {
            return Err(SigningError::SubjectCount { count: text.subject.len() });
        };
        let missing = |what: &str| SigningError::StatementMalformed { why: format!("`{what}` is missing") };
        let predicate = text.predicate.ok_or_else(|| missing("predicate"))?;
        let serialization = predicate.serialization.ok_or_else(|| missing("serialization"))?;
        let scheme = scheme(&serialization)?;
        let resources = predicate
            .resources
            .into_iter()
            .map(|resource| {
                let digest = digest(&resource, scheme)?;
                Ok(Resource { name: resource.name, digest })
            })
            .collect::<Result<Vec<_>, SigningError>>()?;
        let root = root_of(&resources);
        if subject.digest.sha256.parse() != Ok(root) {
            return Err(SigningError::RootDigest);
        }
        Ok(Self {
            manifest: Manifest::from_resources(subject.name.clone(), scheme, resources)?,
            root: Some(root),
            links: serialization.allow_symlinks,
            left_out: serialization.ignore_paths,
        })
    }

    /// The payload to be signed.
    pub(super) fn write(
        manifest: &Manifest,
        links: bool,
        left_out: Vec<String>,
    ) -> Result<Vec<u8>, SigningError> {
        let resources = manifest.resources();
        let (method, shard_size) = match manifest.scheme().method {
            Method::Files => ("files", None),
            Method::Shards { bytes } => ("shards", Some(bytes.into())),
        };
        let text = StatementText {
            kind: STATEMENT.to_owned(),
            subject: vec![Subject {
                name: manifest.name().to_owned(),
                digest: SubjectDigest { sha256: root_of(&resources).to_string() },
            }],
            predicate_type: PREDICATE.to_owned(),
            predicate: Some(Predicate {
                resources: resources
                    .into_iter()
                    .map(|one| ResourceText {
                        name: one.name,
                        algorithm: one.digest.algorithm().name().to_owned(),
                        digest: one.digest.to_string(),
                    })
                    .collect(),
                serialization: Some(Serialization {
                    method: method.to_owned(),
                    hash_type: manifest.scheme().hash.name().to_owned(),
                    allow_symlinks: links,
                    ignore_paths: left_out,
                    shard_size,
                }),
            }),
        };
        serde_json::to_vec(&text).map_err(|error| SigningError::StatementMalformed { why: place_of(&error) })
    }
}

/// Where a text is no JSON of its kind, without its content.
pub(super) fn place_of(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Io => "it cannot be read",
        serde_json::error::Category::Syntax => "it is no JSON",
        serde_json::error::Category::Data => "a member is missing, there twice, unknown or of another kind",
        serde_json::error::Category::Eof => "it ends too early",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

fn scheme(text: &Serialization) -> Result<Scheme, SigningError> {
    let hash = HashAlgorithm::by_name(&text.hash_type)
        .ok_or_else(|| SigningError::HashUnknown { given: shown(&text.hash_type) })?;
    let method = match text.method.as_str() {
        "files" => Method::Files,
        "shards" => Method::Shards { bytes: shard_bytes(text.shard_size.as_ref())? },
        other => return Err(SigningError::MethodUnknown { given: shown(other) }),
    };
    Ok(Scheme { method, hash })
}

fn shard_bytes(number: Option<&serde_json::Number>) -> Result<u64, SigningError> {
    let number = number.ok_or(SigningError::ShardSize)?;
    if let Some(whole) = number.as_u64() {
        return if whole > 0 { Ok(whole) } else { Err(SigningError::ShardSize) };
    }
    let fraction = number.as_f64().ok_or(SigningError::ShardSize)?;
    // Up to 2^53 every whole number is one of these.
    if fraction.fract() == 0.0 && (1.0..=9_007_199_254_740_992.0).contains(&fraction) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and within bounds, as was just checked"
        )]
        return Ok(fraction as u64);
    }
    Err(SigningError::ShardSize)
}

fn digest(resource: &ResourceText, scheme: Scheme) -> Result<FileDigest, SigningError> {
    let hash = scheme.hash.name();
    let named = resource.algorithm == hash
        // The reference writes the size of its shards into the name of the hash.
        || matches!(scheme.method, Method::Shards { bytes } if resource.algorithm == format!("{hash}-sharded-{bytes}"));
    if !named {
        return Err(SigningError::HashMixed {
            path: shown(&resource.name),
            given: shown(&resource.algorithm),
        });
    }
    scheme
        .hash
        .parse(&resource.digest)
        .ok_or_else(|| SigningError::DigestMalformed { path: shown(&resource.name) })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn statement() -> Value {
        let root = alcaide_seal::sha256(HashAlgorithm::Sha256.parse(EMPTY).unwrap().as_bytes());
        json!({
            "_type": STATEMENT,
            "subject": [{"name": "m", "digest": {"sha256": root.to_string()}}],
            "predicateType": PREDICATE,
            "predicate": {
                "resources": [{"name": "a", "algorithm": "sha256", "digest": EMPTY}],
                "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": false},
            },
        })
    }

    fn read(change: &dyn Fn(&mut Value)) -> Result<Statement, SigningError> {
        let mut text = statement();
        change(&mut text);
        Statement::read(&serde_json::to_vec(&text).unwrap(), Formats::Current)
    }

    #[test]
    fn each_rule_of_a_statement_has_its_refusal() {
        let good = read(&|_| {}).unwrap();
        assert_eq!((good.manifest.len(), good.links, good.left_out.len()), (1, false, 0));
        assert!(
            read(&|text| text["predicate"]["later"] = json!({"x": 1})).is_ok(),
            "unknown members are passed over"
        );
        let error = |change: &dyn Fn(&mut Value)| read(change).unwrap_err();
        assert!(matches!(error(&|text| text["_type"] = json!("x")), SigningError::StatementType { .. }));
        assert!(matches!(
            error(&|text| text["predicateType"] = json!("x")),
            SigningError::StatementType { .. }
        ));
        assert_eq!(
            error(&|text| text["predicateType"] = json!(historical::PREDICATE)),
            SigningError::HistoricalFormat
        );
        assert_eq!(error(&|text| text["subject"] = json!([])), SigningError::SubjectCount { count: 0 });
        assert_eq!(
            error(&|text| text["subject"][0]["digest"]["sha256"] = json!(EMPTY)),
            SigningError::RootDigest
        );
        assert!(matches!(
            error(&|text| text["predicate"] = Value::Null),
            SigningError::StatementMalformed { .. }
        ));
        let serialization = |name: &'static str, value: Value| {
            error(&move |text| text["predicate"]["serialization"][name] = value.clone())
        };
        assert!(matches!(serialization("method", json!("tree")), SigningError::MethodUnknown { .. }));
        assert!(matches!(serialization("hash_type", json!("md5")), SigningError::HashUnknown { .. }));
        assert!(matches!(serialization("hash_type", json!("blake3")), SigningError::HashMixed { .. }));
        assert!(matches!(
            serialization("allow_symlinks", json!("no")),
            SigningError::StatementMalformed { .. }
        ));
        let resource = |name: &'static str, value: Value| {
            error(&move |text| text["predicate"]["resources"][0][name] = value.clone())
        };
        assert!(matches!(resource("algorithm", json!("sha256-sharded-9")), SigningError::HashMixed { .. }));
        assert!(matches!(resource("digest", json!("00")), SigningError::DigestMalformed { .. }));
        assert!(matches!(resource("name", json!("../a")), SigningError::Path { .. }));
        assert!(matches!(resource("name", json!(1)), SigningError::StatementMalformed { .. }));
    }

    #[test]
    fn a_member_that_is_there_twice_is_refused() {
        let text = statement().to_string();
        let twice = text.replacen("\"method\":", "\"method\":\"shards\",\"method\":", 1);
        assert_ne!(text, twice);
        assert!(matches!(
            Statement::read(twice.as_bytes(), Formats::Current),
            Err(SigningError::StatementMalformed { .. })
        ));
    }

    #[test]
    fn sizes_of_shards_are_whole_numbers_however_they_are_written() {
        let bytes = |text: &str| shard_bytes(serde_json::from_str(text).ok().as_ref());
        assert_eq!(bytes("1000"), Ok(1000));
        assert_eq!(bytes("1000.0"), Ok(1000));
        assert_eq!(bytes("1e9"), Ok(1_000_000_000));
        for wrong in ["0", "-1", "0.0", "1.5", "1e300", "null", "18446744073709551616"] {
            assert_eq!(bytes(wrong), Err(SigningError::ShardSize), "{wrong}");
        }
    }
}
