//! A disk that fails: nothing that was acknowledged is lost, nothing is tried again on the same pages.

use std::sync::Arc;

use alcaide_ledger::fault::FaultLayer;
use alcaide_ledger::{AppendError, Ledger, LedgerError, Options, verify};

use crate::house::{KEY, ORIGIN, Spender, fill, leaf, open, options};

fn faulty(dir: &std::path::Path) -> (Ledger, FaultLayer) {
    let layer = FaultLayer::new();
    let options = Options { layer: Arc::new(layer.clone()), ..options() };
    (Ledger::create(dir, &options, KEY, ORIGIN).unwrap(), layer)
}

#[tokio::test]
async fn after_a_fault_everything_is_refused_until_reopened() {
    for fault in [FaultLayer::fail_write_after, FaultLayer::short_write_after, FaultLayer::fail_sync_after] {
        let dir = tempfile::tempdir().unwrap();
        let (ledger, layer) = faulty(dir.path());
        fill(&ledger, 0, 30).await;
        fault(&layer, 1);
        let _ = ledger.append(leaf(30)).await.unwrap();
        let error = ledger.append(Spender(b"lost?".to_vec(), [5; 32])).await.unwrap_err();
        assert!(matches!(&error, AppendError::Failed { cause } if cause.contains("injected")), "{error}");
        let (writes, syncs) = (layer.writes(), layer.syncs());
        for _ in 0..3 {
            assert!(matches!(ledger.append(leaf(31)).await, Err(AppendError::Failed { .. })));
            assert!(matches!(ledger.enqueue(leaf(31)), Err(AppendError::Failed { .. })));
        }
        assert_eq!((layer.writes(), layer.syncs()), (writes, syncs), "nothing was tried again");
        assert!(ledger.failure().is_some());
        assert_eq!(ledger.size(), 31);
        assert_eq!(ledger.read(30).unwrap(), leaf(30));
        assert!(matches!(ledger.close().await, Err(LedgerError::Failed { .. })));

        let ledger = open(dir.path());
        // The refused entry may be there after all, if only its sync failed.
        assert!((31..=32).contains(&ledger.size()), "{}", ledger.size());
        let spent = ledger.append(Spender(b"again".to_vec(), [5; 32])).await;
        assert_eq!(spent.is_err(), ledger.size() == 32 && ledger.read(31).unwrap() == b"lost?");
        let mut seen = 0;
        ledger
            .replay(0, |index, bytes| {
                if index < 31 {
                    assert_eq!(bytes, leaf(index));
                }
                seen += 1;
            })
            .unwrap();
        assert_eq!(seen, ledger.size());
        ledger.close().await.unwrap();
        let _ = verify(dir.path(), &KEY).unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_before_anything_is_lost_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, layer) = faulty(dir.path());
    layer.fill();
    let mut kept = 0;
    let error = loop {
        match ledger.append(vec![b'x'; 9000]).await {
            Ok(receipt) => kept = receipt.index() + 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AppendError::DiskFull { .. }), "{error}");
    assert_eq!(kept, 14, "what fits into the first segment");
    // A refused entry spends nothing, and a smaller one still fits.
    let big = || Spender(vec![b'y'; 9000], [3; 32]);
    assert!(matches!(ledger.append(big()).await, Err(AppendError::DiskFull { .. })));
    assert_eq!(ledger.append(b"small".to_vec()).await.unwrap().index(), kept);
    let twice = [ledger.enqueue(big()).unwrap(), ledger.enqueue(big()).unwrap()];
    for pending in twice {
        assert!(matches!(pending.await, Err(AppendError::DiskFull { .. })));
    }
    layer.free();
    assert_eq!(ledger.append(big()).await.unwrap().index(), kept + 1);
    assert!(
        matches!(ledger.append(big()).await, Err(AppendError::AlreadySpent { index }) if index == kept + 1)
    );
    ledger.close().await.unwrap();
    assert_eq!(verify(dir.path(), &KEY).unwrap().size, kept + 2);
}

#[tokio::test]
async fn tiles_that_cannot_be_written_are_reported_and_made_later() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, _) = faulty(dir.path());
    // A file where the folder of the tiles should be.
    std::fs::write(dir.path().join("tile"), b"in the way").unwrap();
    fill(&ledger, 0, 300).await;
    assert!(matches!(ledger.checkpoint_now().await, Err(LedgerError::TreeStalled { .. })));
    assert_eq!(ledger.size(), 300, "entries are safe all the same");
    std::fs::remove_file(dir.path().join("tile")).unwrap();
    // The first request after the cause is gone covers everything.
    let checkpoint = ledger.checkpoint_now().await.unwrap();
    assert_eq!(checkpoint.size, 300);
    assert_eq!(checkpoint.root, ledger.root(300).unwrap());
    ledger.close().await.unwrap();
    assert_eq!(verify(dir.path(), &KEY).unwrap().size, 300);
}
