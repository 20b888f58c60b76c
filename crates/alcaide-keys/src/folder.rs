//! A folder of keys: the master key and, sealed under it, the keys that sign tokens and checkpoints.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use alcaide_seal::ecdsa::{Curve, PrivateKey};
use alcaide_seal::envelope::{self, OVERHEAD_BYTES};
use alcaide_seal::note::{KeyName, NoteSigner};
use alcaide_seal::{Entropy, MasterKey, SecretBytes, Signer, random};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::error::KeysError;
use crate::file::{self, Wanted, draft_name, open_parent, read_judged, refused, split, write_new};

/// All keys of one house.
#[derive(Debug)]
pub struct Keys {
    /// What everything at rest hangs on.
    pub master: MasterKey,
    /// Signs access tokens (ES256).
    pub token: Signer,
    /// Signs checkpoints of the log (Ed25519).
    pub note: NoteSigner,
    path: PathBuf,
}

impl Keys {
    /// Draws all keys and writes them to a new folder `path`, mode 0700; they are on disk when it returns.
    ///
    /// `log_name` names the checkpoint key and so the log. An empty folder at `path` is replaced.
    ///
    /// # Errors
    /// [`KeysError::Exists`] if there is a file or a folder with content at `path`; [`KeysError::Io`] if the
    /// system refuses. The folder is then not there, in whole or in part.
    pub fn create(path: &Path, log_name: KeyName, entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let (parent, name) = split(path)?;
        let above = open_parent(parent)?;
        let draft = draft_name(name, entropy)?;
        let made = Self::draw(path, log_name, entropy).and_then(|(keys, master)| {
            keys.write(&above, &draft, &master, entropy)?;
            let moved = rustix::fs::renameat(&above, &draft, &above, name);
            moved.map_err(|errno| match errno {
                // A file stands where the folder should go.
                Errno::NOTDIR => KeysError::Exists { at: path.to_owned() },
                errno => refused(path, "create", errno),
            })?;
            rustix::fs::fsync(&above).map_err(|errno| refused(parent, "bring to disk the folder", errno))?;
            Ok(keys)
        });
        if made.is_err() {
            discard(&above, &draft);
        }
        made
    }

    /// Reads all keys from the folder `path`.
    ///
    /// # Errors
    /// A [`KeysError`] that says which file breaks which rule.
    pub fn open(path: &Path) -> Result<Self, KeysError> {
        let (parent, name) = split(path)?;
        let above = open_parent(parent)?;
        let folder = open_folder(&above, name, path)?;
        file::judge(&folder, path, Wanted::Folder)?;
        let master = file::read_master(&folder, OsStr::new(MASTER), &path.join(MASTER))?;
        let sealed = |name: &str| read_sealed(&folder, name, path, &master);
        let token = Signer::from_pkcs8(&sealed(TOKEN)?).map_err(|_| no_key(path, TOKEN))?;
        let text = sealed(NOTE)?.to_text().ok_or_else(|| no_key(path, NOTE))?;
        let note = NoteSigner::from_secret_text(&text).map_err(|_| no_key(path, NOTE))?;
        Ok(Self { master, token, note, path: path.to_owned() })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn draw(
        path: &Path,
        log_name: KeyName,
        entropy: &dyn Entropy,
    ) -> Result<(Self, zeroize::Zeroizing<[u8; 32]>), KeysError> {
        let bytes = random::bytes32(entropy)?;
        let master = MasterKey::from_bytes(&bytes)?;
        let token = Signer::generate(entropy)?;
        let note = NoteSigner::generate(log_name, entropy)?;
        Ok((Self { master, token, note, path: path.to_owned() }, bytes))
    }

    fn write(
        &self,
        above: &OwnedFd,
        draft: &OsStr,
        master: &[u8; 32],
        entropy: &dyn Entropy,
    ) -> Result<(), KeysError> {
        let path = self.path.as_path();
        rustix::fs::mkdirat(above, draft, Mode::RWXU).map_err(|e| refused(path, "create", e))?;
        let folder = open_folder(above, draft, path)?;
        rustix::fs::fchmod(&folder, Mode::RWXU).map_err(|e| refused(path, "set the mode of", e))?;
        let token = self.token.to_pkcs8()?;
        let note = self.note.to_secret_text();
        let text = file::encode(master);
        write_new(&folder, OsStr::new(MASTER), &path.join(MASTER), text.as_bytes())?;
        for (name, secret) in [(TOKEN, token.expose()), (NOTE, note.expose().as_bytes())] {
            let sealed = envelope::seal(&self.master, context(name).as_bytes(), secret, entropy)?;
            write_new(&folder, OsStr::new(name), &path.join(name), &sealed)?;
        }
        rustix::fs::fsync(&folder).map_err(|e| refused(path, "bring to disk", e))
    }
}

/// The key that signs what is said to other gates of labels (ES256), from the folder `path` of the keys. It is drawn and
/// written, sealed under `master`, where its file is not there: in a new folder, in one from before there was such a key,
/// or when somebody took the file away to change it. Only the house that serves asks for it.
///
/// # Errors
/// A [`KeysError`] that says which file breaks which rule.
pub fn label_key(path: &Path, master: &MasterKey, entropy: &dyn Entropy) -> Result<Signer, KeysError> {
    let kept = kept_or_drawn(path, LABEL, master, entropy, || Ok(Signer::generate(entropy)?.to_pkcs8()?))?;
    Signer::from_pkcs8(&kept).map_err(|_| no_key(path, LABEL))
}

/// The key that signs evidence about models (ECDSA on P-256), from the folder `path` of the keys; drawn where its file is not
/// there, as [`label_key`] is. Without the file of before, evidence of before is verified by the public key that was given out.
///
/// # Errors
/// A [`KeysError`] that says which file breaks which rule.
pub fn evidence_key(path: &Path, master: &MasterKey, entropy: &dyn Entropy) -> Result<PrivateKey, KeysError> {
    let draw = || {
        let drawn = PrivateKey::generate(Curve::P256, entropy).map_err(|_| no_key(path, EVIDENCE))?;
        let pem = drawn.to_pem().map_err(|_| no_key(path, EVIDENCE))?;
        Ok(SecretBytes::copy_of(pem.expose().as_bytes()))
    };
    let kept = kept_or_drawn(path, EVIDENCE, master, entropy, draw)?;
    PrivateKey::from_pem(kept.expose(), None).map_err(|_| no_key(path, EVIDENCE))
}

/// What the file `name` holds; where it is not there, what `draw` gives, written sealed under `master`.
fn kept_or_drawn(
    path: &Path,
    name: &'static str,
    master: &MasterKey,
    entropy: &dyn Entropy,
    draw: impl FnOnce() -> Result<SecretBytes, KeysError>,
) -> Result<SecretBytes, KeysError> {
    let (parent, own) = split(path)?;
    let above = open_parent(parent)?;
    let folder = open_folder(&above, own, path)?;
    file::judge(&folder, path, Wanted::Folder)?;
    let there = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW);
    // Whatever else the system says of it, reading says better.
    if !matches!(there, Err(Errno::NOENT)) {
        return read_sealed(&folder, name, path, master);
    }
    let drawn = draw()?;
    let sealed = envelope::seal(master, context(name).as_bytes(), drawn.expose(), entropy)?;
    // Whole or not there: a crash leaves a draft that is not read.
    let draft = draft_name(OsStr::new(name), entropy)?;
    write_new(&folder, &draft, &path.join(name), &sealed)?;
    rustix::fs::renameat(&folder, &draft, &folder, name)
        .map_err(|e| refused(&path.join(name), "create", e))?;
    rustix::fs::fsync(&folder).map_err(|e| refused(path, "bring to disk", e))?;
    Ok(drawn)
}

