//! Which figures are held against which bars.

use std::collections::BTreeMap;

use crate::bench::limits::Sync;
use crate::bench::measure::{Key, Kind, Sample};
use crate::bench::peers::Slow;
use crate::bench::table::{Bar, Figure, Row};

/// All that was found in one run.
pub(crate) struct Findings {
    pub(crate) medians: BTreeMap<Key, Sample>,
    /// Whether the gate passes calls of tools; else what it says.
    pub(crate) tools: Result<(), String>,
    /// Peers that were asked for.
    pub(crate) slow: Vec<Slow>,
    pub(crate) memory: Memory,
    /// Requests of the long run.
    pub(crate) long: u64,
    pub(crate) start: Start,
    pub(crate) binary_bytes: u64,
    pub(crate) sync: Sync,
    pub(crate) verifies: f64,
    /// What was left out, and why.
    pub(crate) notes: Vec<String>,
}

/// Proportional set sizes of the gate, in MiB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// With 50 policies, after the first answer.
    pub(crate) idle_mib: f64,
    /// With 1,000 policies and 100 k entries.
    pub(crate) idle_many_mib: f64,
    /// The most seen during runs over 64 connections.
    pub(crate) busy_mib: f64,
    /// After a tenth of the long run, and after all of it.
    pub(crate) early_mib: f64,
    pub(crate) late_mib: f64,
    /// What the long run came to.
    pub(crate) answered: f64,
    pub(crate) failed: f64,
    /// Entries of the ledger for each answer.
    pub(crate) entries_each: f64,
}

/// From the start of the program to the first governed answer, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Start {
    pub(crate) after_stop_ms: f64,
    pub(crate) after_cut_ms: f64,
    pub(crate) entries: u64,
    /// The same once after the long run, with 50 policies.
    pub(crate) late_ms: f64,
    pub(crate) entries_late: u64,
}

/// The table of targets.
pub(crate) fn rows(found: &Findings) -> Vec<Row> {
    let row = |what: String, figure: Figure, bar: Bar, unit: &'static str| Row { what, figure, bar, unit };
    let mut rows = vec![row(
        "CPU per request against bare hyper, 16 connections".into(),
        found.ratio(Kind::Chat, 16, "raw hyper", |sample| sample.cpu_us, Side::OursOverTheirs),
        Bar::Most(3.0, Some(2.0)),
        "×",
    )];
    for connections in [16, 64] {
        rows.push(row(
            format!("throughput against nginx `proxy_pass`, {connections} connections"),
            found.ratio(Kind::Chat, connections, "nginx", |sample| sample.per_s, Side::OursOverTheirs),
            Bar::Least(0.45, Some(0.6)),
            "×",
        ));
    }
    for (peer, least) in [(Slow::Litellm, 100.0), (Slow::Portkey, 10.0)] {
        rows.push(row(
            format!("requests per core against {}, 16 connections", peer.name()),
            found.ratio(Kind::Chat, 16, peer.name(), |sample| sample.cpu_us, Side::TheirsOverOurs),
            Bar::Least(least, None),
            "×",
        ));
    }
    rows.push(row(
        format!("added p50 at 1 connection (150 µs and one fdatasync of {:.0} µs)", found.sync.p50_us),
        found.added(Kind::Chat),
        Bar::Most(150.0 + found.sync.p50_us, None),
        " µs",
    ));
    rows.push(row(
        "stream of 32 chunks, output inspected: CPU against bare hyper, 16 connections".into(),
        found.ratio(Kind::Stream, 16, "raw hyper", |sample| sample.cpu_us, Side::OursOverTheirs),
        Bar::Most(1.5, Some(1.2)),
        "×",
    ));
    rows.push(row(
        "the same: p50 of the first byte".into(),
        found.ratio(Kind::Stream, 16, "raw hyper", |sample| sample.first_p50_us, Side::OursOverTheirs),
        Bar::Most(1.5, Some(1.2)),
        "×",
    ));
    rows.push(row(
        "call of a tool: added p50 at 1 connection".into(),
        found.added(Kind::Tool),
        Bar::Most(200.0, None),
        " µs",
    ));
    rows.push(row(
        "call of a tool: throughput against bare hyper, 16 connections".into(),
        found.ratio(Kind::Tool, 16, "raw hyper", |sample| sample.per_s, Side::OursOverTheirs),
        Bar::Least(0.4, None),
        "×",
    ));
    rows.push(row(
        "call of a tool: throughput against contextforge, 16 connections".into(),
        found.ratio(Kind::Tool, 16, "contextforge", |sample| sample.per_s, Side::OursOverTheirs),
        Bar::Least(200.0, None),
        "×",
    ));
    let memory = found.memory;
    rows.push(row("memory, idle".into(), Figure::Of(memory.idle_mib), Bar::Most(40.0, None), " MiB"));
    rows.push(row(
        "memory, at 64 connections".into(),
        Figure::Of(memory.busy_mib),
        Bar::Most(120.0, None),
        " MiB",
    ));
    let growth = if found.long >= 1_000_000 {
        Figure::Of((memory.late_mib / memory.early_mib - 1.0) * 100.0)
    } else {
        Figure::Missing("needs the run without `--quick`".into())
    };
    rows.push(row("memory, growth from 100 k to 1 M requests".into(), growth, Bar::Most(5.0, None), " %"));
    rows.push(row(
        "start to first governed answer, 1,000 policies, 100 k entries".into(),
        Figure::Of(found.start.after_stop_ms),
        Bar::Most(300.0, None),
        " ms",
    ));
    rows.push(row(
        "binary".into(),
        Figure::Of(found.binary_bytes as f64 / 1e6),
        Bar::Most(60.0, None),
        " MB",
    ));
    rows
}

