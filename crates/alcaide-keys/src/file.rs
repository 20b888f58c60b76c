//! One file that only its owner can read: created whole, never overwritten, judged after it was opened.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use alcaide_seal::custody::{CustodyError, KeyWrap};
use alcaide_seal::envelope::KeyId;
use alcaide_seal::{Entropy, MasterKey, SecretBytes, Sha256Digest, random};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::error::KeysError;

/// A master key in a file of its own.
pub struct KeyFile {
    path: PathBuf,
    master: MasterKey,
}

impl KeyFile {
    /// Draws a master key and writes it to `path`, mode 0600; file and folder are on disk when it returns.
    ///
    /// The key is written under another name and linked to `path`, so that a crash leaves the whole key or
    /// none.
    ///
    /// # Errors
    /// [`KeysError::Exists`] if there is anything at `path`; [`KeysError::Io`] if the system refuses.
    pub fn create(path: &Path, entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let (parent, name) = split(path)?;
        let folder = open_parent(parent)?;
        let bytes = random::bytes32(entropy)?;
        let master = MasterKey::from_bytes(&bytes)?;
        let draft = draft_name(name, entropy)?;
        write_new(folder.as_fd(), &draft, path, encode(&bytes).as_bytes())?;
        let linked = rustix::fs::linkat(&folder, &draft, &folder, name, AtFlags::empty());
        let unlinked = rustix::fs::unlinkat(&folder, &draft, AtFlags::empty());
        linked.map_err(|errno| refused(path, "create", errno))?;
        unlinked.map_err(|errno| refused(path, "remove the draft of", errno))?;
        rustix::fs::fsync(&folder).map_err(|errno| refused(parent, "bring to disk the folder", errno))?;
        Ok(Self { path: path.to_owned(), master })
    }

    /// Reads the master key at `path`.
    ///
    /// # Errors
    /// A [`KeysError`] that says which rule the file breaks: link, kind, owner, mode, length or format.
    pub fn open(path: &Path) -> Result<Self, KeysError> {
        let (parent, name) = split(path)?;
        let folder = open_parent(parent)?;
        let master = read_master(folder.as_fd(), name, path)?;
        Ok(Self { path: path.to_owned(), master })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Id of the key, safe to show.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.master.id()
    }

    /// The key.
    #[must_use]
    pub const fn master(&self) -> &MasterKey {
        &self.master
    }

    /// The key, by value.
    #[must_use]
    pub fn into_master(self) -> MasterKey {
        self.master
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("KeyFile").field("path", &self.path).field("master", &self.master).finish()
    }
}

/// The file is a custodian of keys: what it wraps, its master key wraps.
impl KeyWrap for KeyFile {
    fn name(&self) -> String {
        self.master.name()
    }

    fn wrap_key(
        &self,
        context: &[u8],
        secret: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, CustodyError> {
        self.master.wrap_key(context, secret, entropy)
    }

    fn unwrap_key(&self, context: &[u8], wrapped: &[u8]) -> Result<SecretBytes, CustodyError> {
        self.master.unwrap_key(context, wrapped)
    }
}

/// Writes a new file of mode 0600 and brings it to disk; `shown` is the path for messages.
pub(crate) fn write_new(
    folder: impl AsFd,
    name: &OsStr,
    shown: &Path,
    content: &[u8],
) -> Result<(), KeysError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let fd = rustix::fs::openat(&folder, name, flags, mode).map_err(|e| refused(shown, "create", e))?;
    // A strange umask may have taken bits from the owner; it never adds any.
    rustix::fs::fchmod(&fd, mode).map_err(|errno| refused(shown, "set the mode of", errno))?;
    let mut file = File::from(fd);
    let failed = |source| KeysError::Io { at: shown.to_owned(), what: "write", source };
    let written = file.write_all(content).and_then(|()| file.sync_all());
    if written.is_err() {
        // Best effort: the error that counts is the first one.
        let _ = rustix::fs::unlinkat(&folder, name, AtFlags::empty());
    }
    written.map_err(failed)
}

/// Opens a file within `folder`, judges it and reads it; `shown` is the path for messages.
pub(crate) fn read_judged(
    folder: impl AsFd,
    name: &OsStr,
    shown: &Path,
    lengths: std::ops::RangeInclusive<u64>,
    expected: &'static str,
) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    // Without waiting: opening a pipe that somebody left there must not hang.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let fd = rustix::fs::openat(folder, name, flags, Mode::empty()).map_err(|e| refused(shown, "open", e))?;
    let bytes = judge(&fd, shown, Wanted::PlainFile)?;
    let wrong_length = |bytes| KeysError::Length { at: shown.to_owned(), bytes, expected };
    if !lengths.contains(&bytes) {
        return Err(wrong_length(bytes));
    }
    let room = usize::try_from(bytes).map_err(|_| wrong_length(bytes))?;
    // Room for one byte more: a file that grew meanwhile shows, and the buffer never moves.
    let mut content = Zeroizing::new(Vec::with_capacity(room.saturating_add(1)));
    let read = File::from(fd).take(bytes.saturating_add(1)).read_to_end(&mut content);
    let read = read.map_err(|source| KeysError::Io { at: shown.to_owned(), what: "read", source })?;
    if read == room { Ok(content) } else { Err(wrong_length(read.try_into().unwrap_or(u64::MAX))) }
}

