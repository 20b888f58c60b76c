//! How a data directory begins: what `--init` may write into, what it may clear, and from when on the folder is one.
//!
//! ```text
//! unfinished   first, on disk before anything else is made; while it stands, the rest of the layout may be cleared
//! keys/ …      then the rooms
//! format       whole and on disk at once: from now on it is a data directory
//! unfinished   goes last
//! ```
//! A folder that holds anything and has neither mark is somebody else's: nothing is written into it, nothing taken out.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::house::{FORMAT, Places};
use crate::settings::Settings;

/// What the first mark says.
const UNFINISHED: &str = "alcaide data directory, begun and not finished\n";

/// What may lie in a folder that is to become a data directory: settings that somebody wrote beforehand, and what a
/// file system keeps in its own root.
const MAY_LIE_THERE: [&str; 2] = ["settings.toml", "lost+found"];

/// Why a data directory was not begun or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BeginError {
    /// It holds something, and no mark says that an earlier `--init` made it.
    #[error("`{}` is not empty: it holds `{found}`, and no mark of an earlier `--init`", dir.display())]
    NotEmpty { dir: PathBuf, found: String },
    /// Another process is at it.
    #[error("another process is beginning `{}` at this moment", dir.display())]
    Beginning { dir: PathBuf },
    /// Others may enter it, and the system does not let this user shut it.
    #[error("others may enter `{}` (mode {mode:04o}), and it cannot be shut: {source}", dir.display())]
    Open { dir: PathBuf, mode: u32, source: std::io::Error },
    /// The system refused.
    #[error("could not {verb} `{}`: {source}", path.display())]
    Io { verb: &'static str, path: PathBuf, source: std::io::Error },
}

/// A data directory that is being made by this process alone.
#[derive(Debug)]
pub(crate) struct Begun {
    places: Places,
    /// Locked for as long as it is being made; the system lets go of it with the process.
    _mark: File,
}

impl Begun {
    /// Takes a folder that is absent, empty or left by an earlier try that did not end, and clears what that one made.
    /// What `settings` name may lie there beforehand, such as certificates.
    pub(crate) fn at(places: &Places, settings: &Settings) -> Result<Self, BeginError> {
        let dir = places.dir();
        let named: Vec<&OsStr> = settings.files().filter_map(|file| first_below(dir, file)).collect();
        let entries = entries(dir)?;
        let path = places.unfinished();
        let said = read(&path)?;
        // The mark is whole before anything else is made: one that was cut short stands for nothing yet.
        let begun = said.as_deref() == Some(UNFINISHED.as_bytes());
        let ours = said.is_none_or(|said| UNFINISHED.as_bytes().starts_with(&said));
        let strange = |name: &&OsString| {
            if path.file_name() == Some(name) {
                return !ours;
            }
            let expected =
                MAY_LIE_THERE.iter().any(|known| name == known) || named.contains(&name.as_os_str());
            !begun && (!expected || cleared(places).any(|own| own.file_name() == Some(name)))
        };
        if let Some(found) = entries.iter().find(strange) {
            return Err(BeginError::NotEmpty {
                dir: dir.to_owned(),
                found: found.to_string_lossy().into_owned(),
            });
        }
        tighten(dir)?;
        let failed = |verb| io(verb, &path);
        let mut mark = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed("make"))?;
        match mark.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BeginError::Beginning { dir: dir.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(failed("lock")(error)),
        }
        if places.exists() {
            // Another process ended making it in between.
            return Err(BeginError::Beginning { dir: dir.to_owned() });
        }
        if begun {
            clear(places)?;
        } else {
            mark.write_all(UNFINISHED.as_bytes()).and_then(|()| mark.sync_all()).map_err(failed("write"))?;
            sync(dir)?;
        }
        Ok(Self { places: places.clone(), _mark: mark })
    }

    /// From now on it is a data directory.
    pub(crate) fn finish(self) -> Result<(), BeginError> {
        finish(&self.places)
    }
}

