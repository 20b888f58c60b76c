//! Model files: what they would do, before anything loads them.

mod scan;

use alcaide_artifact::Rule;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::{Desk, Exit};
use crate::fail::Failure;

/// `alcaide model …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Judge model files: clean, unsafe, or inconclusive where something could not be looked into
    #[command(
        after_help = "Example: alcaide model scan ./my-model\nNothing is loaded or run: files are parsed by readers that can do nothing else. Exit status: 0 clean, \
        1 unsafe, 2 wrong usage, 3 inconclusive or not readable. The same files and rules give the same JSON."
    )]
    Scan(scan::Scan),
    /// List the rules: what each finds, and how much harm it means
    #[command(after_help = "Example: alcaide model rules")]
    Rules(Rules),
}

/// `alcaide model rules`.
#[derive(Args, Debug)]
pub(crate) struct Rules {}

#[derive(Serialize)]
struct RuleView {
    id: &'static str,
    rating: &'static str,
    description: &'static str,
    cure: &'static str,
}

impl Verb {
    pub(crate) fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        match self {
            Self::Scan(scan) => scan.run(desk),
            Self::Rules(Rules {}) => {
                let all: Vec<_> = Rule::all().map(view).collect();
                let rows: Vec<_> = all
                    .iter()
                    .map(|one| vec![one.id.to_owned(), one.rating.to_owned(), one.description.to_owned()])
                    .collect();
                desk.out
                    .show(&all, || desk.out.table(&["RULE", "RATING", "WHAT IT FINDS"], &rows, "no rules"))?;
                Ok(Exit::Clean)
            }
        }
    }
}

fn view(rule: &'static Rule) -> RuleView {
    RuleView {
        id: rule.id.as_str(),
        rating: rule.rating.as_str(),
        description: rule.description,
        cure: rule.cure,
    }
}
