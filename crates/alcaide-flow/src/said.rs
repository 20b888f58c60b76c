//! The user's words, and what they name.

use std::collections::HashSet;

use alcaide_inspect::links;
use alcaide_inspect::normal::{self, Found, Value};

use crate::seen::{Seed, runs};

/// Longest words of a user that are read, in bytes; what lies behind is not taken for theirs.
pub const SAID_BYTES_MAX: usize = 64 * 1024;

/// How sure it is that words are the user's.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Grade {
    /// In a user turn of an agent whose owner declared its user turns trusted.
    Asserted,
    /// Signed by the human's client or launcher.
    Attested,
}

/// What a user said, read once.
#[derive(Clone, Debug)]
pub struct Said {
    grade: Grade,
    exact: String,
    /// Values of the exact form, where they stand in it.
    found: Vec<Found>,
    /// Values of the words as they were written.
    values: HashSet<Value>,
    runs: HashSet<u64>,
    /// Hosts of its links and addresses, in exact form.
    hosts: HashSet<String>,
}

impl Said {
    /// Reads words of a grade.
    #[must_use]
    pub fn new(grade: Grade, text: &str, seed: Seed) -> Self {
        let mut end = text.len().min(SAID_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        let text = text.get(..end).unwrap_or_default();
        let exact = normal::exact(text);
        let loose = normal::loose(text).text;
        let words: Vec<&str> = normal::words(&loose).collect();
        let mut said = HashSet::new();
        runs(seed, &words, |_, run| {
            said.insert(run);
        });
        let mut hosts: HashSet<String> = links::targets(text)
            .found
            .iter()
            .filter_map(|target| links::place(&target.text))
            .map(|place| place.host)
            .filter(|host| !host.is_empty())
            .collect();
        hosts.extend(normal::each_value(text).filter_map(|found| match found.value {
            Value::Email(address) => address.rsplit_once('@').map(|(_, host)| host.to_owned()),
            _ => None,
        }));
        Self {
            hosts,
            grade,
            found: normal::values(&exact),
            values: normal::values(text).into_iter().map(|found| found.value).collect(),
            runs: said,
            exact,
        }
    }

    /// How sure it is that they are the user's.
    #[must_use]
    pub const fn grade(&self) -> Grade {
        self.grade
    }

    /// Whether the user named this value. What has an identity of its own, such as an address, is named whole or not at all.
    pub(crate) fn names(&self, text: &str) -> bool {
        let readings = normal::readings(text);
        let whole = |value: &Value| {
            matches!(value, Value::Email(_) | Value::Url(_) | Value::Account(_) | Value::Phone(_))
        };
        if readings.iter().any(whole) {
            return readings.iter().all(|value| value.said_by(&self.values));
        }
        if let [value] = readings.as_slice()
            && value.said_by(&self.values)
        {
            return true;
        }
        normal::occurs(&normal::exact(text), &self.exact, &self.found)
    }

    /// Whether one of these words stands at the beginning of a word of the user's.
    pub(crate) fn asks_for(&self, words: &[String]) -> bool {
        words.iter().any(|word| {
            let word = normal::exact(word);
            !word.is_empty()
                && self.exact.match_indices(word.as_str()).any(|(at, _)| {
                    let before = self.exact.get(..at).and_then(|text| text.chars().next_back());
                    !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
                })
        })
    }

    /// The hosts that the user named.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(String::as_str)
    }

    /// Whether a run of words, as a digest, is the user's own.
    pub(crate) fn has_run(&self, run: u64) -> bool {
        self.runs.contains(&run)
    }
}
