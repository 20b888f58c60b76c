//! What a child is to be: program, folders, network, limits; parsed and checked before anything is started.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Most folders in each list of a spec.
const FOLDERS_MAX: usize = 256;
/// Most bytes of arguments and variables together; what kernels take by default.
const WORDS_BYTES_MAX: usize = 2 << 20;

/// What a child may do.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The executable: an absolute path. Nothing is looked up on a search path.
    pub program: PathBuf,
    /// Its arguments, without the program's own name.
    pub args: Vec<OsString>,
    /// Its working folder: an absolute path.
    pub folder: PathBuf,
    /// Its whole environment; nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// Files and folders that it may read and execute from, besides the system's own.
    pub read: Vec<PathBuf>,
    /// Folders in which it may also create, change and remove.
    pub write: Vec<PathBuf>,
    /// Folders that it must never see into, wherever they lie.
    pub hidden: Vec<PathBuf>,
    /// The way out.
    pub network: Network,
    /// How far it is trusted.
    pub profile: Profile,
    /// Resources.
    pub limits: Limits,
    /// Whose session it belongs to.
    pub group: Group,
    /// Whether namespaces are tried.
    pub namespaces: Namespaces,
    /// SHA-256 that the executable must have.
    pub executable_sha256: Option<[u8; 32]>,
}

/// The way out of a child.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// None.
    None,
    /// As whoever starts it.
    Open,
    /// One address of loopback, where a relay listens.
    RelayTo(SocketAddr),
}

/// How far a program is trusted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// A program of one's own, wrapped: may have a terminal, sessions and programs that it builds itself.
    Wrapped,
    /// Another's program: none of these; what it writes it cannot execute from where it lies.
    Stranger,
}

/// Resources; absent means as whoever starts it. Core dumps are always off.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Open descriptors of one process.
    pub open_files: Option<u64>,
    /// Processes and threads together.
    pub processes: Option<u64>,
    /// Bytes of one file that it writes.
    pub file_bytes: Option<u64>,
    /// Bytes of private writable memory of one process.
    pub memory_bytes: Option<u64>,
    /// Bytes of address space of one process; run-times reserve far more than they use.
    pub address_bytes: Option<u64>,
    /// Seconds of processor time of one process.
    pub cpu_s: Option<u64>,
}

impl Limits {
    /// For programs of others: 256 descriptors, 128 processes and threads (a JavaScript run-time starts about a
    /// dozen), files of 256 MiB, 2 GiB of memory, 64 GiB of addresses (what run-times reserve); no bound on processor
    /// time, because servers live long. Whoever can raise them can let a stranger fill the machine.
    pub const STRANGER: Self = Self {
        open_files: Some(256),
        processes: Some(128),
        file_bytes: Some(256 << 20),
        memory_bytes: Some(2 << 30),
        address_bytes: Some(64 << 30),
        cpu_s: None,
    };
}

/// Whose session a child belongs to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// A session of its own, without a terminal; ended as a whole.
    Own,
    /// The starter's: needed to read from its terminal. Only the program itself is ended.
    Starter,
}

/// Whether namespaces are tried.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Namespaces {
    /// Yes; where they cannot be had, the report says so.
    Try,
    /// No, for this reason.
    Off(String),
}

/// A rule of [`Spec`] that is broken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// A path that must be absolute is not.
    #[error("`{path}` is not an absolute path")]
    Relative {
        /// What was given.
        path: String,
    },
    /// A path that is not there, or not to be reached.
    #[error("`{path}` cannot be used: {why}")]
    Missing {
        /// What was given.
        path: String,
        /// What the system says.
        why: String,
    },
    /// A path that is not UTF-8.
    #[error("`{path}` is not UTF-8")]
    NotText {
        /// What was given, as far as it is text.
        path: String,
    },
    /// The program is not a file that may be executed.
    #[error("`{path}` is not an executable file")]
    NotExecutable {
        /// What was given.
        path: String,
    },
    /// A folder is not one.
    #[error("`{path}` is not a folder")]
    NotFolder {
        /// What was given.
        path: String,
    },
    /// A declared path lies in a hidden folder.
    #[error("`{path}` lies in `{hidden}`, which no child may see")]
    Hidden {
        /// What was given.
        path: String,
        /// The hidden folder.
        hidden: String,
    },
    /// The whole file system was declared.
    #[error("`/` cannot be declared: name the folders that are needed")]
    Root,
    /// The relay is not on loopback.
    #[error("the relay `{addr}` is not a port of 127.0.0.1")]
    NotLoopback {
        /// What was given.
        addr: SocketAddr,
    },
    /// A zero byte, an empty name or an equals sign in a name.
    #[error("an argument or variable holds what a program cannot be given")]
    Words,
    /// Too much of something.
    #[error("more than {max} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        max: usize,
    },
}

