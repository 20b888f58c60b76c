//! What a request or notification asks, of either side, and the edits that a gate may make to it.

use std::borrow::Cow;
use std::ops::Range;

use super::content::{Opaque, OpaqueKind, Part, Segment};
use super::walk::Walker;
use super::{Era, Meta, Method, Revision, ViewError, meta, meta_key};
use crate::json::edit::Splice;
use crate::json::{Document, Entry, Kind, Value};
use crate::jsonrpc::{Id, Message};

/// A string of the message that a gate may put another in place of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target<'a> {
    /// What it says.
    pub text: Cow<'a, str>,
    /// Bytes of the JSON string, quotes included.
    pub span: Range<usize>,
}

impl<'a> Target<'a> {
    pub(super) fn read(value: Value<'_, 'a>) -> Option<Self> {
        Some(Self { text: value.as_str()?, span: value.span() })
    }
}

/// What `completion/complete` is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reference<'a> {
    /// An argument of this prompt.
    Prompt(Target<'a>),
    /// A variable of this template.
    Template(Target<'a>),
}

impl<'a> Reference<'a> {
    /// `ref`, where it is one of the two kinds that the protocol has.
    fn read(value: Value<'_, 'a>) -> Option<Self> {
        let named =
            |key: &str| value.get(key).and_then(Target::read).filter(|target| !target.text.is_empty());
        match value.get("type").and_then(Value::as_str).as_deref() {
            Some("ref/prompt") => named("name").map(Self::Prompt),
            Some("ref/resource") => named("uri").map(Self::Template),
            _ => None,
        }
    }

    const fn target_mut(&mut self) -> &mut Target<'a> {
        match self {
            Self::Prompt(target) | Self::Template(target) => target,
        }
    }
}

/// One request or notification, read. Borrows the text, not the document.
#[derive(Clone, Debug)]
pub struct CallView<'a> {
    /// What is called.
    pub method: Method,
    /// The method as given.
    pub word: Cow<'a, str>,
    /// Id of a request; absent in a notification.
    pub id: Option<Id<'a>>,
    /// What the message itself says of its era: stateless where `_meta` names a protocol version. For a
    /// notification only the header can tell.
    pub era: Era,
    /// The revision that the message names, as given: in `_meta`, or that which `initialize` offers.
    pub declared: Option<Cow<'a, str>>,
    /// The tool, prompt or resource that is addressed, in `tools/call`, `prompts/get`, `resources/read`,
    /// `resources/subscribe` and `resources/unsubscribe`.
    pub target: Option<Target<'a>>,
    /// The prompt or template of `completion/complete`, where it is clear.
    pub reference: Option<Reference<'a>>,
    /// Bytes of the arguments of a tool or prompt, an object.
    pub arguments: Option<Range<usize>>,
    /// Where a list goes on. Opaque, from the server.
    pub cursor: Option<Target<'a>>,
    /// `_meta`.
    pub meta: Option<Meta<'a>>,
    /// What progress notifications of this request will bear, or what this one bears.
    pub progress_token: Option<Id<'a>>,
    /// The request that `notifications/cancelled` names.
    pub cancels: Option<Id<'a>>,
    /// The state that a server gave with an input-required result. Attacker-controlled.
    pub request_state: Option<Target<'a>>,
    /// Bytes of the answers to what a server asked for, an object.
    pub input_responses: Option<Range<usize>>,
    /// Everything that carries text, in the order of the body.
    pub segments: Vec<Segment<'a>>,
    /// Parts that cannot be read.
    pub opaque: Vec<Opaque>,
}

impl<'a> CallView<'a> {
    /// Reads a request or notification, of the client or of the server.
    ///
    /// # Errors
    /// A [`ViewError`] where a member that the gate decides on is missing or unclear; what only the peer
    /// cares about is not checked. A stateless request needs the client's capabilities.
    pub fn read(document: &Document<'a>) -> Result<Self, ViewError> {
        let (word, id) = match Message::read(document)? {
            Message::Request(request) => (request.method, Some(request.id)),
            Message::Notification(notification) => (notification.method, None),
            Message::Response(_) => return Err(ViewError::NotWanted { wanted: "a call" }),
        };
        let method = Method::parse(&word);
        if method != Method::Other && method.is_notification() != id.is_none() {
            let wanted =
                if id.is_none() { "a request, but has no id" } else { "a notification, but has an id" };
            return Err(ViewError::NotWanted { wanted });
        }
        let params = document.root().get("params");
        let meta = Meta::read(params)?;
        let carried = meta.as_ref().and_then(|meta| meta.protocol_version.clone());
        let era = if carried.is_some() { Era::Stateless } else { Era::Handshake };
        if era == Era::Stateless
            && id.is_some()
            && meta.as_ref().is_none_or(|meta| meta.client_capabilities.is_none())
        {
            return Err(ViewError::Missing {
                member: "/params/_meta/io.modelcontextprotocol~1clientCapabilities",
            });
        }
        let mut view = Self {
            method,
            word,
            id,
            era,
            declared: carried,
            target: None,
            reference: None,
            arguments: None,
            cursor: None,
            progress_token: meta.as_ref().and_then(|meta| meta.progress_token.clone()),
            meta,
            cancels: None,
            request_state: None,
            input_responses: None,
            segments: Vec::new(),
            opaque: Vec::new(),
        };
        view.read_params(params)?;
        let mut at = Walker::default();
        if let Some(params) = params {
            at.entries(params, Part::Other, |at, entry| param(at, method, entry));
        }
        view.segments = at.segments;
        view.opaque = at.opaque;
        Ok(view)
    }

