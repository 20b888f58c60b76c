//! What is this? By its bytes; the name is a claim.

use crate::repository;
use crate::tensors::{gguf, safetensors};

/// What a part looks like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub(crate) enum Format {
    Unknown,
    Safetensors,
    Gguf,
    /// GGML and its kin before GGUF.
    OldGgml,
    /// What lies beside weights in a repository.
    Beside(repository::Kind),
}

impl Format {
    /// The word for it in reports.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Safetensors => "safetensors",
            Self::Gguf => "gguf",
            Self::OldGgml => "ggml",
            Self::Beside(kind) => kind.as_str(),
        }
    }

    /// Whether its bytes are searched for programs: texts cannot be any, and what opens its members has them searched.
    pub(crate) const fn may_hide_programs(self) -> bool {
        !matches!(self, Self::Beside(_))
    }

    /// What is wrong with the name of `len` bytes of this.
    pub(crate) fn disguise(self, name: &str, len: u64) -> Option<&'static str> {
        let claims = |suffix: &str| ends(name, suffix) && len > 0;
        if claims(".gguf") && !matches!(self, Self::Gguf | Self::OldGgml) {
            return Some("it is no GGUF");
        }
        let text = [".json", ".yaml", ".yml", ".md", ".py", ".jinja"].iter().any(|suffix| claims(suffix));
        (text && !matches!(self, Self::Beside(_))).then_some("it is no text")
    }

    /// What a part that begins with `head` looks like.
    pub(crate) fn of(head: &[u8], name: &str, len: u64) -> Self {
        if gguf::is_head(head) {
            return Self::Gguf;
        }
        if gguf::is_old_head(head) {
            return Self::OldGgml;
        }
        if safetensors::is_head(head, len) || ends(name, ".safetensors") {
            return Self::Safetensors;
        }
        repository::Kind::of(head, name).map_or(Self::Unknown, Self::Beside)
    }
}

/// Whether a name ends so, in whatever case.
pub(crate) fn ends(name: &str, suffix: &str) -> bool {
    name.len()
        .checked_sub(suffix.len())
        .and_then(|at| name.get(at..))
        .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}
