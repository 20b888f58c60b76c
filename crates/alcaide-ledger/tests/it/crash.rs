//! Crashes: torn writes at every byte, folders copied while they are written to, tiles lost with the power.

use std::time::{Duration, Instant};

use alcaide_ledger::{Ledger, LedgerError, Options, verify};

use crate::house::{KEY, ORIGIN, copy, create, fill, leaf, open, options, segments, used};

#[tokio::test]
async fn a_tail_torn_at_any_byte_keeps_what_is_whole() {
    let base = tempfile::tempdir().unwrap();
    let source = base.path().join("source");
    let ledger = create(&source);
    fill(&ledger, 0, 5).await;
    let checkpoint = ledger.checkpoint_now().await.unwrap();
    // The last write: entries 5, 6 and 7, beyond the checkpoint.
    let crashed = base.path().join("crashed");
    let pending: Vec<_> = (5..8).map(|i| ledger.enqueue(leaf(i)).unwrap()).collect();
    for entry in pending {
        let _ = entry.await.unwrap();
    }
    copy(&source, &crashed);
    drop(ledger);
    let segment = &segments(&crashed)[0];
    let whole = std::fs::read(segment).unwrap();
    let end = used(segment);
    let sizes: Vec<usize> = (5..8).map(|i| 21 + leaf(i).len()).collect();
    let starts = [end - sizes.iter().sum::<usize>(), end - sizes[1] - sizes[2], end - sizes[2]];
    for cut in starts[0]..=end {
        for zeros in [true, false] {
            let mut torn = whole.clone();
            if zeros {
                torn[cut..].fill(0)
            } else {
                torn.truncate(cut)
            }
            std::fs::write(segment, &torn).unwrap();
            // As it was at the crash: closing the one before has signed more.
            std::fs::write(crashed.join("checkpoint"), &checkpoint.note).unwrap();
            let _ = std::fs::remove_file(crashed.join("integrated"));
            let ledger = open(&crashed);
            let kept = 5 + starts.iter().zip(&sizes).filter(|(start, size)| *start + *size <= cut).count();
            assert_eq!(ledger.size(), u64::try_from(kept).unwrap(), "cut at {cut}");
            let next = ledger.append(b"after the crash".to_vec()).await.unwrap().index();
            assert_eq!(next, u64::try_from(kept).unwrap());
            ledger.replay(0, |index, bytes| assert!(index == next || bytes == leaf(index))).unwrap();
            ledger.close().await.unwrap();
            assert_eq!(verify(&crashed, &KEY).unwrap().size, next + 1);
            for extra in &segments(&crashed)[1..] {
                std::fs::remove_file(extra).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn damage_before_a_later_write_is_an_error_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    for index in 0..6 {
        let _ = ledger.append(leaf(index)).await.unwrap();
    }
    ledger.close().await.unwrap();
    let segment = &segments(dir.path())[0];
    let whole = std::fs::read(segment).unwrap();
    let mut at = 32;
    for index in 0..6 {
        let mut bytes = whole.clone();
        bytes[at + 22] ^= 0x10;
        std::fs::write(segment, &bytes).unwrap();
        let error = Ledger::open(dir.path(), &options(), KEY, ORIGIN).unwrap_err();
        match error {
            LedgerError::Damaged { index: found, offset, .. } if index < 5 => {
                assert_eq!((found, offset), (index, u64::try_from(at).unwrap()));
                assert_eq!(std::fs::read(segment).unwrap(), bytes);
            }
            // Nothing follows the last one, but the checkpoint covers it.
            LedgerError::RolledBack { signed: 6, found: 5 } if index == 5 => {}
            other => panic!("{index}: {other}"),
        }
        at += 21 + leaf(index).len();
    }
}

#[tokio::test]
async fn a_rollback_is_noticed() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("ledger");
    let ledger = create(&dir);
    fill(&ledger, 0, 10).await;
    ledger.close().await.unwrap();
    let old = std::fs::read(&segments(&dir)[0]).unwrap();
    let ledger = open(&dir);
    fill(&ledger, 10, 20).await;
    ledger.close().await.unwrap();
    std::fs::write(&segments(&dir)[0], old).unwrap();
    let error = Ledger::open(&dir, &options(), KEY, ORIGIN).unwrap_err();
    assert!(matches!(error, LedgerError::RolledBack { signed: 20, found: 10 }), "{error}");
    assert_eq!(error.to_string(), "the checkpoint covers 20 entries, but only 10 are on disk");
}

#[tokio::test]
async fn a_missing_segment_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    fill(&ledger, 0, 1200).await;
    ledger.close().await.unwrap();
    let segment = &segments(dir.path())[1];
    std::fs::remove_file(segment).unwrap();
    std::fs::remove_file(segments(dir.path())[0].with_extension("keys")).unwrap();
    let error = Ledger::open(dir.path(), &options(), KEY, ORIGIN).unwrap_err();
    assert!(matches!(error, LedgerError::Damaged { .. } | LedgerError::Gap { .. }), "{error}");
}

#[tokio::test]
async fn lost_tiles_are_made_again_and_must_have_the_signed_root() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    fill(&ledger, 0, 1000).await;
    let checkpoint = ledger.checkpoint_now().await.unwrap();
    ledger.close().await.unwrap();
    std::fs::remove_dir_all(dir.path().join("tile")).unwrap();
    let ledger = open(dir.path());
    assert_eq!(ledger.root(1000).unwrap(), checkpoint.root);
    assert_eq!(ledger.read(17).unwrap(), leaf(17));
    assert_eq!(verify(dir.path(), &KEY).unwrap().size, 1000);
    let _ = ledger.append(leaf(1000)).await.unwrap();
    ledger.close().await.unwrap();
    assert_eq!(verify(dir.path(), &KEY).unwrap().size, 1001);

    // Signed by the right key, but over other entries.
    let text = alcaide_ledger::checkpoint::text(ORIGIN, 900, &checkpoint.root);
    let note = alcaide_ledger::SignNote::sign_note(&KEY, &text).unwrap();
    std::fs::write(dir.path().join("checkpoint"), note).unwrap();
    let error = Ledger::open(dir.path(), &options(), KEY, ORIGIN).unwrap_err();
    assert!(matches!(error, LedgerError::Root { size: 900 }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_copied_while_written_to_has_all_that_was_acknowledged() {
    let base = tempfile::tempdir().unwrap();
    let live = base.path().join("live");
    let options = Options { checkpoint_every: Duration::from_millis(5), ..options() };
    let ledger = Ledger::create(&live, &options, KEY, ORIGIN).unwrap();
    let writer = {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            for start in (0..4000).step_by(20) {
                let pending: Vec<_> = (start..start + 20).map(|i| ledger.enqueue(leaf(i)).unwrap()).collect();
                for entry in pending {
                    let _ = entry.await.unwrap();
                }
            }
        })
    };
    let mut round = 0;
    while !writer.is_finished() {
        let acknowledged = ledger.size();
        let crashed = base.path().join(format!("crashed {round}"));
        // The checkpoint first: a copy is no snapshot, and may be older than the entries but not newer.
        std::fs::create_dir_all(&crashed).unwrap();
        std::fs::copy(live.join("checkpoint"), crashed.join("checkpoint.kept")).unwrap();
        let (from, to) = (live.clone(), crashed.clone());
        tokio::task::spawn_blocking(move || copy(&from, &to)).await.unwrap();
        std::fs::rename(crashed.join("checkpoint.kept"), crashed.join("checkpoint")).unwrap();
        let _ = std::fs::remove_file(crashed.join("integrated"));
        match Ledger::open(&crashed, &options, KEY, ORIGIN) {
            Ok(copy) => {
                assert!(copy.size() >= acknowledged, "{} < {acknowledged}", copy.size());
                copy.replay(0, |index, bytes| assert_eq!(bytes, leaf(index))).unwrap();
                copy.close().await.unwrap();
                assert!(verify(&crashed, &KEY).unwrap().size >= acknowledged);
            }
            // A file copied piece by piece can hold a later write without an earlier one, which no disk does.
            Err(LedgerError::Damaged { index, .. }) => assert!(index >= acknowledged),
            Err(other) => panic!("{other}"),
        }
        let live_report = verify(&live, &KEY).unwrap();
        assert!(live_report.size <= ledger.size());
        round += 1;
    }
    writer.await.unwrap();
    ledger.close().await.unwrap();
    assert!(round > 0);
    assert_eq!(verify(&live, &KEY).unwrap().size, 4000);
}

#[tokio::test]
async fn a_mark_saves_work_but_is_not_believed_blindly() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("integrated");
    let ledger = create(dir.path());
    fill(&ledger, 0, 1000).await;
    ledger.close().await.unwrap();
    assert!(!mark.exists(), "a few entries are not worth a sync");
    let ledger = open(dir.path());
    fill(&ledger, 1000, 5000).await;
    ledger.close().await.unwrap();
    let text = std::fs::read_to_string(&mark).unwrap();
    assert!(text.starts_with("5000\n"), "{text}");
    // Marked tiles are not made again.
    let tile = dir.path().join("tile/0/003");
    std::fs::remove_file(&tile).unwrap();
    open(dir.path()).close().await.unwrap();
    assert!(!tile.exists());
    // A mark that does not fit its tiles is passed over, and everything is made again.
    std::fs::write(&mark, text.replace("5000", "4999")).unwrap();
    let ledger = open(dir.path());
    fill(&ledger, 5000, 5010).await;
    ledger.close().await.unwrap();
    assert!(tile.exists());
    assert_eq!(verify(dir.path(), &KEY).unwrap().size, 5010);
}

#[tokio::test]
async fn a_hundred_thousand_entries_open_within_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes: 64 << 20,
        checkpoint_every: Duration::from_secs(3600),
        ..Options::default()
    };
    let ledger = Ledger::create(dir.path(), &options, KEY, ORIGIN).unwrap();
    for round in 0..100_u64 {
        let mut last = None;
        for i in 0..1000 {
            last = Some(ledger.enqueue(format!("{round} {i} {}", "-".repeat(680)).into_bytes()).unwrap());
        }
        assert_eq!(last.unwrap().await.unwrap().index(), round * 1000 + 999);
    }
    // As after a power failure: everything since the last mark is hashed again.
    drop(ledger);
    let _ = std::fs::remove_file(dir.path().join("integrated"));
    let start = Instant::now();
    let ledger = Ledger::open(dir.path(), &options, KEY, ORIGIN).unwrap();
    let took = start.elapsed();
    assert_eq!(ledger.size(), 100_000);
    println!("opened 100000 entries in {took:?}");
    // The bar is one second; the margin is for unoptimised builds on busy machines.
    assert!(took < Duration::from_secs(10), "{took:?}");
}
