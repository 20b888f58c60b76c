//! The handle: append, read, prove, follow, close.

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;

use crate::checkpoint::{Checkpoint, origin_fits};
use crate::error::{LedgerError, ReadError};
use crate::follow::{Follower, NewsFollower};
use crate::frame::FRAME_BYTES_MAX;
use crate::hash::{Hash, leaf_hash};
use crate::integrate::Integrator;
use crate::layer::{Layer, SystemLayer};
use crate::leaf::{AppendError, Durable, Leaf, Pending};
use crate::news::News;
use crate::note::SignNote;
use crate::proof;
use crate::queue::{Entry, Queue, lock};
use crate::recover::{self, Recovered};
use crate::segment::{self, SEGMENT_BYTES_MAX, SEGMENT_HEADER_BYTES};
use crate::shared::{Progress, Shared};
use crate::shelf::Shelf;
use crate::tail::Tail;
use crate::writer::Writer;

/// Settings of a ledger; none of them is stored.
#[derive(Clone)]
pub struct Options {
    /// Bytes of a new segment, 128 KiB to 1 GiB; 64 MiB: some 90,000 entries, read whole at opening in a
    /// tenth of a second.
    pub segment_bytes: u64,
    /// Entries that may wait to be written, 1 to 1,048,576; 16,384: a fraction of a second of writing.
    pub queue_entries: usize,
    /// Bytes that may wait to be written, 128 KiB to 1 GiB; 32 MiB. As many may be on their way to the disk.
    pub queue_bytes: usize,
    /// How long [`Ledger::append`] waits for room in the queue before it answers [`AppendError::Busy`]; 1 s.
    pub busy_wait: Duration,
    /// Least time between two checkpoints while entries come in; 1 s.
    pub checkpoint_every: Duration,
    /// Whether the writing thread asks for a better priority, which the system may deny; yes, because on a
    /// busy machine its wake-up delay, not the disk, is what callers wait for.
    pub raise_priority: bool,
    /// The file layer under the segments; the system's.
    pub layer: Arc<dyn Layer>,
}

impl Options {
    fn check(&self) -> Result<(), LedgerError> {
        let out = |what| Err(LedgerError::Option { what });
        match () {
            () if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes) => {
                out("segment_bytes")
            }
            () if !(1..=QUEUE_ENTRIES_MAX).contains(&self.queue_entries) => out("queue_entries"),
            () if !(QUEUE_BYTES_MIN..=QUEUE_BYTES_MAX).contains(&self.queue_bytes) => out("queue_bytes"),
            () => Ok(()),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            queue_entries: 16_384,
            queue_bytes: 32 << 20,
            busy_wait: Duration::from_secs(1),
            checkpoint_every: Duration::from_secs(1),
            raise_priority: true,
            layer: Arc::new(SystemLayer),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Options").field("segment_bytes", &self.segment_bytes).finish_non_exhaustive()
    }
}

/// A handle on an open ledger; clones share it.
///
/// When the last one is dropped without [`Ledger::close`], everything accepted is still written and signed,
/// and the drop waits for it.
#[derive(Clone)]
pub struct Ledger(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    writer: JoinHandle<()>,
    integrator: JoinHandle<Result<(), Arc<str>>>,
}

impl Ledger {
    /// Creates a ledger in `dir`, which must be empty or absent, and opens it.
    ///
    /// `origin` is the first line of its checkpoints: 1 to 255 bytes without spaces and plus signs, such as
    /// `gate.example/ledger`. Blocks on the disk.
    ///
    /// # Errors
    /// [`LedgerError::NotEmpty`], [`LedgerError::Option`], [`LedgerError::Note`], [`LedgerError::File`].
    pub fn create(
        dir: &Path,
        options: &Options,
        signer: impl SignNote,
        origin: &str,
    ) -> Result<Self, LedgerError> {
        check(options, origin)?;
        recover::lay_out(dir, &signer, origin)?;
        Self::open(dir, options, signer, origin)
    }

