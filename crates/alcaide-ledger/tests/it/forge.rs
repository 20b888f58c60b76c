//! Forgers: what is changed after the fact is found, with the first broken entry.

use std::sync::Arc;

use alcaide_ledger::hash::root_of;
use alcaide_ledger::verify::Copied;
use alcaide_ledger::{Ledger, LedgerError, SignNote, VerifyError, leaf_hash, verify};
use alcaide_seal::note::NoteSigner;
use alcaide_seal::random::SystemEntropy;
use proptest::prelude::*;

use crate::house::{KEY, Key, ORIGIN, copy, create, fill, leaf, options, segments, used};

async fn ledger(dir: &std::path::Path, entries: u64) {
    let ledger = create(dir);
    fill(&ledger, 0, entries).await;
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn the_signature_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    ledger(dir.path(), 3).await;
    assert!(matches!(verify(dir.path(), &Key("other")), Err(VerifyError::Note(_))));
    let text = alcaide_ledger::checkpoint::text(ORIGIN, 3, &leaf_hash(b"x"));
    std::fs::write(dir.path().join("checkpoint"), KEY.sign_note(&text).unwrap()).unwrap();
    assert!(matches!(verify(dir.path(), &KEY), Err(VerifyError::Root { size: 3 })));
}

#[tokio::test]
async fn real_keys_sign_and_check() {
    let key = || NoteSigner::generate("gate.example".parse().unwrap(), &SystemEntropy::new()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let signer = Arc::new(key());
    let ledger = Ledger::create(dir.path(), &options(), Arc::clone(&signer), ORIGIN).unwrap();
    fill(&ledger, 0, 300).await;
    ledger.close().await.unwrap();
    let report = verify(dir.path(), signer.verifier()).unwrap();
    assert_eq!((report.size, report.root), (300, ledger.root(300).unwrap()));
    let stranger = key();
    assert!(matches!(verify(dir.path(), stranger.verifier()), Err(VerifyError::Note(_))));
    drop(ledger);
    let error = Ledger::open(dir.path(), &options(), stranger, ORIGIN).unwrap_err();
    assert!(matches!(error, LedgerError::Note(_)), "{error}");
    assert_eq!(Ledger::open(dir.path(), &options(), signer, ORIGIN).unwrap().size(), 300);
}

#[tokio::test]
async fn each_copy_is_compared_with_the_others() {
    let dir = tempfile::tempdir().unwrap();
    ledger(dir.path(), 600).await;
    let bundle = dir.path().join("tile/entries/001");
    let whole = std::fs::read(&bundle).unwrap();
    let at: usize = (256..300).map(|i| 2 + leaf(i).len()).sum();
    let mut bytes = whole.clone();
    bytes[at + 4] ^= 1;
    std::fs::write(&bundle, &bytes).unwrap();
    assert!(matches!(
        verify(dir.path(), &KEY),
        Err(VerifyError::Entry { index: 300, broken: Copied::Bundle })
    ));
    std::fs::write(&bundle, &whole).unwrap();

    let tile = dir.path().join("tile/0/001");
    let whole = std::fs::read(&tile).unwrap();
    let mut bytes = whole.clone();
    bytes[44 * 32] ^= 1;
    std::fs::write(&tile, &bytes).unwrap();
    assert!(matches!(verify(dir.path(), &KEY), Err(VerifyError::Entry { index: 300, broken: Copied::Tile })));
    std::fs::write(&tile, &whole).unwrap();

    let upper = dir.path().join("tile/1/000.p/2");
    let whole = std::fs::read(&upper).unwrap();
    let mut bytes = whole.clone();
    bytes[40] ^= 1;
    std::fs::write(&upper, &bytes).unwrap();
    let found = verify(dir.path(), &KEY);
    assert!(
        matches!(found, Err(VerifyError::Tile { level: 1, tile: 0, offset: 1, first: 256 })),
        "{found:?}"
    );
    std::fs::write(&upper, &whole).unwrap();
    let _ = verify(dir.path(), &KEY).unwrap();
}

#[tokio::test]
async fn tiles_and_checkpoint_are_enough() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("ledger");
    ledger(&dir, 600).await;
    let public = base.path().join("public");
    copy(&dir.join("tile"), &public.join("tile"));
    std::fs::copy(dir.join("checkpoint"), public.join("checkpoint")).unwrap();
    let report = verify(&public, &KEY).unwrap();
    assert_eq!((report.size, report.beyond), (600, None));
    let leaves: Vec<_> = (0..600).map(|i| leaf_hash(&leaf(i))).collect();
    assert_eq!(report.root, root_of(&leaves));
    assert_eq!(report.origin, ORIGIN);

    let bundle = public.join("tile/entries/000");
    let mut bytes = std::fs::read(&bundle).unwrap();
    bytes[3] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    assert!(matches!(verify(&public, &KEY), Err(VerifyError::Entry { index: 0, broken: Copied::Unclear })));
}

#[test]
fn any_flipped_bit_is_found() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("ledger");
    tokio::runtime::Runtime::new().unwrap().block_on(ledger(&dir, 300));
    let mut files = vec![dir.join("checkpoint"), dir.join("format")];
    for name in
        ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44"]
    {
        files.push(dir.join(name));
    }
    files.extend(segments(&dir));
    // Where the frame of each entry begins.
    let mut starts = Vec::new();
    let mut at = 32;
    let mut segment = 0;
    for index in 0..300 {
        if at + 21 + leaf(index).len() > 128 << 10 || at >= used(&segments(&dir)[segment]) {
            segment += 1;
            at = 32;
        }
        starts.push((segment, at));
        at += 21 + leaf(index).len();
    }
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(300));
    runner
        .run(&(any::<prop::sample::Index>(), any::<prop::sample::Index>()), |(file, bit)| {
            let path = &files[file.index(files.len())];
            let whole = std::fs::read(path).unwrap();
            let bits =
                if path.extension().is_some_and(|e| e == "seg") { used(path) } else { whole.len() } * 8;
            let bit = bit.index(bits);
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(path, &bytes).unwrap();
            let found = verify(&dir, &KEY);
            std::fs::write(path, &whole).unwrap();
            let error = found.expect_err("a flipped bit must be found");
            if let Some(segment) = segments(&dir).iter().position(|segment| segment == path) {
                let expected = starts.iter().rposition(|start| *start <= (segment, bit / 8));
                let header = bit / 8 < 32;
                match error {
                    VerifyError::Segment { .. } => prop_assert!(header),
                    VerifyError::Frame { index, .. } => {
                        prop_assert!(!header);
                        prop_assert_eq!(Some(usize::try_from(index).unwrap()), expected);
                    }
                    other => prop_assert!(false, "{}", other),
                }
            }
            Ok(())
        })
        .unwrap();
    let _ = verify(&dir, &KEY).unwrap();
}
