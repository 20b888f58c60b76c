use std::fs;
use std::os::unix::fs::symlink;

use alcaide_artifact::signing::{Rules, Survey};

use super::*;

/// Long after any file of these tests was made.
const LATER: Moment = Moment::from_secs(4_000_000_000);

fn told(root: &Path, links: Links) -> Vec<(String, char)> {
    let mut told = Vec::new();
    let mut tell = |entry: Entry<Place>| -> Result<(), WalkError> {
        let kind = match entry.kind {
            Kind::File(_) => 'f',
            Kind::Linked(_) => 'l',
            Kind::Link => '-',
            Kind::Special => 's',
        };
        told.push((String::from_utf8(entry.path).unwrap(), kind));
        Ok(())
    };
    Model::open(root, links).unwrap().walk(LATER, &mut tell).unwrap();
    told
}

fn tree() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("model/b/c")).unwrap();
    for name in ["outside", "model/b/c/z", "model/b/a", "model/a", "model/b-a"] {
        fs::write(root.path().join(name), name).unwrap();
    }
    root
}

fn only(root: &Path) -> (Place, Option<Stamp>) {
    let mut found = None;
    let mut tell = |entry: Entry<Place>| -> Result<(), WalkError> {
        let Kind::File(place) = entry.kind else { panic!() };
        found = Some((place, entry.stamp));
        Ok(())
    };
    Model::open(root, Links::Refuse).unwrap().walk(LATER, &mut tell).unwrap();
    found.unwrap()
}

#[test]
fn files_are_told_folder_by_folder_in_the_order_of_their_names() {
    let root = tree();
    let names =
        [("a", 'f'), ("b-a", 'f'), ("b/a", 'f'), ("b/c/z", 'f')].map(|(name, kind)| (name.to_owned(), kind));
    assert_eq!(told(&root.path().join("model"), Links::Refuse), names);
    assert_eq!(told(&root.path().join("model/b/c/z"), Links::Refuse), [("z".to_owned(), 'f')]);
    assert!(Model::open(&root.path().join("missing"), Links::Refuse).is_err());
}

#[test]
fn links_are_told_and_followed_within_the_model_alone() {
    let root = tree();
    let model = root.path().join("model");
    for (name, target) in [
        ("1-in", "b/a"),
        ("2-folder", "b"),
        ("3-out", "../outside"),
        ("4-absolute", "/etc/passwd"),
        ("5-nothing", "none"),
        ("6-itself", "6-itself"),
        ("7-root", "."),
        ("b/8-up", ".."),
        ("b/9-out-and-in", "../../model/a"),
        ("b/c/10-proc", "/proc/self/root"),
    ] {
        symlink(target, model.join(name)).unwrap();
    }
    let links = |links| -> Vec<(String, char)> {
        told(&model, links).into_iter().filter(|(name, kind)| *kind != 'f' || name.contains("8")).collect()
    };
    let refused = links(Links::Refuse);
    assert_eq!(refused.len(), 10);
    assert!(refused.iter().all(|(_, kind)| *kind == '-'), "{refused:?}");
    let followed: Vec<_> = links(Links::Follow);
    let kind = |name: &str| {
        followed.iter().find(|(one, _)| one == name).unwrap_or_else(|| panic!("{name}: {followed:?}")).1
    };
    assert_eq!([kind("1-in"), kind("2-folder/a"), kind("2-folder/c/z")], ['l'; 3]);
    for name in
        ["3-out", "4-absolute", "5-nothing", "6-itself", "7-root", "b/8-up", "b/9-out-and-in", "b/c/10-proc"]
    {
        assert_eq!(kind(name), '-', "{name}");
    }
    // A link to a folder that it lies in is told once more below the link that leads there, and no deeper.
    assert!(followed.iter().all(|(name, _)| name.matches("8-up").count() <= 1), "{followed:?}");
}

#[test]
fn what_is_no_file_is_told_and_not_opened() {
    let root = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.path().join("socket")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.path().join("pipe"),
        rustix::fs::FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )
    .unwrap();
    let found = told(root.path(), Links::Refuse);
    assert_eq!(found, [("pipe".to_owned(), 's'), ("socket".to_owned(), 's')]);
    assert_eq!(told(&root.path().join("pipe"), Links::Refuse), [("pipe".to_owned(), 's')]);
}

#[test]
fn a_file_that_is_another_one_by_then_is_not_read() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join("model").join(name);
    fs::create_dir(root.path().join("model")).unwrap();
    fs::write(at("w"), b"one").unwrap();
    let rules = Rules::default();
    let measure = |place: &Place| {
        let mut survey = Survey::to_sign(Scheme::STANDARD, &rules);
        let entry = Entry { path: b"w".to_vec(), kind: Kind::File(place.clone()), stamp: None };
        let admitted = survey.admit(&entry).unwrap().unwrap();
        place.measure(Scheme::STANDARD, &admitted, &Progress::bytes(0))
    };
    let (place, _) = only(&root.path().join("model"));
    assert_eq!(measure(&place).unwrap().bytes(), 3);
    // The same size, another file.
    fs::write(at("x"), b"two").unwrap();
    fs::rename(at("x"), at("w")).unwrap();
    let error = measure(&place).unwrap_err();
    assert!(
        matches!(&error, SigningError::Read { source, .. } if source.to_string().contains("changed")),
        "{error:?}"
    );
    // A link in its place, out of the model.
    fs::write(root.path().join("outside"), b"two").unwrap();
    fs::remove_file(at("w")).unwrap();
    symlink("../outside", at("w")).unwrap();
    assert!(matches!(measure(&place), Err(SigningError::Read { .. })));
}

#[test]
fn a_stamp_is_made_only_of_what_changed_well_before() {
    let known = Known { device: 1, inode: 2, bytes: 3, changed: (1_000, 500_000), modified: (900, 0) };
    let at = |seconds: u64| known.stamp(Moment::from_secs(seconds));
    assert_eq!(at(999), None);
    assert_eq!(at(1_001), None);
    assert_eq!(at(1_002), None);
    assert!(at(1_003).is_some());
    assert_eq!(Known { changed: (-1, 0), ..known }.stamp(LATER), None);
    let stamp = |one: Known| one.stamp(LATER).unwrap();
    for other in [
        Known { device: 9, ..known },
        Known { inode: 9, ..known },
        Known { bytes: 9, ..known },
        Known { changed: (1_000, 500_001), ..known },
        Known { changed: (999, 500_000), ..known },
        Known { modified: (901, 0), ..known },
    ] {
        assert_ne!(stamp(other), stamp(known), "{other:?}");
    }
    assert_eq!(stamp(known), stamp(known));
}
