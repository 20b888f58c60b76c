//! Backups hold, and what was changed about them is found.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use alcaide_control::{By, MIGRATIONS, Office, OfficeError, check_backup};
use alcaide_ledger::Ledger;
use alcaide_seal::SecretText;
use alcaide_store::Store;

use crate::house::{House, ORIGIN, clock_of, options};

const OP: By = By::Operator;

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_holds_and_opens_as_an_office() {
    let house = House::new().await;
    house.office.secret_set(&OP, "key".parse().unwrap(), SecretText::copy_of("s3cret")).await.unwrap();
    house.office.kill(&OP, house.agent("bot")).await.unwrap();
    let apart = tempfile::tempdir().unwrap();
    let folder = apart.path().join("backup");
    let report = house.office.backup(&OP, &folder).await.unwrap();
    assert_eq!((report.entries, report.plan), (house.ledger.size(), house.office.current().number));
    assert!(report.left_out[0].contains("master key"));
    let trusted = house.keys.note.verifier();
    assert_eq!(check_backup(&folder, trusted).unwrap(), report);
    assert_eq!(check_backup(&folder, trusted).unwrap(), report, "checking changes nothing");
    let size: u64 = report.files.len().try_into().unwrap();
    assert!(size >= 5, "{:?}", report.files.keys());
    let again = house.office.backup(&OP, &folder).await.unwrap_err();
    assert_eq!(again.code(), "ALC-OFFICE-0027");
    // Restored elsewhere with the same keys, it is the same office.
    let restored = apart.path().join("restored");
    copy(&folder, &restored);
    let store = Store::open(&restored.join("office.db"), MIGRATIONS).unwrap();
    let dir = restored.join("ledger");
    let ledger = Ledger::open(&dir, &options(), Arc::clone(&house.keys.note), ORIGIN).unwrap();
    let now = Arc::new(std::sync::atomic::AtomicU64::new(house.now().micros()));
    let (parts, _plans) = house.keys.parts(store, ledger, dir, clock_of(&now));
    let office = Office::open(parts).await.unwrap();
    assert_eq!(*office.current(), *house.office.current());
    assert!(office.agents(&OP).await.unwrap()[0].killed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_changed_about_a_backup_is_found() {
    let house = House::new().await;
    let apart = tempfile::tempdir().unwrap();
    let folder = apart.path().join("backup");
    let report = house.office.backup(&OP, &folder).await.unwrap();
    let trusted = house.keys.note.verifier();
    let fails = |what: &str| {
        let error = check_backup(&folder, trusted).unwrap_err();
        assert!(matches!(error, OfficeError::Backup { .. }), "{what}: {error}");
        error.to_string()
    };
    for file in report.files.keys() {
        let path = folder.join(file);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        match bad.get_mut(good.len() / 2) {
            Some(byte) => *byte ^= 1,
            None => bad.push(0),
        }
        fs::write(&path, bad).unwrap();
        assert!(fails(file).contains("was changed"));
        fs::remove_file(&path).unwrap();
        assert!(fails(file).contains("is missing"));
        fs::write(&path, good).unwrap();
    }
    fs::write(folder.join("more"), "").unwrap();
    assert!(fails("more").contains("does not belong"));
    fs::remove_file(folder.join("more")).unwrap();
    // A manifest that claims another plan or size, its files untouched.
    let manifest = folder.join("backup.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"plan\": 2", "\"plan\": 1")).unwrap();
    assert!(fails("plan").contains("plan 2 is in force, not 1"));
    fs::write(&manifest, text.replace("\"entries\": 3", "\"entries\": 2")).unwrap();
    assert!(fails("entries").contains("has 3 entries, not 2"));
    fs::write(&manifest, &text).unwrap();
    check_backup(&folder, trusted).unwrap();
    let stranger = crate::house::KeyRing::new();
    assert!(check_backup(&folder, stranger.note.verifier()).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_gives_nobody_a_credential_back_that_was_removed() {
    let house = House::new().await;
    let client = crate::tokens::enrol(&house, house.agent("bot")).await;
    let apart = tempfile::tempdir().unwrap();
    let folder = apart.path().join("backup");
    house.office.backup(&OP, &folder).await.unwrap();
    house.office.credential_remove(&OP, client.id).await.unwrap();
    house.office.kill(&OP, house.agent("helper")).await.unwrap();
    house.ledger.checkpoint_now().await.unwrap();
    let lost = house.folder.path().join("ledger");
    let again = alcaide_control::orders_since(&folder, &lost, house.keys.note.verifier()).unwrap();
    let removed = alcaide_record::OfficeAct::CredentialRemoved { by: None, credential: client.id };
    assert_eq!(again.len(), 2, "{again:?}");
    assert_eq!(again[0], alcaide_record::Event::Office(removed));
    assert!(matches!(again[1], alcaide_record::Event::Order(_)));
}