fn open_folder(above: &OwnedFd, name: &OsStr, shown: &Path) -> Result<OwnedFd, KeysError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(above, name, flags, Mode::empty()).map_err(|errno| match errno {
        // With both flags Linux says of a link what it says of a file: tell them apart.
        Errno::NOTDIR | Errno::LOOP if is_link(above, name) => KeysError::Link { at: shown.to_owned() },
        Errno::NOTDIR => KeysError::Kind { at: shown.to_owned(), expected: "folder" },
        errno => refused(shown, "open", errno),
    })
}

fn is_link(above: &OwnedFd, name: &OsStr) -> bool {
    rustix::fs::readlinkat(above, name, Vec::new()).is_ok()
}

fn read_sealed(
    folder: &OwnedFd,
    name: &str,
    path: &Path,
    master: &MasterKey,
) -> Result<SecretBytes, KeysError> {
    let at = path.join(name);
    let content = read_judged(folder, OsStr::new(name), &at, SEALED_BYTES, "97 to 4096")?;
    let opened = envelope::open(master, context(name).as_bytes(), &content);
    opened.map_err(|source| KeysError::Sealed { at, source })
}

fn no_key(path: &Path, name: &str) -> KeysError {
    let what = match name {
        TOKEN => "token signing key",
        LABEL => "label signing key",
        EVIDENCE => "evidence signing key",
        _ => "checkpoint signing key",
    };
    KeysError::Content { at: path.join(name), what }
}

/// Removes a draft folder as far as it came; best effort, the error that counts came before.
fn discard(above: &OwnedFd, draft: &OsStr) {
    if let Ok(folder) = open_folder(above, draft, Path::new(draft)) {
        for name in [MASTER, TOKEN, NOTE] {
            let _ = rustix::fs::unlinkat(&folder, name, AtFlags::empty());
        }
    }
    let _ = rustix::fs::unlinkat(above, draft, AtFlags::REMOVEDIR);
}

/// What a sealed file is bound to: its role, so that one cannot stand for another.
fn context(name: &str) -> String {
    format!("alcaide/keys/v1/{name}")
}

const MASTER: &str = "master.key";
const TOKEN: &str = "token.key";
const NOTE: &str = "note.key";
const LABEL: &str = "label.key";
const EVIDENCE: &str = "evidence.key";
/// Bytes that a sealed key file may have; ours have some 200 to 500.
const SEALED_BYTES: std::ops::RangeInclusive<u64> = OVERHEAD_BYTES as u64..=4096;
