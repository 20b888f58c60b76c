//! What does a Python file do when it is imported?
//!
//! A loader that trusts remote code imports it: what stands at module level, in class bodies, decorators and default
//! values runs at once, and what these call runs with it. The file is cut into tokens and parsed lightly; names are
//! followed through imports, assignments, `getattr`, `__import__` and constants that are put together or decoded.

pub(crate) mod effects;
mod lex;
mod parse;
mod walk;

use crate::rules::Rule;

pub(crate) use walk::{Trust, judge};

/// What is said of a place in the file.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) at: usize,
    pub(crate) rule: &'static Rule,
    pub(crate) words: String,
}

#[cfg(test)]
mod tests;
