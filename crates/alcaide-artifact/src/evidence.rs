//! What was found out about a model, as a statement that somebody vouches for: in-toto Statement v1 in a DSSE envelope.
//!
//! ```text
//! files ─▶ reader: report, digest ─▶ Examination ─▶ Subject, ScanClaim ─┐
//! bundle ─▶ signing::authenticate ─▶ Authentic ─▶ SignatureClaim ───────┴▶ Statement ─▶ attest ─▶ Envelope ─▶ shelf, file
//! Envelope ─▶ verify (keys, time) ─▶ Verified<Statement> ─▶ ledger, policy
//! ```
//! A claim comes from what was seen, never from words: a [`ScanClaim`] from the end of an [`Examination`], which hashes and judges
//! each file in one pass, so that the digest in the statement is that of the bytes that were judged; a [`SignatureClaim`] from an
//! authenticated bundle, and only about exactly the files that the bundle lists. Whoever decides takes [`Verified`] statements
//! alone, and only [`verify`] makes one.
//!
//! The subject has two digests. `sha256` is what other programs compare: of a single file its SHA-256, of a tree the root digest of
//! OMS. That one holds no names, so what this program compares is `alcaide-manifest-1`, which does
//! ([`Manifest::digest`](crate::signing::Manifest::digest)): a file under another name is another model.
//!
//! Left out on purpose: statements about several subjects, envelopes with several signatures, predicates of other programs.
//! Sources: in-toto Attestation Framework 1.0 (Statement, DigestSet), DSSE 1.0.

mod claim;
mod envelope;
mod error;
mod examine;
mod statement;

pub use claim::{Claim, Counts, Packs, ScanClaim, SignatureClaim};
pub use envelope::{ENVELOPE_BYTES_MAX, Envelope, attest, verify};
pub use error::EvidenceError;
pub use examine::{Examination, Seen};
pub use statement::{Statement, Subject, Term};

pub use crate::signing::Verified;

#[cfg(test)]
mod tests;
