//! How good, how fast and how small are the scanner of model files and the signing of models, beside other people's?
//!
//! Everything is measured in one run on one machine: the corpus of `tests/models` by the program and by four scanners of other people;
//! large files, signatures and cold starts in rounds that take turns, so that all see the same noise, and medians are compared; what
//! bombs and a file of holes cost in memory and time. Processor-seconds and memory are the kernel's own accounts of a command and all
//! that it started (`tests/scanners/cost.py`).
//!
//! - [`corpus`]: verdicts. [`cost`]: what a command costs. [`tasks`]: what is measured, by whom. [`judge`]: figures against bars.

mod corpus;
mod cost;
mod judge;
mod tasks;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::bench::process::Place;
use crate::bench::{limits, table};
use crate::models::cost::Meter;
use crate::models::tasks::Tools;
use crate::{peers, step};

/// What was asked for on the command line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Asked {
    quick: bool,
    built: bool,
    json: bool,
    /// The profile that the program is built with.
    profile: String,
    out: Option<PathBuf>,
}

impl Asked {
    /// Reads the words after `bench model`.
    ///
    /// # Errors
    /// When a word is not known or a value is missing.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let mut asked =
            Self { quick: false, built: false, json: false, profile: "release".to_owned(), out: None };
        let mut rest = words;
        loop {
            rest = match rest {
                [] => return Ok(asked),
                ["--quick", rest @ ..] => {
                    asked.quick = true;
                    rest
                }
                ["--built", rest @ ..] => {
                    asked.built = true;
                    rest
                }
                ["--json", rest @ ..] => {
                    asked.json = true;
                    rest
                }
                ["--profile", name @ ("release" | "ci"), rest @ ..] => {
                    asked.profile = (*name).to_owned();
                    rest
                }
                ["--out", path, rest @ ..] => {
                    asked.out = Some(PathBuf::from(path));
                    rest
                }
                [other, ..] => bail!("`bench model` does not take `{other}`, or a value is missing"),
            };
        }
    }

    fn text(&self) -> String {
        let mut text = "cargo xtask bench model".to_owned();
        if self.quick {
            text.push_str(" --quick");
        }
        if self.profile != "release" {
            text.push_str(&format!(" --profile {}", self.profile));
        }
        text
    }

    /// Sizes and numbers of a run.
    const fn extent(&self) -> Extent {
        match self.quick {
            true => Extent { mib: 256, rounds: 1, small: 5, holes_gib: 2 },
            false => Extent { mib: 1024, rounds: 5, small: 25, holes_gib: 100 },
        }
    }
}

/// Sizes and numbers of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// MiB of the large file.
    pub(crate) mib: u32,
    /// Rounds over the large files.
    pub(crate) rounds: usize,
    /// Starts over a small file, of the program; of others one for each round.
    pub(crate) small: usize,
    /// GiB of the file of holes.
    pub(crate) holes_gib: u32,
}

/// Builds, installs, measures, judges and prints.
///
/// # Errors
/// When something cannot be built or measured. A bar that is missed is no error: it stands in the table.
pub(crate) fn run(root: &Path, asked: &Asked) -> Result<()> {
    if !asked.built {
        let mut build = step::command(root, "cargo");
        build.args(["build", "--locked", "-p", "alcaide", "--bin", "alcaide", "--profile", &asked.profile]);
        step::run("build", build)?;
    }
    let program = root.join("target").join(&asked.profile).join("alcaide");
    if !program.exists() {
        bail!("there is no `{}`; leave out `--built`", program.display());
    }
    let mut notes = Vec::new();
    let scanners =
        peers::scanners(root).map_err(|error| notes.push(format!("no scanners of others: {error:#}"))).ok();
    let signing =
        peers::signing(root).map_err(|error| notes.push(format!("no `model_signing`: {error:#}"))).ok();

    let begun = Instant::now();
    let before = limits::load_average();
    let place = Place::new(root.join(format!("target/bench/models-{}", std::process::id())))?;
    // A copy: a build beside the run must not change what is measured in the middle of it.
    let binary = place.path().join("alcaide");
    std::fs::copy(&program, &binary).context("the program cannot be copied")?;
    let tools = Tools { root, program: binary, scanners, signing, place: place.path() };
    let meter = Meter::new(root);

    eprintln!("--- corpus");
    let corpus = corpus::score(&tools)?;
    eprintln!("--- large files are made");
    tools.make("large", asked.extent().mib)?;
    let costs = tasks::measure(&tools, &meter, asked.extent(), &mut notes)?;
    eprintln!("--- bombs");
    tools.make("bombs", asked.extent().holes_gib)?;
    let bombs = tasks::bombs(&tools, &meter)?;

    let rows = judge::rows(&corpus, &costs, &bombs, asked.extent());
    let mut head = limits::machine(root, &root.join("target"));
    head.push(format!("command: `{}`, {:.0} s", asked.text(), begun.elapsed().as_secs_f64()));
    head.push(format!("load average: {before} before, {} after", limits::load_average()));
    head.extend(notes.iter().map(|note| format!("not measured: {note}")));
    if asked.json {
        let document = json!({
            "run": head,
            "targets": rows.iter().map(judge::row_told).collect::<Vec<_>>(),
            "corpus": corpus.iter().map(corpus::Score::told).collect::<Vec<_>>(),
            "costs": costs.told(),
            "bombs": bombs.iter().map(tasks::Bomb::told).collect::<Vec<_>>(),
        });
        println!("{document}");
        return Ok(());
    }
    let mut text: String = head.iter().map(|line| format!("- {line}\n")).collect();
    text.push('\n');
    text.push_str(&table::targets(&rows));
    text.push_str("\nThe corpus, file by file:\n\n");
    text.push_str(&corpus::table(&corpus));
    text.push_str("\nMedians of the rounds:\n\n");
    text.push_str(&costs.table());
    text.push_str("\nBombs, of the corpus and of the bench, and a file of holes:\n\n");
    text.push_str(&tasks::bombs_table(&bombs));
    println!("\n{text}");
    match &asked.out {
        Some(page) => table::publish(&root.join(page), "bench model", &text),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_unknown_ones_refused() {
        let asked =
            Asked::parse(&["--quick", "--profile", "ci", "--built", "--json", "--out", "p.md"]).unwrap();
        assert!(asked.quick && asked.built && asked.json);
        assert_eq!(asked.text(), "cargo xtask bench model --quick --profile ci");
        assert_eq!(asked.out, Some(PathBuf::from("p.md")));
        for wrong in [&["--fast"][..], &["--profile", "dev"], &["--out"], &["--profile"]] {
            assert!(Asked::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
