//! The files of a model that is signed or verified: found in the order of their names, and opened beneath its root.
//!
//! Names come from strangers, and the tree may change while it is walked. So the kernel is asked to resolve every path beneath the
//! folder that was opened first, whatever stands in the place of a name by then. Links are told as such; where they are followed,
//! only those count that stay within the model. A file is opened when its turn comes, has to be what was seen on the walk, and
//! still after it was read.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use alcaide_artifact::signing::{
    Admitted, Entry, Kind, Links, Measured, RESOURCES_MAX, Scheme, SigningError, Stamp,
};
use alcaide_container::{Input, ReadError};
use alcaide_inventory::Moment;
use rustix::fs::{Dir, Mode, OFlags, ResolveFlags};

use super::progress::Progress;

/// A model as the caller named it.
#[derive(Debug)]
pub(crate) struct Model {
    root: Root,
    links: Links,
}

#[derive(Debug)]
enum Root {
    File(PathBuf),
    Folder(Arc<OwnedFd>),
}

/// A file of a model, as the walk saw it. It is not open.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    at: At,
    known: Known,
}

#[derive(Clone, Debug)]
enum At {
    /// A model that is one file, wherever its name leads.
    Alone(PathBuf),
    Beneath {
        root: Arc<OwnedFd>,
        path: Vec<u8>,
        resolve: ResolveFlags,
    },
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Known {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
    modified: (i64, i64),
}

/// A folder that is still to be walked.
struct Folder {
    path: Vec<u8>,
    /// Whether a link leads to it.
    linked: bool,
    above: Option<Rc<Above>>,
}

/// The folders that a folder lies in.
struct Above {
    id: (u64, u64),
    next: Option<Rc<Self>>,
}

/// A change time has a grain, a second or two on some file systems: what changed within it may change again unseen.
const GRAIN: Duration = Duration::from_secs(2);

impl Model {
    /// Opens the root of a model: a folder, or one file. A link in the caller's own path is the caller's business.
    pub(crate) fn open(path: &Path, links: Links) -> io::Result<Self> {
        let root = if std::fs::metadata(path)?.is_dir() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            Root::Folder(Arc::new(rustix::fs::open(path, flags, Mode::empty())?))
        } else {
            Root::File(path.to_owned())
        };
        Ok(Self { root, links })
    }

    /// Tells every file, folder by folder, each in the order of its names. `now` is not later than the first look at the tree.
    ///
    /// # Errors
    /// What the system says, with the path below the model; or whatever `tell` says.
    pub(crate) fn walk<E: From<WalkError>>(
        &self,
        now: Moment,
        tell: &mut dyn FnMut(Entry<Place>) -> Result<(), E>,
    ) -> Result<(), E> {
        match &self.root {
            Root::Folder(root) => self.walk_folder(root, now, tell),
            Root::File(path) => {
                let name = path.file_name().unwrap_or(path.as_os_str()).as_bytes().to_vec();
                let status = std::fs::metadata(path).map_err(|error| WalkError::at(&name, error))?;
                let known = Known::of(&status);
                let place = Place { at: At::Alone(path.clone()), known };
                let kind = if status.is_file() { Kind::File(place) } else { Kind::Special };
                tell(Entry { path: name, kind, stamp: known.stamp(now) })
            }
        }
    }

    fn walk_folder<E: From<WalkError>>(
        &self,
        root: &Arc<OwnedFd>,
        now: Moment,
        tell: &mut dyn FnMut(Entry<Place>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut waiting = vec![Folder { path: Vec::new(), linked: false, above: None }];
        let mut folders = 0_usize;
        while let Some(folder) = waiting.pop() {
            let failed = |error: io::Error| WalkError::at(&folder.path, error);
            folders = folders.saturating_add(1);
            if folders.saturating_add(waiting.len()) > RESOURCES_MAX {
                return Err(failed(too_many("folders")).into());
            }
            let opened = self.open_folder(root, &folder).map_err(failed)?;
            let names = names_of(&opened).map_err(failed)?;
            let id = id_of(&opened.metadata().map_err(failed)?);
            let here = Rc::new(Above { id, next: folder.above.clone() });
            let mut inner = Vec::new();
            for name in names {
                let path = match folder.path.as_slice() {
                    [] => name.clone(),
                    above => [above, b"/", &name].concat(),
                };
                let failed = |error: io::Error| WalkError::at(&path, error);
                // What stands there, and not what a link leads to.
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let seen = rustix::fs::openat(&opened, name.as_slice(), flags, Mode::empty())
                    .map_err(|error| failed(error.into()))?;
                let mut status = File::from(seen).metadata().map_err(failed)?;
                let mut linked = folder.linked;
                if status.is_symlink() {
                    let target = (self.links == Links::Follow).then(|| self.follow(root, &path));
                    // Out of the model, to nothing, or in a circle.
                    let Some(Ok(target)) = target else {
                        tell(Entry { path, kind: Kind::Link, stamp: None })?;
                        continue;
                    };
                    (status, linked) = (target, true);
                    if status.is_dir() && here.holds(id_of(&status)) {
                        tell(Entry { path, kind: Kind::Link, stamp: None })?;
                        continue;
                    }
                }
                if status.is_dir() {
                    inner.push(Folder { path, linked, above: Some(Rc::clone(&here)) });
                    continue;
                }
                let known = Known::of(&status);
                let place = Place {
                    at: At::Beneath { root: Arc::clone(root), path: path.clone(), resolve: self.resolve() },
                    known,
                };
                let kind = match (status.is_file(), linked) {
                    (false, _) => Kind::Special,
                    (true, false) => Kind::File(place),
                    (true, true) => Kind::Linked(place),
                };
                tell(Entry { path, kind, stamp: known.stamp(now) })?;
            }
            waiting.extend(inner.into_iter().rev());
        }
        Ok(())
    }

    fn open_folder(&self, root: &OwnedFd, folder: &Folder) -> io::Result<File> {
        let path = if folder.path.is_empty() { b".".as_slice() } else { &folder.path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat2(root, path, flags, Mode::empty(), self.resolve())?))
    }

