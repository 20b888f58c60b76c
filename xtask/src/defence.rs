//! What does an agent that obeys every text it reads still get done? Nothing that its user did not ask for, with the
//! user's own tasks done: measured through the running program, by a public benchmark without a model.
//!
//! The judge is a program in Python (`tests/defence`): it serves AgentDojo's suites as tool servers, plays the agent, the
//! attacker and the person who is asked, and looks at what became of the suites' world. This harness starts the house
//! between them, declares what an owner declares, and counts.
//!
//! - [`facts`]: from a file of tool facts to declarations. [`ground`]: the house with its people, agents and tools.
//! - [`judge`]: runs of the program. [`figures`]: what they come to, held against the bars.

mod facts;
mod figures;
mod ground;
mod judge;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::bench::process::Place;
use crate::bench::{limits, table};
use crate::defence::facts::Tools;
use crate::defence::figures::Report;
use crate::defence::ground::{Ground, Judge};
use crate::defence::judge::{Human, Part, Trial};
use crate::{peers, step};

/// The judge and the facts that are taken where none are named.
const PROGRAM: &str = "tests/defence/agentdojo_worstcase.py";
const FACTS: &str = "tests/defence/agentdojo_owner_visible.json";
/// The suites that are run where none are named, and all that there are.
const SUITES: [&str; 2] = ["workspace", "banking"];
const SUITES_ALL: [&str; 4] = ["workspace", "banking", "slack", "travel"];
/// How the attacker's text is dressed.
const TEMPLATES: [&str; 9] =
    ["important", "direct", "ignore", "plain", "footnote", "zerowidth", "homoglyph", "tags", "base64"];

/// Which build is judged.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Profile {
    Ci,
    #[default]
    Release,
}

/// What was asked for on the command line.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Asked {
    suites: Vec<String>,
    owner: Vec<PathBuf>,
    proposed: bool,
    /// The one who answers; everything that the bars need where nobody is named.
    human: Option<Human>,
    templates: Vec<String>,
    benign_only: bool,
    built: bool,
    profile: Profile,
    json: bool,
    out: Option<PathBuf>,
    bars: bool,
    /// As `bars`, for those alone that hold for any part of the suites: no attack succeeds, none has an effect, and the
    /// right person gets every task done.
    walls: bool,
    resume: bool,
}

impl Asked {
    /// Reads the words after `bench defence`.
    ///
    /// # Errors
    /// When a word is not known or a value is missing.
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let mut asked = Self::default();
        let mut rest = words;
        loop {
            rest = match rest {
                [] => break,
                ["--suites", list, rest @ ..] => {
                    asked.suites = names(list, &SUITES_ALL, "suite")?;
                    rest
                }
                ["--template", list, rest @ ..] => {
                    asked.templates = names(list, &TEMPLATES, "template")?;
                    rest
                }
                ["--owner", path, rest @ ..] => {
                    asked.owner.push(PathBuf::from(path));
                    rest
                }
                ["--human", who, rest @ ..] => {
                    let human = Human::ALL.into_iter().find(|human| human.name() == *who);
                    asked.human = Some(human.with_context(|| format!("`{who}` is not oracle, no or yes"))?);
                    rest
                }
                ["--profile", name, rest @ ..] => {
                    asked.profile = match *name {
                        "ci" => Profile::Ci,
                        "release" => Profile::Release,
                        other => bail!("`{other}` is not ci or release"),
                    };
                    rest
                }
                ["--out", path, rest @ ..] => {
                    asked.out = Some(PathBuf::from(path));
                    rest
                }
                [flag, rest @ ..] => {
                    let flag = match *flag {
                        "--proposed" => &mut asked.proposed,
                        "--benign-only" => &mut asked.benign_only,
                        "--built" => &mut asked.built,
                        "--json" => &mut asked.json,
                        "--bars" => &mut asked.bars,
                        "--resume" => &mut asked.resume,
                        other => bail!("`bench defence` does not take `{other}`, or a value is missing"),
                    };
                    *flag = true;
                    rest
                }
            };
        }
        ensure!(!asked.proposed || asked.owner.is_empty(), "facts are either `--proposed` or an `--owner`'s");
        if asked.suites.is_empty() {
            asked.suites = SUITES.map(str::to_owned).into();
        }
        if asked.templates.is_empty() {
            asked.templates.push(TEMPLATES[0].to_owned());
        }
        Ok(asked)
    }

    /// What the test suite runs: one template of one suite, or, with `hours`, everything that the bars need.
    pub(crate) fn of_suite(hours: bool) -> Self {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (suites, templates) =
            if hours { (&SUITES[..], &TEMPLATES[..]) } else { (&SUITES[1..], &TEMPLATES[..1]) };
        Self {
            suites: all(suites),
            templates: all(templates),
            human: (!hours).then_some(Human::Oracle),
            profile: Profile::Ci,
            // The tests before it have built the program.
            built: true,
            walls: true,
            resume: hours,
            ..Self::default()
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "cargo xtask bench defence --suites {} --template {}",
            self.suites.join(","),
            if self.templates.len() == TEMPLATES.len() { "all".into() } else { self.templates.join(",") }
        );
        for path in &self.owner {
            text.push_str(&format!(" --owner {}", path.display()));
        }
        if let Some(human) = self.human {
            text.push_str(&format!(" --human {}", human.name()));
        }
        for (set, flag) in [
            (self.proposed, " --proposed"),
            (self.benign_only, " --benign-only"),
            (self.profile == Profile::Ci, " --profile ci"),
        ] {
            text.push_str(if set { flag } else { "" });
        }
        text
    }

    /// Every run that is needed, in order.
    fn trials(&self) -> Vec<Trial> {
        let trial = |suite: &String, part, human| Trial { suite: suite.clone(), part, human };
        let mut trials = Vec::new();
        for template in &self.templates {
            for suite in &self.suites {
                let part = Part::Attack { template: template.clone(), benign_only: self.benign_only };
                trials.push(trial(suite, part, self.human.unwrap_or(Human::Oracle)));
            }
        }
        if self.human.is_none() {
            // Without attacks there is no text to dress.
            for template in self.templates.iter().take(1) {
                for suite in &self.suites {
                    let part = Part::Attack { template: template.clone(), benign_only: true };
                    trials.push(trial(suite, part, Human::No));
                }
            }
            if self.profile == Profile::Release {
                trials.extend(self.suites.iter().map(|suite| trial(suite, Part::Latency, Human::Oracle)));
            }
        }
        trials
    }
}

