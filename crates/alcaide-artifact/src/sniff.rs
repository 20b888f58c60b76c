//! What is this? By its bytes; the name is a claim.

use crate::model::Model;

/// What a part looks like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub(crate) enum Format {
    Unknown,
    /// Something that declares what it computes.
    Model(Model),
}

impl Format {
    /// The word for it in reports.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Model(model) => model.as_str(),
        }
    }

    /// What a part that begins with `head` looks like.
    pub(crate) fn of(_head: &[u8], _name: &str) -> Self {
        Self::Unknown
    }
}
