//! The fuzz targets stay what they are said to be: one for each body, and every body holds on every seed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::bodies::TARGETS;
use crate::mutate::{seeds, words};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

#[test]
fn each_body_has_its_target_and_each_target_its_body() {
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    let bodies: BTreeSet<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(bodies.len(), TARGETS.len());
    let files: BTreeSet<_> = fs::read_dir(folder().join("fuzz_targets"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let listed: BTreeSet<_> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
        .map(str::to_owned)
        .collect();
    assert_eq!(bodies, files);
    assert_eq!(bodies, listed);
    for name in bodies {
        let text = fs::read_to_string(folder().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        let body =
            format!("libfuzzer_sys::fuzz_target!(|bytes: &[u8]| alcaide_fuzz::bodies::{name}(bytes));");
        assert!(text.starts_with("#![no_main]\n") && text.contains(&body), "{name}: {text}");
    }
}

#[test]
fn every_body_holds_on_every_seed() {
    let seeds = seeds::of_every_format();
    let fed: BTreeSet<_> = seeds.iter().map(|(target, _)| *target).collect();
    for target in TARGETS {
        for (_, bytes) in &seeds {
            (target.run)(bytes);
        }
        let free = ["nameless", "keras_metadata", "pickle_opcodes", "joblib", "torch", "keras"];
        assert!(fed.contains(target.name) || free.contains(&target.name), "no seed for {}", target.name);
    }
}

/// Run by name before fuzzing: seeds and a dictionary, from what the tests use.
#[test]
#[ignore = "it writes into the source tree"]
fn write_seeds() {
    for (number, (target, bytes)) in seeds::of_every_format().into_iter().enumerate() {
        let place = folder().join("corpus").join(target);
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join(format!("seed{number:03}")), bytes).unwrap();
    }
    let mut lines = String::new();
    for word in words() {
        let quoted: String = word.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        lines += &format!("\"{quoted}\"\n");
    }
    fs::write(folder().join("words.dict"), lines).unwrap();
}