    /// What a link leads to, if that is within the model.
    fn follow(&self, root: &OwnedFd, path: &[u8]) -> io::Result<Metadata> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        File::from(rustix::fs::openat2(root, path, flags, Mode::empty(), self.resolve())?).metadata()
    }

    fn resolve(&self) -> ResolveFlags {
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        match self.links {
            Links::Refuse => within | ResolveFlags::NO_SYMLINKS,
            Links::Follow => within,
        }
    }
}

/// A tree that could not be walked.
#[derive(Debug)]
pub(crate) struct WalkError {
    /// Where, below the model.
    pub(crate) path: PathBuf,
    pub(crate) error: io::Error,
}

impl WalkError {
    fn at(path: &[u8], error: io::Error) -> Self {
        Self { path: PathBuf::from(OsStr::from_bytes(path)), error }
    }
}

impl Place {
    /// Reads and hashes the file, and says so to `progress`.
    pub(crate) fn measure(
        &self,
        scheme: Scheme,
        admitted: &Admitted,
        progress: &Progress,
    ) -> Result<Measured, SigningError> {
        let path = admitted.path();
        let failed = |error: &io::Error| SigningError::Read {
            path: path.clone(),
            source: ReadError::Source { at: 0, why: error.to_string() },
        };
        let file = self.open().map_err(|error| failed(&error))?;
        let measured = scheme.measure(path, &Reading { file: &file, bytes: self.known.bytes, progress })?;
        let status = file.metadata().map_err(|error| failed(&error))?;
        if Known::of(&status) == self.known { Ok(measured) } else { Err(failed(&io::Error::other(CHANGED))) }
    }

    /// Opens the file, if it is still the one that was seen; nothing is waited for.
    fn open(&self) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = match &self.at {
            At::Alone(path) => rustix::fs::open(path, flags, Mode::empty())?,
            At::Beneath { root, path, resolve } => {
                rustix::fs::openat2(root, path.as_slice(), flags, Mode::empty(), *resolve)?
            }
        };
        let file = File::from(opened);
        if Known::of(&file.metadata()?) == self.known { Ok(file) } else { Err(io::Error::other(CHANGED)) }
    }
}

/// For a look at the first bytes: it is opened for that and closed again.
impl Input for Place {
    fn len(&self) -> u64 {
        self.known.bytes
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        let file = self.open().map_err(|error| ReadError::Source { at, why: error.to_string() })?;
        read(&file, at, into)
    }
}

/// A file that is being hashed.
struct Reading<'a> {
    file: &'a File,
    bytes: u64,
    progress: &'a Progress,
}

impl Input for Reading<'_> {
    fn len(&self) -> u64 {
        self.bytes
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        let count = read(self.file, at, into)?;
        self.progress.add(count as u64);
        Ok(count)
    }
}

fn read(file: &File, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
    let mut done = 0_usize;
    while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let from = at.saturating_add(done as u64);
        match file.read_at(rest, from) {
            Ok(0) => break,
            Ok(count) => done = done.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ReadError::Source { at: from, why: error.to_string() }),
        }
    }
    Ok(done)
}

impl Known {
    fn of(status: &Metadata) -> Self {
        Self {
            device: status.dev(),
            inode: status.ino(),
            bytes: status.len(),
            changed: (status.ctime(), status.ctime_nsec()),
            modified: (status.mtime(), status.mtime_nsec()),
        }
    }

    /// What stands for the bytes of the file as long as it is the same; nothing where the last change is too near to be told
    /// from the next one, or lies in the future.
    fn stamp(&self, now: Moment) -> Option<Stamp> {
        let (seconds, nanos) = (u64::try_from(self.changed.0).ok()?, u64::try_from(self.changed.1).ok()?);
        let changed = Moment::from_secs(seconds) + Duration::from_nanos(nanos);
        if changed + GRAIN > now {
            return None;
        }
        let parts = [
            self.device,
            self.inode,
            self.bytes,
            self.changed.0.cast_unsigned(),
            self.changed.1.cast_unsigned(),
            self.modified.0.cast_unsigned(),
            self.modified.1.cast_unsigned(),
        ];
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_be_bytes()).collect();
        Some(Stamp::new(&bytes))
    }
}

impl Above {
    fn holds(&self, id: (u64, u64)) -> bool {
        let mut at = Some(self);
        while let Some(one) = at {
            if one.id == id {
                return true;
            }
            at = one.next.as_deref();
        }
        false
    }
}

fn id_of(status: &Metadata) -> (u64, u64) {
    (status.dev(), status.ino())
}

fn names_of(folder: &File) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
        if names.len() > RESOURCES_MAX {
            return Err(too_many("names in it"));
        }
    }
    names.sort();
    Ok(names)
}

fn too_many(what: &str) -> io::Error {
    io::Error::other(format!("there are more than {RESOURCES_MAX} {what}"))
}

const CHANGED: &str = "it was changed while it was read";

#[cfg(test)]
mod tests;