/// Physical limits and what else is worth a line.
pub(crate) fn remarks(found: &Findings) -> Vec<String> {
    let mut lines = Vec::new();
    for (kind, connections) in [(Kind::Chat, 16), (Kind::Stream, 16), (Kind::Tool, 16)] {
        for peer in ["direct", "raw hyper", "nginx"] {
            if let Ok(sample) = found.sample(kind, connections, peer) {
                lines.push(format!(
                    "{peer}, {}, {connections} connections: {:.0} per s",
                    kind.name(),
                    sample.per_s
                ));
            }
        }
    }
    lines.push(format!(
        "write of 1 KiB and fdatasync in the data directory: {:.0} per s, p50 {:.0} µs",
        found.sync.per_s, found.sync.p50_us
    ));
    lines.push(format!("ES256 tokens verified: {:.0} per s and core", found.verifies));
    let memory = found.memory;
    lines.push(format!(
        "the long run: {:.0} answered, {:.0} failed, {:.2} entries of the ledger for each; {:.1} MiB after a tenth, \
         {:.1} MiB at its end",
        memory.answered, memory.failed, memory.entries_each, memory.early_mib, memory.late_mib
    ));
    lines.push(format!(
        "idle with 1,000 policies and {} entries: {:.1} MiB",
        found.start.entries, memory.idle_many_mib
    ));
    lines.push(format!(
        "start with {} entries: {:.0} ms after a stop, {:.0} ms after the process was killed",
        found.start.entries, found.start.after_stop_ms, found.start.after_cut_ms
    ));
    lines.push(format!(
        "start with {} entries and 50 policies: {:.0} ms after a stop",
        found.start.entries_late, found.start.late_ms
    ));
    for (key, sample) in found.medians.iter().filter(|(_, sample)| sample.failed > 0.0) {
        let why = sample.why.as_deref().unwrap_or_default();
        let (kind, connections) = (key.kind.name(), key.connections);
        lines.push(format!(
            "{} failed {:.0} times ({kind}, {connections} connections): {why}",
            key.peer, sample.failed
        ));
    }
    lines.extend(found.notes.iter().cloned());
    lines
}

/// Which figure stands above the line.
#[derive(Clone, Copy)]
enum Side {
    OursOverTheirs,
    TheirsOverOurs,
}

