//! What one command costs, by the kernel's account of it and of all that it waited for.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::bench::measure::median;
use crate::bench::table;
use crate::step;

/// Longest time of one command, in seconds.
const LIMIT_S: &str = "900";

/// What runs a command and accounts for it.
pub(crate) struct Meter {
    root: PathBuf,
}

/// What one command cost.
#[derive(Clone, Debug)]
pub(crate) struct Cost {
    pub(crate) code: i64,
    pub(crate) late: bool,
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
    /// Of the largest process.
    pub(crate) most_mib: f64,
    /// Of all processes together, where somebody looked.
    pub(crate) tree_mib: Option<f64>,
}

/// Whether somebody looks at memory while the command runs; it takes time from it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Watch {
    Yes,
    No,
}

impl Meter {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// When it cannot be started or nothing is told of it.
    pub(crate) fn run(&self, watch: Watch, words: &[OsString]) -> Result<Cost> {
        let mut command = step::command(&self.root, "python3");
        // Nothing but the standard library: what the meter weighs, every command seems to weigh.
        command.args(["-I", "-S"]).arg(self.root.join("tests/scanners/cost.py")).args(["--limit", LIMIT_S]);
        if watch == Watch::Yes {
            command.arg("--watch");
        }
        command.env("NO_ANALYTICS", "1").env("PROMPTFOO_DISABLE_TELEMETRY", "1");
        command.args(words);
        let said: Value =
            serde_json::from_str(step::output(command)?.trim()).context("the meter was not understood")?;
        let number = |name: &str| said.get(name).and_then(Value::as_f64);
        let needed = |name: &str| number(name).with_context(|| format!("the meter tells no `{name}`"));
        Ok(Cost {
            code: said.get("code").and_then(Value::as_i64).context("the meter tells no `code`")?,
            late: said.get("late").and_then(Value::as_bool).unwrap_or(true),
            wall_s: needed("wall_s")?,
            cpu_s: needed("cpu_s")?,
            most_mib: needed("most_mib")?,
            tree_mib: number("tree_mib"),
        })
    }
}

/// Costs by task and by who did it.
#[derive(Debug, Default)]
pub(crate) struct Costs(BTreeMap<(&'static str, &'static str), Vec<Cost>>);

impl Costs {
    pub(crate) fn add(&mut self, task: &'static str, who: &'static str, cost: Cost) {
        self.0.entry((task, who)).or_default().push(cost);
    }

    /// The median of one figure.
    pub(crate) fn median(&self, task: &'static str, who: &'static str, of: fn(&Cost) -> f64) -> Option<f64> {
        let all: Vec<f64> = self.0.get(&(task, who))?.iter().map(of).collect();
        Some(median(&all))
    }

    /// All medians as a table.
    pub(crate) fn table(&self) -> String {
        let rows = self.0.iter().map(|((task, who), all)| {
            let of = |of: fn(&Cost) -> f64| median(&all.iter().map(of).collect::<Vec<_>>());
            [
                (*task).to_owned(),
                (*who).to_owned(),
                all.len().to_string(),
                format!("{:.3}", of(|cost| cost.wall_s)),
                format!("{:.3}", of(|cost| cost.cpu_s)),
                format!("{:.0}", of(|cost| cost.most_mib)),
            ]
        });
        table::lines(&["what", "who", "runs", "wall s", "CPU s", "largest process MiB"], rows)
    }

    pub(crate) fn told(&self) -> Vec<Value> {
        let one = |cost: &Cost| json!({ "wall_s": cost.wall_s, "cpu_s": cost.cpu_s, "most_mib": cost.most_mib, "code": cost.code });
        let told = self.0.iter().map(|((task, who), all)| {
            json!({ "what": task, "who": who, "runs": all.iter().map(one).collect::<Vec<_>>() })
        });
        told.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter() -> Meter {
        Meter::new(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
    }

    #[test]
    fn a_command_is_accounted_for_with_its_children() {
        let words = |script: &str| ["sh", "-c", script].map(OsString::from);
        let busy = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done";
        let cost = meter().run(Watch::Yes, &words(&format!("sh -c '{busy}'; exit 7"))).unwrap();
        assert_eq!((cost.code, cost.late), (7, false));
        // The outer shell does nothing itself.
        assert!(cost.cpu_s > 0.005 && cost.wall_s >= cost.cpu_s / 2.0, "{cost:?}");
        assert!(cost.most_mib > 0.5 && cost.tree_mib.is_some(), "{cost:?}");
        let nothing = meter().run(Watch::No, &words("true")).unwrap();
        assert_eq!((nothing.code, nothing.tree_mib.is_some()), (0, false));
    }

    #[test]
    fn medians_are_by_task_and_by_who() {
        let mut costs = Costs::default();
        for cpu_s in [3.0, 1.0, 2.0] {
            let cost = Cost { code: 0, late: false, wall_s: 1.0, cpu_s, most_mib: 1.0, tree_mib: None };
            costs.add("scan", "us", cost);
        }
        assert_eq!(costs.median("scan", "us", |cost| cost.cpu_s), Some(2.0));
        assert_eq!(costs.median("scan", "them", |cost| cost.cpu_s), None);
        assert!(costs.table().contains("| scan | us | 3 | 1.000 | 2.000 | 1 |"));
    }
}
