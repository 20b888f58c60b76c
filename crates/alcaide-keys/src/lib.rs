//! Who holds the master key? Files that only their owner can read; the signing keys lie beside them, sealed.
//!
//! ```text
//! keys/              mode 0700
//!   master.key       mode 0600: `alcaide-master-key-v1`, newline, 64 hexadecimal digits, newline
//!   token.key        mode 0600: PKCS#8 of the ES256 key that signs tokens, sealed under the master key
//!   note.key         mode 0600: private text of the Ed25519 key that signs checkpoints, sealed likewise
//! ```
//! A file is judged by what was opened, not by its name: no link is followed, then owner, mode, kind and
//! length of the open file are checked, then it is read. A folder of keys appears whole or not at all: it is
//! written under another name, brought to disk and renamed. Nothing here ever overwrites a key.
//!
//! - [`KeyFile`]: a master key in one file; it wraps other keys (`seal::KeyWrap`).
//! - [`Keys`]: a folder with the master key and the signing keys. [`label_key`]: the one beside them that signs labels;
//!   [`evidence_key`]: the one that signs evidence about models.
//! - [`TokenKey`]: a key that signs models and never leaves its token; [`TokenUri`] is how people name one.

mod error;
mod file;
mod folder;
mod token;
mod uri;

pub use error::{KeysError, Place};
pub use file::KeyFile;
pub use folder::{Keys, evidence_key, label_key};
pub use token::{TokenError, TokenKey};
pub use uri::{TokenUri, TokenUriError};

#[cfg(test)]
mod tests;