fn names(list: &str, known: &[&str], what: &str) -> Result<Vec<String>> {
    if list == "all" {
        return Ok(known.iter().map(|name| (*name).to_owned()).collect());
    }
    let mut names: Vec<String> = Vec::new();
    for name in list.split(',') {
        ensure!(known.contains(&name), "there is no {what} `{name}`; there are {}", known.join(", "));
        ensure!(!names.iter().any(|other| other == name), "the {what} `{name}` is named twice");
        names.push(name.to_owned());
    }
    Ok(names)
}

/// Builds, starts, runs, counts, prints, and writes the page if one is named. What happens meanwhile goes to standard
/// error.
///
/// # Errors
/// When something cannot be built, started or run; when the gate could not do something that it was asked; with `--bars`
/// when a bar is missed.
pub(crate) fn run(root: &Path, asked: &Asked) -> Result<()> {
    let begun = Instant::now();
    let python = peers::defence(root)?;
    let program = root.join(PROGRAM);
    let built = binary(root, asked)?;
    let owner: Vec<PathBuf> = match asked.owner.as_slice() {
        [] => vec![root.join(FACTS)],
        named => named
            .iter()
            .map(|path| std::path::absolute(path).context("a path of facts"))
            .collect::<Result<_>>()?,
    };
    let facts = if asked.proposed { None } else { Some(read_facts(&owner, &asked.suites)?) };
    let place = Place::new(root.join(format!("target/bench/defence-{}", std::process::id())))?;
    // A copy: a build beside the run must not change what is measured in the middle of it.
    let binary = place.path().join("alcaide");
    fs::copy(&built, &binary).with_context(|| format!("`{}` is not there", built.display()))?;
    let mut kind = judge::fingerprint(&binary, &program, &owner)?;
    if asked.proposed {
        kind.push_str("-proposed");
    }
    let results = root.join("target/defence").join(kind);
    fs::create_dir_all(&results).with_context(|| format!("`{}` cannot be made", results.display()))?;
    let judge = Judge { python: &python, program: &program };
    let trials = asked.trials();
    let kept = |trial: &Trial| asked.resume && results.join(trial.file()).exists();
    if !trials.iter().all(kept) {
        let ground = Ground::begin(&binary, place.path(), &asked.suites, facts.as_ref(), &judge)?;
        for trial in trials.iter().filter(|trial| !kept(trial)) {
            judge::run(trial, &ground, &judge, &owner, &results)?;
        }
    }
    let mut report = Report::default();
    for trial in &trials {
        let path = results.join(trial.file());
        let text =
            fs::read_to_string(&path).with_context(|| format!("`{}` cannot be read", path.display()))?;
        report.take(trial, &text).with_context(|| format!("the result `{}`", path.display()))?;
    }
    conclude(root, asked, &report, begun)
}

