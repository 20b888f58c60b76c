//! Is a chat template what it says it is: a way to write messages down, and nothing more?
//!
//! A template is parsed with Jinja's grammar and walked with abstract values ([`value`]): constants are computed as far as
//! a name could be hidden by it, and each value knows where it comes from. Two kinds of harm are told apart. One reaches
//! for the interpreter behind the values; it needs names with underscores, or names that are computed. The other is valid
//! in every sandbox: a branch that waits for certain words in a message, and then adds, drops or changes what the model
//! reads. Nothing is rendered.

mod calls;
mod diff;
mod fold;
mod lex;
mod parse;
mod prose;
mod tree;
mod value;
mod walk;

use alcaide_container::Fuel;

use crate::rules::{Rule, formats as rules};
use crate::scanner::Scanner;

pub use diff::{Change, diff};

/// Templates that are longer are not judged: the longest honest ones have about 30 KB.
const BYTES_MAX: usize = 1 << 20;

/// Judges the template called `name`, which begins at `offset` of the part that is open.
pub(crate) fn judge(scanner: &mut Scanner, name: &str, offset: Option<u64>, source: &str) {
    let fuel = scanner.fuel().clone();
    for said in judged(source, &fuel) {
        let pointer = place(name, source, said.at);
        if said.rule.rating == alcaide_finding::Rating::None {
            scanner.doubt(said.rule, offset, format!("{pointer}: {}", said.words));
        } else {
            scanner.find(said.rule, offset, Some(&pointer), said.words);
        }
    }
}

/// What is said of a place in a template.
#[derive(Debug)]
struct Said {
    at: usize,
    rule: &'static Rule,
    words: String,
}

/// Where a text has letters in it that nobody sees, and what they are.
pub(crate) fn concealed(text: &str) -> Option<(usize, &'static str)> {
    prose::concealed(text)
}

/// Judges prose that is put before a model without any template around it.
pub(crate) fn judge_prose(text: &str) -> Vec<(&'static Rule, String)> {
    let mut said = Vec::new();
    if let Some((_, what)) = prose::deceit(text) {
        said.push((&rules::TEMPLATE_HIDDEN, what.to_owned()));
    }
    if let Some((_, what)) = prose::concealed(text) {
        said.push((&rules::TEMPLATE_CONCEALS, what.to_owned()));
    }
    if let Some((_, prose::Link::Active)) = prose::link(text) {
        said.push((&rules::TEMPLATE_EMITS, "a link or markup that fetches".to_owned()));
    }
    said
}

fn judged(source: &str, fuel: &Fuel) -> Vec<Said> {
    if source.len() > BYTES_MAX {
        return vec![Said { at: 0, rule: &rules::TEMPLATE_UNCLEAR, words: "it is too long".to_owned() }];
    }
    if fuel.step(source.len() as u64 / 16).is_err() {
        return vec![Said {
            at: 0,
            rule: &crate::rules::OUT_OF_FUEL,
            words: "nothing is left for it".to_owned(),
        }];
    }
    let words = match lex::words(source) {
        Ok(words) => words,
        Err(fault) => return unparsed(source, fault),
    };
    match parse::parse(&words) {
        Ok(nodes) => walk::walk(&nodes, fuel),
        Err(fault) => unparsed(source, fault),
    }
}

/// What does not parse is in doubt; names that no honest template has are found all the same.
fn unparsed(source: &str, fault: lex::Fault) -> Vec<Said> {
    let mut said = vec![Said { at: fault.at, rule: &rules::TEMPLATE_UNCLEAR, words: fault.what.to_owned() }];
    if let Some(at) = calls::DEEP.iter().find_map(|name| source.find(name)) {
        said.push(Said {
            at,
            rule: &rules::TEMPLATE_SANDBOX,
            words: "a name that leads to the interpreter".to_owned(),
        });
    }
    said
}

/// `name:line:column`, from one.
fn place(name: &str, source: &str, at: usize) -> String {
    let before = source.as_bytes().get(..at).unwrap_or(source.as_bytes());
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    format!("{name}:{line}:{column}")
}

#[cfg(test)]
mod tests;
