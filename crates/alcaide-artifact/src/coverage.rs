//! Which bytes of a part were understood.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// What is known of a byte.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// Numbers or text whose place and type a structure declares.
    Payload,
    /// Read as structure.
    Parsed,
}

/// How many bytes of a part were read as what. The three sum to its size.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Coverage {
    /// Read as structure.
    pub parsed: u64,
    /// Declared numbers or text.
    pub payload: u64,
    /// Not looked into.
    pub opaque: u64,
}

/// The bytes of one part: all opaque at first.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    len: u64,
    /// Disjoint, by start; neighbours of one kind are joined.
    known: BTreeMap<u64, (u64, Kind)>,
}

impl Map {
    pub(crate) fn new(len: u64) -> Self {
        Self { len, known: BTreeMap::new() }
    }

    /// Moves bytes out of opaque. What reaches past the part is cut; what is known already stays as it is.
    pub(crate) fn cover(&mut self, range: Range<u64>, kind: Kind) {
        let (mut at, end) = (range.start, range.end.min(self.len));
        while at < end {
            let before =
                self.known.range(..=at).next_back().map(|(start, (end, kind))| (*start, *end, *kind));
            if let Some((_, known_end, _)) = before.filter(|(_, known_end, _)| *known_end > at) {
                at = known_end;
                continue;
            }
            let next = self.known.range(at..).next().map_or(end, |(start, _)| (*start).min(end));
            match before {
                Some((start, known_end, known)) if known_end == at && known == kind => {
                    self.known.insert(start, (next, kind));
                }
                _ => {
                    self.known.insert(at, (next, kind));
                }
            }
            at = next;
        }
    }

    pub(crate) fn sum(&self) -> Coverage {
        let mut sum = Coverage { opaque: self.len, ..Coverage::default() };
        for (start, (end, kind)) in &self.known {
            let bytes = end - start;
            sum.opaque -= bytes;
            match kind {
                Kind::Parsed => sum.parsed += bytes,
                Kind::Payload => sum.payload += bytes,
            }
        }
        sum
    }

    /// Runs of bytes that nobody looked into, in order.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = Range<u64>> {
        let starts = std::iter::once(0).chain(self.known.values().map(|(end, _)| *end));
        let ends = self.known.keys().copied().chain(std::iter::once(self.len));
        starts.zip(ends).filter(|(start, end)| start < end).map(|(start, end)| start..end)
    }

    /// First byte that nobody looked into.
    pub(crate) fn first_opaque(&self) -> Option<u64> {
        let mut at = 0;
        for (start, (end, _)) in &self.known {
            if *start > at {
                break;
            }
            at = *end;
        }
        (at < self.len).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_byte_is_counted_once_whatever_is_covered(
            len in 0_u64..60,
            ranges in proptest::collection::vec((0_u64..80, 0_u64..80, any::<bool>()), 0..20),
        ) {
            let mut map = Map::new(len);
            let mut plain = vec![None; len as usize];
            for (start, end, parsed) in ranges {
                let kind = if parsed { Kind::Parsed } else { Kind::Payload };
                map.cover(start..end, kind);
                for at in start..end.min(len) {
                    plain[at as usize].get_or_insert(kind);
                }
            }
            let count = |kind| plain.iter().filter(|one| **one == kind).count() as u64;
            let sum = map.sum();
            prop_assert_eq!(sum.parsed, count(Some(Kind::Parsed)));
            prop_assert_eq!(sum.payload, count(Some(Kind::Payload)));
            prop_assert_eq!(sum.opaque, count(None));
            let mut gaps = vec![false; len as usize];
            for gap in map.gaps() {
                for at in gap {
                    gaps[at as usize] = true;
                }
            }
            prop_assert_eq!(gaps, plain.iter().map(Option::is_none).collect::<Vec<_>>());
            prop_assert_eq!(map.first_opaque(), plain.iter().position(Option::is_none).map(|at| at as u64));
        }
    }
}
