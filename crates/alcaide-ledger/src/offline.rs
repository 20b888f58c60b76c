//! Reading a ledger's folder that nobody has open, without changing it: what a restore needs of the ledger of a house
//! that was lost.

use std::fs;
use std::path::Path;

use crate::edge::Edge;
use crate::hash::{Hash, leaf_hash};
use crate::segment;
use crate::shared::segments;
use crate::verify::VerifyError;

/// Hands every whole entry from `size` on to `each`, in order, with its index; returns the root of the tree of the first
/// `size` entries, or `None` if there are fewer.
///
/// Reads the segments; what is torn off at the end is passed over. Nothing signs the entries behind the last checkpoint,
/// and their frames' checksums are all that is checked here: [`crate::verify()`] says whether the rest holds.
///
/// # Errors
/// [`VerifyError::Segment`] where an entry is missing, [`VerifyError::File`].
pub fn read_from(
    dir: &Path,
    size: u64,
    mut each: impl FnMut(u64, &[u8]),
) -> Result<Option<Hash>, VerifyError> {
    let folder = segments(dir);
    let firsts =
        segment::list(&folder).map_err(|source| VerifyError::File { path: folder.clone(), source })?;
    let mut edge = Edge::default();
    let mut root = (size == 0).then(|| edge.root());
    let mut next = 0;
    for first in firsts {
        if first != next {
            return Err(VerifyError::Segment { index: next.min(first) });
        }
        let path = segment::path(&folder, first);
        let bytes = fs::read(&path).map_err(|source| VerifyError::File { path: path.clone(), source })?;
        if !segment::header_fits(&bytes, first) {
            return Err(VerifyError::Segment { index: first });
        }
        let end = segment::walk(&bytes, first, |_, frame| {
            if frame.index < size {
                edge.push(leaf_hash(frame.leaf()), |_| ());
                if edge.size() == size {
                    root = Some(edge.root());
                }
            } else {
                each(frame.index, frame.leaf());
            }
        });
        next = end.next_index;
    }
    Ok(root)
}
