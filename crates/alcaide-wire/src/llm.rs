//! The protocols of model providers: what a call asks for, what a reply says, and both as streams.
//!
//! A view lists every string of a body either as a [`Segment`] to be inspected, or as an [`Opaque`] part that
//! cannot be; only short words of the protocol itself (types, roles, ids) are left out. Members that are not
//! known are read as text, parts whose type is not known are told as opaque besides: what is new at a
//! provider is inspected as far as it can be, and never passes unnoticed. What runs at the provider is listed
//! as [`Hosted`], members of a request itself that are not known too.
//!
//! Sources: the API references of OpenAI (chat completions, responses, embeddings, models) and Anthropic
//! (messages, count tokens, streaming). Left out: files, batches, fine-tuning, assistants, realtime, legacy
//! completions; they are no [`Operation`] and so not to be let through.

mod anthropic;
mod chat;
mod error;
mod part;
mod reply;
mod request;
mod responses;
mod stream;
mod walk;

pub use error::{error_body, error_event, ping};
pub use part::{
    Channel, HOSTED_MAX, Hosted, Opaque, OpaqueKind, Part, ProviderError, Role, Segment, ToolCall, Usage,
};
pub use reply::{ReplyError, ReplyView};
pub use request::{Model, OutputLimit, RequestError, RequestView, Stored};
pub use stream::{StreamError, StreamEvent, StreamView, Terminal};

/// Whose protocol is spoken.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Provider {
    /// OpenAI and all that speak its protocol.
    OpenAi,
    /// Anthropic.
    Anthropic,
}

impl Provider {
    /// The word in `hosted/<provider>/<tool>`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }
}

/// What a request asks of a provider.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// `POST chat/completions` of OpenAI.
    ChatCompletions,
    /// `POST responses` of OpenAI.
    Responses,
    /// `POST embeddings` of OpenAI.
    Embeddings,
    /// `GET models` of OpenAI.
    ListModels,
    /// `GET models/{model}` of OpenAI.
    ReadModel,
    /// `POST messages` of Anthropic.
    Messages,
    /// `POST messages/count_tokens` of Anthropic.
    CountTokens,
    /// `GET models` of Anthropic.
    ListAnthropicModels,
    /// `GET models/{model}` of Anthropic.
    ReadAnthropicModel,
}

/// Longest model name in a path, in bytes.
const MODEL_BYTES_MAX: usize = 128;

impl Operation {
    /// The operation that a method and a path below the provider's base stand for; absent for any other.
    ///
    /// The path may begin with `/` and the version (`/v1/messages`, `chat/completions`) and has no query. It
    /// is compared byte by byte: no percent escapes, no empty or dot segments, no trailing slash.
    #[must_use]
    pub fn recognise(provider: Provider, method: &str, path: &str) -> Option<Self> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_prefix("v1/").unwrap_or(path);
        match (provider, method, path) {
            (Provider::OpenAi, "POST", "chat/completions") => Some(Self::ChatCompletions),
            (Provider::OpenAi, "POST", "responses") => Some(Self::Responses),
            (Provider::OpenAi, "POST", "embeddings") => Some(Self::Embeddings),
            (Provider::Anthropic, "POST", "messages") => Some(Self::Messages),
            (Provider::Anthropic, "POST", "messages/count_tokens") => Some(Self::CountTokens),
            (Provider::OpenAi, "GET", "models") => Some(Self::ListModels),
            (Provider::Anthropic, "GET", "models") => Some(Self::ListAnthropicModels),
            (_, "GET", _) => {
                let model = path.strip_prefix("models/")?;
                let fine =
                    |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
                let named = model.len() <= MODEL_BYTES_MAX
                    && model.bytes().all(fine)
                    && model.bytes().any(|byte| byte.is_ascii_alphanumeric());
                named.then_some(match provider {
                    Provider::OpenAi => Self::ReadModel,
                    Provider::Anthropic => Self::ReadAnthropicModel,
                })
            }
            _ => None,
        }
    }

    /// Whose protocol it is.
    #[must_use]
    pub const fn provider(self) -> Provider {
        match self {
            Self::ChatCompletions
            | Self::Responses
            | Self::Embeddings
            | Self::ListModels
            | Self::ReadModel => Provider::OpenAi,
            Self::Messages | Self::CountTokens | Self::ListAnthropicModels | Self::ReadAnthropicModel => {
                Provider::Anthropic
            }
        }
    }

    /// Whether a request of it has a body.
    #[must_use]
    pub const fn has_body(self) -> bool {
        matches!(
            self,
            Self::ChatCompletions | Self::Responses | Self::Embeddings | Self::Messages | Self::CountTokens
        )
    }

    /// Whether its reply can be a stream.
    #[must_use]
    pub const fn can_stream(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Responses | Self::Messages)
    }
}

#[cfg(test)]
mod tests;
