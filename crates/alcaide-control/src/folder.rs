//! A Git folder of declarations: every `*.toml` and `*.cedar` in it and below it, in the order of their paths.
//!
//! A Cedar file becomes the policy of its path: `finance/invoices.cedar` is `finance.invoices`. A TOML table
//! `[[policy]]` of the same name may state its `mode`; its `cedar` must then be empty. Hidden files and folders are
//! passed over, links are refused: what is applied is what the folder itself holds.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use alcaide_inventory::declare::{Declarations, DeclareError, Named, Policy, PolicyMode};
use alcaide_inventory::{Name, NameError};

/// Most files of a folder.
pub const FILES_MAX: usize = 4_096;
/// Longest file, in bytes.
pub const FILE_BYTES_MAX: u64 = 4 << 20;
/// Deepest folder below the first.
pub const FOLDER_DEPTH_MAX: usize = 16;

/// One thing that kept a folder from being read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// A declaration file is wrong; says file, line and column.
    #[error("{0}")]
    Declare(#[from] DeclareError),
    /// A file or folder could not be read.
    #[error("could not read `{}`: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is not UTF-8.
    #[error("`{}` line {line} is not UTF-8", path.display())]
    Encoding {
        /// Which.
        path: PathBuf,
        /// The line that it breaks in, from 1.
        line: usize,
    },
    /// A link, or something that is neither file nor folder.
    #[error("`{}` is neither a file nor a folder", path.display())]
    Kind {
        /// Which.
        path: PathBuf,
    },
    /// A Cedar file whose path makes no name.
    #[error("`{}` makes no policy name: {source}", path.display())]
    PolicyName {
        /// Which.
        path: PathBuf,
        /// The rule of names.
        #[source]
        source: NameError,
    },
    /// More or longer files, or deeper folders, than are read.
    #[error("`{}` is past what is read: {FILES_MAX} files of {FILE_BYTES_MAX} bytes in {FOLDER_DEPTH_MAX} folders", path.display())]
    Limit {
        /// Where it was passed.
        path: PathBuf,
    },
    /// A `[[policy]]` and a Cedar file both hold the text of one policy.
    #[error("the policy `{name}` has its text in `{}` and in a `[[policy]]` too", path.display())]
    PolicyTwice {
        /// Its name.
        name: Name,
        /// The Cedar file.
        path: PathBuf,
    },
}

/// Reads a whole folder; everything that is wrong with its files is told at once.
///
/// # Errors
/// All that was found. References and values are not checked here: `Declarations::check` does that.
pub fn read_folder(folder: &Path) -> Result<Declarations, Vec<FolderError>> {
    let mut wrong = Vec::new();
    let mut files = Vec::new();
    walk(folder, 0, &mut files, &mut wrong);
    files.sort();
    let mut all = Declarations::empty();
    let mut cedar = Vec::new();
    for path in &files {
        let within = path.strip_prefix(folder).unwrap_or(path);
        match read_text(path) {
            Err(error) => wrong.push(error),
            Ok(text) if path.extension() == Some(OsStr::new("cedar")) => match policy_name(within) {
                Ok(name) => cedar.push((name, within.to_owned(), text)),
                Err(error) => wrong.push(error),
            },
            Ok(text) => match Declarations::from_toml(&within.display().to_string(), &text) {
                Ok(declared) => all.merge(declared),
                Err(error) => wrong.push(error.into()),
            },
        }
    }
    for (name, path, text) in cedar {
        let file = path.display().to_string();
        match all.policies.iter_mut().find(|known| known.name == name) {
            Some(known) if known.spec.cedar.trim().is_empty() => {
                known.spec.cedar = text;
                known.spec.file = file;
            }
            Some(_) => wrong.push(FolderError::PolicyTwice { name, path }),
            None => {
                let spec = Policy { cedar: text, file, mode: PolicyMode::Enforce, shadow: None };
                all.policies.push(Named { name, spec });
            }
        }
    }
    if wrong.is_empty() { Ok(all) } else { Err(wrong) }
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>, wrong: &mut Vec<FolderError>) {
    if depth > FOLDER_DEPTH_MAX {
        wrong.push(FolderError::Limit { path: folder.to_owned() });
        return;
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(source) => return wrong.push(FolderError::File { path: folder.to_owned(), source }),
    };
    for entry in entries {
        let (path, kind) = match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
            Ok(found) => found,
            Err(source) => {
                wrong.push(FolderError::File { path: folder.to_owned(), source });
                continue;
            }
        };
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        if kind.is_dir() {
            walk(&path, depth + 1, files, wrong);
            continue;
        }
        let ours = path.extension().is_some_and(|end| end == "toml" || end == "cedar");
        if !ours {
            continue;
        }
        if !kind.is_file() {
            wrong.push(FolderError::Kind { path });
        } else if files.len() == FILES_MAX {
            return wrong.push(FolderError::Limit { path });
        } else {
            files.push(path);
        }
    }
}