/// A spec that can be started: every path exists, is resolved and lies outside the hidden folders.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked(Spec);

impl Checked {
    /// The spec with its paths resolved.
    #[must_use]
    pub const fn spec(&self) -> &Spec {
        &self.0
    }
}

impl Spec {
    /// A program with no arguments, variables, folders or network, as a stranger.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            folder: PathBuf::from("/"),
            env: Vec::new(),
            read: Vec::new(),
            write: Vec::new(),
            hidden: Vec::new(),
            network: Network::None,
            profile: Profile::Stranger,
            limits: Limits::STRANGER,
            group: Group::Own,
            namespaces: Namespaces::Try,
            executable_sha256: None,
        }
    }

    /// Resolves every path and checks every rule. A hidden folder that does not exist is dropped: there is nothing to
    /// see. The program keeps its own path, because programs find their parts by it; what it resolves to is checked.
    ///
    /// # Errors
    /// [`SpecError`] for the first rule that is broken.
    pub fn check(mut self) -> Result<Checked, SpecError> {
        for (what, list) in [("readable", &self.read), ("writable", &self.write), ("hidden", &self.hidden)] {
            if list.len() > FOLDERS_MAX {
                return Err(SpecError::TooMany { what, max: FOLDERS_MAX });
            }
        }
        self.hidden = (self.hidden.iter())
            .filter_map(|path| match resolve(path) {
                Err(SpecError::Missing { .. }) if !path.exists() => None,
                other => Some(other),
            })
            .collect::<Result<_, _>>()?;
        let hidden = &self.hidden;
        let visible = |path: &Path| -> Result<PathBuf, SpecError> {
            let path = resolve(path)?;
            if path == Path::new("/") {
                return Err(SpecError::Root);
            }
            outside(&path, hidden)?;
            Ok(path)
        };
        let program = visible(&self.program)?;
        if !program.is_file() || rustix::fs::access(&program, rustix::fs::Access::EXEC_OK).is_err() {
            return Err(SpecError::NotExecutable { path: shown(&self.program) });
        }
        let folder = resolve(&self.folder)?;
        outside(&folder, hidden)?;
        let read = self.read.iter().map(|path| visible(path)).collect::<Result<_, _>>()?;
        let write = self.write.iter().map(|path| visible(path)).collect::<Result<Vec<_>, _>>()?;
        for path in write.iter().chain([&folder]).chain(hidden) {
            if !path.is_dir() {
                return Err(SpecError::NotFolder { path: shown(path) });
            }
        }
        (self.read, self.write, self.folder) = (read, write, folder);
        if let Network::RelayTo(addr) = self.network
            && (addr.ip() != std::net::Ipv4Addr::LOCALHOST || addr.port() == 0)
        {
            return Err(SpecError::NotLoopback { addr });
        }
        self.words()?;
        Ok(Checked(self))
    }

    fn words(&self) -> Result<(), SpecError> {
        let mut bytes = 0_usize;
        let pairs = self.env.iter().flat_map(|(name, value)| [name, value]);
        for word in self.args.iter().chain(pairs) {
            if word.as_bytes().contains(&0) {
                return Err(SpecError::Words);
            }
            bytes = bytes.saturating_add(word.len()).saturating_add(1);
        }
        if self.env.iter().any(|(name, _)| name.is_empty() || name.as_bytes().contains(&b'=')) {
            return Err(SpecError::Words);
        }
        if bytes > WORDS_BYTES_MAX {
            return Err(SpecError::TooMany {
                what: "bytes of arguments and variables",
                max: WORDS_BYTES_MAX,
            });
        }
        Ok(())
    }
}

fn resolve(path: &Path) -> Result<PathBuf, SpecError> {
    if path.to_str().is_none() {
        return Err(SpecError::NotText { path: shown(path) });
    }
    if !path.is_absolute() {
        return Err(SpecError::Relative { path: shown(path) });
    }
    let real = path
        .canonicalize()
        .map_err(|error| SpecError::Missing { path: shown(path), why: error.to_string() })?;
    if real.to_str().is_none() {
        return Err(SpecError::NotText { path: shown(&real) });
    }
    Ok(real)
}

