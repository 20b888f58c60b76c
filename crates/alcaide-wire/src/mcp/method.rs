//! Methods, and who may send which in what revision.

use super::Revision;

/// A method that the protocol defines. Case counts: `Tools/Call` is [`Method::Other`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Method {
    /// `initialize`.
    Initialize,
    /// `server/discover`.
    Discover,
    /// `ping`.
    Ping,
    /// `tools/list`.
    ToolsList,
    /// `tools/call`.
    ToolsCall,
    /// `prompts/list`.
    PromptsList,
    /// `prompts/get`.
    PromptsGet,
    /// `resources/list`.
    ResourcesList,
    /// `resources/templates/list`.
    ResourcesTemplatesList,
    /// `resources/read`.
    ResourcesRead,
    /// `resources/subscribe`.
    ResourcesSubscribe,
    /// `resources/unsubscribe`.
    ResourcesUnsubscribe,
    /// `subscriptions/listen`.
    SubscriptionsListen,
    /// `completion/complete`.
    CompletionComplete,
    /// `logging/setLevel`.
    LoggingSetLevel,
    /// `sampling/createMessage`: the server asks for a completion.
    SamplingCreateMessage,
    /// `elicitation/create`: the server asks the person.
    ElicitationCreate,
    /// `roots/list`: the server asks for the client's folders.
    RootsList,
    /// `notifications/initialized`.
    Initialized,
    /// `notifications/cancelled`.
    Cancelled,
    /// `notifications/progress`.
    Progress,
    /// `notifications/message`: a log message.
    LogMessage,
    /// `notifications/roots/list_changed`.
    RootsListChanged,
    /// `notifications/tools/list_changed`.
    ToolsListChanged,
    /// `notifications/prompts/list_changed`.
    PromptsListChanged,
    /// `notifications/resources/list_changed`.
    ResourcesListChanged,
    /// `notifications/resources/updated`.
    ResourcesUpdated,
    /// `notifications/elicitation/complete`.
    ElicitationComplete,
    /// `notifications/subscriptions/acknowledged`.
    SubscriptionsAcknowledged,
    /// Any other.
    Other,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Side {
    /// The one that opened the connection.
    Client,
    /// The one with the tools.
    Server,
}

impl Method {
    /// The method of that name, compared byte by byte.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        WORDS.iter().find_map(|(known, method)| (*known == word).then_some(*method)).unwrap_or(Self::Other)
    }

    /// Its name; empty for [`Method::Other`].
    #[must_use]
    pub fn as_str(self) -> &'static str {
        WORDS.iter().find_map(|(word, known)| (*known == self).then_some(*word)).unwrap_or_default()
    }

    /// The member of `params` that names what is addressed, and that the header `Mcp-Name` repeats.
    #[must_use]
    pub const fn name_member(self) -> Option<&'static str> {
        match self {
            Self::ToolsCall | Self::PromptsGet => Some("name"),
            Self::ResourcesRead => Some("uri"),
            _ => None,
        }
    }

    /// Whether it is a notification. Not known of [`Method::Other`], where it is false.
    #[must_use]
    pub fn is_notification(self) -> bool {
        self.as_str().starts_with("notifications/")
    }

    /// Whether a result may ask for input (specification 2026-07-28, "Supported Requests").
    #[must_use]
    pub const fn may_ask(self) -> bool {
        self.name_member().is_some()
    }

    /// Whether the result bears a time to live since 2026-07-28.
    #[must_use]
    pub const fn is_cacheable(self) -> bool {
        matches!(
            self,
            Self::Discover
                | Self::ToolsList
                | Self::PromptsList
                | Self::ResourcesList
                | Self::ResourcesTemplatesList
                | Self::ResourcesRead
        )
    }

    /// Whether `side` may send it in `revision`. Never true of [`Method::Other`].
    ///
    /// In 2026-07-28 a server sends no requests: sampling, elicitation and roots stand within results.
    #[must_use]
    pub fn is_defined(self, revision: Revision, side: Side) -> bool {
        let stateless = revision >= Revision::V2026_07_28;
        match (self, side) {
            (Self::Cancelled, _) => true,
            (
                Self::ToolsList
                | Self::ToolsCall
                | Self::PromptsList
                | Self::PromptsGet
                | Self::ResourcesList
                | Self::ResourcesTemplatesList
                | Self::ResourcesRead
                | Self::CompletionComplete,
                Side::Client,
            )
            | (
                Self::Progress
                | Self::LogMessage
                | Self::ToolsListChanged
                | Self::PromptsListChanged
                | Self::ResourcesListChanged
                | Self::ResourcesUpdated,
                Side::Server,
            ) => true,
            (Self::Discover | Self::SubscriptionsListen, Side::Client)
            | (Self::SubscriptionsAcknowledged, Side::Server) => stateless,
            (Self::Ping, _)
            | (
                Self::Initialize
                | Self::ResourcesSubscribe
                | Self::ResourcesUnsubscribe
                | Self::LoggingSetLevel
                | Self::Initialized
                | Self::Progress
                | Self::RootsListChanged,
                Side::Client,
            )
            | (Self::SamplingCreateMessage | Self::RootsList, Side::Server) => !stateless,
            (Self::ElicitationCreate, Side::Server) => !stateless && revision >= Revision::V2025_06_18,
            (Self::ElicitationComplete, Side::Server) => revision == Revision::V2025_11_25,
            _ => false,
        }
    }
}

const WORDS: [(&str, Method); 29] = [
    ("tools/call", Method::ToolsCall),
    ("tools/list", Method::ToolsList),
    ("initialize", Method::Initialize),
    ("server/discover", Method::Discover),
    ("ping", Method::Ping),
    ("prompts/list", Method::PromptsList),
    ("prompts/get", Method::PromptsGet),
    ("resources/list", Method::ResourcesList),
    ("resources/templates/list", Method::ResourcesTemplatesList),
    ("resources/read", Method::ResourcesRead),
    ("resources/subscribe", Method::ResourcesSubscribe),
    ("resources/unsubscribe", Method::ResourcesUnsubscribe),
    ("subscriptions/listen", Method::SubscriptionsListen),
    ("completion/complete", Method::CompletionComplete),
    ("logging/setLevel", Method::LoggingSetLevel),
    ("sampling/createMessage", Method::SamplingCreateMessage),
    ("elicitation/create", Method::ElicitationCreate),
    ("roots/list", Method::RootsList),
    ("notifications/initialized", Method::Initialized),
    ("notifications/cancelled", Method::Cancelled),
    ("notifications/progress", Method::Progress),
    ("notifications/message", Method::LogMessage),
    ("notifications/roots/list_changed", Method::RootsListChanged),
    ("notifications/tools/list_changed", Method::ToolsListChanged),
    ("notifications/prompts/list_changed", Method::PromptsListChanged),
    ("notifications/resources/list_changed", Method::ResourcesListChanged),
    ("notifications/resources/updated", Method::ResourcesUpdated),
    ("notifications/elicitation/complete", Method::ElicitationComplete),
    ("notifications/subscriptions/acknowledged", Method::SubscriptionsAcknowledged),
];
