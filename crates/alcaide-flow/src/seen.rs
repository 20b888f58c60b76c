//! What was read, as digests of runs of words and of values.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use alcaide_inspect::normal::{self, Value};

/// Longest run of words that is one digest; longer texts are compared run by run.
pub(crate) const RUN_WORDS: usize = 4;

/// What digests are made under, so that nobody can choose texts that collide.
#[derive(Clone, Copy)]
pub struct Seed(u64);

impl std::fmt::Debug for Seed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Seed(..)")
    }
}

impl Seed {
    /// A seed of random bits.
    #[must_use]
    pub const fn new(bits: u64) -> Self {
        Self(bits)
    }

    fn hasher(self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.0);
        hasher
    }

    fn word(self, word: &str) -> u64 {
        let mut hasher = self.hasher();
        hasher.write(word.as_bytes());
        hasher.write_u8(0xff);
        hasher.finish()
    }

    /// The digest of a value, apart from those of words.
    pub(crate) fn value(self, value: &Value) -> u64 {
        let mut hasher = self.hasher();
        hasher.write_u8(0xfe);
        value.hash(&mut hasher);
        hasher.finish()
    }

    /// The digest of anything that has a hash.
    pub(crate) fn digest(self, of: &impl Hash) -> u64 {
        let mut hasher = self.hasher();
        of.hash(&mut hasher);
        hasher.finish()
    }
}

/// Digests as keys: they are hashes already.
#[derive(Default)]
pub(crate) struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// A table under digests.
pub(crate) type Digests<T> = HashMap<u64, T, BuildHasherDefault<Same>>;

/// Calls `each` with the place of the first word and the digest of every run of one to [`RUN_WORDS`] words.
pub(crate) fn runs(seed: Seed, words: &[&str], mut each: impl FnMut((usize, usize), u64)) {
    let hashes: Vec<u64> = words.iter().map(|word| seed.word(word)).collect();
    for at in 0..hashes.len() {
        let mut run = 0x9e37_79b9_7f4a_7c15_u64;
        for (more, hash) in hashes.iter().skip(at).take(RUN_WORDS).enumerate() {
            run = (run.rotate_left(29) ^ hash).wrapping_mul(0xff51_afd7_ed55_8ccd);
            run ^= run >> 32;
            each((at, more.saturating_add(1)), run);
        }
    }
}

/// What a text would be known again by: its runs of [`RUN_WORDS`] words, and the addresses, links and accounts in it. Shorter
/// texts say too little.
#[must_use]
pub fn digests(seed: Seed, text: &str) -> Vec<u64> {
    let loose = normal::loose(text).text;
    let words: Vec<&str> = normal::words(&loose).collect();
    let mut found = Vec::new();
    runs(seed, &words, |(_, length), run| {
        if length == RUN_WORDS {
            found.push(run);
        }
    });
    let reach = |value: &Value| matches!(value, Value::Email(_) | Value::Url(_) | Value::Account(_));
    let values = normal::values(&loose).into_iter().map(|found| found.value);
    found.extend(values.filter(reach).map(|value| seed.value(&value)));
    found
}

/// What of a text stands in what was read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Cover<N> {
    /// Words of the text.
    pub(crate) words: usize,
    /// Words that lie in a run that was read.
    pub(crate) covered: usize,
    /// Where the first such run came from.
    pub(crate) source: Option<N>,
}

/// Finds the words of a text that lie in known runs: runs of [`RUN_WORDS`] words, or the whole text where it is shorter.
pub(crate) fn cover<N: Copy>(
    seed: Seed,
    words: &[&str],
    mut known: impl FnMut(u64) -> Option<N>,
) -> Cover<N> {
    let span = words.len().min(RUN_WORDS);
    let mut found = Cover { words: words.len(), covered: 0, source: None };
    // Words before this place are counted already.
    let mut counted = 0_usize;
    runs(seed, words, |(at, length), run| {
        if length == span
            && let Some(source) = known(run)
        {
            found.source.get_or_insert(source);
            let (from, to) = (at.max(counted), at.saturating_add(span));
            found.covered = found.covered.saturating_add(to.saturating_sub(from));
            counted = to;
        }
    });
    found
}
