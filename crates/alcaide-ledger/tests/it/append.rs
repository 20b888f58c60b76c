//! Append, receipts, bounds, spend keys, followers.

use std::collections::HashSet;
use std::time::Duration;

use alcaide_ledger::{AppendError, LEAF_BYTES_MAX, Leaf, Ledger, LedgerError, Options, leaf_hash, verify};

use crate::house::{KEY, Key, ORIGIN, Spender, create, fill, leaf, open, options, segments};

#[tokio::test]
async fn a_receipt_says_what_is_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let receipt = ledger.append(b"one".to_vec()).await.unwrap();
    assert_eq!((receipt.index(), receipt.get().as_slice()), (0, &b"one"[..]));
    assert_eq!(*receipt.leaf_hash(), leaf_hash(b"one"));
    assert_eq!(ledger.append(Vec::new()).await.unwrap().index(), 1);
    assert_eq!(ledger.read(0).unwrap(), b"one");
    assert_eq!(ledger.read(1).unwrap(), b"");
    assert!(ledger.read(2).is_err());
    assert_eq!(ledger.size(), 2);
    ledger.close().await.unwrap();
    assert!(matches!(ledger.append(b"late".to_vec()).await, Err(AppendError::Closed)));
    assert_eq!(ledger.read(0).unwrap(), b"one");
}

#[tokio::test]
async fn the_longest_entry_is_taken_and_one_more_byte_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let longest = vec![7; LEAF_BYTES_MAX];
    for _ in 0..5 {
        let _ = ledger.append(longest.clone()).await.unwrap();
    }
    let error = ledger.append(vec![7; LEAF_BYTES_MAX + 1]).await.unwrap_err();
    assert!(matches!(error, AppendError::TooLong { bytes: 65_536 }));
    assert_eq!(error.to_string(), "the entry has 65536 bytes, more than 65535");
    assert_eq!(ledger.read(4).unwrap(), longest);
    ledger.close().await.unwrap();
    assert_eq!(verify(dir.path(), &KEY).unwrap().size, 5);
}

#[tokio::test]
async fn opening_never_creates_and_creating_never_overwrites() {
    let dir = tempfile::tempdir().unwrap();
    let open = |key, origin: &str| Ledger::open(dir.path(), &options(), key, origin);
    assert!(matches!(open(KEY, ORIGIN), Err(LedgerError::Missing { .. })));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let ledger = create(dir.path());
    assert!(matches!(open(KEY, ORIGIN), Err(LedgerError::InUse { .. })));
    let again = Ledger::create(dir.path(), &options(), KEY, ORIGIN);
    assert!(matches!(again, Err(LedgerError::NotEmpty { .. })));
    ledger.close().await.unwrap();
    assert!(matches!(open(Key("other"), ORIGIN), Err(LedgerError::Note(_))));
    assert!(matches!(open(KEY, "other"), Err(LedgerError::Checkpoint(_))));
    assert!(matches!(open(KEY, "two words"), Err(LedgerError::Option { what: "origin" })));
    std::fs::write(dir.path().join("format"), "alcaide-ledger 2\n").unwrap();
    assert!(matches!(open(KEY, ORIGIN), Err(LedgerError::Format { .. })));
}

#[tokio::test]
async fn entries_come_back_over_segments_and_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    fill(&ledger, 0, 700).await;
    ledger.close().await.unwrap();
    let ledger = open(dir.path());
    assert_eq!((ledger.size(), ledger.integrated()), (700, 700));
    fill(&ledger, 700, 1500).await;
    for index in [0, 255, 256, 699, 700, 1023, 1499] {
        assert_eq!(ledger.read(index).unwrap(), leaf(index), "{index}");
    }
    assert!(segments(dir.path()).len() > 3);
    for from in [0, 1, 699, 1499, 1500] {
        let mut seen = from;
        let end = ledger.replay(from, |index, bytes| {
            assert_eq!((index, bytes), (seen, leaf(seen).as_slice()));
            seen += 1;
        });
        assert_eq!((end.unwrap(), seen), (1500, 1500));
    }
    ledger.close().await.unwrap();
    let report = verify(dir.path(), &KEY).unwrap();
    assert_eq!((report.size, report.beyond, report.torn), (1500, Some(0), false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_get_each_index_once() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let tasks: Vec<_> = (0..64_u64)
        .map(|task| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                for round in 0..40_u64 {
                    let leaf = format!("{task} {round}").into_bytes();
                    let receipt = ledger.append(leaf.clone()).await.unwrap();
                    assert_eq!(ledger.read(receipt.index()).unwrap(), leaf);
                    mine.push(receipt.index());
                }
                assert!(mine.is_sorted());
                mine
            })
        })
        .collect();
    let mut all = HashSet::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    assert_eq!(all, (0..64 * 40).collect());
    drop(ledger);
    assert_eq!(verify(dir.path(), &KEY).unwrap().size, 64 * 40);
}

