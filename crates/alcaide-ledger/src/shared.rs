//! What the handles and the two threads share.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::checkpoint::Checkpoint;
use crate::edge::Edge;
use crate::error::ReadError;
use crate::hash::Hash;
use crate::ledger::Options;
use crate::news::News;
use crate::note::SignNote;
use crate::queue::{Queue, lock};
use crate::tail::Tail;
use crate::tile::{self, TILE_ENTRIES};

/// The state of an open ledger.
pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) origin: String,
    pub(crate) options: Options,
    pub(crate) signer: Box<dyn SignNote>,
    pub(crate) queue: Queue,
    pub(crate) tail: Tail,
    /// How far the entries are durable; followers wait on it.
    pub(crate) progress: watch::Sender<Progress>,
    /// What others than its writer act upon.
    pub(crate) news: News,
    /// The right edge of the tree as far as it is integrated.
    pub(crate) edge: Mutex<Arc<Edge>>,
    /// The newest published checkpoint.
    pub(crate) checkpoint: Mutex<Checkpoint>,
    /// Held while the ledger is open.
    pub(crate) lock: Mutex<Option<File>>,
}

/// How far the ledger has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Progress {
    /// Durable entries.
    pub(crate) size: u64,
    /// No more will come.
    pub(crate) closed: bool,
}

impl Shared {
    /// The entries below `size` are durable now.
    pub(crate) fn advance(&self, size: u64) {
        self.progress.send_modify(|progress| progress.size = size);
    }

    /// Durable entries.
    pub(crate) fn size(&self) -> u64 {
        self.progress.borrow().size
    }

    /// The edge of the integrated tree.
    pub(crate) fn edge(&self) -> Arc<Edge> {
        Arc::clone(&lock(&self.edge))
    }

    /// The first `width` hashes of a tile of the tree that ends with `edge`.
    pub(crate) fn hashes(
        &self,
        edge: &Edge,
        level: u8,
        index: u64,
        width: usize,
    ) -> Result<Vec<Hash>, ReadError> {
        if let Some(hashes) = edge.tile(level, index) {
            let malformed = || ReadError::Malformed {
                path: self.dir.join(tile::path(tile::Kind::Hashes(level), index, width)),
            };
            return hashes.get(..width).map(<[Hash]>::to_vec).ok_or_else(malformed);
        }
        tile::read_hashes(&self.dir, level, index, width.max(1)).map(|mut hashes| {
            hashes.truncate(width);
            hashes
        })
    }

    /// Up to 256 entries from `index` on, if they are still in memory.
    pub(crate) fn read_newest(&self, index: u64) -> Option<Vec<Vec<u8>>> {
        let batch = self.tail.find(index)?;
        let leaves = (index..batch.end()).take(tile::TILE_WIDTH).map_while(|index| batch.leaf(index));
        Some(leaves.map(<[u8]>::to_vec).collect())
    }

    /// Up to 256 entries from `index` on, at least one, from memory or disk; `index` is below the size.
    pub(crate) fn read_some(&self, index: u64) -> Result<Vec<Vec<u8>>, ReadError> {
        if let Some(entries) = self.read_newest(index) {
            return Ok(entries);
        }
        // What has left the tail lies in a full bundle.
        let mut entries = tile::read_entries(&self.dir, index / TILE_ENTRIES, tile::TILE_WIDTH)?;
        let skip = usize::try_from(index % TILE_ENTRIES).unwrap_or_default();
        entries.drain(..skip.min(entries.len()));
        if entries.is_empty() { Err(ReadError::Damaged { index }) } else { Ok(entries) }
    }

    /// The folder of the segments.
    pub(crate) fn segments(&self) -> PathBuf {
        segments(&self.dir)
    }
}

/// The folder of the segments of the ledger in `dir`.
pub(crate) fn segments(dir: &Path) -> PathBuf {
    dir.join("segments")
}
