//! Whose is it, and how sure? Integrity, confidentiality and provenance of data; how they join and compare.
//!
//! Two lattices, kept apart: integrity falls when anything untrusted is mixed in, confidentiality rises with the
//! most confidential part. [`Label::join`] is both at once and is commutative, associative and idempotent.

use serde::{Deserialize, Serialize};

/// Who can have written the data.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Integrity {
    /// Only the organisation and its people.
    Trusted,
    /// Third parties too; also what a missing label means.
    #[default]
    Untrusted,
}

/// Who may see the data; ordered from open to closed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidentiality {
    /// Anyone.
    Public,
    /// The organisation.
    Internal,
    /// Those who need it; also what a missing label means.
    #[default]
    Confidential,
    /// Named people only.
    Restricted,
}

impl Confidentiality {
    /// Rank from 0 (public) to 3 (restricted), for policy.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Public => 0,
            Self::Internal => 1,
            Self::Confidential => 2,
            Self::Restricted => 3,
        }
    }
}

/// Label of a piece of data, or the join over all that a task has read.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Label {
    /// How confidential.
    pub confidentiality: Confidentiality,
    /// Who can have written it.
    pub integrity: Integrity,
}

impl Label {
    /// What a task starts with before it has read anything.
    pub const CLEAN: Self = Self { confidentiality: Confidentiality::Public, integrity: Integrity::Trusted };
    /// What is assumed of data without a label.
    pub const MISSING: Self =
        Self { confidentiality: Confidentiality::Confidential, integrity: Integrity::Untrusted };

    /// The label of both together: the lower integrity and the higher confidentiality.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            confidentiality: self.confidentiality.max(other.confidentiality),
            integrity: self.integrity.max(other.integrity),
        }
    }
}

/// Where an argument of a call came from.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// In words of the user, signed by the human's client or launcher.
    UserAttested,
    /// In a user turn of an agent whose owner declared its user turns trusted.
    UserAsserted,
    /// A constant of the agent's declaration.
    Constant,
    /// Read from a trusted source.
    Trusted,
    /// Resolved by a unique look-up of a bound value.
    Resolved,
    /// Made by this task (a file that it wrote, an id that it was given).
    Made,
    /// Of people whose yes to a call of this task passed, and who said that this value is right for the task.
    Endorsed,
    /// Read from an untrusted source.
    Untrusted,
    /// Seen nowhere before.
    #[default]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Label; 8] = {
        let mut all = [Label::CLEAN; 8];
        let integrities = [Integrity::Trusted, Integrity::Untrusted];
        let levels = [
            Confidentiality::Public,
            Confidentiality::Internal,
            Confidentiality::Confidential,
            Confidentiality::Restricted,
        ];
        let mut at = 0;
        while at < 8 {
            all[at] = Label { confidentiality: levels[at / 2], integrity: integrities[at % 2] };
            at += 1;
        }
        all
    };

    #[test]
    fn join_is_a_semilattice_with_clean_at_the_bottom() {
        for a in ALL {
            assert_eq!(a.join(a), a);
            assert_eq!(a.join(Label::CLEAN), a);
            for b in ALL {
                assert_eq!(a.join(b), b.join(a));
                for c in ALL {
                    assert_eq!(a.join(b).join(c), a.join(b.join(c)));
                }
            }
        }
    }

    #[test]
    fn nothing_read_can_clean_a_label() {
        for a in ALL {
            let joined = Label::MISSING.join(a);
            assert_eq!(joined.integrity, Integrity::Untrusted);
            assert!(joined.confidentiality >= Confidentiality::Confidential);
        }
    }
}
