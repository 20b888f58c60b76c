//! Why a message is JSON-RPC, but not what its method needs.

use crate::jsonrpc::{MessageError, code};

/// A message that the gate cannot judge.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// It is no message.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A response where a call was expected, or the reverse.
    #[error("the message is not {wanted}")]
    NotWanted {
        /// What was expected, in words.
        wanted: &'static str,
    },
    /// A member is missing that the method needs.
    #[error("member `{member}` is missing")]
    Missing {
        /// JSON pointer of the member, seen from the message.
        member: &'static str,
    },
    /// A member has a value of another kind than the method takes.
    #[error("member `{member}` is not {wanted}")]
    WrongKind {
        /// JSON pointer of the member, seen from the message.
        member: &'static str,
        /// What it must be, in words.
        wanted: &'static str,
    },
    /// A result asks for input, but says neither what for nor what to bring back.
    #[error("a result asks for input, but has neither requests nor a state")]
    EmptyAsk,
}

impl ViewError {
    /// The code that answers such a call.
    #[must_use]
    pub const fn code(&self) -> i64 {
        match self {
            Self::Message(error) => error.code(),
            Self::NotWanted { .. } => code::INVALID_REQUEST,
            _ => code::INVALID_PARAMS,
        }
    }
}
