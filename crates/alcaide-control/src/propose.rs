//! What may a tool do, as far as its definition tells? A first version of its facts, with the reason of each guess.
//!
//! ```text
//! definitions of one server's tools ── propose ── facts and reasons ── owner reads, edits ── plan
//! ```
//! A definition is a stranger's, so nothing in it makes a guess laxer than the tool's name does: a description and the
//! server's hints can only make it graver. What is unknown or unclear is the strictest: the effect the gravest, the
//! argument one that decides, the answer untrusted. The rules know words of names, types and formats, no product.
//!
//! | module | what |
//! |---|---|
//! | `words` | the words of names, and what the usual ones mean |
//! | `effect` | what a call does |
//! | `arguments` | what decides, what is text, what does no harm |
//! | `output` | trust in the answer, and ids that may decide later calls |
//!
//! Left out: `audience`, `store` and handles. Only an owner knows whom a server serves, what a store is, and what agents need
//! not read. Pure.

mod arguments;
mod effect;
mod output;
mod words;

use alcaide_inventory::Name;
use alcaide_inventory::declare::{Declarations, DeclareError, Tool};
use alcaide_inventory::fact::{Effect, Facts};
use alcaide_label::Confidentiality;
use serde::Serialize;

use crate::definition::Definition;
use crate::visible::visible_line;

/// Why something is guessed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Reason {
    /// A fact (`effect`, `output`) or the name of an argument, as the server gives it.
    pub about: String,
    /// Why, in one line.
    pub because: String,
}

impl Reason {
    fn new(about: &str, because: String) -> Self {
        Self { about: about.to_owned(), because }
    }
}

/// Facts that are proposed of a tool.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Proposal {
    /// Its name.
    pub name: String,
    /// What would be declared of it.
    pub facts: Facts,
    /// Why; several may be about one thing, the last of them about `effect` is the one that holds.
    pub reasons: Vec<Reason>,
}

/// What is read out of a definition on the way.
#[derive(Clone, Debug)]
struct Read {
    /// The verb of its name.
    act: String,
    /// What it does.
    effect: Effect,
    /// The other words of its name.
    nouns: Vec<String>,
    /// Whether a verb was found.
    known: bool,
    /// Whether it only looks, wherever that may be.
    looks: bool,
    /// Whether it only fetches from a place that its arguments name.
    fetches: bool,
    /// Its description, in small letters.
    description: String,
}

/// Proposes facts of the tools of one server: what one of them takes says what another's answer is good for.
#[must_use]
pub fn propose(all: &[Definition]) -> Vec<Proposal> {
    let guess = |said: &Definition| {
        let mut reasons = Vec::new();
        let read = effect::guess(said, &mut reasons);
        (read, reasons)
    };
    let guessed: Vec<_> = all.iter().map(|said| (said, guess(said))).collect();
    let wanted: Vec<_> = guessed.iter().flat_map(|(said, (read, _))| output::wanted(said, read)).collect();
    guessed
        .into_iter()
        .map(|(said, (mut read, mut reasons))| {
            let mut facts = Facts::default();
            if !read.known {
                facts.clearance = Confidentiality::Public;
            }
            arguments::fill(said, &mut read, &mut facts, &mut reasons);
            facts.effect = read.effect;
            output::fill(said, &read, &wanted, &mut facts, &mut reasons);
            if read.effect.is_consequential() && read.known {
                facts.request_words = asked_for(&read);
            }
            Proposal { name: said.name.clone(), facts, reasons }
        })
        .collect()
}

/// The words by which people ask for a tool. What destroys is asked for by its verb alone.
fn asked_for(read: &Read) -> Vec<String> {
    let verbs = words::asked(&read.act).into_iter();
    let nouns = read.nouns.iter().filter(|_| read.effect != Effect::Destructive);
    let mut all: Vec<String> = Vec::new();
    for word in verbs.chain(nouns.flat_map(|noun| words::called(noun))) {
        if word.len() > 1 && !all.iter().any(|known| known == word) {
            all.push(word.to_owned());
        }
    }
    all
}

/// Proposals as declarations, each below its reasons as comments: what an owner edits and applies.
///
/// # Errors
/// [`DeclareError::Write`] if a value has no form in TOML.
pub fn to_toml<'p>(
    proposals: impl IntoIterator<Item = (&'p Name, &'p Proposal)>,
) -> Result<String, DeclareError> {
    let mut text = "schema = 1\n".to_owned();
    for (server, Proposal { name, facts, reasons }) in proposals {
        text.push('\n');
        for Reason { about, because } in reasons {
            // A name is a stranger's: nothing of it ends the comment.
            text.push_str(&visible_line(&format!("# `{about}`: {because}")));
            text.push('\n');
        }
        let tool = Tool { server: server.clone(), name: name.clone(), facts: facts.clone() };
        let one = Declarations { tools: vec![tool], ..Declarations::empty() }.to_toml()?;
        text.push_str(one.trim_start_matches(|one| one != '['));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
