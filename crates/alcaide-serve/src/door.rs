//! Who may come to a path at all: what the tables of paths have in common. What somebody may do there is the
//! operation's own question.

/// Who may come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Door {
    /// Anyone.
    Public,
    /// Whoever brings something in the request that proves who it is: a credential of their own, a one-time link.
    Proof,
    /// Callers whom the office knows: by their token, by a session.
    Known,
}
