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
    /// What becomes of the paths that OMS leaves out by itself.
    pub defaults: Defaults,
    /// Whether what is ignored may look like weights.
    pub ignored_weights: IgnoredWeights,
    /// What becomes of files that nobody signed.
    pub unsigned: Unsigned,
    /// What becomes of empty files where shards were signed, which list none.
    pub empty: EmptyFiles,
    /// What becomes of symbolic links.
    pub links: Links,
    /// When two names are one.
    pub names: Names,
    /// Which formats are taken.
    pub formats: Formats,
}

/// What becomes of the paths that OMS leaves out by itself: `.git`, `.gitattributes`, `.github`, `.gitignore` at the top.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Defaults {
    /// They do not count.
    #[default]
    Ignore,
    /// They count like any other path.
    Refuse,
}

/// What becomes of empty files where shards were signed. Such a signature lists none of them, so nobody can tell whether the
/// signer had them: an empty file can hide another of its name, or make a folder importable.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum EmptyFiles {
    /// The model is refused.
    #[default]
    Refuse,
    /// They are listed in the result as unsigned.
    List,
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
    /// When they differ in case or composition alone, or one is the folder of another: such a model is refused, since some systems
    /// would overwrite one by the other. So are names that some systems cut short, take for a device or do not show.
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