#[tokio::test]
async fn dropping_the_answer_does_not_drop_the_entry() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    drop(ledger.enqueue(b"nobody waits".to_vec()).unwrap());
    {
        // Polled once, so it is queued; then dropped.
        let append = ledger.append(b"hung up".to_vec());
        let _ = tokio::time::timeout(Duration::ZERO, append).await;
    }
    let receipt = ledger.append(b"last".to_vec()).await.unwrap();
    assert_eq!(receipt.index(), 2);
    assert_eq!(ledger.read(0).unwrap(), b"nobody waits");
    assert_eq!(ledger.read(1).unwrap(), b"hung up");
}

#[tokio::test]
async fn a_key_is_spent_once_and_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let first = Spender(b"first".to_vec(), [1; 32]);
    let second = Spender(b"second".to_vec(), [1; 32]);
    let _ = ledger.append(b"before".to_vec()).await.unwrap();
    // Both in one write, with another between.
    let pending = [
        ledger.enqueue(first.clone()),
        ledger.enqueue(Spender(b"x".to_vec(), [2; 32])),
        ledger.enqueue(second),
    ];
    let [a, b, c] = pending.map(Result::unwrap);
    assert_eq!(a.await.unwrap().index(), 1);
    assert_eq!(b.await.unwrap().index(), 2);
    assert!(matches!(c.await, Err(AppendError::AlreadySpent { index: 1 })));
    fill_after(&ledger, 3, 900).await;
    assert_eq!(ledger.size(), 903);
    ledger.close().await.unwrap();
    // The lists of full segments may be missing: the frames say the same.
    for lists in [true, false] {
        if !lists {
            for path in segments(dir.path()) {
                let _ = std::fs::remove_file(path.with_extension("keys"));
            }
        }
        let ledger = open(dir.path());
        let again = ledger.append(first.clone()).await;
        assert!(matches!(again, Err(AppendError::AlreadySpent { index: 1 })), "{lists}");
        assert!(matches!(
            ledger.append(Spender(Vec::new(), key(900))).await,
            Err(AppendError::AlreadySpent { index: 902 })
        ));
        ledger.close().await.unwrap();
    }
    let _ = verify(dir.path(), &KEY).unwrap();
}

fn key(number: u16) -> [u8; 32] {
    let mut key = [9; 32];
    key[..2].copy_from_slice(&number.to_be_bytes());
    key
}

async fn fill_after(ledger: &Ledger, first: u64, count: u16) {
    for number in 1..=count {
        let spender = Spender(vec![b'-'; 400], key(number));
        let pending = ledger.enqueue(spender).unwrap();
        if number % 50 == 0 || number == count {
            assert_eq!(pending.await.unwrap().index(), first + u64::from(number) - 1);
        }
    }
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_or_after_the_wait() {
    let dir = tempfile::tempdir().unwrap();
    let layer = gate::GateLayer::default();
    let options = Options {
        queue_entries: 2,
        busy_wait: Duration::from_millis(30),
        layer: std::sync::Arc::new(layer.clone()),
        ..options()
    };
    let ledger = Ledger::create(dir.path(), &options, KEY, ORIGIN).unwrap();
    layer.shut();
    let first = ledger.enqueue(b"0".to_vec()).unwrap();
    layer.wait_until_held();
    let waiting = [ledger.enqueue(b"1".to_vec()).unwrap(), ledger.enqueue(b"2".to_vec()).unwrap()];
    assert!(matches!(ledger.enqueue(b"3".to_vec()), Err(AppendError::Busy)));
    assert!(matches!(ledger.append(b"3".to_vec()).await, Err(AppendError::Busy)));
    let patient = ledger.append(b"4".to_vec());
    let opened = async { layer.open_up() };
    let (patient, ()) = tokio::join!(patient, opened);
    assert_eq!(patient.unwrap().index(), 3);
    assert_eq!(first.await.unwrap().index(), 0);
    for (index, pending) in (1..).zip(waiting) {
        assert_eq!(pending.await.unwrap().index(), index);
    }
}

#[tokio::test]
async fn a_follower_sees_everything_in_order_and_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    fill(&ledger, 0, 600).await;
    ledger.checkpoint_now().await.unwrap();
    let mut follower = ledger.follow(3);
    let mut ahead = ledger.follow(1005);
    let follow = tokio::spawn(async move {
        let mut expected = 3;
        while let Some((index, bytes)) = follower.next().await.unwrap() {
            assert_eq!((index, bytes), (expected, leaf(expected)));
            expected += 1;
        }
        expected
    });
    fill(&ledger, 600, 1010).await;
    assert_eq!(ahead.next().await.unwrap(), Some((1005, leaf(1005))));
    ledger.close().await.unwrap();
    assert_eq!(follow.await.unwrap(), 1010);
    assert_eq!(ahead.next().await.unwrap(), Some((1006, leaf(1006))));
}

