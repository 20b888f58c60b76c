//! Figures against bars, and the page that holds them: `docs/performance.md`, written between two markers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::bench::measure::{Key, Kind, Sample};

/// A figure and what it is held against.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) figure: Figure,
    pub(crate) bar: Bar,
    /// How the bar reads.
    pub(crate) unit: &'static str,
}

/// What was found.
#[derive(Clone, Debug)]
pub(crate) enum Figure {
    Of(f64),
    /// Why there is none.
    Missing(String),
}

/// Which side of a value is right.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bar {
    Most(f64, Option<f64>),
    Least(f64, Option<f64>),
}

/// How a row stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    Stretch,
    Met,
    Missed,
    Unmeasured,
}

impl Row {
    pub(crate) fn standing(&self) -> Standing {
        let Figure::Of(figure) = self.figure else { return Standing::Unmeasured };
        let (met, stretched) = match self.bar {
            Bar::Most(bar, stretch) => (figure <= bar, stretch.is_some_and(|stretch| figure <= stretch)),
            Bar::Least(bar, stretch) => (figure >= bar, stretch.is_some_and(|stretch| figure >= stretch)),
        };
        match (met, stretched) {
            (_, true) => Standing::Stretch,
            (true, false) => Standing::Met,
            (false, false) => Standing::Missed,
        }
    }

    fn cells(&self) -> [String; 5] {
        let show = |value: f64| format!("{}{}", number(value), self.unit);
        let (sign, bar, stretch) = match self.bar {
            Bar::Most(bar, stretch) => ("≤", bar, stretch),
            Bar::Least(bar, stretch) => ("≥", bar, stretch),
        };
        let figure = match &self.figure {
            Figure::Of(figure) => show(*figure),
            Figure::Missing(why) => format!("not measured: {why}"),
        };
        let verdict = match self.standing() {
            Standing::Stretch => "stretch met",
            Standing::Met => "met",
            Standing::Missed => "**missed**",
            Standing::Unmeasured => "–",
        };
        [
            self.what.clone(),
            figure,
            format!("{sign} {}", show(bar)),
            stretch.map(show).unwrap_or_default(),
            verdict.to_owned(),
        ]
    }
}

/// Three digits that matter, and no more than two after the point.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// All rows as a table.
pub(crate) fn targets(rows: &[Row]) -> String {
    let cells = rows.iter().map(Row::cells);
    lines(&["what", "figure", "bar", "stretch", ""], cells)
}

/// The series that the rows rest on.
pub(crate) fn series(medians: &BTreeMap<Key, Sample>) -> String {
    let cells = medians.iter().map(|(key, sample)| {
        [
            key.kind.name().to_owned(),
            key.connections.to_string(),
            key.peer.to_owned(),
            format!("{:.0}", sample.per_s),
            format!("{:.0}", sample.p50_us),
            format!("{:.0}", sample.p99_us),
            if key.kind == Kind::Stream { format!("{:.0}", sample.first_p50_us) } else { String::new() },
            number(sample.cpu_us),
            format!("{:.0}", sample.failed),
        ]
    });
    let head = [
        "asked",
        "connections",
        "peer",
        "per s",
        "p50 µs",
        "p99 µs",
        "first byte p50 µs",
        "CPU µs each",
        "failed",
    ];
    lines(&head, cells)
}

/// A table of these rows.
pub(crate) fn lines<const N: usize>(head: &[&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut text = String::new();
    // INVARIANT: writing into a string does not fail.
    let _ = writeln!(text, "| {} |", head.join(" | "));
    let _ = writeln!(text, "|{}", "---|".repeat(N));
    for row in rows {
        let clean: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
        let _ = writeln!(text, "| {} |", clean.join(" | "));
    }
    text
}

/// Puts `text` between the markers that name `bench` on a page; what stands around them stays.
///
/// # Errors
/// When the page cannot be read or written, or has no markers.
pub(crate) fn publish(page: &Path, bench: &str, text: &str) -> Result<()> {
    let old = fs::read_to_string(page).with_context(|| format!("`{}` cannot be read", page.display()))?;
    let [begin, end] = markers(bench);
    let new = between(&old, bench, text)
        .with_context(|| format!("`{}` has no lines `{begin}` and `{end}`", page.display()))?;
    fs::write(page, new).with_context(|| format!("`{}` cannot be written", page.display()))
}

fn markers(bench: &str) -> [String; 2] {
    ["begin", "end"].map(|which| format!("<!-- {bench}: {which} -->"))
}

fn between(page: &str, bench: &str, text: &str) -> Option<String> {
    let [begin, end] = markers(bench);
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n\n{}\n\n{end}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(figure: f64, bar: Bar) -> Row {
        Row { what: "w".into(), figure: Figure::Of(figure), bar, unit: "×" }
    }

    #[test]
    fn a_bar_is_met_on_its_right_side_and_on_itself() {
        assert_eq!(row(3.0, Bar::Most(3.0, Some(2.0))).standing(), Standing::Met);
        assert_eq!(row(3.01, Bar::Most(3.0, Some(2.0))).standing(), Standing::Missed);
        assert_eq!(row(2.0, Bar::Most(3.0, Some(2.0))).standing(), Standing::Stretch);
        assert_eq!(row(0.45, Bar::Least(0.45, Some(0.6))).standing(), Standing::Met);
        assert_eq!(row(0.44, Bar::Least(0.45, None)).standing(), Standing::Missed);
        assert_eq!(row(f64::NAN, Bar::Most(3.0, None)).standing(), Standing::Missed);
        let missing = Row { figure: Figure::Missing("no nginx".into()), ..row(0.0, Bar::Least(1.0, None)) };
        assert_eq!(missing.standing(), Standing::Unmeasured);
        assert!(targets(&[missing]).ends_with("| w | not measured: no nginx | ≥ 1.00× |  | – |\n"));
    }

    #[test]
    fn a_page_keeps_what_stands_around_the_markers() {
        let page = "# Speed\n\n<!-- bench gate: begin -->\nold\n<!-- bench gate: end -->\nafter\n";
        let once = between(page, "bench gate", "new").unwrap();
        assert_eq!(once, "# Speed\n\n<!-- bench gate: begin -->\n\nnew\n\n<!-- bench gate: end -->\nafter\n");
        assert_eq!(between(&once, "bench gate", "new").unwrap(), once);
        assert!(between(&once, "bench defence", "new").is_none());
    }
}