/// Writes `format`, whole and on disk, then takes the mark of what is unfinished away.
pub(crate) fn finish(places: &Places) -> Result<(), BeginError> {
    let (path, draft) = (places.format(), places.dir().join(FORMAT_DRAFT));
    let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft);
    made.and_then(|mut file| file.write_all(FORMAT.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(io("write", &draft))?;
    std::fs::rename(&draft, &path).map_err(io("write", &path))?;
    sync(places.dir())?;
    settle(places)
}

/// Takes the first mark away from a data directory that is finished; a crash may have left it.
pub(crate) fn settle(places: &Places) -> Result<(), BeginError> {
    if remove(&places.unfinished())? { sync(places.dir()) } else { Ok(()) }
}

/// Shuts the folder to everybody but its owner.
pub(crate) fn tighten(dir: &Path) -> Result<(), BeginError> {
    let mode = std::fs::metadata(dir).map_err(io("look at", dir))?.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let shut = std::fs::set_permissions(dir, Permissions::from_mode(mode & 0o7700));
    shut.map_err(|source| BeginError::Open { dir: dir.to_owned(), mode, source })?;
    tracing::warn!(
        mode = format!("{mode:04o}"),
        "others could enter the data directory; its mode is 0700 now"
    );
    Ok(())
}

/// Names in the folder, which is made where it is absent.
fn entries(dir: &Path) -> Result<Vec<OsString>, BeginError> {
    match std::fs::read_dir(dir) {
        Ok(entries) => {
            let name = |entry: std::io::Result<std::fs::DirEntry>| entry.map(|entry| entry.file_name());
            let names: std::io::Result<Vec<OsString>> = entries.take(ENTRIES_MAX).map(name).collect();
            names.map_err(io("read", dir))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
            made.map_err(io("make", dir))?;
            // In the root there is nothing above it to bring to disk.
            dir.parent().filter(|above| !above.as_os_str().is_empty()).map_or(Ok(()), sync)?;
            Ok(Vec::new())
        }
        Err(error) => Err(io("read", dir)(error)),
    }
}

/// What the first mark says; `None` if there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, BeginError> {
    use std::io::Read as _;
    let read = File::open(path).and_then(|file| {
        let mut said = Vec::new();
        file.take(MARK_BYTES_MAX).read_to_end(&mut said).map(|_| said)
    });
    match read {
        Ok(said) => Ok(Some(said)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io("read", path)(error)),
    }
}

/// The first name on the way from `dir` to `file`, where that lies below it.
fn first_below<'f>(dir: &Path, file: &'f Path) -> Option<&'f OsStr> {
    let below = if file.is_relative() { file } else { file.strip_prefix(dir).ok()? };
    below.components().next().map(|first| first.as_os_str())
}

/// All of the layout but settings and the mark.
fn cleared(places: &Places) -> impl Iterator<Item = PathBuf> {
    let names = ["office.db", "office.db-wal", "office.db-shm", FORMAT_DRAFT];
    let files = names.map(|name| places.dir().join(name));
    let more = [places.keys(), places.ledger(), places.webhooks(), places.snapshot(), places.socket()];
    files.into_iter().chain(more)
}

fn clear(places: &Places) -> Result<(), BeginError> {
    for path in cleared(places) {
        // A link is removed, never followed.
        let is_folder = std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir());
        if is_folder {
            std::fs::remove_dir_all(&path).map_err(io("remove", &path))?;
        } else {
            remove(&path)?;
        }
    }
    sync(places.dir())
}

/// Removes a file; whether it was there.
fn remove(path: &Path) -> Result<bool, BeginError> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io("remove", path)(error)),
    }
}

fn sync(dir: &Path) -> Result<(), BeginError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io("bring to disk", dir))
}

fn io<'a>(verb: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> BeginError + use<'a> {
    move |source| BeginError::Io { verb, path: path.to_owned(), source }
}

