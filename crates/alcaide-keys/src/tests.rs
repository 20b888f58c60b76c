use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use alcaide_seal::envelope::{self, EnvelopeError};
use alcaide_seal::note::{KeyName, Note};
use alcaide_seal::{Entropy, EntropyError, KeySet, KeyWrap as _, SystemEntropy, jws};
use proptest::prelude::*;

use super::*;

struct Dry;

impl Entropy for Dry {
    fn fill(&self, _: &mut [u8]) -> Result<(), EntropyError> {
        Err(EntropyError)
    }
}

fn system() -> SystemEntropy {
    SystemEntropy::new()
}

fn log_name() -> KeyName {
    "log.example/alcaide".parse().unwrap()
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn made_keys() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    Keys::create(&path, log_name(), &system()).unwrap();
    (dir, path)
}

#[test]
fn a_key_file_is_read_back_and_is_the_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    let made = KeyFile::create(&path, &system()).unwrap();
    assert_eq!(mode_of(&path), 0o600);
    assert_eq!(fs::metadata(&path).unwrap().len(), 87);
    assert_eq!(fs::metadata(&path).unwrap().nlink(), 1);
    assert_eq!(names(dir.path()), ["master.key"]);
    let read = KeyFile::open(&path).unwrap();
    assert_eq!(read.master().expose(), made.master().expose());
    assert_eq!((read.id(), read.path()), (made.id(), path.as_path()));
    assert!(!format!("{read:?}").contains(&fs::read_to_string(&path).unwrap()[22..86]));
}

#[test]
fn a_key_file_wraps_other_keys() {
    let dir = tempfile::tempdir().unwrap();
    let file = KeyFile::create(&dir.path().join("one.key"), &system()).unwrap();
    let wrapped = file.wrap_key(b"here", &[7; 32], &system()).unwrap();
    assert_eq!(file.unwrap_key(b"here", &wrapped).unwrap().expose(), [7; 32]);
    assert!(file.unwrap_key(b"there", &wrapped).is_err());
    let other = KeyFile::create(&dir.path().join("other.key"), &system()).unwrap();
    assert!(other.unwrap_key(b"here", &wrapped).is_err());
    assert_ne!(file.name(), other.name());
}

#[test]
fn nothing_is_ever_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    fs::write(&path, b"precious").unwrap();
    let error = KeyFile::create(&path, &system()).unwrap_err();
    assert!(matches!(&error, KeysError::Exists { at } if *at == path));
    assert_eq!(error.code(), "ALC-KEYS-0001");
    assert_eq!(error.to_string(), format!("`{}` exists already", path.display()));
    assert_eq!(error.help(), "use the key that is there, or name a new place");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    let dangling = dir.path().join("dangling");
    symlink(dir.path().join("nowhere"), &dangling).unwrap();
    assert!(matches!(KeyFile::create(&dangling, &system()), Err(KeysError::Exists { .. })));
    assert_eq!(names(dir.path()), ["dangling", "master.key"]);
}

#[test]
fn every_access_of_others_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    KeyFile::create(&path, &system()).unwrap();
    for bit in 0..6 {
        set_mode(&path, 0o600 | 1 << bit);
        let error = KeyFile::open(&path).unwrap_err();
        assert!(matches!(error, KeysError::Mode { mode, .. } if mode == 0o600 | 1 << bit), "{error}");
        assert!(error.help().starts_with(&format!("run `chmod go-rwx {}`", path.display())));
    }
    set_mode(&path, 0o400);
    assert!(KeyFile::open(&path).is_ok());
}

#[test]
fn links_pipes_and_folders_are_no_key_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    KeyFile::create(&path, &system()).unwrap();
    let link = dir.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(matches!(KeyFile::open(&link), Err(KeysError::Link { at }) if at == link));
    assert!(matches!(KeyFile::open(dir.path()), Err(KeysError::Kind { expected: "plain file", .. })));
    let pipe = dir.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    assert!(matches!(KeyFile::open(&pipe), Err(KeysError::Kind { .. })));
    assert!(matches!(KeyFile::open(&dir.path().join("none")), Err(KeysError::Missing { .. })));
    assert!(matches!(KeyFile::open(&path.join("below")), Err(KeysError::Kind { expected: "folder", .. })));
    for no_name in ["/", "..", ""] {
        assert!(matches!(KeyFile::open(Path::new(no_name)), Err(KeysError::Path { .. })), "{no_name}");
    }
}

