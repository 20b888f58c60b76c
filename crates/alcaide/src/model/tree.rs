//! The files of a model: one, or all below a folder, in the order of their names.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Most files of one scan; a tree with more is refused, not cut.
pub(crate) const FILES_MAX: usize = 200_000;
/// Folders within folders at most.
const DEPTH_MAX: usize = 64;

/// A file to be looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Found {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its place in the tree, or its name: what reports say.
    pub(crate) name: String,
    /// Why it cannot be looked at, where that is known from its kind.
    pub(crate) unreadable: Option<&'static str>,
}

/// An opened file and what it was when it was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) bytes: u64,
    /// Bytes that it takes up on its disk: of a file with holes the smaller part.
    pub(crate) taken: u64,
    stamp: Stamp,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
    modified: (i64, i64),
}

impl Stamp {
    fn of(status: &Metadata) -> Self {
        Self {
            device: status.dev(),
            inode: status.ino(),
            bytes: status.len(),
            changed: (status.ctime(), status.ctime_nsec()),
            modified: (status.mtime(), status.mtime_nsec()),
        }
    }
}

impl Opened {
    /// Opens a plain file; what is none is not waited for.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // A pipe that somebody put in the file's place would hold the opening up.
        let file = fs::OpenOptions::new().read(true).custom_flags(NONBLOCK).open(path)?;
        let status = file.metadata()?;
        if !status.is_file() {
            return Err(io::Error::other("it is not a plain file"));
        }
        let taken = status.blocks().saturating_mul(BLOCK).min(status.len());
        Ok(Self { file, bytes: status.len(), taken, stamp: Stamp::of(&status) })
    }

    /// Whether the file is still what it was when it was opened.
    pub(crate) fn is_unchanged(&self) -> io::Result<bool> {
        Ok(Stamp::of(&self.file.metadata()?) == self.stamp)
    }
}

/// Bytes of a block of `st_blocks`, whatever the file system's are (`stat(3type)`).
const BLOCK: u64 = 512;

/// `O_NONBLOCK` of `open(2)`.
const NONBLOCK: i32 = 0o4000;

/// All files of `root`: itself where it is a file. Links are followed, as whoever loads the model does; a folder that was
/// walked already is not walked again.
pub(crate) fn walk(root: &Path) -> io::Result<Vec<Found>> {
    let status = fs::metadata(root)?;
    if !status.is_dir() {
        let name = named(root.file_name().unwrap_or(root.as_os_str()));
        return Ok(vec![Found { path: root.to_owned(), name, unreadable: odd(&status) }]);
    }
    let mut found = Vec::new();
    let mut walked = BTreeSet::new();
    let mut open = vec![(root.to_owned(), String::new(), 0_usize)];
    while let Some((folder, name, depth)) = open.pop() {
        let at = |error| placed(&folder, &error);
        let status = fs::metadata(&folder).map_err(at)?;
        if !walked.insert((status.dev(), status.ino())) {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(at)? {
            let entry = entry.map_err(at)?;
            let path = entry.path();
            let own = named(&entry.file_name());
            let name = if name.is_empty() { own } else { format!("{name}/{own}") };
            let unreadable = match fs::metadata(&path) {
                Ok(status) if status.is_dir() && depth < DEPTH_MAX => {
                    open.push((path, name, depth.saturating_add(1)));
                    continue;
                }
                Ok(status) if status.is_dir() => Some("it lies too deep"),
                Ok(status) => odd(&status),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Some("it is a link to nothing"),
                Err(_) => Some("the system does not tell what it is"),
            };
            found.push(Found { path, name, unreadable });
            if found.len() > FILES_MAX {
                return Err(io::Error::other(format!("more than {FILES_MAX} files")));
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// An error of the walk with the folder that it met it in.
fn placed(folder: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", folder.display()))
}

/// A name as text, no two of them the same: what is not UTF-8 is told byte for byte, and a backslash twice.
fn named(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

fn odd(status: &Metadata) -> Option<&'static str> {
    let kind = status.file_type();
    match () {
        () if status.is_file() => None,
        () if kind.is_fifo() => Some("it is a pipe"),
        () if kind.is_socket() => Some("it is a socket"),
        () if kind.is_block_device() || kind.is_char_device() => Some("it is a device"),
        () => Some("it is not a plain file"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_walked_in_order_once_and_what_is_no_file_is_said() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("b/c")).unwrap();
        for name in ["b/c/z", "b/a", "a", "b-a"] {
            fs::write(at(name), b"x").unwrap();
        }
        std::os::unix::fs::symlink(root.path(), at("b/loop")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        std::os::unix::fs::symlink(at("a"), at("link")).unwrap();
        let found = walk(root.path()).unwrap();
        let names: Vec<_> = found.iter().map(|one| (one.name.as_str(), one.unreadable.is_some())).collect();
        assert_eq!(
            names,
            [
                ("a", false),
                ("b-a", false),
                ("b/a", false),
                ("b/c/z", false),
                ("dangling", true),
                ("link", false)
            ]
        );
        assert_eq!(walk(&at("b/a")).unwrap()[0].name, "a");
        assert!(walk(&at("missing")).is_err());
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        assert!(walk(&at("socket")).unwrap()[0].unreadable.is_some());
        assert!(Opened::open(&at("b")).is_err());
    }

    #[test]
    fn names_that_are_no_text_stay_different() {
        let root = tempfile::tempdir().unwrap();
        for name in [&b"a\xff"[..], b"a\xfe", b"a\\xff", "a\u{fffd}".as_bytes()] {
            fs::write(root.path().join(OsStr::from_bytes(name)), b"x").unwrap();
        }
        let found = walk(root.path()).unwrap();
        let names: Vec<_> = found.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["a\\\\xff", "a\\xfe", "a\\xff", "a\u{fffd}"]);
    }

    #[test]
    fn a_folder_that_cannot_be_walked_is_named() {
        let error = placed(Path::new("m/sub"), &io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(error.to_string().starts_with("m/sub: "), "{error}");
    }

    #[test]
    fn a_file_with_holes_takes_up_less_than_its_length() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 30).unwrap();
        let opened = Opened::open(file.path()).unwrap();
        assert_eq!(opened.bytes, 1 << 30);
        assert!(opened.taken < 1 << 20, "{}", opened.taken);
    }

    #[test]
    fn a_file_that_changes_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("model");
        fs::write(&path, b"one").unwrap();
        let opened = Opened::open(&path).unwrap();
        assert!(opened.is_unchanged().unwrap());
        fs::write(&path, b"other").unwrap();
        assert!(!opened.is_unchanged().unwrap());
    }
}
