//! Who signs checkpoints and who checks them.
//!
//! The ledger needs two verbs only. The Ed25519 keys of `alcaide-seal` have them; a key that lives elsewhere
//! (a key service, several signers at once) can have them too.

use std::sync::Arc;

use alcaide_seal::note::{Note, NoteSigner, NoteVerifier};

/// Signs the text of a checkpoint as a signed note.
///
/// Source: C2SP signed-note.
pub trait SignNote: Send + Sync + 'static {
    /// The whole note: `text`, an empty line, one or more signature lines. `text` ends with a line feed.
    ///
    /// May block; it is called from a thread of the ledger's own.
    ///
    /// # Errors
    /// [`NoteError`] if the key cannot sign now.
    fn sign_note(&self, text: &str) -> Result<String, NoteError>;

    /// The text of `note` if this signer's own key has signed it.
    ///
    /// # Errors
    /// [`NoteError`] if the note is malformed or not signed by this key.
    fn open_own_note(&self, note: &str) -> Result<String, NoteError>;
}

/// Checks the signature of a checkpoint.
///
/// Source: C2SP signed-note.
pub trait OpenNote {
    /// The text of `note` if a trusted key has signed it.
    ///
    /// # Errors
    /// [`NoteError`] if the note is malformed or not signed by a trusted key.
    fn open_note(&self, note: &str) -> Result<String, NoteError>;
}

impl SignNote for NoteSigner {
    fn sign_note(&self, text: &str) -> Result<String, NoteError> {
        Ok(self.sign(text)?)
    }

    fn open_own_note(&self, note: &str) -> Result<String, NoteError> {
        self.verifier().open_note(note)
    }
}

impl<S: SignNote + ?Sized> SignNote for Arc<S> {
    fn sign_note(&self, text: &str) -> Result<String, NoteError> {
        (**self).sign_note(text)
    }

    fn open_own_note(&self, note: &str) -> Result<String, NoteError> {
        (**self).open_own_note(note)
    }
}

impl OpenNote for NoteVerifier {
    fn open_note(&self, note: &str) -> Result<String, NoteError> {
        open_with(std::slice::from_ref(self), note)
    }
}

/// Several trusted keys, such as the old and the new one of a log: one of them must have signed.
impl OpenNote for Vec<NoteVerifier> {
    fn open_note(&self, note: &str) -> Result<String, NoteError> {
        open_with(self, note)
    }
}

fn open_with(keys: &[NoteVerifier], note: &str) -> Result<String, NoteError> {
    Ok(Note::parse(note.as_bytes())?.verify(keys)?.text().to_owned())
}

/// Why a note was not signed or not believed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The note or the key was refused.
    #[error(transparent)]
    Refused(#[from] alcaide_seal::note::NoteError),
    /// A signer outside this process did not answer.
    #[error("the signer does not answer: {why}")]
    Unavailable {
        /// The reason, lower case, without secrets.
        why: String,
    },
}
