//! The integrating thread: durable entries into the tree, the tree into signed checkpoints.
//!
//! Everything it writes can be made again from the segments, so a failure here loses nothing: it is reported,
//! tried again each second, and in the end stops the writing thread when the tail is full.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::checkpoint::{self, Checkpoint};
use crate::grow::Grower;
use crate::queue::lock;
use crate::shared::Shared;
use crate::tail::Work;
use crate::tile::{self, TILE_ENTRIES};

/// The state that only the integrating thread has.
pub(crate) struct Integrator {
    pub(crate) shared: Arc<Shared>,
    pub(crate) grower: Grower,
    /// Size of the newest checkpoint.
    pub(crate) signed: u64,
    /// Size of the newest mark, and bytes of leaves since.
    pub(crate) marked: u64,
    pub(crate) bytes_since_mark: u64,
}

impl Integrator {
    /// Integrates until the tail is closed; then signs and marks what there is.
    pub(crate) fn run(mut self) -> Result<(), Arc<str>> {
        let mut signed_at: Option<Instant> = None;
        let mut stalled = false;
        // Requests that came while the tree was behind, once it goes on.
        let mut held = Vec::new();
        loop {
            let size = self.grower.edge().size();
            let every = self.shared.options.checkpoint_every;
            let deadline = match signed_at {
                _ if !held.is_empty() => Some(Instant::now()),
                _ if stalled => Some(Instant::now() + RETRY),
                Some(at) if size != self.signed => Some(at + every),
                None if size != self.signed => Some(Instant::now()),
                _ => None,
            };
            let mut work = self.shared.tail.wait((!stalled).then_some(size), deadline);
            work.requests.append(&mut held);
            let forced = work.closing || !work.requests.is_empty();
            let due = forced || signed_at.is_none_or(|at| at.elapsed() >= every);
            let result = self.step(&work, stalled, due);
            if due && result.is_ok() {
                signed_at = Some(Instant::now());
            }
            if let Err(cause) = &result
                && !stalled
            {
                tracing::error!(cause = &**cause, "the tree is behind");
            }
            if stalled && result.is_ok() && !work.closing {
                held = work.requests;
                stalled = false;
                continue;
            }
            stalled = result.is_err();
            for request in work.requests {
                let answer = result.clone().map(|()| lock(&self.shared.checkpoint).clone());
                let _ = request.send(answer);
            }
            let complete = self.grower.edge().size() == self.shared.size();
            if work.closing && (complete || stalled) {
                return result;
            }
        }
    }

    fn step(&mut self, work: &Work, stalled: bool, due: bool) -> Result<(), Arc<str>> {
        // After a failure nothing new is taken until what is queued is written, or the end has come.
        if stalled {
            self.flush()?;
        }
        for batch in &work.batches {
            for index in self.grower.edge().size()..batch.end() {
                let (Some(leaf), Some(hash)) = (batch.leaf(index), batch.hash(index)) else { break };
                self.bytes_since_mark += u64::try_from(leaf.len()).unwrap_or_default();
                self.grower.add(leaf, hash);
            }
            if !self.grower.is_flushed() {
                self.flush()?;
            }
        }
        if !work.batches.is_empty() {
            self.publish_edge();
        }
        let size = self.grower.edge().size();
        if due && size != self.signed {
            self.sign()?;
        }
        let since = size - self.marked;
        let scale = if work.closing { CLOSING_SCALE } else { 1 };
        let far = since >= MARK_ENTRIES / scale || self.bytes_since_mark >= MARK_BYTES / scale;
        if size == self.signed && far {
            self.grower.mark().map_err(|error| Arc::from(format!("could not sync the tiles: {error}")))?;
            self.marked = size;
            self.bytes_since_mark = 0;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Arc<str>> {
        self.grower.flush().map_err(|error| Arc::from(format!("could not write a tile: {error}")))?;
        self.publish_edge();
        Ok(())
    }

    /// Lets others see the tree as it is on disk now, and lets go of entries that lie in full bundles.
    fn publish_edge(&self) {
        let edge = Arc::new(self.grower.edge().clone());
        let bundled = edge.size() / TILE_ENTRIES * TILE_ENTRIES;
        *lock(&self.shared.edge) = edge;
        self.shared.tail.release(bundled);
    }

    fn sign(&mut self) -> Result<(), Arc<str>> {
        self.grower.write_partial().map_err(|error| format!("could not write a partial tile: {error}"))?;
        let checkpoint = publish(&self.shared, self.grower.edge().size(), self.grower.edge().root())?;
        self.signed = checkpoint.size;
        *lock(&self.shared.checkpoint) = checkpoint;
        Ok(())
    }
}

/// Signs a checkpoint and puts it in place of the old one.
fn publish(shared: &Shared, size: u64, root: crate::hash::Hash) -> Result<Checkpoint, Arc<str>> {
    let text = checkpoint::text(&shared.origin, size, &root);
    let note =
        shared.signer.sign_note(&text).map_err(|error| format!("could not sign the checkpoint: {error}"))?;
    tile::replace_synced(&shared.dir.join("checkpoint"), note.as_bytes())
        .map_err(|error| format!("could not write the checkpoint: {error}"))?;
    Ok(Checkpoint { size, root, note })
}

/// How long to wait before a failed file is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// So many entries after a mark the tiles are synced and marked again: it bounds the work of recovery.
const MARK_ENTRIES: u64 = 131_072;

/// The same in bytes of leaves.
const MARK_BYTES: u64 = 256 << 20;

/// At closing the bounds are this many times lower: the next opening is worth a sync of the file system, but
/// not for a handful of entries, since that sync also waits for what others write.
const CLOSING_SCALE: u64 = 32;
