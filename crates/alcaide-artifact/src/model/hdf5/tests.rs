use proptest::prelude::*;

use crate::Verdict;
use crate::model::testing::{report, rules};

const OLD: &[u8] = include_bytes!("../../../testdata/old.h5");
const OLD_LAMBDA: &[u8] = include_bytes!("../../../testdata/old_lambda.h5");
const OLD_MANY: &[u8] = include_bytes!("../../../testdata/old_many.h5");
const NEW: &[u8] = include_bytes!("../../../testdata/new.h5");
const NEW_MANY: &[u8] = include_bytes!("../../../testdata/new_many.h5");
const NEW_LAMBDA: &[u8] = include_bytes!("../../../testdata/new_lambda.h5");
const USER_BLOCK: &[u8] = include_bytes!("../../../testdata/user_block.h5");

#[test]
fn models_of_old_and_new_form_are_read_to_the_last_byte() {
    for (name, bytes) in [("old", OLD), ("old, many", OLD_MANY), ("new", NEW)] {
        let report = report("m.h5", bytes);
        assert_eq!(report.parts[0].format.as_ref(), "hdf5");
        assert_eq!(report.verdict, Verdict::Clean, "{name}: {report:?}");
        assert!(report.parts[0].coverage.payload >= 40, "{name}: {report:?}");
    }
}

#[test]
fn lists_of_chunks_that_are_not_read_are_said_to_be() {
    let report = report("m.h5", NEW_MANY);
    assert_eq!(report.verdict, Verdict::Inconclusive);
    assert!(report.findings.is_empty());
    let doubts: Vec<_> = report.doubts.iter().map(|doubt| doubt.evidence.as_ref()).collect();
    assert!(doubts.contains(&"a list of chunks that is not read"), "{doubts:?}");
    assert_eq!(doubts.iter().filter(|doubt| !doubt.contains(" of ")).count(), 0, "{doubts:?}");
}

#[test]
fn configurations_are_found_in_every_form() {
    for (name, bytes) in [("old", OLD_LAMBDA), ("new", NEW_LAMBDA), ("user block", USER_BLOCK)] {
        let report = report("m.h5", bytes);
        assert!(rules(&report).contains(&"keras-code"), "{name}: {report:?}");
        let pointer = report.findings[0].place.pointer.clone().unwrap_or_default();
        assert!(pointer.starts_with("@model_config/config/layers/0"), "{name}: {pointer}");
    }
}

#[test]
fn other_files_are_told_wherever_they_are_named() {
    for (name, bytes, said) in [
        ("link", &include_bytes!("../../../testdata/links.h5")[..], "`/etc/passwd`"),
        ("link in a heap", include_bytes!("../../../testdata/links_dense.h5"), "`other.h5`"),
        ("storage", include_bytes!("../../../testdata/stored.h5"), "`../weights.bin`"),
        ("virtual", include_bytes!("../../../testdata/virtual.h5"), "`elsewhere.h5`"),
    ] {
        let report = report("m.h5", bytes);
        assert_eq!(rules(&report), ["hdf5-external"], "{name}: {report:?}");
        assert!(report.findings[0].evidence.contains(said), "{name}: {report:?}");
    }
}

#[test]
fn what_is_no_file_of_the_library_is_a_doubt() {
    let empty = [super::format::MARK, &[0; 92][..]].concat();
    let broken = report("model.weights.h5", &empty);
    assert_eq!((broken.verdict, broken.findings.len()), (Verdict::Inconclusive, 0));
    assert_eq!(report("m.h5", &OLD[..OLD.len() / 2]).verdict, Verdict::Inconclusive);
    let tail = [OLD, b"hidden"].concat();
    let tail = report("m.h5", &tail);
    assert_eq!((tail.verdict, tail.parts[0].coverage.opaque), (Verdict::Inconclusive, 6));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_changed_file_ends_without_a_panic(
        which in 0_usize..4,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let mut bytes = [OLD, NEW, OLD_LAMBDA, NEW_LAMBDA][which].to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        report("m.h5", &bytes);
    }
}