/// `format` while it is being written.
const FORMAT_DRAFT: &str = "format.new";
/// Entries of a folder that are looked at: one that is strange is enough.
const ENTRIES_MAX: usize = 4_096;
/// Bytes of a mark that are read: one more than it has.
const MARK_BYTES_MAX: u64 = UNFINISHED.len() as u64 + 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::TlsFiles;

    fn within(folder: &tempfile::TempDir) -> Places {
        Places::of(folder.path().join("data"))
    }

    fn begin(places: &Places) -> Result<Begun, BeginError> {
        Begun::at(places, &Settings::default())
    }

    fn mode(places: &Places) -> u32 {
        std::fs::metadata(places.dir()).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn what_it_did_not_begin_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let places = within(&folder);
        std::fs::create_dir_all(places.keys()).unwrap();
        std::fs::write(places.keys().join("master.key"), "theirs").unwrap();
        let before = mode(&places);
        let refused = begin(&places).unwrap_err();
        assert!(matches!(&refused, BeginError::NotEmpty { found, .. } if found == "keys"), "{refused}");
        assert_eq!(std::fs::read(places.keys().join("master.key")).unwrap(), b"theirs");
        assert_eq!((mode(&places), places.unfinished().exists()), (before, false));
        // A file of the mark's name that says something else is no mark.
        std::fs::write(places.unfinished(), "my notes").unwrap();
        assert!(matches!(begin(&places), Err(BeginError::NotEmpty { .. })));
        assert_eq!(std::fs::read(places.unfinished()).unwrap(), b"my notes");
        assert!(places.keys().join("master.key").exists());
        // A mark that was cut short came before anything was made: what lies beside it is not this program's.
        std::fs::write(places.unfinished(), &UNFINISHED[..9]).unwrap();
        assert!(matches!(begin(&places), Err(BeginError::NotEmpty { .. })));
        assert!(places.keys().join("master.key").exists());
    }

    #[test]
    fn what_an_earlier_try_left_goes_and_settings_stay() {
        let folder = tempfile::tempdir().unwrap();
        let places = within(&folder);
        drop(begin(&places).unwrap());
        assert_eq!(mode(&places), 0o700);
        std::fs::create_dir(places.keys()).unwrap();
        std::fs::write(places.store(), "half").unwrap();
        std::fs::write(places.settings(), "").unwrap();
        let begun = begin(&places).unwrap();
        assert!(!places.keys().exists() && !places.store().exists() && places.settings().exists());
        assert!(places.unfinished().exists() && !places.exists());
        begun.finish().unwrap();
        assert!(places.check().is_ok() && !places.unfinished().exists());
    }

    #[test]
    fn what_the_settings_name_may_lie_there_but_nothing_of_the_layout() {
        let folder = tempfile::tempdir().unwrap();
        let places = within(&folder);
        let named = |key: &str| {
            let hook =
                "[[webhook]]\nname = \"a\"\nurl = \"https://a\"\nsecret_file = \"a.secret\"\nevents = []\n";
            let mut settings: Settings = toml::from_str(hook).unwrap();
            settings.gate.tls = Some(TlsFiles { certificate: "tls/cert.pem".into(), key: key.into() });
            settings.beside(places.dir())
        };
        std::fs::create_dir_all(places.dir().join("tls")).unwrap();
        std::fs::create_dir(places.dir().join("lost+found")).unwrap();
        std::fs::write(places.dir().join("a.secret"), "").unwrap();
        assert!(begin(&places).is_err());
        drop(Begun::at(&places, &named("tls/key.pem")).unwrap());
        std::fs::remove_file(places.unfinished()).unwrap();
        std::fs::create_dir(places.keys()).unwrap();
        assert!(Begun::at(&places, &named("keys/key.pem")).is_err());
        assert!(places.keys().exists());
    }

    #[test]
    fn one_process_at_a_time_begins_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let places = within(&folder);
        let first = begin(&places).unwrap();
        std::fs::write(places.store(), "of the first").unwrap();
        assert!(matches!(begin(&places), Err(BeginError::Beginning { .. })));
        assert!(places.store().exists());
        first.finish().unwrap();
        assert!(matches!(begin(&places), Err(BeginError::NotEmpty { .. })));
        assert!(places.store().exists());
    }

    #[test]
    fn an_open_folder_is_shut_and_a_stray_mark_goes() {
        let folder = tempfile::tempdir().unwrap();
        let places = within(&folder);
        std::fs::create_dir(places.dir()).unwrap();
        std::fs::set_permissions(places.dir(), Permissions::from_mode(0o755)).unwrap();
        std::fs::write(places.settings(), "").unwrap();
        let begun = begin(&places).unwrap();
        assert_eq!(mode(&places), 0o700);
        begun.finish().unwrap();
        std::fs::write(places.unfinished(), UNFINISHED).unwrap();
        settle(&places).unwrap();
        assert!(!places.unfinished().exists() && places.check().is_ok());
    }
}
