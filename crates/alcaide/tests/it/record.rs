//! The record: verified running and stopped, proved to others, copied, and caught when it was changed.

use serde_json::Value;

use crate::house::{House, run, segment};

fn furnished() -> House {
    let house = House::begin();
    house.ok(&["agent", "create", "bot", "--owner", "ana", "--create-missing"]);
    house.ok(&["agent", "kill", "bot"]);
    house
}

#[test]
fn one_changed_byte_is_named_with_its_entry() {
    let mut house = furnished();
    assert_eq!(house.json(&["log", "verify"])["verified"], true);
    let shown = house.json(&["log", "show", "2"]);
    assert_eq!(shown["index"], 2);
    house.run(&["log", "show", "100000"]).refused(
        2,
        "ALC-CLI-0013",
        &["error: there is no entry 100000\n", "  fix: see `alcaide log follow`\n"],
    );
    house.down();
    let clean = house.json(&["log", "verify"]);
    // Stopped, everything is signed.
    assert_eq!((&clean["verified"], &clean["beyond"]), (&Value::Bool(true), &0.into()), "{clean}");
    assert_eq!(clean["entries"], clean["checkpoint_size"]);

    let path = segment(&house.dir());
    let mut bytes = std::fs::read(&path).unwrap();
    let leaf = serde_json::to_vec(&shown["entry"]).unwrap();
    let at = bytes.windows(leaf.len()).position(|window| window == leaf).unwrap() + leaf.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    house.run(&["log", "verify"]).refused(
        1,
        "ALC-CLI-0010",
        &[
            "error: the record does not verify: entry 2 is the first that is broken\n",
            "  why: entry 2 is broken in `",
            "  fix: keep a copy of the folder as evidence, then restore it from a backup\n",
        ],
    );
    let said = house.run(&["log", "verify", "--json"]);
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &told["verified"], &told["first_broken"]), (1, &Value::Bool(false), &2.into()));
    // The service does not start over it.
    house.run(&["up", "--gate", "127.0.0.1:0", "--office", "127.0.0.1:0"]).refused(
        3,
        "ALC-CLI-0023",
        &[
            "error: the ledger cannot be opened\n",
            "entry 2",
            "  fix: run `alcaide log verify`, then restore from a backup\n",
        ],
    );
    let doctor = house.run(&["doctor"]);
    assert_eq!(doctor.code, 1);
    assert!(doctor.out.contains("WRONG    ledger: entry 2 is broken"), "{}", doctor.out);
    // Mended, it verifies again: nothing else was touched.
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(house.json(&["log", "verify"]), clean);
}

#[test]
fn a_proof_is_checked_with_nothing_but_the_key() {
    let mut house = furnished();
    let file = house.file("proof.json");
    let path = file.to_str().unwrap();
    house.ok(&["log", "prove", "1", "--out", path]);
    house.run(&["log", "prove", "1", "--out", path]).refused(
        3,
        "ALC-CLI-0008",
        &["error: could not write a file\n"],
    );
    let key = house.ok(&["log", "key"]);
    let key = key.trim();
    house.down();
    let check = |key: &str| run(&["log", "check-proof", path, "--key", key], &[], b"");
    let said = check(key);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.starts_with("entry 1 is in the log of "), "{}", said.out);
    let other = House::begin().ok(&["log", "key"]);
    check(other.trim()).refused(
        1,
        "ALC-CLI-0011",
        &[
            "error: the proof does not hold\n",
            "  why: its checkpoint is not signed by the key",
            "  fix: get the proof again",
        ],
    );
    check("nonsense").refused(
        2,
        "ALC-CLI-0012",
        &["error: the verifier key is not understood\n", "  fix: give `--key` with "],
    );
    let text = std::fs::read_to_string(&file).unwrap().replace("\"index\": 1", "\"index\": 0");
    std::fs::write(&file, text).unwrap();
    check(key).refused(1, "ALC-CLI-0011", &["  why: the proof leads to another root\n"]);

    // A copy of the folder verifies elsewhere, with the key alone.
    let ledger = house.dir().join("ledger");
    let said = run(&["log", "verify", "--dir", ledger.to_str().unwrap(), "--key", key], &[], b"");
    assert_eq!(said.code, 0, "{said:?}");
    let nowhere = house.file("nothing");
    run(&["log", "verify", "--data-dir", nowhere.to_str().unwrap()], &[], b"").refused(
        2,
        "ALC-CLI-0012",
        &[
            "error: the verifier key is not known\n",
            "  fix: give `--key` with what `alcaide log key` printed",
        ],
    );
}

#[test]
fn a_backup_is_made_of_a_stopped_house_and_checked() {
    let mut house = furnished();
    let target = house.file("copy");
    let backup = ["backup", target.to_str().unwrap()];
    house.run(&backup).refused(
        3,
        "ALC-CLI-0022",
        &[
            "error: data directory is in use\n",
            "is in use by another process\n",
            "  fix: stop the service first\n",
        ],
    );
    house.down();
    let report = house.json(&backup);
    assert!(report["entries"].as_u64().unwrap() > 2, "{report}");
    assert!(target.join("backup.json").is_file() && !target.join("keys").exists());
    house.run(&backup).refused(
        4,
        "ALC-OFFICE-0027",
        &["error: the office could not do it\n", "  fix: make the backup again, into a new folder\n"],
    );
    // The house goes on where it was.
    house.up(&[]);
    assert_eq!(house.json(&["agent", "list"])[0]["killed"], true);
}