#[test]
fn a_file_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        // Only root can give a file away; the rule itself does not depend on it.
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    KeyFile::create(&path, &system()).unwrap();
    std::os::unix::fs::chown(&path, Some(4242), None).unwrap();
    let error = KeyFile::open(&path).unwrap_err();
    assert!(matches!(error, KeysError::Owner { owner: 4242, us: 0, .. }), "{error}");
}

#[test]
fn another_length_or_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.key");
    KeyFile::create(&path, &system()).unwrap();
    let good = fs::read(&path).unwrap();
    for len in (0..good.len()).step_by(10).chain([86]) {
        fs::write(&path, &good[..len]).unwrap();
        let error = KeyFile::open(&path).unwrap_err();
        assert!(matches!(error, KeysError::Length { bytes, .. } if bytes == len as u64), "{error}");
    }
    fs::write(&path, [good.as_slice(), b"\n"].concat()).unwrap();
    assert!(matches!(KeyFile::open(&path), Err(KeysError::Length { bytes: 88, .. })));
    for (at, to) in [(0, b'A'), (20, b'2'), (21, b' '), (22, b'G'), (40, b'A'), (86, b' '), (50, 0xff)] {
        let mut bad = good.clone();
        bad[at] = to;
        fs::write(&path, bad).unwrap();
        let error = KeyFile::open(&path).unwrap_err();
        assert!(matches!(error, KeysError::Format { .. }), "{at}: {error}");
        assert!(!format!("{error} {error:?}").contains(std::str::from_utf8(&good[60..80]).unwrap()));
    }
}

#[test]
fn a_folder_of_keys_is_read_back_and_works() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    let made = Keys::create(&path, log_name(), &system()).unwrap();
    assert_eq!(names(dir.path()), ["keys"]);
    assert_eq!(names(&path), ["master.key", "note.key", "token.key"]);
    assert_eq!(mode_of(&path), 0o700);
    for name in names(&path) {
        assert_eq!(mode_of(&path.join(name)), 0o600);
    }
    let read = Keys::open(&path).unwrap();
    assert_eq!(read.path(), path);
    assert_eq!(read.master.expose(), made.master.expose());
    let mut set = KeySet::new();
    set.insert(made.token.public().clone()).unwrap();
    let token = read.token.sign("at+jwt", &[1]).unwrap();
    assert_eq!(jws::verify(&token, "at+jwt", &set).unwrap(), b"[1]");
    let note = read.note.sign("size 1\n").unwrap();
    let trusted = [made.note.verifier().clone()];
    assert_eq!(Note::parse(note.as_bytes()).unwrap().verify(&trusted).unwrap().text(), "size 1\n");
    assert_eq!(trusted[0].name(), &log_name());
    // The master key file of a folder is a key file like any other.
    assert_eq!(KeyFile::open(&path.join("master.key")).unwrap().into_master().id(), made.master.id());
}

#[test]
fn a_folder_with_content_stays_as_it_is() {
    let (dir, path) = made_keys();
    let before = fs::read(path.join("master.key")).unwrap();
    assert!(matches!(Keys::create(&path, log_name(), &system()), Err(KeysError::Exists { .. })));
    assert_eq!(fs::read(path.join("master.key")).unwrap(), before);
    let file = dir.path().join("file");
    fs::write(&file, b"x").unwrap();
    assert!(matches!(Keys::create(&file, log_name(), &system()), Err(KeysError::Exists { .. })));
    assert_eq!(names(dir.path()), ["file", "keys"]);
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    Keys::create(&empty, log_name(), &system()).unwrap();
    assert!(Keys::open(&empty).is_ok());
}

#[test]
fn without_randomness_nothing_is_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    let error = Keys::create(&path, log_name(), &Dry).unwrap_err();
    assert!(matches!(error, KeysError::Make(_)), "{error}");
    assert!(KeyFile::create(&path, &Dry).is_err());
    assert!(names(dir.path()).is_empty());
    let nowhere = dir.path().join("none").join("keys");
    assert!(matches!(Keys::create(&nowhere, log_name(), &system()), Err(KeysError::Missing { .. })));
}

#[test]
fn an_open_folder_or_file_is_refused() {
    let (dir, path) = made_keys();
    set_mode(&path, 0o750);
    let error = Keys::open(&path).unwrap_err();
    assert!(matches!(&error, KeysError::Mode { at, mode: 0o750 } if *at == path), "{error}");
    set_mode(&path, 0o700);
    for name in ["master.key", "token.key", "note.key"] {
        set_mode(&path.join(name), 0o640);
        let error = Keys::open(&path).unwrap_err();
        assert!(matches!(&error, KeysError::Mode { at, .. } if at.ends_with(name)), "{error}");
        set_mode(&path.join(name), 0o600);
    }
    let link = dir.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(matches!(Keys::open(&link), Err(KeysError::Link { .. })));
    assert!(matches!(Keys::open(&path.join("token.key")), Err(KeysError::Kind { expected: "folder", .. })));
    fs::remove_file(path.join("note.key")).unwrap();
    let error = Keys::open(&path).unwrap_err();
    assert!(matches!(&error, KeysError::Missing { at } if at.ends_with("note.key")), "{error}");
}