    fn read_params(&mut self, params: Option<Value<'_, 'a>>) -> Result<(), ViewError> {
        let get = |key: &str| params.and_then(|params| params.get(key));
        let member = match self.method {
            Method::ToolsCall | Method::PromptsGet => Some(("name", "/params/name")),
            Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
                Some(("uri", "/params/uri"))
            }
            _ => None,
        };
        if let Some((key, member)) = member {
            let value = get(key).ok_or(ViewError::Missing { member })?;
            let target = Target::read(value).filter(|target| !target.text.is_empty());
            self.target = Some(target.ok_or(ViewError::WrongKind { member, wanted: "a name" })?);
        }
        if matches!(self.method, Method::ToolsCall | Method::PromptsGet) {
            self.arguments = object(get("arguments"), "/params/arguments")?;
        }
        if self.method.may_ask() {
            self.input_responses = object(get("inputResponses"), "/params/inputResponses")?;
            self.request_state = text(get("requestState"), "/params/requestState")?;
        }
        if matches!(
            self.method,
            Method::ToolsList | Method::PromptsList | Method::ResourcesList | Method::ResourcesTemplatesList
        ) {
            self.cursor = text(get("cursor"), "/params/cursor")?;
        }
        match self.method {
            Method::Initialize => {
                let member = "/params/protocolVersion";
                let version = text(get("protocolVersion"), member)?.ok_or(ViewError::Missing { member })?;
                self.declared = Some(version.text);
                // Whatever `_meta` says besides: a handshake is no stateless request.
                self.era = Era::Handshake;
            }
            Method::CompletionComplete => self.reference = get("ref").and_then(Reference::read),
            Method::Cancelled => self.cancels = get("requestId").and_then(Id::read),
            Method::Progress => self.progress_token = get("progressToken").and_then(Id::read),
            _ => {}
        }
        Ok(())
    }

    /// The revision that the message names, if it is known.
    #[must_use]
    pub fn revision(&self) -> Option<Revision> {
        self.declared.as_deref().and_then(Revision::parse)
    }

    /// Addresses another tool, prompt or resource, or completes for another. The view then says the new name, and so do the headers
    /// made from it ([`super::headers_for`]); its spans stay those of the text that was read.
    #[must_use]
    pub fn rename(&mut self, name: &str) -> Option<Splice> {
        let target = match self.reference.as_mut() {
            Some(reference) => reference.target_mut(),
            None => self.target.as_mut()?,
        };
        target.text = Cow::Owned(name.to_owned());
        Some(Splice::text(target.span.clone(), name))
    }

    /// Brings another state back, where the call brings one.
    #[must_use]
    pub fn replace_request_state(&self, state: &str) -> Option<Splice> {
        self.request_state.as_ref().map(|given| Splice::text(given.span.clone(), state))
    }

    /// Sets (JSON text) or removes (`None`) members of `_meta`, which is made where it is missing. The keys
    /// must differ; all calls in one go, since two would overlap. What is not named stays as it is, but for
    /// spaces around it where a member is removed.
    ///
    /// `document` is what the view was read from.
    #[must_use]
    pub fn set_meta(&mut self, document: &Document<'_>, changes: &[(&str, Option<&str>)]) -> Vec<Splice> {
        for (key, value) in changes {
            if *key == meta_key::PROTOCOL_VERSION && self.method != Method::Initialize {
                let said = value.and_then(|value| {
                    let version = Document::parse(value.as_bytes(), &crate::json::Limits::default()).ok()?;
                    version.root().as_str().map(|text| text.into_owned())
                });
                self.era = if said.is_some() { Era::Stateless } else { Era::Handshake };
                self.declared = said.map(Cow::Owned);
            }
        }
        meta::set(document, changes)
    }
}

fn object(value: Option<Value<'_, '_>>, member: &'static str) -> Result<Option<Range<usize>>, ViewError> {
    match value {
        None => Ok(None),
        Some(value) if value.kind() == Kind::Object => Ok(Some(value.span())),
        // Read as absent by all that are known.
        Some(value) if value.is_null() => Ok(None),
        Some(_) => Err(ViewError::WrongKind { member, wanted: "an object" }),
    }
}

