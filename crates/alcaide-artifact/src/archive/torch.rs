//! The archive of PyTorch holds one pickle and, beside it, the numbers of each storage under `data/`. The pickle says how long
//! each must be: those that agree are payload, and all other members are looked into like any file.
//!
//! Source: `_save` in `torch/serialization.py` of PyTorch 2.

use std::collections::{BTreeMap, BTreeSet};

use super::Archive;
use crate::pickle;
use crate::rules;
use crate::scanner::{Scanner, shown};
use crate::torch::element_bytes;

/// Storages that the pickles of an archive declare: full names of members, with the bytes that each must have.
pub(super) struct Storages {
    declared: BTreeMap<String, Option<u64>>,
    /// What the names of members beside a pickle begin with.
    prefixes: Vec<String>,
    there: BTreeSet<String>,
}

/// What the pickles of `archive` declare.
pub(super) fn storages(scanner: &Scanner, archive: &dyn Archive) -> Storages {
    let mut declared: BTreeMap<String, Option<u64>> = BTreeMap::new();
    let mut there = BTreeSet::new();
    let pickles: Vec<_> = (0..archive.count())
        .filter_map(|member| Some((member, archive.name(member)?.strip_suffix("data.pkl")?.to_owned())))
        .collect();
    for (member, prefix) in &pickles {
        let Ok(input) = archive.open(*member) else { continue };
        // Keys are numbers; one that is not could name any other member, another pickle among them.
        let plain = |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
        for storage in pickle::storages(&*input, scanner.fuel()).into_iter().filter(|one| plain(&one.key)) {
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
    if !pickles.is_empty() {
        there = (0..archive.count()).filter_map(|member| archive.name(member).map(str::to_owned)).collect();
    }
    let prefixes = pickles.into_iter().map(|(_, prefix)| prefix).collect();
    Storages { declared, prefixes, there }
}

impl Storages {
    /// Whether a member of this name and length is one of them.
    pub(super) fn declare(&self, name: &str, len: u64) -> bool {
        self.declared.get(name).copied().flatten() == Some(len)
    }

    /// Whether a member has the name of a storage, though none of this length is declared. Loaders never open it.
    pub(super) fn is_spare(&self, name: &str) -> bool {
        let number = |prefix: &String| name.strip_prefix(prefix.as_str())?.strip_prefix("data/");
        let is_number = |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
        !self.declared.contains_key(name) && self.prefixes.iter().filter_map(number).any(is_number)
    }

    /// Says which are not there.
    pub(super) fn missing(&self, scanner: &mut Scanner) {
        for name in self.declared.keys().filter(|name| !self.there.contains(*name)) {
            scanner.doubt(&rules::BROKEN_STREAM, None, format!("storage `{}` is missing", shown(name)));
        }
    }
}