/// Reads a master key within `folder`.
pub(crate) fn read_master(folder: impl AsFd, name: &OsStr, shown: &Path) -> Result<MasterKey, KeysError> {
    let length = FILE_BYTES..=FILE_BYTES;
    let content = read_judged(folder, name, shown, length, "87")?;
    let bytes = decode(&content).ok_or_else(|| KeysError::Format { at: shown.to_owned() })?;
    Ok(MasterKey::from_bytes(&bytes)?)
}

/// What [`judge`] wants to see.
#[derive(Clone, Copy)]
pub(crate) enum Wanted {
    PlainFile,
    Folder,
}

/// Checks kind, owner and mode of what was opened; gives its length in bytes.
pub(crate) fn judge(fd: &OwnedFd, shown: &Path, wanted: Wanted) -> Result<u64, KeysError> {
    let stat = rustix::fs::fstat(fd).map_err(|errno| refused(shown, "look at", errno))?;
    let (kind, expected) = match wanted {
        Wanted::PlainFile => (FileType::RegularFile, "plain file"),
        Wanted::Folder => (FileType::Directory, "folder"),
    };
    if FileType::from_raw_mode(stat.st_mode) != kind {
        return Err(KeysError::Kind { at: shown.to_owned(), expected });
    }
    let us = rustix::process::geteuid().as_raw();
    if stat.st_uid != us {
        return Err(KeysError::Owner { at: shown.to_owned(), owner: stat.st_uid, us });
    }
    let mode = Mode::from_raw_mode(stat.st_mode);
    if mode.intersects(Mode::RWXG | Mode::RWXO) {
        return Err(KeysError::Mode { at: shown.to_owned(), mode: mode.as_raw_mode() });
    }
    u64::try_from(stat.st_size).map_err(|_| KeysError::Kind { at: shown.to_owned(), expected })
}

/// Folder and last name of a path.
pub(crate) fn split(path: &Path) -> Result<(&Path, &OsStr), KeysError> {
    let name = path.file_name().ok_or_else(|| KeysError::Path { at: path.to_owned() })?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    Ok((parent, name))
}

/// Opens the folder that a key goes into; links on the way to it are the operator's business.
pub(crate) fn open_parent(parent: &Path) -> Result<OwnedFd, KeysError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(parent, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::NOTDIR => KeysError::Kind { at: parent.to_owned(), expected: "folder" },
        errno => refused(parent, "open", errno),
    })
}

/// A name beside `name` that nothing has yet.
pub(crate) fn draft_name(name: &OsStr, entropy: &dyn Entropy) -> Result<OsString, KeysError> {
    let mut draft = OsString::from(".");
    draft.push(name);
    draft.push(format!(".{:032x}.new", random::bits128(entropy)?));
    Ok(draft)
}

/// The error for what the system said.
pub(crate) fn refused(at: &Path, what: &'static str, errno: Errno) -> KeysError {
    let at = at.to_owned();
    match errno {
        Errno::EXIST | Errno::NOTEMPTY => KeysError::Exists { at },
        Errno::NOENT => KeysError::Missing { at },
        Errno::LOOP => KeysError::Link { at },
        errno => KeysError::Io { at, what, source: io::Error::from(errno) },
    }
}

/// First line of a master key file.
const HEADING: &str = "alcaide-master-key-v1\n";
/// Bytes of a master key file: heading, 64 digits, newline.
const FILE_BYTES: u64 = 87;

pub(crate) fn encode(key: &[u8; 32]) -> Zeroizing<String> {
    let digits = Zeroizing::new(Sha256Digest::from_bytes(*key).to_string());
    // Written into its final size, so that no copy is left behind by growing.
    let mut text = Zeroizing::new(String::with_capacity(HEADING.len() + digits.len() + 1));
    text.push_str(HEADING);
    text.push_str(&digits);
    text.push('\n');
    text
}

fn decode(content: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let text = std::str::from_utf8(content).ok()?;
    let digits = text.strip_prefix(HEADING)?.strip_suffix('\n')?;
    let bytes = digits.parse::<Sha256Digest>().ok()?;
    Some(Zeroizing::new(bytes.into_bytes()))
}