fn text<'a>(value: Option<Value<'_, 'a>>, member: &'static str) -> Result<Option<Target<'a>>, ViewError> {
    match value {
        None => Ok(None),
        Some(value) if value.is_null() => Ok(None),
        Some(value) => {
            Target::read(value).map(Some).ok_or(ViewError::WrongKind { member, wanted: "a string" })
        }
    }
}

/// One member of the parameters of a call; of a request within a result too.
pub(super) fn param<'a>(at: &mut Walker<'a>, method: Method, entry: Entry<'_, 'a>) {
    let value = entry.value;
    match (method, entry.key.as_ref()) {
        (_, "_meta") => at.meta(value),
        (Method::ToolsCall | Method::PromptsGet, "name") => at.word(value),
        (Method::ToolsCall | Method::PromptsGet, "arguments") => at.free(value, Part::Argument),
        (
            Method::ResourcesRead
            | Method::ResourcesSubscribe
            | Method::ResourcesUnsubscribe
            | Method::ResourcesUpdated,
            "uri",
        ) => at.text(value, Part::Uri),
        (Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead, "requestState") => {
            at.opaque(value, OpaqueKind::State);
        }
        (Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead, "inputResponses") => {
            at.entries(value, Part::InputResponse, |at, entry| at_answer(at, entry));
        }
        (Method::Initialize, "protocolVersion")
        | (Method::LoggingSetLevel, "level")
        | (Method::Cancelled, "requestId")
        | (Method::Progress, "progressToken")
        | (Method::ElicitationComplete, "elicitationId")
        | (Method::LogMessage, "level") => at.word(value),
        (
            Method::ToolsList | Method::PromptsList | Method::ResourcesList | Method::ResourcesTemplatesList,
            "cursor",
        ) => at.opaque(value, OpaqueKind::State),
        (Method::Initialize, "capabilities" | "clientInfo") => at.peer(value),
        (Method::CompletionComplete, "ref" | "argument" | "context") => at.free(value, Part::Argument),
        (Method::SubscriptionsListen | Method::SubscriptionsAcknowledged, "notifications") => {
            at.free(value, Part::Uri);
        }
        (Method::Progress, "message")
        | (Method::Cancelled, "reason")
        | (Method::LogMessage, "data" | "logger") => {
            at.free(value, Part::Log);
        }
        (Method::SamplingCreateMessage, "messages") => {
            at.items(value, Part::Sampling, |at, message| sampled(at, message));
        }
        (
            Method::SamplingCreateMessage,
            "systemPrompt" | "stopSequences" | "metadata" | "modelPreferences",
        ) => {
            at.free(value, Part::Sampling);
        }
        (Method::SamplingCreateMessage, "includeContext") => at.word(value),
        (Method::SamplingCreateMessage, "tools" | "toolChoice") => at.definition(value),
        (Method::ElicitationCreate, "message") => at.text(value, Part::Elicitation),
        (Method::ElicitationCreate, "requestedSchema") => at.definition(value),
        (Method::ElicitationCreate, "url") => at.text(value, Part::Uri),
        (Method::ElicitationCreate, "mode" | "elicitationId") => at.word(value),
        (Method::SamplingCreateMessage, "maxTokens" | "temperature")
        | (Method::Progress, "progress" | "total") => at.free(value, Part::Other),
        _ => at.other(entry),
    }
}

/// A message of a sampling request, or the whole result of one.
pub(super) fn sampled<'a>(at: &mut Walker<'a>, message: Value<'_, 'a>) {
    at.entries(message, Part::Sampling, |at, entry| match entry.key.as_ref() {
        "role" | "model" | "stopReason" => at.word(entry.value),
        "content" => at.content(entry.value, Part::Sampling),
        "_meta" => at.meta(entry.value),
        _ => at.other(entry),
    });
}

/// What a client answers to one request of a server; the key is chosen by the server.
fn at_answer<'a>(at: &mut Walker<'a>, entry: Entry<'_, 'a>) {
    at.key(&entry);
    at.entries(entry.value, Part::InputResponse, |at, entry| match entry.key.as_ref() {
        "action" | "role" | "model" | "stopReason" => at.word(entry.value),
        // Of a completion a block or blocks, of an elicitation a form.
        "content" if is_blocks(entry.value) => at.content(entry.value, Part::InputResponse),
        "content" | "roots" => at.free(entry.value, Part::InputResponse),
        "_meta" => at.meta(entry.value),
        _ => at.other(entry),
    });
}

/// Whether a value is a content block or a list of them rather than a form.
pub(super) fn is_blocks(value: Value<'_, '_>) -> bool {
    value.kind() == Kind::Array
        || value.get("type").is_some_and(|kind| {
            kind.as_str().is_some_and(|kind| {
                matches!(kind.as_ref(), "text" | "image" | "audio" | "tool_use" | "tool_result")
            })
        })
}
