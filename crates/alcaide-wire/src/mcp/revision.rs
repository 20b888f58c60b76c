//! Revisions of the protocol, an enumerated set: a revision that is not known is neither older nor newer.

use std::fmt;

use crate::json::edit::encode_into;
use crate::jsonrpc::{self, Id, code};

/// How a revision keeps what a call needs to know.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Era {
    /// Agreed once by `initialize`, kept in a session.
    Handshake,
    /// Carried by each request.
    Stateless,
}

/// A released revision, oldest first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Revision {
    /// 2024-11-05.
    V2024_11_05,
    /// 2025-03-26: the first with streamable HTTP; assumed where nothing says otherwise.
    V2025_03_26,
    /// 2025-06-18: no batches, header `MCP-Protocol-Version`, elicitation.
    V2025_06_18,
    /// 2025-11-25: URL elicitation.
    V2025_11_25,
    /// 2026-07-28: stateless.
    V2026_07_28,
}

impl Revision {
    /// All of them, oldest first.
    pub const ALL: [Self; 5] =
        [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];
    /// The newest that `initialize` can agree on.
    pub const NEWEST_HANDSHAKE: Self = Self::V2025_11_25;
    /// The newest stateless one.
    pub const NEWEST_STATELESS: Self = Self::V2026_07_28;
    /// What is spoken over HTTP where no header says so (specification 2025-11-25, "Protocol Version
    /// Header").
    pub const ASSUMED: Self = Self::V2025_03_26;

    /// The revision of that name; absent if it is not known. Compared byte by byte.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == text)
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Its era.
    #[must_use]
    pub const fn era(self) -> Era {
        match self {
            Self::V2026_07_28 => Era::Stateless,
            _ => Era::Handshake,
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The answer to a stateless request of a revision that is not spoken here; its status is 400.
///
/// Source: specification 2026-07-28, "Protocol Version Negotiation".
#[must_use]
pub fn unsupported_version(id: Option<&Id<'_>>, requested: &str, supported: &[Revision]) -> Vec<u8> {
    let mut data = String::from("{\"supported\":[");
    for (index, revision) in supported.iter().enumerate() {
        if index > 0 {
            data.push(',');
        }
        encode_into(revision.as_str(), &mut data);
    }
    data.push_str("],\"requested\":");
    let cut: String = requested.chars().take(64).collect();
    encode_into(&cut, &mut data);
    data.push('}');
    jsonrpc::error(id, code::UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version", Some(&data))
}
