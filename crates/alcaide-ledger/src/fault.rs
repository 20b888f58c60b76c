//! A disk that fails on command, for tests of the ledger and of what stands on it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::layer::{Layer, SegmentFile, SystemLayer};

/// The system's file layer with faults that are switched on by count.
///
/// Clones share their counters, so a test keeps one and gives the other to the ledger.
#[derive(Clone, Default)]
pub struct FaultLayer(Arc<Plan>);

#[derive(Default)]
struct Plan {
    writes: AtomicU64,
    syncs: AtomicU64,
    creates: AtomicU64,
    fail_write: AtomicU64,
    short_write: AtomicU64,
    fail_sync: AtomicU64,
    full_create: AtomicU64,
}

impl FaultLayer {
    /// A layer without faults so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The write after `ok` more writes that succeed fails and writes nothing.
    pub fn fail_write_after(&self, ok: u64) {
        arm(&self.0.fail_write, &self.0.writes, ok);
    }

    /// The write after `ok` more writes that succeed writes half of its bytes and fails.
    pub fn short_write_after(&self, ok: u64) {
        arm(&self.0.short_write, &self.0.writes, ok);
    }

    /// The sync after `ok` more syncs that succeed fails.
    pub fn fail_sync_after(&self, ok: u64) {
        arm(&self.0.fail_sync, &self.0.syncs, ok);
    }

    /// From now on no new segment finds room, until [`FaultLayer::free`].
    pub fn fill(&self) {
        self.0.full_create.store(1, Ordering::SeqCst);
    }

    /// There is room again.
    pub fn free(&self) {
        self.0.full_create.store(0, Ordering::SeqCst);
    }

    /// How many syncs were asked for.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.0.syncs.load(Ordering::SeqCst)
    }

    /// How many writes were asked for.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.0.writes.load(Ordering::SeqCst)
    }

    /// How many segments were asked for.
    #[must_use]
    pub fn creates(&self) -> u64 {
        self.0.creates.load(Ordering::SeqCst)
    }
}

impl Layer for FaultLayer {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<Box<dyn SegmentFile>> {
        self.0.creates.fetch_add(1, Ordering::SeqCst);
        if self.0.full_create.load(Ordering::SeqCst) != 0 {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space (injected)"));
        }
        let file = SystemLayer.create(path, bytes)?;
        Ok(Box::new(FaultFile { file, plan: Arc::clone(&self.0) }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let file = SystemLayer.open(path)?;
        Ok(Box::new(FaultFile { file, plan: Arc::clone(&self.0) }))
    }
}

struct FaultFile {
    file: Box<dyn SegmentFile>,
    plan: Arc<Plan>,
}

impl SegmentFile for FaultFile {
    fn append(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let nth = self.plan.writes.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        if nth == self.plan.fail_write.load(Ordering::SeqCst) {
            return Err(io::Error::other("write failed (injected)"));
        }
        if nth == self.plan.short_write.load(Ordering::SeqCst) {
            let (half, _) = bytes.split_at(bytes.len() / 2);
            self.file.append(offset, half)?;
            return Err(io::Error::other("short write (injected)"));
        }
        self.file.append(offset, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let nth = self.plan.syncs.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        if nth == self.plan.fail_sync.load(Ordering::SeqCst) {
            return Err(io::Error::other("sync failed (injected)"));
        }
        self.file.sync()
    }
}

fn arm(fault: &AtomicU64, count: &AtomicU64, ok: u64) {
    fault.store(count.load(Ordering::SeqCst).saturating_add(ok).saturating_add(1), Ordering::SeqCst);
}