/// An entry that nobody but its writer acts upon, and that nobody waits for.
struct Quiet(Vec<u8>);

impl Leaf for Quiet {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn may_wait(&self) -> bool {
        true
    }

    fn is_news(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn news_comes_without_the_rest_and_all_comes_to_who_is_behind() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    let mut news = ledger.follow_news(0);
    for index in 0..6 {
        if index % 3 == 2 {
            assert_eq!(ledger.append(leaf(index)).await.unwrap().index(), index);
        } else {
            assert_eq!(ledger.append(Quiet(leaf(index))).await.unwrap().index(), index);
        }
    }
    assert_eq!(news.next().await.unwrap(), Some((2, leaf(2))));
    assert_eq!(news.next().await.unwrap(), Some((5, leaf(5))));
    ledger.close().await.unwrap();
    assert_eq!(news.next().await.unwrap(), None);

    let ledger = Ledger::open(dir.path(), &options(), KEY, ORIGIN).unwrap();
    let mut behind = ledger.follow_news(1);
    for index in 1..6 {
        assert_eq!(behind.next().await.unwrap(), Some((index, leaf(index))));
    }
    assert_eq!(ledger.append(Quiet(leaf(6))).await.unwrap().index(), 6);
    assert_eq!(ledger.append(leaf(7)).await.unwrap().index(), 7);
    assert_eq!(behind.next().await.unwrap(), Some((7, leaf(7))));
}

#[tokio::test]
async fn what_may_wait_is_on_disk_soon_at_once_if_told_to_and_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    assert_eq!(ledger.append(Quiet(leaf(0))).await.unwrap().index(), 0);
    let pending = ledger.enqueue(Quiet(leaf(1))).unwrap();
    ledger.hasten();
    assert_eq!(pending.await.unwrap().index(), 1);
    let last = ledger.enqueue(Quiet(leaf(2))).unwrap();
    ledger.close().await.unwrap();
    assert_eq!(last.await.unwrap().index(), 2);
    let ledger = Ledger::open(dir.path(), &options(), KEY, ORIGIN).unwrap();
    assert_eq!(ledger.read(2).unwrap(), leaf(2));
}

/// A disk that can be held up.
mod gate {
    use std::io;
    use std::path::Path;
    use std::sync::{Arc, Condvar, Mutex};

    use alcaide_ledger::layer::{Layer, SegmentFile, SystemLayer};

    #[derive(Default)]
    struct State {
        shut: bool,
        held: bool,
    }

    #[derive(Clone, Default)]
    pub(crate) struct GateLayer(Arc<(Mutex<State>, Condvar)>);

    impl GateLayer {
        pub(crate) fn shut(&self) {
            self.0.0.lock().unwrap().shut = true;
        }

        pub(crate) fn open_up(&self) {
            self.0.0.lock().unwrap().shut = false;
            self.0.1.notify_all();
        }

        pub(crate) fn wait_until_held(&self) {
            drop(self.0.1.wait_while(self.0.0.lock().unwrap(), |state| !state.held).unwrap());
        }

        fn pass(&self) {
            let mut state = self.0.0.lock().unwrap();
            state.held = state.shut;
            self.0.1.notify_all();
            drop(self.0.1.wait_while(state, |state| state.shut).unwrap());
        }
    }

    impl Layer for GateLayer {
        fn create(&self, path: &Path, bytes: u64) -> io::Result<Box<dyn SegmentFile>> {
            Ok(Box::new(GateFile(SystemLayer.create(path, bytes)?, self.clone())))
        }

        fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
            Ok(Box::new(GateFile(SystemLayer.open(path)?, self.clone())))
        }
    }

    struct GateFile(Box<dyn SegmentFile>, GateLayer);

    impl SegmentFile for GateFile {
        fn append(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
            self.0.append(offset, bytes)
        }

        fn sync(&mut self) -> io::Result<()> {
            self.1.pass();
            self.0.sync()
        }
    }
}