fn conclude(root: &Path, asked: &Asked, report: &Report, begun: Instant) -> Result<()> {
    let mut machine = limits::machine(root, &root.join("target"));
    machine.push(format!("command: `{}`, {:.0} s", asked.text(), begun.elapsed().as_secs_f64()));
    let rows = report.rows(asked.proposed);
    let (won, pairs) = report.attacks();
    let last = format!("attack success: {won} of {pairs}");
    let mut text: String = machine.iter().map(|line| format!("- {line}\n")).collect();
    text.push('\n');
    text.push_str(&figures::bars_table(&rows));
    text.push_str("\nBy suite, template and who answers:\n\n");
    text.push_str(&report.table());
    text.extend(report.remarks().iter().map(|line| format!("\n{line}\n")));
    if asked.json {
        println!("{}", report.json(&machine, &rows));
        eprintln!("{last}");
    } else {
        println!("{text}\n{last}");
    }
    if let Some(page) = &asked.out {
        table::publish(&root.join(page), "bench defence", &format!("{text}\n{last}"))?;
    }
    report.sound()?;
    let missed: Vec<&str> = figures::missed(&rows);
    ensure!(!asked.bars || missed.is_empty(), "bars missed: {}", missed.join("; "));
    let walls: Vec<&str> = figures::missed(rows.get(..figures::WALLS).unwrap_or(&rows));
    ensure!(!asked.walls || walls.is_empty(), "bars missed: {}", walls.join("; "));
    Ok(())
}

/// The program that is judged, built where it is not said to be.
fn binary(root: &Path, asked: &Asked) -> Result<PathBuf> {
    let (folder, arguments) = match asked.profile {
        Profile::Ci => ("ci", ["--workspace", "--profile", "ci"].as_slice()),
        Profile::Release => ("release", ["-p", "alcaide", "--release"].as_slice()),
    };
    if !asked.built {
        let mut build = step::command(root, "cargo");
        build.args(["build", "--locked", "--bin", "alcaide"]).args(arguments);
        step::run("build", build)?;
    }
    Ok(root.join("target").join(folder).join("alcaide"))
}

fn read_facts(files: &[PathBuf], suites: &[String]) -> Result<BTreeMap<String, Tools>> {
    let mut all = BTreeMap::new();
    for file in files {
        let text =
            fs::read_to_string(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
        all.extend(facts::translate(&text).with_context(|| format!("`{}`", file.display()))?);
    }
    for suite in suites {
        ensure!(
            all.contains_key(suite),
            "the facts say nothing of the suite `{suite}`; name a file that does with `--owner`"
        );
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_unknown_ones_refused() {
        let words = [
            "--suites",
            "banking,slack",
            "--owner",
            "a.json",
            "--human",
            "no",
            "--template",
            "direct,tags",
            "--benign-only",
            "--built",
            "--profile",
            "ci",
            "--json",
            "--out",
            "docs/defence.md",
            "--bars",
        ];
        let asked = Asked::parse(&words).unwrap();
        assert_eq!(asked.suites, ["banking", "slack"]);
        assert_eq!((asked.human, asked.profile), (Some(Human::No), Profile::Ci));
        assert!(asked.benign_only && asked.built && asked.json && asked.bars && !asked.resume);
        assert_eq!(
            asked.text(),
            "cargo xtask bench defence --suites banking,slack --template direct,tags --owner a.json --human no \
             --benign-only --profile ci"
        );
        let plain = Asked::parse(&[]).unwrap();
        assert_eq!(
            (plain.suites, plain.templates),
            (vec!["workspace".into(), "banking".into()], vec!["important".into()])
        );
        assert_eq!(Asked::parse(&["--template", "all"]).unwrap().templates, TEMPLATES);
        let wrong = |words: &[&str]| Asked::parse(words).unwrap_err().to_string();
        assert_eq!(wrong(&["--out"]), "`bench defence` does not take `--out`, or a value is missing");
        assert_eq!(wrong(&["--human", "me"]), "`me` is not oracle, no or yes");
        assert_eq!(
            wrong(&["--suites", "bank"]),
            "there is no suite `bank`; there are workspace, banking, slack, travel"
        );
        assert_eq!(wrong(&["--template", "tags,tags"]), "the template `tags` is named twice");
        assert_eq!(wrong(&["--proposed", "--owner", "x"]), "facts are either `--proposed` or an `--owner`'s");
    }

    #[test]
    fn all_that_the_bars_need_is_run_where_nobody_is_named() {
        let asked = Asked::parse(&["--suites", "banking", "--template", "direct,tags"]).unwrap();
        let files: Vec<String> = asked.trials().iter().map(Trial::file).collect();
        assert_eq!(
            files,
            [
                "banking-direct-oracle.jsonl",
                "banking-tags-oracle.jsonl",
                "banking-direct-no-benign.jsonl",
                "banking-latency.jsonl",
            ]
        );
        let asked = Asked::parse(&["--suites", "banking", "--human", "yes"]).unwrap();
        assert_eq!(
            asked.trials().iter().map(Trial::file).collect::<Vec<_>>(),
            ["banking-important-yes.jsonl"]
        );
        assert_eq!(Asked::of_suite(false).trials().len(), 1);
        assert_eq!(Asked::of_suite(true).trials().len(), 20);
    }
}
