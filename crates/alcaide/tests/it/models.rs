//! Model files through the real program and its sandboxed readers: the corpus of known kind, and what a caller sees.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::house::{Said, run};

/// Most benign files that may be taken for unsafe ones.
const FALSE_MOST: usize = 1;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/models/visible")
}

fn scan(args: &[&str], input: &[u8]) -> Said {
    let mut all = vec!["model", "scan"];
    all.extend(args);
    run(&all, &[], input)
}

#[test]
fn every_malicious_file_is_unsafe_and_hardly_any_other() {
    let manifest = fs::read_to_string(corpus().join("manifest.jsonl")).unwrap();
    let rows: Vec<Value> = manifest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = scan(&[corpus().to_str().unwrap(), "--format", "json"], b"");
    let report: Value = serde_json::from_str(&told.out).unwrap();
    let files = report["files"].as_array().unwrap();
    let (mut missed, mut falsely) = (Vec::new(), Vec::new());
    for row in &rows {
        let path = row["path"].as_str().unwrap();
        let file = files.iter().find(|file| file["path"] == path).unwrap();
        assert_eq!(file["sha256"], row["sha256"], "{path}");
        let verdict = file["verdict"].as_str().unwrap();
        match row["label"].as_str().unwrap() {
            "malicious" if verdict != "unsafe" => missed.push(format!("{path}: {verdict}")),
            "benign" if verdict == "unsafe" => falsely.push(path.to_owned()),
            _ => {}
        }
    }
    assert_eq!(rows.len(), 169);
    assert!(missed.is_empty(), "{missed:#?}");
    assert!(falsely.len() <= FALSE_MOST, "{falsely:#?}");
    assert_eq!(told.code, 1);
}

#[test]
fn the_same_files_give_the_same_bytes_however_many_readers_there_are() {
    let folder = corpus();
    let once = |jobs: &str| scan(&[folder.to_str().unwrap(), "--format", "json", "--jobs", jobs], b"").out;
    assert_eq!(once("1"), once("3"));
}

#[test]
fn the_exit_status_tells_the_verdict() {
    let place = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = place.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let numbers = put("weights.bin", &[7, 1, 9, 200, 3, 77]);
    let told = scan(&[&numbers], b"");
    assert_eq!(told.code, 3, "{}", told.out);
    assert!(told.out.contains("inconclusive: 1 files"), "{}", told.out);
    assert_eq!(scan(&[&numbers, "--quiet"], b"").out, "");
    let missing = place.path().join("missing");
    scan(&[missing.to_str().unwrap()], b"").refused(3, "ALC-CLI-0008", &["error: could not read a file\n"]);
    let calls = b"cos\nsystem\n(S'x'\ntR.";
    let told = scan(&["-", "--stdin-name", "model.pkl", "--format", "sarif"], calls);
    assert_eq!(told.code, 1, "{}", told.out);
    let log: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(log["runs"][0]["results"][0]["level"], "error");
    assert_eq!(scan(&["-"], b"\x80\x02}q\x00.").code, 0);
}
