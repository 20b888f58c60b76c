//! What is inside an archive is judged as files are; what belongs together in it is judged together.
//!
//! The archive of PyTorch holds one pickle and, beside it, the numbers of each storage under `data/`. The pickle says how long
//! each must be: those that agree are payload, and all other members are looked into like any file.
//!
//! Source: `_save` in `torch/serialization.py` of PyTorch 2.

use std::collections::HashMap;

use alcaide_container::{Input, ReadError};

use crate::coverage::Kind;
use crate::pickle;
use crate::rules;
use crate::scanner::{Scanner, shown};
use crate::torch::element_bytes;

/// An archive that is open: its members by number, in the order of its directory.
pub trait Archive {
    /// How many members there are.
    fn count(&self) -> usize;

    /// The name of a member.
    fn name(&self, member: usize) -> Option<&str>;

    /// The bytes of a member.
    ///
    /// # Errors
    /// When it cannot be unpacked.
    fn open(&self, member: usize) -> Result<Box<dyn Input + '_>, ReadError>;
}

/// Looks into all members of an archive.
pub fn look_into(scanner: &mut Scanner, archive: &dyn Archive) {
    let pickles: Vec<_> = (0..archive.count())
        .filter_map(|member| Some((member, archive.name(member)?.strip_suffix("data.pkl")?.to_owned())))
        .collect();
    // Storage members by full name, with the bytes that the pickle beside them declares.
    let mut declared: HashMap<String, Option<u64>> = HashMap::new();
    for (member, prefix) in &pickles {
        let Ok(input) = archive.open(*member) else { continue };
        for storage in pickle::storages(&*input, scanner.fuel()) {
            let bytes = element_bytes(&storage.class)
                .zip(storage.elements)
                .and_then(|(size, count)| size.checked_mul(count));
            declared
                .entry(format!("{prefix}data/{}", storage.key))
                // One storage that two tensors declare differently is as long as nobody can tell.
                .and_modify(|before| *before = before.filter(|before| bytes == Some(*before)))
                .or_insert(bytes);
        }
    }
    for member in 0..archive.count() {
        let Some(name) = archive.name(member) else { continue };
        let storage = declared.remove(name);
        match archive.open(member) {
            Ok(input) if storage.flatten() == Some(input.len()) => {
                let len = input.len();
                scanner
                    .look_at(name, &*input, "torch-storage", |scanner| scanner.cover(0..len, Kind::Payload));
            }
            Ok(input) => scanner.look(name, &*input),
            Err(why) => scanner.stop(&why, None),
        }
    }
    let mut missing: Vec<_> = declared.into_keys().collect();
    missing.sort_unstable();
    for name in missing {
        scanner.doubt(&rules::BROKEN_STREAM, None, format!("storage `{}` is missing", shown(&name)));
    }
}
