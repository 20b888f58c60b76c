//! What a verifier or a signer allows; the default allows nothing beyond the specification.

use std::collections::BTreeSet;

use super::path::TreePath;

/// What is allowed.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Paths that do not count, with all that is in them, beyond the defaults. A signer writes them into the bundle; a verifier
    /// refuses a bundle that leaves out anything else.
    pub ignore: BTreeSet<TreePath>,
    /// Where the bundles themselves lie, if they lie in the model: exactly these files do not count.
    pub signatures: BTreeSet<TreePath>,
    /// Whether what is ignored may look like weights.
    pub ignored_weights: IgnoredWeights,
    /// What becomes of files that nobody signed.
    pub unsigned: Unsigned,
    /// What becomes of symbolic links.
    pub links: Links,
    /// When two names are one.
    pub names: Names,
    /// Which formats are taken.
    pub formats: Formats,
}

/// Whether files that are ignored may look like weights, by their name or their first bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum IgnoredWeights {
    /// They may not: weights that nobody signed are the attack.
    #[default]
    Refuse,
    /// They may.
    Allow,
}

/// What becomes of files that nobody signed and nobody ignores.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Unsigned {
    /// The model is refused.
    #[default]
    Refuse,
    /// They are listed in the result.
    List,
}

/// What becomes of symbolic links.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Links {
    /// The model is refused.
    #[default]
    Refuse,
    /// A link that the caller followed within the model counts as the file that it leads to.
    Follow,
}

/// When two names are one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Names {
    /// When they differ in case or composition alone: such a model is refused, since some systems would overwrite one by the other.
    #[default]
    Portable,
    /// When they are equal byte for byte.
    Exact,
}

/// Which formats of signatures are taken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Formats {
    /// Those of version 1.
    #[default]
    Current,
    /// Those of version 0.2 as well: another predicate without a root digest, and an encoding under the signature with a fault.
    Historical,
}