    /// Opens the ledger in `dir`; never creates one. Blocks on the disk.
    ///
    /// A write that was torn off by a crash is cut; everything that was acknowledged is kept.
    ///
    /// # Errors
    /// [`LedgerError::Missing`], [`LedgerError::Format`], [`LedgerError::InUse`]; [`LedgerError::Damaged`],
    /// [`LedgerError::Gap`], [`LedgerError::RolledBack`] and [`LedgerError::Root`] if what was acknowledged
    /// or signed is not what is there, in which case nothing is changed; [`LedgerError::Checkpoint`] and
    /// [`LedgerError::Note`] if the checkpoint is of another log or key.
    pub fn open(
        dir: &Path,
        options: &Options,
        signer: impl SignNote,
        origin: &str,
    ) -> Result<Self, LedgerError> {
        check(options, origin)?;
        let held = recover::take_lock(dir)?;
        let recovered = recover::recover(dir, options, &signer, origin)?;
        start(dir, options, Box::new(signer), origin, held, recovered)
    }

    /// Appends an entry and returns once it is on disk.
    ///
    /// Waits at most [`Options::busy_wait`] for room in the queue, and then for the disk. Must run on a tokio
    /// runtime with time enabled.
    ///
    /// # Errors
    /// [`AppendError`]; only after [`AppendError::Failed`] it is not known whether the entry is on disk.
    ///
    /// # Cancel safety
    /// Dropping the future before the entry is queued leaves no trace; after that the entry is written all
    /// the same, and only the receipt is lost.
    pub async fn append<T: Leaf>(&self, leaf: T) -> Result<Durable<T>, AppendError> {
        let prepared = Prepared::new(leaf).map_err(|(_, error)| error)?;
        let prepared = match self.push(prepared) {
            Ok(pending) => return pending.await,
            Err((prepared, AppendError::Busy)) => prepared,
            Err((_, error)) => return Err(error),
        };
        let queued = tokio::time::timeout(self.0.shared.options.busy_wait, self.push_when_room(prepared));
        queued.await.unwrap_or(Err(AppendError::Busy))?.await
    }

    /// Queues an entry without waiting; the result may be awaited or dropped, the entry is written all the
    /// same.
    ///
    /// # Errors
    /// [`AppendError::Busy`] if the queue is full, [`AppendError::TooLong`], [`AppendError::Failed`],
    /// [`AppendError::Closed`]. The others come from awaiting.
    pub fn enqueue<T: Leaf>(&self, leaf: T) -> Result<Pending<T>, AppendError> {
        self.try_enqueue(leaf).map_err(|(_, error)| error)
    }

    /// The same, which gives an entry back that was not queued.
    ///
    /// # Errors
    /// As [`Ledger::enqueue`].
    pub fn try_enqueue<T: Leaf>(&self, leaf: T) -> Result<Pending<T>, (T, AppendError)> {
        self.push(Prepared::new(leaf)?).map_err(|(prepared, error)| (prepared.leaf, error))
    }

    /// Queues an entry that must not be lost: waits for room for as long as it takes.
    ///
    /// # Errors
    /// As [`Ledger::enqueue`], without [`AppendError::Busy`].
    ///
    /// # Cancel safety
    /// Dropped while it waits, the entry is not queued.
    pub async fn enqueue_when_room<T: Leaf>(&self, leaf: T) -> Result<Pending<T>, AppendError> {
        self.push_when_room(Prepared::new(leaf).map_err(|(_, error)| error)?).await
    }

    /// Puts nothing off any longer that is queued now ([`Leaf::may_wait`]).
    pub fn hasten(&self) {
        self.0.shared.queue.hasten();
    }

