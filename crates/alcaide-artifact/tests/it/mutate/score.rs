//! How many variants of each kind were found.

use std::collections::BTreeMap;
use std::fmt;

use alcaide_artifact::Verdict;

use super::seeds::Seed;
use super::{judge, keep};

/// What became of the variants of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Row {
    pub(crate) made: u64,
    pub(crate) harmful: u64,
    pub(crate) inconclusive: u64,
    pub(crate) clean: u64,
}

/// All kinds of one run.
#[derive(Debug, Default)]
pub(crate) struct Score {
    rows: BTreeMap<(&'static str, String), Row>,
    /// Variants of what is high or critical.
    pub(crate) grave: Row,
    /// Variants of what does no harm.
    pub(crate) harmless: Row,
    /// Variants that are clean, and of the others some that are not unsafe.
    pub(crate) clean: Vec<String>,
    pub(crate) doubtful: Vec<String>,
    pub(crate) falsely: Vec<String>,
}

impl Score {
    /// Judges a variant of `seed` called `name`.
    pub(crate) fn take(&mut self, family: &'static str, change: &str, seed: &Seed, name: &str, bytes: &[u8]) {
        let report = judge(name, bytes);
        let row = self.rows.entry((family, change.to_owned())).or_default();
        let told = || {
            let rules: Vec<_> = report
                .findings
                .iter()
                .map(|one| (one.rule.as_str(), one.evidence.as_ref()))
                .take(3)
                .collect();
            let doubts: Vec<_> =
                report.doubts.iter().map(|one| (one.rule.as_str(), one.evidence.as_ref())).take(3).collect();
            let head = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).escape_debug().to_string();
            keep(name, bytes);
            format!("{family}, {change}: {} as {name}: {rules:?} {doubts:?}\n    {head}", seed.name)
        };
        row.count(report.verdict);
        if seed.malicious && seed.grave {
            self.grave.count(report.verdict);
        }
        if !seed.malicious {
            self.harmless.count(report.verdict);
        }
        match (seed.malicious, report.verdict) {
            (true, Verdict::Clean) => self.clean.push(told()),
            (true, Verdict::Inconclusive) if seed.grave => self.doubtful.push(told()),
            (false, Verdict::Unsafe) => self.falsely.push(told()),
            _ => {}
        }
    }

    /// The sum over every row.
    pub(crate) fn sum(&self) -> Row {
        self.rows.values().fold(Row::default(), |sum, row| Row {
            made: sum.made + row.made,
            harmful: sum.harmful + row.harmful,
            inconclusive: sum.inconclusive + row.inconclusive,
            clean: sum.clean + row.clean,
        })
    }
}

impl Row {
    fn count(&mut self, verdict: Verdict) {
        self.made += 1;
        match verdict {
            Verdict::Unsafe => self.harmful += 1,
            Verdict::Inconclusive => self.inconclusive += 1,
            Verdict::Clean => self.clean += 1,
        }
    }
}

impl fmt::Display for Score {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{:<12} {:<28} {:>7} {:>7} {:>7} {:>6}",
            "family", "change", "made", "unsafe", "inconcl", "clean"
        )?;
        for ((family, change), row) in &self.rows {
            let Row { made, harmful, inconclusive, clean } = row;
            writeln!(out, "{family:<12} {change:<28} {made:>7} {harmful:>7} {inconclusive:>7} {clean:>6}")?;
        }
        let Row { made, harmful, inconclusive, clean } = self.sum();
        writeln!(out, "{:<41} {made:>7} {harmful:>7} {inconclusive:>7} {clean:>6}", "all")
    }
}