impl Findings {
    fn sample(&self, kind: Kind, connections: u32, peer: &'static str) -> Result<&Sample, String> {
        match self.medians.get(&Key { kind, connections, peer }) {
            Some(sample) if sample.answered > 0.0 => Ok(sample),
            _ if kind == Kind::Tool && peer == "alcaide" => {
                Err(self.tools.clone().err().unwrap_or_else(|| "nothing was answered".into()))
            }
            _ => match Slow::ALL.into_iter().find(|slow| slow.name() == peer) {
                Some(slow) if !self.slow.contains(&slow) => Err(format!("needs `--peers {peer}`")),
                _ => Err(format!("{peer} did not answer or is not installed")),
            },
        }
    }

    fn ratio(
        &self,
        kind: Kind,
        connections: u32,
        peer: &'static str,
        of: fn(&Sample) -> f64,
        side: Side,
    ) -> Figure {
        let ours = self.sample(kind, connections, "alcaide").map(of);
        let theirs = self.sample(kind, connections, peer).map(of);
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                let (above, below) = match side {
                    Side::OursOverTheirs => (ours, theirs),
                    Side::TheirsOverOurs => (theirs, ours),
                };
                if below > 0.0 {
                    Figure::Of(above / below)
                } else {
                    Figure::Missing("the run was too short".into())
                }
            }
            (Err(why), _) | (_, Err(why)) => Figure::Missing(why),
        }
    }

    /// What the gate adds to the middle of the times over one connection.
    fn added(&self, kind: Kind) -> Figure {
        match (self.sample(kind, 1, "alcaide"), self.sample(kind, 1, "direct")) {
            (Ok(ours), Ok(direct)) => Figure::Of(ours.p50_us - direct.p50_us),
            (Err(why), _) | (_, Err(why)) => Figure::Missing(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::table::Standing;

    fn found(entries: &[(Kind, u32, &'static str, f64)]) -> Findings {
        let sample = |figure: f64| Sample {
            answered: 1.0,
            per_s: 1e6 / figure,
            p50_us: figure,
            first_p50_us: figure,
            cpu_us: figure,
            ..Sample::default()
        };
        let keyed = entries.iter().map(|(kind, connections, peer, figure)| {
            (Key { kind: *kind, connections: *connections, peer }, sample(*figure))
        });
        Findings {
            medians: keyed.collect(),
            tools: Err("`/mcp/<server>` answers 404".into()),
            slow: vec![Slow::Portkey],
            memory: Memory {
                idle_mib: 30.0,
                busy_mib: 121.0,
                early_mib: 50.0,
                late_mib: 52.0,
                ..Memory::default()
            },
            long: 1_000_000,
            start: Start::default(),
            binary_bytes: 61_000_000,
            sync: Sync { per_s: 1_000.0, p50_us: 100.0 },
            verifies: 10_000.0,
            notes: Vec::new(),
        }
    }

    #[test]
    fn each_target_is_judged_by_its_own_ratio() {
        let found = found(&[
            (Kind::Chat, 16, "alcaide", 100.0),
            (Kind::Chat, 16, "raw hyper", 40.0),
            (Kind::Chat, 16, "nginx", 30.0),
            (Kind::Chat, 16, "portkey", 1_500.0),
            (Kind::Chat, 1, "alcaide", 400.0),
            (Kind::Chat, 1, "direct", 100.0),
        ]);
        let rows = rows(&found);
        let standing =
            |what: &str| rows.iter().find(|row| row.what.starts_with(what)).map(Row::standing).unwrap();
        assert_eq!(standing("CPU per request"), Standing::Met);
        assert_eq!(standing("throughput against nginx `proxy_pass`, 16"), Standing::Missed);
        assert_eq!(standing("throughput against nginx `proxy_pass`, 64"), Standing::Unmeasured);
        assert_eq!(standing("requests per core against portkey"), Standing::Met);
        assert_eq!(standing("added p50"), Standing::Missed);
        assert_eq!(standing("memory, idle"), Standing::Met);
        assert_eq!(standing("memory, at 64"), Standing::Missed);
        assert_eq!(standing("memory, growth"), Standing::Met);
        assert_eq!(standing("binary"), Standing::Missed);
        let why = |what: &str| {
            let row = rows.iter().find(|row| row.what.starts_with(what)).unwrap();
            format!("{:?}", row.figure)
        };
        assert!(why("requests per core against litellm").contains("needs `--peers litellm`"));
        assert!(why("call of a tool: added").contains("answers 404"));
    }
}
