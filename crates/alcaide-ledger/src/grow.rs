//! Grows the tree on disk: entries in, tiles and bundles out.
//!
//! Used by the integrating thread and by recovery. Files are queued first and written by [`Grower::flush`],
//! so that a full disk loses nothing: the files stay queued and are tried again.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::edge::{Edge, FullTile, place};
use crate::hash::Hash;
use crate::tile::{self, Kind, TILE_ENTRIES, TILE_WIDTH};

/// The growing tree.
pub(crate) struct Grower {
    dir: PathBuf,
    edge: Edge,
    /// The entries of the filling bundle.
    bundle: Vec<u8>,
    /// Full tiles and bundles that are not yet written.
    files: VecDeque<(Kind, u64, Vec<u8>)>,
}

impl Grower {
    /// Goes on from `edge`; the entries of its filling bundle must be given to [`Grower::refill`] first.
    pub(crate) fn new(dir: &Path, edge: Edge) -> Self {
        Self { dir: dir.to_owned(), edge, bundle: Vec::new(), files: VecDeque::new() }
    }

    /// An entry of the filling bundle that is in the tree already.
    pub(crate) fn refill(&mut self, leaf: &[u8]) {
        tile::push_entry(&mut self.bundle, leaf);
    }

    /// The next entry.
    pub(crate) fn add(&mut self, leaf: &[u8], hash: Hash) {
        tile::push_entry(&mut self.bundle, leaf);
        let Self { edge, files, .. } = self;
        edge.push(hash, |FullTile { level, index, hashes }| {
            files.push_back((Kind::Hashes(level), index, tile::join_hashes(&hashes)));
        });
        let size = self.edge.size();
        if size.is_multiple_of(TILE_ENTRIES) {
            let room = self.bundle.capacity();
            let bundle = std::mem::replace(&mut self.bundle, Vec::with_capacity(room));
            self.files.push_back((Kind::Entries, size / TILE_ENTRIES - 1, bundle));
        }
    }

    /// Writes the full tiles and bundles that are queued.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.flush_unless(|_, _| false)
    }

    /// As [`Grower::flush`], but leaves files alone that are whole already: reading costs less than
    /// replacing.
    pub(crate) fn repair(&mut self) -> io::Result<()> {
        self.flush_unless(|path, bytes| fs::read(path).is_ok_and(|found| found == bytes))
    }

    fn flush_unless(&mut self, whole: impl Fn(&Path, &[u8]) -> bool) -> io::Result<()> {
        while let Some((kind, index, bytes)) = self.files.front() {
            let path = self.dir.join(tile::path(*kind, *index, TILE_WIDTH));
            if whole(&path, bytes) {
                self.files.pop_front();
                continue;
            }
            tile::replace(&path, bytes)?;
            // Readers fall back to the full tile.
            let partial = path.with_extension("p");
            match fs::remove_dir_all(&partial) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            self.files.pop_front();
        }
        Ok(())
    }

    /// Writes the partial tiles and the partial bundle that a checkpoint of this size needs.
    pub(crate) fn write_partial(&self) -> io::Result<()> {
        for (level, index, hashes) in self.edge.partial_tiles() {
            let path = self.dir.join(tile::path(Kind::Hashes(level), index, hashes.len()));
            tile::replace(&path, &tile::join_hashes(hashes))?;
        }
        let (index, width) = place(self.edge.size());
        if width == 0 {
            return Ok(());
        }
        tile::replace(&self.dir.join(tile::path(Kind::Entries, index, width)), &self.bundle)
    }

    /// Whether nothing is queued.
    pub(crate) fn is_flushed(&self) -> bool {
        self.files.is_empty()
    }

    /// The edge of the tree.
    pub(crate) const fn edge(&self) -> &Edge {
        &self.edge
    }

    /// Puts everything on the medium and notes that the tiles need not be made again below this size.
    ///
    /// Must follow a checkpoint of the same size.
    pub(crate) fn mark(&self) -> io::Result<()> {
        // One call for all files since the last mark; each by itself would cost far more.
        rustix::fs::syncfs(fs::File::open(&self.dir)?)?;
        let text = format!("{}\n{}\n", self.edge.size(), STANDARD.encode(self.edge.root().as_bytes()));
        tile::replace_synced(&mark_path(&self.dir), text.as_bytes())
    }
}

/// The edge at the size below which the tiles are known to be whole; the empty one if that is not known.
///
/// A mark beyond `signed`, the size of the checkpoint, is not believed.
pub(crate) fn marked_edge(dir: &Path, signed: u64) -> Edge {
    read_mark(dir, signed).unwrap_or_default()
}

fn read_mark(dir: &Path, signed: u64) -> Option<Edge> {
    let text = fs::read_to_string(mark_path(dir)).ok()?;
    let (size, root) = text.strip_suffix('\n')?.split_once('\n')?;
    let size = size.parse().ok().filter(|size| *size <= signed)?;
    let edge = Edge::load(dir, size).ok()?;
    (STANDARD.decode(root).ok()? == edge.root().as_bytes()).then_some(edge)
}

fn mark_path(dir: &Path) -> PathBuf {
    dir.join("integrated")
}
