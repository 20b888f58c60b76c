//! Does the tree keep its own laws? Edges, files, manifests and the locked tree, each judged by a pure function.
//!
//! Every breach is told with its place and its cure; one is enough to fail.

mod edges;
mod files;
mod manifests;
mod supply;

use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};

use crate::metadata::Tree;
use crate::step;

/// A law that is broken somewhere.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Breach {
    /// A path from the root, with a line where there is one.
    place: String,
    what: String,
    cure: &'static str,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\n   at: {}\n  fix: {}", self.what, self.place, self.cure)
    }
}

/// Runs every check and prints what is broken.
///
/// # Errors
/// When anything is broken, or the tree cannot be read.
pub(crate) fn run(root: &Path) -> Result<()> {
    let tree = Tree::read(root)?;
    let tracked = files::tracked(root)?;
    let mut breaches = edges::judge(&tree);
    breaches.extend(manifests::judge(root, &tree)?);
    breaches.extend(files::judge(root, &tracked)?);
    breaches.extend(supply::judge(root, &tree)?);
    for breach in &breaches {
        println!("{breach}\n");
    }
    if !breaches.is_empty() {
        bail!("{} breach(es) of the laws of this tree; each is told above with its cure", breaches.len());
    }
    println!(
        "check: {} files, {} crates, {} packages, all laws kept",
        tracked.len(),
        tree.members().count(),
        tree.packages.len()
    );
    second_opinion(root)
}

/// The same bans, licences and sources judged by cargo-deny, where it is installed.
fn second_opinion(root: &Path) -> Result<()> {
    let mut probe = step::command(root, "cargo");
    probe.args(["deny", "--version"]);
    if !step::succeeds(probe) {
        return Ok(());
    }
    let mut deny = step::command(root, "cargo");
    deny.args(["deny", "--locked", "check", "bans", "licenses", "sources"]);
    step::run("cargo-deny", deny)
}

/// A path as written in messages: from the root, with slashes.
fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