fn read_text(path: &Path) -> Result<String, FolderError> {
    let failed = |source| FolderError::File { path: path.to_owned(), source };
    let file = fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    // One byte more than may be, so that a longer file is seen however it grows meanwhile.
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(FolderError::Limit { path: path.to_owned() });
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(good).filter(|byte| **byte == b'\n').count() + 1;
        FolderError::Encoding { path: path.to_owned(), line }
    })
}

fn policy_name(within: &Path) -> Result<Name, FolderError> {
    let bare = within.with_extension("");
    let parts: Vec<_> = bare.iter().map(|part| part.to_string_lossy().to_lowercase()).collect();
    let text = parts.join(".");
    text.parse().map_err(|source| FolderError::PolicyName { path: within.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Path, name: &str, text: impl AsRef<[u8]>) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn files_are_joined_and_cedar_takes_the_name_of_its_path() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "a.toml", "schema = 1\n[[unit]]\nname = \"x\"\n");
        put(
            folder.path(),
            "sub/b.toml",
            "schema = 1\n[[policy]]\nname = \"sub.p\"\ncedar = \"\"\nmode = \"shadow\"\n",
        );
        put(folder.path(), "sub/p.cedar", "permit (principal, action, resource);");
        put(folder.path(), "q.cedar", "forbid (principal, action, resource);");
        put(folder.path(), "README.md", "not ours");
        put(folder.path(), ".git/x.toml", "not [ toml");
        let read = read_folder(folder.path()).unwrap();
        assert_eq!(read.units.len(), 1);
        let policies: Vec<_> = read
            .policies
            .iter()
            .map(|one| (one.name.as_str(), one.spec.file.as_str(), one.spec.mode))
            .collect();
        assert_eq!(
            policies,
            [("sub.p", "sub/p.cedar", PolicyMode::Shadow), ("q", "q.cedar", PolicyMode::Enforce)]
        );
    }

    #[test]
    fn everything_wrong_is_told_at_once_with_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "a.toml", "schema = 1\n[[unit]]\nnmae = \"x\"\n");
        put(folder.path(), "b.toml", b"schema = 1\n\xff");
        put(folder.path(), "c d.cedar", "");
        put(folder.path(), "e.toml", "schema = 1\n[[policy]]\nname = \"f\"\ncedar = \"x\"\n");
        put(folder.path(), "f.cedar", "x");
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("z.toml")).unwrap();
        let wrong: Vec<String> =
            read_folder(folder.path()).unwrap_err().iter().map(ToString::to_string).collect();
        let text = wrong.join("\n");
        assert_eq!(wrong.len(), 5, "{text}");
        assert!(text.contains("`a.toml` line 3 column 1: unknown key `nmae`"), "{text}");
        assert!(text.contains("b.toml` line 2 is not UTF-8"), "{text}");
        assert!(text.contains("`c d.cedar` makes no policy name"), "{text}");
        assert!(text.contains("z.toml` is neither a file nor a folder"), "{text}");
        assert!(text.contains("the policy `f` has its text in `f.cedar`"), "{text}");
    }

    #[test]
    fn limits_hold() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "a.toml", vec![b' '; usize::try_from(FILE_BYTES_MAX).unwrap() + 1]);
        assert!(matches!(read_folder(folder.path()).unwrap_err().as_slice(), [FolderError::Limit { .. }]));
        let deep = tempfile::tempdir().unwrap();
        put(deep.path(), &format!("{}a.toml", "d/".repeat(FOLDER_DEPTH_MAX + 1)), "schema = 1");
        assert!(matches!(read_folder(deep.path()).unwrap_err().as_slice(), [FolderError::Limit { .. }]));
        assert!(read_folder(&deep.path().join("nowhere")).is_err());
    }
}