    /// Signs and publishes a checkpoint over everything that is durable now.
    ///
    /// # Errors
    /// [`LedgerError::Closed`]; [`LedgerError::TreeStalled`] if it cannot be signed or written.
    ///
    /// # Cancel safety
    /// Cancel safe; the checkpoint is published all the same.
    pub async fn checkpoint_now(&self) -> Result<Checkpoint, LedgerError> {
        let answer = self.0.shared.tail.request().ok_or(LedgerError::Closed)?;
        let answer = answer.await.map_err(|_| LedgerError::Closed)?;
        answer.map_err(|cause| LedgerError::TreeStalled { cause })
    }

    /// Takes no more entries, writes what was accepted, signs the last checkpoint, ends the threads and frees
    /// the folder. What can be read can still be read afterwards.
    ///
    /// # Errors
    /// [`LedgerError::Failed`] if the ledger has failed; [`LedgerError::TreeStalled`] if the last checkpoint
    /// could not be published. The ledger is closed even so. A second call waits for the first and returns
    /// `Ok`.
    ///
    /// # Cancel safety
    /// Once polled it goes on in the background.
    pub async fn close(&self) -> Result<(), LedgerError> {
        let handle = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || handle.stop()).await.unwrap_or(Err(LedgerError::Closed))
    }

    /// Durable entries: the indexes below this number can be read.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.shared.size()
    }

    /// Entries that are in the tree: sizes up to this number can be proved. Some 20 ms behind
    /// [`Ledger::size`].
    #[must_use]
    pub fn integrated(&self) -> u64 {
        self.0.shared.edge().size()
    }

    /// The newest published checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        lock(&self.0.shared.checkpoint).clone()
    }

    /// Entries, and their bytes, that wait to be written; those on their way to the disk are not among them.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        self.0.shared.queue.waiting()
    }

    /// Why the ledger refuses everything, if it does.
    #[must_use]
    pub fn failure(&self) -> Option<Arc<str>> {
        self.0.shared.queue.failure()
    }

    /// The shelf for texts that entries name by their digest.
    #[must_use]
    pub fn shelf(&self) -> Shelf {
        Shelf::at(self.0.shared.dir.join("shelf"))
    }

    /// The bytes of entry `index`. May block on the disk.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&self, index: u64) -> Result<Vec<u8>, ReadError> {
        let size = self.size();
        if index >= size {
            return Err(ReadError::Beyond { index, size });
        }
        self.0.shared.read_some(index)?.into_iter().next().ok_or(ReadError::Damaged { index })
    }

    /// Hands every durable entry from `from` on to `each`, in order, with its index; returns the index after
    /// the last.
    ///
    /// Reads the segments from disk and checks each frame; blocks.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] or [`LedgerError::Gap`] at the first entry that is not whole.
    pub fn replay(&self, from: u64, mut each: impl FnMut(u64, &[u8])) -> Result<u64, LedgerError> {
        let size = self.size();
        let folder = self.0.shared.segments();
        let firsts = segment::list(&folder).map_err(LedgerError::file("read", &folder))?;
        let ends = firsts.iter().skip(1).copied().chain([u64::MAX]);
        for (first, end) in firsts.iter().zip(ends) {
            let end = end.min(size);
            if end > from && *first < end {
                recover::walk_sealed(&folder, *first, end, |frame| {
                    if frame.index >= from {
                        each(frame.index, frame.leaf());
                    }
                })?;
            }
        }
        Ok(size)
    }

    /// The hash of entry `index` as a leaf of the tree. May block on the disk.
    ///
    /// # Errors
    /// [`ReadError::Beyond`] if it is not integrated yet; [`ReadError`].
    pub fn leaf_hash(&self, index: u64) -> Result<Hash, ReadError> {
        let edge = self.0.shared.edge();
        if index >= edge.size() {
            return Err(ReadError::Beyond { index, size: edge.size() });
        }
        proof::range_root(index, index + 1, &mut |level, tile, width| {
            self.0.shared.hashes(&edge, level, tile, width)
        })
    }

    /// The root of the tree of the first `size` entries. May block on the disk.
    ///
    /// # Errors
    /// [`ReadError::Beyond`] if `size` is not integrated yet; [`ReadError`].
    pub fn root(&self, size: u64) -> Result<Hash, ReadError> {
        let edge = self.0.shared.edge();
        match size {
            0 => Ok(crate::hash::empty_root()),
            _ if size > edge.size() => Err(ReadError::Beyond { index: size, size: edge.size() }),
            _ => proof::range_root(0, size, &mut |level, tile, width| {
                self.0.shared.hashes(&edge, level, tile, width)
            }),
        }
    }

    /// The hashes that prove entry `index` in the tree of the first `size` entries. May block on the disk.
    ///
    /// # Errors
    /// [`ReadError::Beyond`] if `index` is not below `size`, or `size` is not integrated yet; [`ReadError`].
    ///
    /// Source: RFC 9162, section 2.1.3.1.
    pub fn prove_inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, ReadError> {
        let edge = self.0.shared.edge();
        if index >= size || size > edge.size() {
            return Err(ReadError::Beyond { index: index.max(size), size: edge.size() });
        }
        proof::inclusion(index, size, &mut |level, tile, width| {
            self.0.shared.hashes(&edge, level, tile, width)
        })
    }

    /// The hashes that prove that the first `old` entries begin the tree of the first `new`. May block on the
    /// disk.
    ///
    /// Empty for `old` 0 or equal to `new`.
    ///
    /// # Errors
    /// [`ReadError::Beyond`] if `old` is above `new`, or `new` is not integrated yet; [`ReadError`].
    ///
    /// Source: RFC 9162, section 2.1.4.1.
    pub fn prove_consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, ReadError> {
        let edge = self.0.shared.edge();
        if old > new || new > edge.size() {
            return Err(ReadError::Beyond { index: old.max(new), size: edge.size() });
        }
        if old == 0 {
            return Ok(Vec::new());
        }
        proof::consistency(old, new, &mut |level, tile, width| {
            self.0.shared.hashes(&edge, level, tile, width)
        })
    }

    /// Reads along from entry `from` on, which may lie in the future.
    #[must_use]
    pub fn follow(&self, from: u64) -> Follower {
        Follower::new(Arc::clone(&self.0.shared), from)
    }

    /// Reads along from entry `from` on as [`Ledger::follow`] does, but is woken only by what is news
    /// ([`Leaf::is_news`]). Far behind, it also yields entries that are none.
    #[must_use]
    pub fn follow_news(&self, from: u64) -> NewsFollower {
        NewsFollower::new(Arc::clone(&self.0.shared), from)
    }

    fn push<T: Leaf>(&self, prepared: Prepared<T>) -> Result<Pending<T>, (Prepared<T>, AppendError)> {
        let Prepared { leaf, leaf_bytes, hash } = prepared;
        let entry = Entry {
            leaf: leaf.bytes(),
            leaf_bytes,
            spend: leaf.spends(),
            hash,
            may_wait: leaf.may_wait(),
            is_news: leaf.is_news(),
        };
        match self.0.shared.queue.push(&entry) {
            Ok(answer) => Ok(Pending::new(leaf, hash, answer)),
            Err(error) => Err((Prepared { leaf, leaf_bytes, hash }, error)),
        }
    }

    async fn push_when_room<T: Leaf>(&self, mut prepared: Prepared<T>) -> Result<Pending<T>, AppendError> {
        let queue = &self.0.shared.queue;
        loop {
            let mut room = std::pin::pin!(queue.room.notified());
            // Listen before the look, or a swap in between would be missed.
            room.as_mut().enable();
            match self.push(prepared) {
                Ok(pending) => return Ok(pending),
                Err((back, AppendError::Busy)) => prepared = back,
                Err((_, error)) => return Err(error),
            }
            room.await;
        }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Ledger").field("size", &self.size()).finish_non_exhaustive()
    }
}

