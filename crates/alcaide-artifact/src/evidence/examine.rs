//! One walk over the files of a model, each hashed and judged in one pass by a reader elsewhere.

use super::claim::{ScanClaim, Tally};
use super::error::EvidenceError;
use super::statement::Subject;
use crate::report::Report;
use crate::signing::{Entry, Kind, Measured, Rules, Scheme, Survey, Surveyed, ToSign, TreePath};

/// What a reader said of one file.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of the bytes that the reader had.
    pub sha256: alcaide_seal::Sha256Digest,
    /// What it found; nothing where it came to no end.
    pub report: Option<&'a Report>,
}

/// A model on its way to a [`Subject`] and what a scan says of it.
pub struct Examination<'a> {
    survey: Survey<'a, ToSign>,
    rules: &'a Rules,
    tally: Tally,
}

impl<'a> Examination<'a> {
    /// Begins; `rules` say what does not count. What OMS leaves out is judged all the same; the place of a signature is not, since
    /// what lies there is about the model and none of it.
    #[must_use]
    pub fn begin(rules: &'a Rules) -> Self {
        Self { survey: Survey::to_sign(Scheme::STANDARD, rules), rules, tally: Tally::default() }
    }

    /// Takes one file: its path below the model as the file system gives it, and what a reader said of it. Links were followed,
    /// as whoever loads the model does.
    ///
    /// # Errors
    /// [`EvidenceError::Files`] for names and kinds that cannot be listed.
    pub fn add(&mut self, path: &[u8], seen: &Seen<'_>) -> Result<(), EvidenceError> {
        let place = std::str::from_utf8(path).ok().and_then(|path| TreePath::new(path).ok());
        if !place.is_some_and(|place| self.rules.signatures.contains(&place)) {
            self.tally.add(seen.bytes, seen.report);
        }
        // Only what the rules name is looked into here, and of that the name alone: it is where a signature lies.
        let none: &[u8] = &[];
        let entry = Entry { path: path.to_vec(), kind: Kind::File(none), stamp: None };
        if let Some(admitted) = self.survey.admit(&entry)? {
            self.survey.record(Measured::by_reader(admitted.path().clone(), seen.bytes, seen.sha256))?;
        }
        Ok(())
    }

    /// Ends: the files, and what was found in them; `name` is what the model is called.
    ///
    /// # Errors
    /// [`EvidenceError::Files`] if there is no file that counts.
    pub fn finish(self, name: &str) -> Result<(Surveyed, Subject, ScanClaim), EvidenceError> {
        let surveyed = self.survey.into_surveyed(name)?;
        let subject = Subject::of(surveyed.manifest())?;
        Ok((surveyed, subject, self.tally.finish()))
    }
}
