//! Why a model was not signed, or its signature not believed: one variant for each rule that is broken.

use alcaide_container::ReadError;
use alcaide_seal::ecdsa::EcSignError;
use alcaide_seal::x509::ChainError;

use super::path::{PathFault, TreePath};

/// Why a model was not signed, or its signature not believed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningError {
    // The bundle.
    /// Too large to be read.
    #[error("the bundle has {bytes} bytes, {max} are read")]
    BundleTooLarge {
        /// How many it has.
        bytes: usize,
        /// How many are read.
        max: usize,
    },
    /// Not the JSON of a bundle.
    #[error("the bundle cannot be read: {why}")]
    BundleMalformed {
        /// Where and what, without anything of its content.
        why: String,
    },
    /// A bundle of another kind or version.
    #[error("the bundle says that it is `{given}`")]
    MediaType {
        /// What it says.
        given: String,
    },
    /// Not exactly one signature.
    #[error("the bundle has {count} signatures, a signature of a model has one")]
    SignatureCount {
        /// How many it has.
        count: usize,
    },
    /// Signed by way of Sigstore.
    #[error("the bundle is one of Sigstore, which needs its transparency log and is not verified offline")]
    Sigstore,
    /// A signature over something else than a statement.
    #[error("the envelope holds `{given}` and no in-toto statement")]
    PayloadType {
        /// What it holds.
        given: String,
    },

    // Who signed.
    /// A key signed and only certificates are trusted, or the other way round.
    #[error("the bundle is signed by {found}, and nothing of that kind is trusted here")]
    MethodNotTrusted {
        /// A bare key, or a certificate.
        found: &'static str,
    },
    /// The bundle names a key that is not trusted.
    #[error("the bundle names key `{hint}`, which is not trusted here")]
    KeyNotTrusted {
        /// What it names.
        hint: String,
    },
    /// The key was revoked by hand.
    #[error("key `{hint}` was revoked")]
    KeyRevoked {
        /// Which key.
        hint: String,
    },
    /// The chain does not lead to a trusted root.
    #[error("the signer's certificate is not trusted")]
    Chain(#[source] ChainError),
    /// A certificate of the chain cannot be read.
    #[error("certificate {at} of the bundle cannot be read")]
    CertificateMalformed {
        /// Which one, from 0.
        at: usize,
    },
    /// The verifier names the signers, and this is none of them.
    #[error("key `{hint}` is trusted, and no named signer has it")]
    SignerUnknown {
        /// The key that signed.
        hint: String,
    },
    /// The signature fits no key that is trusted.
    #[error("the signature fits no trusted key: the bundle was changed, or somebody else signed it")]
    SignatureWrong,
    /// Not enough signers.
    #[error("{found} different signers agree, {wanted} are asked for")]
    TooFewSigners {
        /// How many are there.
        found: usize,
        /// How many are asked for.
        wanted: usize,
    },
    /// The bundles are about different models.
    #[error("bundle {at} is about other files than the first one")]
    Disagreement {
        /// Which one, from 0.
        at: usize,
    },

    // The statement.
    /// Not the JSON of a statement.
    #[error("the signed statement cannot be read: {why}")]
    StatementMalformed {
        /// Where and what.
        why: String,
    },
    /// A statement of another kind.
    #[error("the signed statement is a `{given}` and no signature of a model")]
    StatementType {
        /// What it is.
        given: String,
    },
    /// A format of before version 1.0, which was not asked for.
    #[error("the signature is of a format of before version 1.0, which is not taken here")]
    HistoricalFormat,
    /// Not exactly one subject.
    #[error("the statement has {count} subjects, a model is one")]
    SubjectCount {
        /// How many.
        count: usize,
    },
    /// The root digest does not follow from the files.
    #[error("the statement's root digest does not follow from the files that it lists")]
    RootDigest,
    /// A way to hash that is not known.
    #[error("files are hashed by `{given}`, which is not known here")]
    HashUnknown {
        /// What it says.
        given: String,
    },
    /// A way to cut a tree that is not known.
    #[error("the tree is listed by `{given}`, which is not known here")]
    MethodUnknown {
        /// What it says.
        given: String,
    },
    /// A size of shards that is no size.
    #[error("the size of the shards is missing, zero or no whole number")]
    ShardSize,
    /// One file is hashed in another way than the statement says.
    #[error("`{path}` is hashed by `{given}`, which is not what the statement says of all files")]
    HashMixed {
        /// Which file.
        path: String,
        /// What it says.
        given: String,
    },
    /// A digest that is no digest.
    #[error("the digest of `{path}` is none of its kind")]
    DigestMalformed {
        /// Which file.
        path: String,
    },
    /// Shards with a gap, an overlap or a wrong size.
    #[error("the shards of `{path}` do not cover it from its first byte on, each once")]
    ShardsBroken {
        /// Which file.
        path: String,
    },
    /// More files than are read.
    #[error("there are {count} files or shards, {max} are read")]
    TooManyFiles {
        /// How many.
        count: usize,
        /// How many are read.
        max: usize,
    },
    /// Nothing is signed.
    #[error("the model is empty: a signature over no file says nothing")]
    EmptyModel,

    // Names.
    /// A path that leads out, hides itself or cannot be kept.
    #[error("path `{path}` cannot be taken: {fault}")]
    Path {
        /// The path as it may be shown.
        path: String,
        /// What is wrong with it.
        fault: PathFault,
    },
    /// The same path twice, or as file and as folder.
    #[error("`{path}` is there twice, or as a file and as a folder")]
    DuplicatePath {
        /// Which path.
        path: TreePath,
    },
    /// Two paths that some file systems take for one.
    #[error("`{path}` and `{other}` are one name where case or composition is disregarded")]
    NamesCollide {
        /// One.
        path: TreePath,
        /// The other.
        other: TreePath,
    },

    // The tree.
    /// A link.
    #[error("`{path}` is a symbolic link, and links are not followed here")]
    Link {
        /// Which path.
        path: TreePath,
    },
    /// Links are followed, and the signer did not.
    #[error("`{path}` was reached by a symbolic link, and the signer says there are none")]
    LinkNotSigned {
        /// Which path.
        path: TreePath,
    },
    /// A pipe, a socket, a device.
    #[error("`{path}` is no regular file")]
    SpecialFile {
        /// Which path.
        path: TreePath,
    },
    /// The signer leaves something out that the verifier does not allow.
    #[error("the signer leaves out `{path}`, which is not allowed here")]
    IgnoreNotAllowed {
        /// Which path.
        path: String,
    },
    /// What is left out looks like weights.
    #[error("`{path}` is left out and looks like weights")]
    WeightsIgnored {
        /// Which path.
        path: TreePath,
    },
    /// Files that nobody signed.
    #[error("`{path}` was added after the model was signed{}", and_more(*.more))]
    Added {
        /// The first of them.
        path: TreePath,
        /// How many more.
        more: usize,
    },
    /// Files that are signed and not there.
    #[error("`{path}` is signed and missing{}", and_more(*.more))]
    Missing {
        /// The first of them.
        path: TreePath,
        /// How many more.
        more: usize,
    },
    /// Files that are not what was signed.
    #[error("`{path}` is not what was signed{}", and_more(*.more))]
    Changed {
        /// The first of them.
        path: TreePath,
        /// How many more.
        more: usize,
    },
    /// Bytes that could not be had.
    #[error("`{path}` could not be read")]
    Read {
        /// Which path.
        path: TreePath,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// A file that was shorter than it said.
    #[error("`{path}` became shorter while it was read")]
    Shrank {
        /// Which path.
        path: TreePath,
    },
    /// A file that was longer than it said.
    #[error("`{path}` became longer while it was read")]
    Grew {
        /// Which path.
        path: TreePath,
    },
    /// The second walk found something else than the first one.
    #[error("`{path}` came, went or changed while the model was read")]
    TreeChanged {
        /// Which path.
        path: String,
    },
    /// A file was admitted and never measured.
    #[error("`{path}` was announced and its digest never came")]
    Unmeasured {
        /// Which path.
        path: TreePath,
    },
    /// A digest for a file that was not admitted, or made in another way.
    #[error("a digest came for `{path}`, which was not asked for")]
    NotAsked {
        /// Which path.
        path: TreePath,
    },

    // Signing.
    /// The certificate is about another key.
    #[error("the first certificate is not about the key that signs")]
    LeafMismatch,
    /// The signer failed.
    #[error("the model was not signed")]
    Sign(#[source] EcSignError),
}

/// What an error is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Concern {
    /// The signature, and who made it.
    Signature,
    /// The files, their names or what is left out.
    Files,
    /// Reading: trying again may help.
    Reading,
    /// The key that signs, or the certificate that was given for it.
    Key,
    /// Whoever walks the tree: a fault of the program.
    Program,
}

impl SigningError {
    /// What it is about.
    #[must_use]
    pub const fn concern(&self) -> Concern {
        match self {
            Self::BundleTooLarge { .. }
            | Self::BundleMalformed { .. }
            | Self::MediaType { .. }
            | Self::SignatureCount { .. }
            | Self::Sigstore
            | Self::PayloadType { .. }
            | Self::MethodNotTrusted { .. }
            | Self::KeyNotTrusted { .. }
            | Self::KeyRevoked { .. }
            | Self::Chain(_)
            | Self::CertificateMalformed { .. }
            | Self::SignatureWrong
            | Self::TooFewSigners { .. }
            | Self::SignerUnknown { .. }
            | Self::Disagreement { .. }
            | Self::StatementMalformed { .. }
            | Self::StatementType { .. }
            | Self::HistoricalFormat
            | Self::SubjectCount { .. }
            | Self::RootDigest
            | Self::HashUnknown { .. }
            | Self::MethodUnknown { .. }
            | Self::ShardSize
            | Self::HashMixed { .. }
            | Self::DigestMalformed { .. }
            | Self::ShardsBroken { .. }
            | Self::IgnoreNotAllowed { .. } => Concern::Signature,
            Self::TooManyFiles { .. }
            | Self::EmptyModel
            | Self::Path { .. }
            | Self::DuplicatePath { .. }
            | Self::NamesCollide { .. }
            | Self::Link { .. }
            | Self::LinkNotSigned { .. }
            | Self::SpecialFile { .. }
            | Self::WeightsIgnored { .. }
            | Self::Added { .. }
            | Self::Missing { .. }
            | Self::TreeChanged { .. }
            | Self::Changed { .. } => Concern::Files,
            Self::Read { .. } | Self::Shrank { .. } | Self::Grew { .. } => Concern::Reading,
            Self::LeafMismatch | Self::Sign(_) => Concern::Key,
            Self::Unmeasured { .. } | Self::NotAsked { .. } => Concern::Program,
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::BundleTooLarge { .. } | Self::TooManyFiles { .. } => {
                "sign the model in parts, or pack its small files"
            }
            Self::BundleMalformed { .. }
            | Self::MediaType { .. }
            | Self::SignatureCount { .. }
            | Self::PayloadType { .. }
            | Self::StatementMalformed { .. }
            | Self::StatementType { .. }
            | Self::SubjectCount { .. }
            | Self::RootDigest
            | Self::HashMixed { .. }
            | Self::DigestMalformed { .. }
            | Self::ShardsBroken { .. }
            | Self::ShardSize
            | Self::CertificateMalformed { .. } => {
                "fetch the bundle again; if it stays so, ask the signer for one of OpenSSF Model Signing 1.0"
            }
            Self::HashUnknown { .. } | Self::MethodUnknown { .. } => {
                "ask the signer for a signature over files hashed by sha256"
            }
            Self::Sigstore => {
                "verify it with a Sigstore client, or ask the signer for a signature by key or certificate"
            }
            Self::MethodNotTrusted { .. } | Self::KeyNotTrusted { .. } => {
                "give the signer's public key or the root of its authority, if you trust them"
            }
            Self::KeyRevoked { .. } => {
                "do not use the model; ask for a signature by a key that is not revoked"
            }
            Self::Chain(source) => source.help(),
            Self::SignatureWrong | Self::Added { .. } | Self::Missing { .. } | Self::Changed { .. } => {
                "do not use the model; fetch it and its bundle again from their source"
            }
            Self::SignerUnknown { .. } => "add the key or the certificate to the signer whose it is",
            Self::TooFewSigners { .. } => {
                "ask the other signers for theirs; two certificates of one name or one key count once"
            }
            Self::Disagreement { .. } => "find out which files each signer meant",
            Self::HistoricalFormat => {
                "ask for a new signature, or allow historical formats if you know where it comes from"
            }
            Self::EmptyModel => "check that the path is the model's, and what is ignored",
            Self::Path { .. } | Self::DuplicatePath { .. } | Self::NamesCollide { .. } => {
                "rename the file and sign again"
            }
            Self::Link { .. } | Self::LinkNotSigned { .. } => {
                "put the file in the place of the link, or allow links within the model"
            }
            Self::SpecialFile { .. } => "take it out of the model",
            Self::IgnoreNotAllowed { .. } => "allow the path by name if the model does not need it",
            Self::WeightsIgnored { .. } => "sign it with the rest, or take it out of the model",
            Self::Read { .. } | Self::Shrank { .. } | Self::Grew { .. } | Self::TreeChanged { .. } => {
                "see why the file cannot be read, and try again when nobody writes to it"
            }
            Self::Unmeasured { .. } | Self::NotAsked { .. } => {
                "report this: the program walked the tree wrongly"
            }
            Self::LeafMismatch => "give the certificate of the signing key, its own first",
            Self::Sign(_) => "see what the key or the token says",
        }
    }
}

fn and_more(more: usize) -> String {
    if more == 0 { String::new() } else { format!(", and {more} more") }
}