impl Handle {
    fn stop(&self) -> Result<(), LedgerError> {
        let mut threads = lock(&self.threads);
        let Some(Threads { writer, integrator }) = threads.take() else { return Ok(()) };
        let shared = &self.shared;
        shared.queue.close();
        shared.tail.drain();
        let wrote = writer.join();
        shared.tail.close();
        let integrated = integrator.join();
        shared.progress.send_modify(|progress| progress.closed = true);
        shared.news.close();
        *lock(&shared.lock) = None;
        if let Some(cause) = shared.queue.failure() {
            return Err(LedgerError::Failed { cause });
        }
        match (wrote, integrated) {
            (Ok(()), Ok(Ok(()))) => Ok(()),
            (_, Ok(Err(cause))) => Err(LedgerError::TreeStalled { cause }),
            _ => Err(LedgerError::Failed {
                cause: Arc::from("a thread of the ledger ended by a fault of its own"),
            }),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!(%error, "a ledger was dropped and did not close well");
        }
    }
}

/// A leaf that was measured and hashed on the caller's thread.
struct Prepared<T> {
    leaf: T,
    leaf_bytes: u16,
    hash: Hash,
}

impl<T: Leaf> Prepared<T> {
    fn new(leaf: T) -> Result<Self, (T, AppendError)> {
        let bytes = leaf.bytes().len();
        let Ok(leaf_bytes) = u16::try_from(bytes) else { return Err((leaf, AppendError::TooLong { bytes })) };
        let hash = leaf_hash(leaf.bytes());
        Ok(Self { leaf, leaf_bytes, hash })
    }
}

