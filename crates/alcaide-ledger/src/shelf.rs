//! A shelf beside the ledger: texts that entries name by their digest, such as the definition of a tool.
//!
//! An entry is public to whoever holds the record, so it holds no text of others; what people must be able to read
//! lies here, by SHA-256, and is durable before the entry that names it is queued. A text is written once and never
//! changed: its name is its content, and reading checks that. It may be deleted without harm to the ledger.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use alcaide_seal::digest::{Sha256Digest, sha256};

/// Longest text, in bytes.
pub const SHELF_TEXT_BYTES_MAX: usize = 1 << 20;

/// A text could not be put on the shelf or taken from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShelfError {
    /// Longer than [`SHELF_TEXT_BYTES_MAX`].
    #[error("a text of {bytes} bytes; {SHELF_TEXT_BYTES_MAX} are the most")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The file is there, but it is not what its name says.
    #[error("the file of text `{digest}` was changed")]
    Changed {
        /// The digest in hex.
        digest: String,
    },
    /// The file layer failed.
    #[error("the shelf at `{path}` cannot be used: {source}")]
    File {
        /// Where.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Tells the drafts of this process apart.
static DRAFTS: AtomicU64 = AtomicU64::new(0);

/// A folder of texts by their digest.
#[derive(Clone, Debug)]
pub struct Shelf(PathBuf);

impl Shelf {
    /// The shelf in this folder, which is made at the first text.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Puts a text on the shelf; durable when it returns. A text that is there already is left as it is.
    ///
    /// Blocks on the disk.
    ///
    /// # Errors
    /// [`ShelfError::TooLong`] or [`ShelfError::File`].
    pub fn put(&self, text: &[u8]) -> Result<Sha256Digest, ShelfError> {
        if text.len() > SHELF_TEXT_BYTES_MAX {
            return Err(ShelfError::TooLong { bytes: text.len() });
        }
        let digest = sha256(text);
        let path = self.path(&digest);
        let written = || -> io::Result<()> {
            if path.exists() {
                return Ok(());
            }
            let folder = path.parent().unwrap_or(&self.0);
            fs::create_dir_all(folder)?;
            // Two writers of one text write the same bytes, each into a draft of its own; the last rename wins.
            let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
            let draft = path.with_extension(format!("new-{}-{number}", std::process::id()));
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&draft)?;
            file.write_all(text)?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            File::open(folder)?.sync_all()?;
            File::open(&self.0)?.sync_all()
        };
        written().map_err(|source| ShelfError::File { path: shown(&path), source })?;
        Ok(digest)
    }

    /// The text with this digest; `None` if it is not there.
    ///
    /// Blocks on the disk.
    ///
    /// # Errors
    /// [`ShelfError::Changed`] or [`ShelfError::File`].
    pub fn take(&self, digest: &Sha256Digest) -> Result<Option<Vec<u8>>, ShelfError> {
        let path = self.path(digest);
        let fail = |source| ShelfError::File { path: shown(&path), source };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail(error)),
        };
        let most = u64::try_from(SHELF_TEXT_BYTES_MAX).unwrap_or(u64::MAX);
        let mut text = Vec::new();
        file.take(most.saturating_add(1)).read_to_end(&mut text).map_err(fail)?;
        if sha256(&text) == *digest {
            Ok(Some(text))
        } else {
            Err(ShelfError::Changed { digest: digest.to_string() })
        }
    }

    fn path(&self, digest: &Sha256Digest) -> PathBuf {
        let name = digest.to_string();
        self.0.join(name.get(..2).unwrap_or_default()).join(name)
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_by_its_digest_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::at(folder.path().join("shelf"));
        assert!(shelf.take(&sha256(b"a")).unwrap().is_none());
        let digest = shelf.put(b"a").unwrap();
        assert_eq!(shelf.put(b"a").unwrap(), digest);
        assert_eq!(shelf.take(&digest).unwrap().unwrap(), b"a");
        fs::write(shelf.path(&digest), b"b").unwrap();
        assert!(matches!(shelf.take(&digest), Err(ShelfError::Changed { .. })));
        assert!(shelf.put(&vec![b'x'; SHELF_TEXT_BYTES_MAX]).is_ok());
        assert!(matches!(shelf.put(&vec![b'x'; SHELF_TEXT_BYTES_MAX + 1]), Err(ShelfError::TooLong { .. })));
    }

    #[test]
    fn one_text_can_be_put_by_many_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::at(folder.path().join("shelf"));
        for round in 0..8_u8 {
            std::thread::scope(|scope| {
                let putting: Vec<_> = (0..8).map(|_| scope.spawn(|| shelf.put(&[round; 64]))).collect();
                for put in putting {
                    assert_eq!(put.join().unwrap().unwrap(), sha256(&[round; 64]));
                }
            });
            assert_eq!(shelf.take(&sha256(&[round; 64])).unwrap().unwrap(), [round; 64]);
        }
    }
}
