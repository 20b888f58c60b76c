//! Is the model the one that was signed? OpenSSF Model Signing (OMS) 1.0: signed and verified over whole trees of files.
//!
//! ```text
//! sign     entries ─▶ Survey ─▶ Surveyed ─▶ sign ─▶ Bundle
//! verify   bytes ─▶ Bundle ─▶ authenticate ─▶ Authentic (one for each bundle) ─▶ agree ─▶ Agreed
//!          entries ─▶ Agreed::survey ─▶ Survey ─▶ Verified<ModelSignature>
//! ```
//! A tree comes as [`Entry`] values: a relative path and its bytes, read elsewhere. [`Survey`] checks each name and decides whether
//! it counts; [`Scheme::measure`] hashes it, on any thread; what is verified is every file that is there and every file that is
//! listed, against digests that were believed only after their signature. Nothing of a bundle decides what may be left out: paths
//! that are not looked at are the defaults of OMS, the places of the signatures themselves, and what [`Rules`] name. A tree that
//! others may write to is walked twice: [`Survey::confirm`] takes the second walk and refuses what came, went or changed.
//!
//! Stricter than the specification asks: certificates are valid at the time that the caller names, not at the time that they name
//! themselves ([`alcaide_seal::x509`]); ignored paths beyond the defaults need the verifier's leave, and files that look like
//! weights need a leave of their own; names that differ only in case are one name; [`agree`] asks for several signers where one is
//! not enough. Taken and never written: shards as the reference writes them, bundles that do not name their key, and under
//! [`Formats::Historical`] those of before version 1.0. Bundles of Sigstore are told apart and refused, since their log is not here.
//!
//! Left out on purpose: following of links (the caller opens, and says that it followed), annotations, keyless signing.
//! Sources: the OMS specification 1.0 (sections 4 to 9), in-toto Statement v1, DSSE 1.0, the Sigstore bundle 0.3.

mod bundle;
mod cache;
mod differences;
mod error;
mod historical;
mod ignore;
mod manifest;
mod path;
mod quorum;
mod rules;
mod scheme;
mod sign;
mod statement;
mod survey;
mod verified;
mod verify;

pub use bundle::{BUNDLE_BYTES_CEILING, BUNDLE_BYTES_MAX, Bundle};
pub use cache::{CacheError, DigestCache, FileFacts, STAMP_AGE_MIN_SECS, Stamp};
pub use differences::{Changed, Differences};
pub use error::{Concern, SigningError};
pub use manifest::{Manifest, RESOURCES_MAX};
pub use path::{PathFault, TreePath};
pub use quorum::{Agreed, agree};
pub use rules::{Defaults, EmptyFiles, Formats, IgnoredWeights, Links, Names, Rules, Unsigned};
pub use scheme::{FileDigests, Measured, Method, Scheme, Shard};
pub use sign::{SignAs, sign};
pub use survey::{Admitted, Aim, Entry, Kind, Survey, Surveyed, ToCompare, ToSign};
pub use verified::{ModelSignature, SignedFile, Verified};
pub use verify::{Authentic, KnownSigner, Signer, Trust, authenticate};