fn check(options: &Options, origin: &str) -> Result<(), LedgerError> {
    if !origin_fits(origin) {
        return Err(LedgerError::Option { what: "origin" });
    }
    options.check()
}

/// Starts the two threads on what recovery has found.
fn start(
    dir: &Path,
    options: &Options,
    signer: Box<dyn SignNote>,
    origin: &str,
    held: File,
    found: Recovered,
) -> Result<Ledger, LedgerError> {
    let Recovered { segment, next, spent, grower, newest, checkpoint, marked } = found;
    let signed = checkpoint.size;
    let shared = Arc::new(Shared {
        dir: dir.to_owned(),
        origin: origin.to_owned(),
        options: options.clone(),
        signer,
        queue: Queue::new(options.queue_entries, options.queue_bytes),
        tail: Tail::new(newest),
        progress: watch::Sender::new(Progress { size: next, closed: false }),
        news: News::from(next),
        edge: Mutex::new(Arc::new(grower.edge().clone())),
        checkpoint: Mutex::new(checkpoint),
        lock: Mutex::new(Some(held)),
    });
    let integrator = Integrator { shared: Arc::clone(&shared), grower, signed, marked, bytes_since_mark: 0 };
    let thread = Builder::new().name("ledger-tree".into());
    let integrator = thread.spawn(move || integrator.run()).map_err(LedgerError::file("start", dir))?;
    let writer = Writer { shared: Arc::clone(&shared), segment, next, spent };
    let thread = Builder::new().name("ledger-write".into());
    let writer = match thread.spawn(move || writer.run()) {
        Ok(writer) => writer,
        Err(error) => {
            shared.tail.close();
            let _ = integrator.join();
            return Err(LedgerError::file("start", dir)(error));
        }
    };
    let threads = Mutex::new(Some(Threads { writer, integrator }));
    Ok(Ledger(Arc::new(Handle { shared, threads })))
}

/// Smallest segment, bytes: it holds the longest entry.
const SEGMENT_BYTES_MIN: u64 = 128 << 10;
const _: () = assert!(SEGMENT_HEADER_BYTES + FRAME_BYTES_MAX <= 128 << 10);

const QUEUE_ENTRIES_MAX: usize = 1 << 20;
const QUEUE_BYTES_MIN: usize = 128 << 10;
const QUEUE_BYTES_MAX: usize = 1 << 30;