#[test]
fn the_master_key_of_another_house_is_named() {
    let ((_a, ours), (_b, theirs)) = (made_keys(), made_keys());
    let id = Keys::open(&ours).unwrap().master.id();
    fs::copy(theirs.join("master.key"), ours.join("master.key")).unwrap();
    let error = Keys::open(&ours).unwrap_err();
    assert!(matches!(error, KeysError::Sealed { source: EnvelopeError::WrongKey { .. }, .. }), "{error}");
    assert_eq!(error.help(), format!("restore the master key {id}, the one that sealed this file"));
    assert_eq!(error.code(), "ALC-KEYS-0009");
}

#[test]
fn sealed_keys_cannot_stand_for_each_other() {
    let (_dir, path) = made_keys();
    fs::copy(path.join("note.key"), path.join("token.key")).unwrap();
    let error = Keys::open(&path).unwrap_err();
    assert!(matches!(error, KeysError::Sealed { source: EnvelopeError::BodyAltered, .. }), "{error}");
    // Sealed by the right key for the right place, but no key.
    let master = KeyFile::open(&path.join("master.key")).unwrap();
    let odd = envelope::seal(master.master(), b"alcaide/keys/v1/token.key", b"no key", &system()).unwrap();
    fs::write(path.join("token.key"), odd).unwrap();
    let error = Keys::open(&path).unwrap_err();
    assert!(matches!(error, KeysError::Content { what: "token signing key", .. }), "{error}");
    fs::write(path.join("token.key"), vec![1; 4097]).unwrap();
    assert!(matches!(Keys::open(&path), Err(KeysError::Length { bytes: 4097, .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_changed_bit_of_a_sealed_key_is_taken(
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
        note in any::<bool>(),
    ) {
        let (_dir, path) = made_keys();
        let file = path.join(if note { "note.key" } else { "token.key" });
        let mut bytes = fs::read(&file).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        fs::write(&file, bytes).unwrap();
        let refused = matches!(Keys::open(&path), Err(KeysError::Sealed { .. }));
        prop_assert!(refused);
    }
}

#[test]
fn the_key_of_labels_is_drawn_once_and_again_where_it_was_taken_away() {
    let (_dir, path) = made_keys();
    let master = Keys::open(&path).unwrap().master;
    let first = label_key(&path, &master, &system()).unwrap();
    assert_eq!(names(&path), ["label.key", "master.key", "note.key", "token.key"]);
    assert_eq!(mode_of(&path.join("label.key")), 0o600);
    assert_eq!(label_key(&path, &master, &system()).unwrap().kid(), first.kid());
    // Another role's key does not stand for it.
    fs::copy(path.join("token.key"), path.join("label.key")).unwrap();
    assert!(matches!(label_key(&path, &master, &system()), Err(KeysError::Sealed { .. })));
    fs::remove_file(path.join("label.key")).unwrap();
    assert_ne!(label_key(&path, &master, &system()).unwrap().kid(), first.kid());
}

#[test]
fn the_key_of_evidence_is_drawn_once_and_is_its_own() {
    use alcaide_seal::ecdsa::EcSigner as _;
    let (_dir, path) = made_keys();
    let master = Keys::open(&path).unwrap().master;
    let first = evidence_key(&path, &master, &system()).unwrap();
    assert_eq!(names(&path), ["evidence.key", "master.key", "note.key", "token.key"]);
    assert_eq!(mode_of(&path.join("evidence.key")), 0o600);
    assert_eq!(evidence_key(&path, &master, &system()).unwrap().public_key(), first.public_key());
    // Another role's key does not stand for it.
    label_key(&path, &master, &system()).unwrap();
    fs::copy(path.join("label.key"), path.join("evidence.key")).unwrap();
    assert!(matches!(evidence_key(&path, &master, &system()), Err(KeysError::Sealed { .. })));
    fs::remove_file(path.join("evidence.key")).unwrap();
    assert_ne!(evidence_key(&path, &master, &system()).unwrap().public_key(), first.public_key());
}
