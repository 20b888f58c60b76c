//! Files of named tensors: what their lists say against what the bytes hold.

pub(crate) mod gguf;
pub(crate) mod safetensors;

/// Ranges of bytes that things claim, in the order in which they were read.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    ranges: Vec<(u64, u64)>,
    left_out: bool,
}

/// What is wrong with claims.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Clash {
    /// Bytes claimed twice.
    Overlap(u64, u64),
    /// Bytes that nothing claims.
    Gap(u64, u64),
}

impl Claims {
    /// Ranges that are kept; past these only their number is known.
    pub(crate) const MAX: usize = 1 << 18;

    pub(crate) fn add(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        let room = self.ranges.len() < Self::MAX;
        match self.ranges.last_mut() {
            // Files are written in order: neighbours are kept as one.
            Some(last) if last.1 == start => last.1 = end,
            _ if room => self.ranges.push((start, end)),
            _ => self.left_out = true,
        }
    }

    /// Whether some were left out, so that nothing can be said of them.
    pub(crate) fn left_out(&self) -> bool {
        self.left_out
    }

    /// The joined ranges in order, and what is wrong between `start` and `end`: overlaps, and gaps of `slack` bytes or more;
    /// at most `most` of them.
    pub(crate) fn judge(
        mut self,
        start: u64,
        end: u64,
        slack: u64,
        most: usize,
    ) -> (Vec<(u64, u64)>, Vec<Clash>) {
        self.ranges.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::new();
        let mut clashes = Vec::new();
        let mut at = start;
        for (from, to) in self.ranges {
            if from.saturating_sub(at) >= slack && clashes.len() < most {
                clashes.push(Clash::Gap(at, from));
            }
            if from < at && clashes.len() < most {
                clashes.push(Clash::Overlap(from, to.min(at)));
            }
            match joined.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => joined.push((from, to)),
            }
            at = at.max(to);
        }
        if end.saturating_sub(at) >= slack {
            clashes.push(Clash::Gap(at, end));
        }
        (joined, clashes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_compared_in_any_order() {
        let mut claims = Claims::default();
        for (start, end) in [(20, 30), (0, 10), (8, 12), (5, 5)] {
            claims.add(start, end);
        }
        let (joined, clashes) = claims.judge(0, 31, 1, 9);
        assert_eq!(joined, [(0, 12), (20, 30)]);
        assert_eq!(clashes, [Clash::Overlap(8, 10), Clash::Gap(12, 20), Clash::Gap(30, 31)]);
    }

    #[test]
    fn one_range_within_another_is_an_overlap_and_hides_nothing() {
        let mut claims = Claims::default();
        for (start, end) in [(0, 100), (10, 20), (50, 60)] {
            claims.add(start, end);
        }
        let (_, clashes) = claims.judge(0, 100, 1, 9);
        assert_eq!(clashes, [Clash::Overlap(10, 20), Clash::Overlap(50, 60)]);
    }
}