fn outside(path: &Path, hidden: &[PathBuf]) -> Result<(), SpecError> {
    match hidden.iter().find(|hidden| path.starts_with(hidden)) {
        None => Ok(()),
        Some(hidden) => Err(SpecError::Hidden { path: shown(path), hidden: shown(hidden) }),
    }
}

/// A path for a message: cut to a sane length.
pub(crate) fn shown(path: &Path) -> String {
    path.to_string_lossy().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell() -> Spec {
        Spec::new("/bin/sh")
    }

    #[test]
    fn what_is_declared_is_resolved_and_stays_outside_of_what_is_hidden() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap();
        let (data, work, link) = (real.join("data"), real.join("work"), real.join("link"));
        std::fs::create_dir_all(data.join("keys")).unwrap();
        std::fs::create_dir(&work).unwrap();
        std::os::unix::fs::symlink(&data, &link).unwrap();
        let hides = |spec: Spec| Spec { hidden: vec![data.clone(), real.join("not-there")], ..spec };

        let checked =
            hides(Spec { write: vec![work.join("../work")], folder: work.clone(), ..shell() }).check();
        let spec = checked.unwrap().spec().clone();
        assert_eq!((spec.write, spec.hidden), (vec![work.clone()], vec![data.clone()]));

        for inside in [data.clone(), data.join("keys"), link.clone(), link.join("keys")] {
            let hidden = |spec: Spec| matches!(hides(spec).check(), Err(SpecError::Hidden { .. }));
            assert!(hidden(Spec { read: vec![inside.clone()], ..shell() }), "{inside:?}");
            assert!(hidden(Spec { write: vec![inside.clone()], ..shell() }), "{inside:?}");
            assert!(hidden(Spec { folder: inside.clone(), ..shell() }), "{inside:?}");
        }
        // A folder around the hidden one may be declared; the child covers it or does not start.
        assert!(hides(Spec { read: vec![real.clone()], ..shell() }).check().is_ok());
    }

    #[test]
    fn every_rule_has_a_refusal() {
        let refused = |spec: Spec| spec.check().unwrap_err();
        assert!(matches!(refused(Spec::new("sh")), SpecError::Relative { .. }));
        assert!(matches!(refused(Spec::new("/no/such")), SpecError::Missing { .. }));
        assert!(matches!(refused(Spec::new("/etc/passwd")), SpecError::NotExecutable { .. }));
        assert!(matches!(refused(Spec::new("/etc")), SpecError::NotExecutable { .. }));
        assert_eq!(refused(Spec { read: vec!["/".into()], ..shell() }), SpecError::Root);
        assert_eq!(refused(Spec { write: vec!["/usr/..".into()], ..shell() }), SpecError::Root);
        assert!(matches!(
            refused(Spec { write: vec!["/etc/passwd".into()], ..shell() }),
            SpecError::NotFolder { .. }
        ));
        for addr in ["127.0.0.1:0", "10.0.0.1:80", "[::1]:80", "0.0.0.0:80"] {
            let spec = Spec { network: Network::RelayTo(addr.parse().unwrap()), ..shell() };
            assert!(matches!(refused(spec), SpecError::NotLoopback { .. }), "{addr}");
        }
        assert_eq!(refused(Spec { args: vec!["a\0b".into()], ..shell() }), SpecError::Words);
        assert_eq!(refused(Spec { env: vec![("A=B".into(), "c".into())], ..shell() }), SpecError::Words);
        assert_eq!(refused(Spec { env: vec![("".into(), "c".into())], ..shell() }), SpecError::Words);
        let long = Spec { args: vec!["a".repeat(WORDS_BYTES_MAX).into()], ..shell() };
        assert!(matches!(refused(long), SpecError::TooMany { .. }));
        let wide = Spec { read: vec!["/usr".into(); FOLDERS_MAX + 1], ..shell() };
        assert!(matches!(refused(wide), SpecError::TooMany { .. }));
        assert!(Spec { read: vec!["/usr".into(); FOLDERS_MAX], ..shell() }.check().is_ok());
    }

    #[test]
    fn a_spec_survives_its_way_to_the_child() {
        use std::os::unix::ffi::OsStringExt as _;
        let odd = OsString::from_vec(vec![b'a', 0xff]);
        let spec = Spec { args: vec![odd.clone()], env: vec![("X".into(), odd)], ..shell() };
        let bytes = serde_json::to_vec(&spec).unwrap();
        assert_eq!(serde_json::from_slice::<Spec>(&bytes).unwrap(), spec);
    }
}
