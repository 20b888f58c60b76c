//! What of a model does not count when it is signed or verified, and where its signatures lie.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use alcaide_artifact::signing::{BUNDLE_BYTES_MAX, IgnoredWeights, Links, Names, Rules, TreePath};
use clap::Args;

use crate::fail::{Failure, USAGE};
use crate::model::digests::absolute;

/// What does not count, for who signs and for who verifies.
#[derive(Args, Debug)]
pub(crate) struct Leave {
    /// A path within the model that does not count, with all that is in it; `.git` and its kin at the top never do
    #[arg(long, value_name = "PATH")]
    ignore: Vec<PathBuf>,
    /// Let files that do not count look like weights: nobody signs them, and whoever loads the model may load them
    #[arg(long)]
    allow_ignored_weights: bool,
    /// Take a symbolic link for the file within the model that it leads to; links out of the model are always refused
    #[arg(long)]
    follow_links: bool,
    /// Take names that differ in case or composition alone for two; some systems overwrite one by the other
    #[arg(long)]
    exact_names: bool,
    /// Files that are hashed at a time [default: as many as there are processors]
    #[arg(long, value_name = "NUMBER")]
    jobs: Option<NonZeroUsize>,
}

impl Leave {
    /// The rules for the model at `model`, whose signatures are at `signatures`.
    ///
    /// # Errors
    /// If a path that is ignored is none within the model, or a signature is the model itself.
    pub(crate) fn rules(&self, model: &Path, signatures: &[PathBuf]) -> Result<Rules, Failure> {
        let root = model.canonicalize().map_err(|error| Failure::file("read", model, &error))?;
        let mut ignore = BTreeSet::new();
        for path in &self.ignore {
            let within = match path.is_absolute() {
                true => absolute(path).ok().and_then(|path| Some(path.strip_prefix(&root).ok()?.to_owned())),
                false => Some(path.components().collect()),
            };
            // `./a/` means `a` wherever somebody writes it; nothing else is made of a path.
            let within = within.map(|path| path.strip_prefix(".").map(Path::to_owned).unwrap_or(path));
            let taken = within.map(|path| TreePath::from_bytes(path.as_os_str().as_bytes()));
            match taken {
                Some(Ok(path)) => ignore.insert(path),
                Some(Err(fault)) => return Err(not_within(path).why(fault)),
                None => return Err(not_within(path).why("it lies elsewhere")),
            };
        }
        let mut within = BTreeSet::new();
        for signature in signatures {
            let place = absolute(signature).map_err(|error| Failure::file("find", signature, &error))?;
            let Ok(path) = place.strip_prefix(&root) else { continue };
            match TreePath::from_bytes(path.as_os_str().as_bytes()) {
                Ok(path) => within.insert(path),
                Err(_) if path.as_os_str().is_empty() => {
                    return Err(Failure::new(&USAGE, "the signature is the model itself")
                        .at(signature.display())
                        .fix("name another file with `--signature`"));
                }
                Err(fault) => {
                    return Err(Failure::new(&USAGE, "the signature's name cannot be taken")
                        .at(signature.display())
                        .why(fault)
                        .fix("rename it"));
                }
            };
        }
        Ok(Rules {
            ignore,
            signatures: within,
            ignored_weights: match self.allow_ignored_weights {
                true => IgnoredWeights::Allow,
                false => IgnoredWeights::Refuse,
            },
            links: self.links(),
            names: if self.exact_names { Names::Exact } else { Names::Portable },
            ..Rules::default()
        })
    }

    /// What becomes of links.
    pub(crate) const fn links(&self) -> Links {
        if self.follow_links { Links::Follow } else { Links::Refuse }
    }

    /// Files that are hashed at a time.
    pub(crate) fn jobs(&self) -> usize {
        let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.jobs.unwrap_or(processors).get()
    }
}

fn not_within(path: &Path) -> Failure {
    Failure::new(&USAGE, "a path that is ignored is none within the model")
        .at(path.display())
        .fix("write it as it stands below the model, such as `logs/run.txt`")
}

/// Where the signature of a model lies unless somebody says otherwise: in a folder as `model.sig`, beside a file under its name.
pub(crate) fn usual_place(model: &Path) -> PathBuf {
    if model.is_dir() {
        return model.join("model.sig");
    }
    let mut name = model.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

/// Reads a signature; one byte more than is taken, so that what is too long shows.
pub(crate) fn read_signature(place: &Path) -> io::Result<Vec<u8>> {
    read_at_most(place, BUNDLE_BYTES_MAX as u64 + 1)
}

/// Reads the first bytes of a file.
pub(crate) fn read_at_most(place: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(place)?.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}
